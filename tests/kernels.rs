//! Every kernel against the naive reference, at all edge sizes from 1 to twice its tile; integers exactly, floats bit
//! for bit (the order of sums is part of the contract).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::kernels::conv::{self, Conv, ConvShape, conv2d};
use featherweight::kernels::linear::{self, linear};
use featherweight::kernels::pack::Packed;
use featherweight::kernels::pool::{PoolShape, average_pool, max_pool};
use featherweight::kernels::{AddBias, Rescale, reference};
use featherweight::rng::Rng;
use featherweight::simd::{F32x8, I32x8, LANES};

fn random(rng: &mut Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

/// Eight images as one block, `[feature][lane]`.
fn interleave<T: Copy>(images: &[Vec<T>]) -> Vec<T> {
    (0..images[0].len()).flat_map(|feature| images.iter().map(move |image| image[feature])).collect()
}

fn assert_lanes(block: &[f32], lane: usize, expected: &[f32], what: &str) {
    let found: Vec<u32> = block.chunks_exact(LANES).map(|lanes| lanes[lane].to_bits()).collect();
    let expected: Vec<u32> = expected.iter().map(|v| v.to_bits()).collect();
    assert_eq!(found, expected, "{what}, lane {lane}");
}

#[test]
fn linear_equals_the_reference() {
    let mut rng = Rng::stream(1, "linear", 0);
    for rows in 1..=2 * linear::TILE_ROWS {
        for k in [1, 2, 7, 16, 33] {
            let (weights, bias) = (random(&mut rng, rows * k), random(&mut rng, rows));
            let images: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, k)).collect();
            let mut out = vec![f32::NAN; rows * LANES];
            let packed = Packed::new(&weights, k, rows, linear::TILE_ROWS);
            linear::<F32x8>(&packed, &interleave(&images), &AddBias(&bias), &mut out);
            for (lane, image) in images.iter().enumerate() {
                assert_lanes(&out, lane, &reference::linear(&weights, &bias, image), &format!("{rows}×{k}"));
            }
        }
    }
}

#[test]
fn integer_linear_is_exact_up_to_the_ends_of_the_range() {
    let mut rng = Rng::stream(2, "linear", 0);
    for (rows, k) in [(1, 1), (3, 64), (5, 784), (9, 33)] {
        for extreme in [false, true] {
            let mut draw = |n: usize, most: u64| -> Vec<i32> {
                let mut one = || rng.below(2 * most + 1) as i32 - most as i32;
                (0..n).map(|_| if extreme { most as i32 * if one() < 0 { -1 } else { 1 } } else { one() }).collect()
            };
            let weights = draw(rows * k, 255);
            let images: Vec<Vec<i32>> = (0..LANES).map(|_| draw(k, 255)).collect();
            let bias: Vec<i32> = draw(rows, 1 << 20);
            let scale: Vec<f32> = (0..rows).map(|row| 0.25 + row as f32).collect();
            let mut out = vec![f32::NAN; rows * LANES];
            let packed = Packed::new(&weights, k, rows, linear::TILE_ROWS);
            let rescale = Rescale { bias: &bias, scale: &scale };
            linear::<I32x8>(&packed, &interleave(&images), &rescale, &mut out);
            for (lane, image) in images.iter().enumerate() {
                let exact = reference::linear_i64(&weights, image);
                let expected: Vec<f32> = (0..rows)
                    .map(|row| i32::try_from(exact[row] + i64::from(bias[row])).unwrap() as f32 * scale[row])
                    .collect();
                assert_lanes(&out, lane, &expected, &format!("{rows}×{k}"));
            }
        }
    }
}

#[test]
fn conv2d_equals_the_reference() {
    let mut rng = Rng::stream(3, "conv", 0);
    let mut shapes = Vec::new();
    for out_channels in 1..=2 * conv::TILE_ROWS {
        for (channels, side, kernel, stride, padding) in
            [(1, 5, 3, 1, 1), (2, 7, 5, 1, 2), (3, 6, 3, 2, 1), (1, 4, 1, 1, 0), (2, 8, 3, 3, 0), (1, 3, 3, 1, 0)]
        {
            let input = [channels, side, side + 1];
            shapes.push(ConvShape { input, out_channels, kernel: [kernel; 2], stride, padding, groups: 1 });
        }
    }
    for (channels, out_channels, groups) in [(4, 4, 4), (4, 8, 2), (6, 3, 3)] {
        let input = [channels, 6, 5];
        shapes.push(ConvShape { input, out_channels, kernel: [3; 2], stride: 1, padding: 1, groups });
    }
    for shape in shapes {
        shape.check().unwrap();
        let weights = random(&mut rng, shape.out_channels * shape.taps());
        let bias = random(&mut rng, shape.out_channels);
        let size = shape.input.iter().product();
        let images: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, size)).collect();
        let mut out = vec![f32::NAN; shape.output().iter().product::<usize>() * LANES];
        let conv = Conv::new(shape, &weights);
        conv2d::<F32x8>(&conv, &interleave(&images), &AddBias(&bias), &mut out);
        for (lane, image) in images.iter().enumerate() {
            assert_lanes(&out, lane, &reference::conv2d(&shape, &weights, &bias, image), &format!("{shape:?}"));
        }
    }
}

#[test]
fn integer_conv2d_equals_the_float_one_on_whole_numbers() {
    // Sums below 2^24 are exact in f32 too, so the float kernel is an oracle.
    let mut rng = Rng::stream(4, "conv", 0);
    let shape = ConvShape { input: [3, 9, 8], out_channels: 7, kernel: [3; 2], stride: 2, padding: 1, groups: 1 };
    let mut draw = |n: usize| -> Vec<i32> { (0..n).map(|_| rng.below(255) as i32 - 127).collect() };
    let weights = draw(7 * shape.taps());
    let block = draw(shape.input.iter().product::<usize>() * LANES);
    let float = |v: &[i32]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
    let size = shape.output().iter().product::<usize>() * LANES;
    let (mut exact, mut found) = (vec![0.0; size], vec![0.0; size]);
    let conv = Conv::new(shape, &float(&weights));
    conv2d::<F32x8>(&conv, &float(&block), &AddBias(&[]), &mut exact);
    let rescale = Rescale { bias: &[], scale: &[1.0; 7] };
    conv2d::<I32x8>(&Conv::new(shape, &weights), &block, &rescale, &mut found);
    assert_eq!(exact, found);
}

#[test]
fn pooling_equals_the_reference() {
    let mut rng = Rng::stream(5, "pool", 0);
    for (kernel, stride) in [(1, 1), (2, 2), (3, 2), (2, 3), (5, 1)] {
        let shape = PoolShape { input: [3, 7, 6], kernel, stride };
        let images: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, 3 * 7 * 6)).collect();
        let block = interleave(&images);
        let size = shape.output().iter().product::<usize>() * LANES;
        let (mut most, mut mean) = (vec![0.0; size], vec![0.0; size]);
        max_pool(&shape, &block, &mut most);
        average_pool(&shape, &block, &mut mean);
        for (lane, image) in images.iter().enumerate() {
            let max = |window: &[f32]| window.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_lanes(&most, lane, &reference::pool(&shape, image, max), "max");
            let average = |window: &[f32]| window.iter().fold(0.0, |sum, v| sum + v) / window.len() as f32;
            assert_lanes(&mean, lane, &reference::pool(&shape, image, average), "average");
        }
    }
}
