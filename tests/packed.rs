//! Kernels that run from packed weights against decoded ones and the naive reference, at all edge sizes from 1 to twice the
//! tile: floats bit for bit, integers exactly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::formats::{self, FORMATS, PackedTensor, group_scale};
use featherweight::kernels::conv::{Conv, ConvShape, conv2d};
use featherweight::kernels::linear::{linear, pack};
use featherweight::kernels::sparse::{Csr, RowBlocks, SparseConv};
use featherweight::kernels::two_four::TwoFour;
use featherweight::kernels::weight_only::{Coding, Scales, TILE_ROWS, WeightOnly};
use featherweight::kernels::xnor::{self, SignConv, SignScratch, Signs};
use featherweight::kernels::{AddBias, Rescale, reference};
use featherweight::math::canonical_nan;
use featherweight::rng::Rng;
use featherweight::simd::{F32x8, I32x8, LANES};
use featherweight::tensor::{Shape, Tensor};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

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
        let granule = formats::Granule { scale: 0.013, ..formats::Granule::UNIT };
        // Those of 16 and 8 bits take finite numbers alone.
        let exact = |code: &u32| coding == Coding::Bf16 || format.decode(*code, &granule).is_finite();
        let codes: Vec<u32> = (0..1u64 << coding.bits()).map(|code| code as u32).filter(exact).collect();
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
    assert!(!new(Coding::Int4, 6, Scales::Rows(&[1.0, 128.0])));
    for (coding, least, most) in [(Coding::F16, 0x7bff, 0x7c00), (Coding::E4m3, 0xfe, 0xff), (Coding::E5m2, 0x7b, 0xfc)]
    {
        let scales = if coding.scaled() { Scales::Rows(&[1.0]) } else { Scales::None };
        assert!(WeightOnly::new(coding, &[0, least], 2, scales).is_some());
        assert!(WeightOnly::new(coding, &[0, most], 2, scales).is_none());
    }
}

fn signs(rng: &mut Rng, n: usize) -> Vec<i32> {
    (0..n).map(|_| if rng.below(2) == 0 { -1 } else { 1 }).collect()
}

/// Inputs of any size whose signs are these, zeros for some of the positive ones.
fn with_signs(rng: &mut Rng, signs: &[i32]) -> Vec<f32> {
    signs.iter().map(|&s| if s > 0 && rng.below(4) == 0 { 0.0 } else { s as f32 * rng.uniform(0.001, 9.0) }).collect()
}

#[test]
fn signs_times_signs_are_the_integer_sums() {
    let mut rng = Rng::stream(3, "packed", 0);
    let (mut lanes, mut block) = (Vec::new(), Vec::new());
    for rows in [1, 2, 7, 16] {
        for inputs in (1..=130).chain([784]) {
            let (weights, x) = (signs(&mut rng, rows * inputs), signs(&mut rng, inputs * LANES));
            let bias: Vec<i32> = (0..rows).map(|_| rng.below(99) as i32 - 49).collect();
            let scale = random(&mut rng, rows);
            let rescale = Rescale { bias: &bias, scale: &scale };
            let (mut found, mut expected) = (vec![f32::NAN; rows * LANES], vec![0.0; rows * LANES]);
            linear::<I32x8>(&pack(&weights, inputs, rows), &x, &rescale, &mut expected);
            xnor::pack_block(&with_signs(&mut rng, &x), &mut lanes, &mut block);
            xnor::linear(&Signs::new(&weights, inputs).unwrap(), &block, &rescale, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{rows}×{inputs}");
        }
    }
    assert!(Signs::new(&[1, 0, -1, 1], 2).is_none() && Signs::new(&[1, 2], 2).is_none());
    assert!(Signs::new(&[1, 1, -1], 2).is_none() && Signs::new(&[], 0).is_none());
}

/// Convolutions of many shapes: channels below, at and past a word, strides, padding, groups.
fn shapes() -> Vec<ConvShape> {
    let mut shapes = Vec::new();
    for (channels, side, kernel, stride, padding, groups) in [
        (1, 5, 3, 1, 1, 1),
        (2, 7, 5, 1, 2, 1),
        (3, 6, 3, 2, 1, 1),
        (16, 5, 3, 1, 1, 1),
        (17, 4, 1, 1, 0, 1),
        (64, 4, 3, 1, 1, 1),
        (65, 4, 2, 1, 1, 1),
        (130, 3, 3, 3, 1, 1),
        (4, 9, 3, 1, 1, 4),
        (6, 10, 3, 1, 0, 3),
    ] {
        for rows in [1, 3] {
            let input = [channels, side, side + 1];
            let out_channels = rows * groups;
            shapes.push(ConvShape { input, out_channels, kernel: [kernel; 2], stride, padding, groups });
        }
    }
    shapes
}

#[test]
fn convolutions_of_signs_are_the_integer_sums_with_zero_padding() {
    let mut rng = Rng::stream(4, "packed", 0);
    let mut scratch = SignScratch::default();
    for shape in shapes() {
        shape.check().unwrap();
        let weights = signs(&mut rng, shape.out_channels * shape.taps());
        let x = signs(&mut rng, shape.input.iter().product::<usize>() * LANES);
        let scale = random(&mut rng, shape.out_channels);
        let rescale = Rescale { bias: &[], scale: &scale };
        let size = shape.output().iter().product::<usize>() * LANES;
        let (mut found, mut expected) = (vec![f32::NAN; size], vec![0.0; size]);
        conv2d::<I32x8>(&Conv::new(shape, &weights), &x, &rescale, &mut expected);
        let conv = SignConv::new(shape, &weights).unwrap();
        conv.run(&with_signs(&mut rng, &x), &mut scratch, &rescale, &mut found);
        assert_eq!(bits(&found), bits(&expected), "{shape:?}");
    }
}

/// Weights of which about `zeros` in ten are 0 or −0.
fn thinned(rng: &mut Rng, n: usize, zeros: u64) -> Vec<f32> {
    let mut weight = || match rng.below(10) {
        roll if roll < zeros => [0.0, -0.0][(roll & 1) as usize],
        _ => rng.uniform(-1.0, 1.0),
    };
    (0..n).map(|_| weight()).collect()
}

#[test]
fn sparse_linear_gives_what_the_dense_kernel_gives_with_zeros_in_place() {
    let mut rng = Rng::stream(5, "packed", 0);
    for rows in 1..=17 {
        for inputs in [1, 3, 4, 7, 32, 33, 70] {
            for zeros in [0, 5, 9, 10] {
                let mut weights = thinned(&mut rng, rows * inputs, zeros);
                let bias = if zeros == 5 { Vec::new() } else { random(&mut rng, rows) };
                let x = random(&mut rng, inputs * 6 * LANES);
                let one: Vec<f32> = x.chunks(LANES).take(inputs).map(|lanes| lanes[0]).collect();
                let dense = |weights: &[f32], blocks: usize| {
                    let packed = pack(weights, inputs, rows);
                    let mut out = vec![f32::NAN; blocks * rows * LANES];
                    for (x, out) in x.chunks(inputs * LANES).zip(out.chunks_mut(rows * LANES)) {
                        linear::<F32x8>(&packed, x, &AddBias(&bias), out);
                    }
                    bits(&out)
                };
                let (mut vector, mut block) = (vec![f32::NAN; rows], vec![f32::NAN; 6 * rows * LANES]);
                let what = format!("{rows}×{inputs}, {zeros}");
                let csr = Csr::new(&weights, inputs).unwrap();
                csr.blocks(&x, &bias, &mut block);
                assert_eq!(bits(&block), dense(&weights, 6), "csr {what}");
                csr.gemv(&one, &bias, &mut vector);
                assert_eq!(bits(&vector), bits(&reference::linear(&weights, &bias, &one)), "csr {what}");
                let block = &mut block[..rows * LANES];
                let blocks = RowBlocks::new(&weights, inputs).unwrap();
                blocks.block(&x[..inputs * LANES], &bias, block);
                assert_eq!(bits(block), dense(&weights, 1), "4x1 {what}");
                blocks.gemv(&one, &bias, &mut vector);
                assert_eq!(bits(&vector), bits(&reference::linear(&weights, &bias, &one)), "4x1 {what}");
                for four in weights.chunks_mut(inputs).flat_map(|row| row.chunks_mut(4)) {
                    let most = four.len();
                    four[rng.below(most as u64) as usize] = 0.0;
                    let kept: Vec<usize> = (0..most).filter(|&i| four[i] != 0.0).collect();
                    kept.iter().skip(2).for_each(|&i| four[i] = 0.0);
                }
                let pairs = TwoFour::new(&weights, inputs).unwrap();
                pairs.block(&x[..inputs * LANES], &bias, block);
                assert_eq!(bits(block), dense(&weights, 1), "2:4 {what}");
                pairs.gemv(&one, &bias, &mut vector);
                assert_eq!(bits(&vector), bits(&reference::linear(&weights, &bias, &one)), "2:4 {what}");
            }
        }
    }
    assert!(TwoFour::new(&[1.0, 2.0, 0.0, 3.0], 4).is_none());
    assert!(Csr::new(&[1.0; 3], 2).is_none() && RowBlocks::new(&[1.0; 3], 2).is_none());
}

#[test]
fn sparse_convolution_gives_what_the_dense_kernel_gives() {
    let mut rng = Rng::stream(6, "packed", 0);
    for shape in shapes() {
        for zeros in [0, 6, 10] {
            let weights = thinned(&mut rng, shape.out_channels * shape.taps(), zeros);
            let bias = random(&mut rng, shape.out_channels);
            let x = random(&mut rng, shape.input.iter().product::<usize>() * LANES);
            let size = shape.output().iter().product::<usize>() * LANES;
            let (mut found, mut expected) = (vec![f32::NAN; size], vec![0.0; size]);
            conv2d::<F32x8>(&Conv::new(shape, &weights), &x, &AddBias(&bias), &mut expected);
            SparseConv::new(shape, &weights).unwrap().run(&x, &mut Vec::new(), &bias, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{shape:?}");
        }
    }
}

#[test]
fn a_skipped_zero_does_not_meet_an_infinite_input() {
    let x = [f32::INFINITY, 2.0];
    let mut out = [0.0];
    Csr::new(&[0.0, 3.0], 2).unwrap().gemv(&x, &[], &mut out);
    assert_eq!((out, reference::linear(&[0.0, 3.0], &[], &x)[0].is_nan()), ([6.0], true));
}
