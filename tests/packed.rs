//! Kernels that run from packed weights against decoded ones and the naive reference, at all edge sizes from 1 to twice the
//! tile: floats bit for bit, integers exactly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::formats::{self, FORMATS, PackedTensor, group_scale};
use featherweight::kernels::reference;
use featherweight::kernels::weight_only::{Coding, Scales, TILE_ROWS, WeightOnly};
use featherweight::math::canonical_nan;
use featherweight::rng::Rng;
use featherweight::simd::LANES;
use featherweight::tensor::{Shape, Tensor};

fn random(rng: &mut Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

/// Images as blocks of eight, `[block][feature][lane]`.
fn interleave(images: &[Vec<f32>]) -> Vec<f32> {
    let block = |images: &[Vec<f32>]| -> Vec<f32> {
        (0..images[0].len()).flat_map(|k| images.iter().map(move |image| image[k])).collect()
    };
    images.chunks(LANES).flat_map(block).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|&v| canonical_nan(v).to_bits()).collect()
}

/// Both variants of a kernel against the decoded weights.
fn check(kernel: &WeightOnly, decoded: &[f32], inputs: usize, rng: &mut Rng) {
    let rows = kernel.rows();
    assert_eq!(decoded.len(), rows * inputs);
    for bias in [random(rng, rows), Vec::new()] {
        let images: Vec<Vec<f32>> = (0..2 * LANES).map(|_| random(rng, inputs)).collect();
        let mut found = vec![f32::INFINITY; 2 * rows * LANES];
        kernel.blocks(&interleave(&images), &bias, &mut Vec::new(), &mut found);
        let expected: Vec<Vec<f32>> = images.iter().map(|image| reference::linear(decoded, &bias, image)).collect();
        assert_eq!(bits(&found), bits(&interleave(&expected)), "{} {rows}×{inputs}", kernel.id("block"));
        let mut found = vec![f32::INFINITY; rows];
        kernel.gemv(&images[0], &bias, &mut found);
        assert_eq!(bits(&found), bits(&expected[0]), "{} {rows}×{inputs}", kernel.id("gemv"));
    }
}

#[test]
fn packed_weights_give_what_decoded_weights_give() {
    let mut rng = Rng::stream(1, "packed", 0);
    let mut kernels = 0;
    for rows in 1..=2 * TILE_ROWS {
        for inputs in [1, 3, 8, 24, 35] {
            let shape = Shape::new(&[rows, inputs]).unwrap();
            let weights = Tensor::new(shape, random(&mut rng, rows * inputs)).unwrap();
            for format in FORMATS {
                for granules in [1, rows, rows * inputs.div_ceil(8)] {
                    let grouped = granules > rows && format.family() == formats::Family::Integer;
                    if !(rows * inputs).is_multiple_of(granules) || (granules > rows && !grouped) {
                        continue;
                    }
                    let fit = |values: &[f32]| {
                        let granule = format.fit(values, true);
                        let scale = if grouped { group_scale(granule.scale) } else { granule.scale };
                        formats::Granule { scale, ..granule }
                    };
                    let fitted = weights.data().chunks(rows * inputs / granules).map(fit).collect();
                    let pack = if grouped { PackedTensor::grouped } else { PackedTensor::new };
                    let packed = pack(*format, &weights, fitted).unwrap();
                    let Some(kernel) = packed.weight_only() else { continue };
                    check(&kernel, packed.decode().unwrap().data(), inputs, &mut rng);
                    kernels += 1;
                }
            }
        }
    }
    assert!(kernels > 3000, "{kernels}");
}

#[test]
fn every_code_is_decoded_as_its_format_does() {
    let mut rng = Rng::stream(2, "packed", 0);
    let codings = [
        ("fp16", Coding::F16),
        ("bf16", Coding::Bf16),
        ("fp8-e4m3", Coding::E4m3),
        ("fp8-e5m2", Coding::E5m2),
        ("int8", Coding::Int8),
        ("int4", Coding::Int4),
        ("int2", Coding::Int2),
    ];
    for (id, coding) in codings {
        let format = formats::find(id).unwrap();
        let codes: Vec<u32> = (0..1u64 << coding.bits()).map(|code| code as u32).collect();
        let granule = formats::Granule { scale: 0.013, ..formats::Granule::UNIT };
        let decoded: Vec<f32> = codes.iter().map(|&code| format.decode(code, &granule)).collect();
        let scales = vec![0.013; codes.len()];
        let scales = if coding.scaled() { Scales::Rows(&scales) } else { Scales::None };
        // One input: every code is an output of its own, so infinities and NaN do not spread.
        check(&WeightOnly::new(coding, &codes, 1, scales).unwrap(), &decoded, 1, &mut rng);
    }
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let codes = [1; 12];
    let new = |coding, inputs, scales| WeightOnly::new(coding, &codes, inputs, scales).is_some();
    assert!(new(Coding::Int4, 6, Scales::Groups { size: 3, scales: &[1.0; 4] }));
    assert!(!new(Coding::Int4, 6, Scales::Groups { size: 4, scales: &[1.0; 3] }));
    assert!(!new(Coding::Int4, 6, Scales::Rows(&[1.0; 3])));
    assert!(!new(Coding::Int4, 5, Scales::Rows(&[1.0; 2])));
    assert!(!new(Coding::Int4, 6, Scales::None));
    assert!(!new(Coding::F16, 6, Scales::Rows(&[1.0; 2])));
}
