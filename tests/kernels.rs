//! Every kernel against the naive reference, at all edge sizes from 1 to twice its tile; integers exactly, floats bit
//! for bit (the order of sums is part of the contract).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::kernels::conv::{self, Conv, ConvShape, conv2d};
use featherweight::kernels::linear::{self, linear};
use featherweight::kernels::matmul::{Matrix, matmul};
use featherweight::kernels::pool::{PoolShape, average_pool, max_pool};
use featherweight::kernels::softmax::softmax;
use featherweight::kernels::{AddBias, Rescale, reference};
use featherweight::ops::{Add, CausalAttention, LayerParams, MatMul, Op, Scratch, Softmax, Transpose};
use featherweight::rng::Rng;
use featherweight::simd::{F32x8, I32x8, LANES, Lane};
use featherweight::tensor::Shape;

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
            let packed = linear::pack(&weights, k, rows);
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
            let packed = linear::pack(&weights, k, rows);
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

#[test]
fn products_of_activations_equal_the_reference() {
    let mut rng = Rng::stream(6, "matmul", 0);
    for m in [1, 2, 5] {
        for n in 1..=9 {
            for k in [1, 2, 7, 16] {
                let lefts: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, m * k)).collect();
                let rights: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, k * n)).collect();
                let (left, right) = (interleave(&lefts), interleave(&rights));
                for transposed in [false, true] {
                    let left = Matrix::new(left.as_chunks().0, k);
                    let right = right.as_chunks().0;
                    let right = if transposed { Matrix::new(right, k).transposed() } else { Matrix::new(right, n) };
                    let mut out = vec![f32::NAN; m * n * LANES];
                    let cells = out.as_chunks_mut::<LANES>().0;
                    matmul([m, k, n], left, right, &mut |at, sum| sum.store(&mut cells[at]));
                    for lane in 0..LANES {
                        let expected = reference::matmul([m, k, n], &lefts[lane], &rights[lane], transposed, 1.0);
                        assert_lanes(&out, lane, &expected, &format!("{m}×{k}×{n} {transposed}"));
                    }
                }
            }
        }
    }
}

#[test]
fn softmax_equals_the_reference() {
    let mut rng = Rng::stream(7, "softmax", 0);
    for len in 1..=17 {
        let mut images: Vec<Vec<f32>> =
            (0..LANES).map(|_| (0..len).map(|_| rng.uniform(-30.0, 30.0)).collect()).collect();
        images[1][0] = 88.0;
        images[2][len - 1] = if len > 1 { f32::NEG_INFINITY } else { 0.0 };
        let mut row: Vec<F32x8> = interleave(&images).as_chunks().0.iter().map(F32x8::load).collect();
        softmax(&mut row, F32x8::splat(1.0));
        let out: Vec<f32> = row.iter().flat_map(|v| v.to_array()).collect();
        for (lane, image) in images.iter().enumerate() {
            assert_lanes(&out, lane, &reference::softmax(len, image), &format!("softmax of {len}"));
        }
    }
}

fn run(op: &dyn Op, inputs: &[(&Shape, &[f32])]) -> (Shape, Vec<f32>) {
    let shapes: Vec<&Shape> = inputs.iter().map(|input| input.0).collect();
    let shape = op.output(&shapes).unwrap();
    let mut out = vec![f32::NAN; shape.len() * LANES];
    let values: Vec<&[f32]> = inputs.iter().map(|input| input.1).collect();
    let layer = op.prepare(&shapes, &LayerParams::default()).unwrap();
    layer.forward(&values, &mut out, &mut Scratch::default());
    (shape, out)
}

#[test]
fn the_ops_take_batches_of_matrices_and_the_last_axis() {
    let mut rng = Rng::stream(8, "matmul", 0);
    let ([b, m, k, n], factor) = ([3, 4, 5, 6], 0.3);
    let lefts: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, b * m * k)).collect();
    let rights: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, b * k * n)).collect();
    let left = Shape::new(&[b, m, k]).unwrap();
    for transposed in [false, true] {
        let right = Shape::new(&if transposed { [b, n, k] } else { [b, k, n] }).unwrap();
        let op = MatMul { transposed, factor };
        assert_eq!(op.macs(&[&left, &right]).unwrap(), (b * m * k * n) as u64);
        let (shape, out) = run(&op, &[(&left, &interleave(&lefts)), (&right, &interleave(&rights))]);
        assert_eq!(shape.dims(), [b, m, n]);
        let (shares_shape, shares) = run(&Softmax, &[(&shape, &out)]);
        assert_eq!(shares_shape.dims(), [b, m, n]);
        for lane in 0..LANES {
            let (lefts, rights) = (lefts[lane].chunks(m * k), rights[lane].chunks(k * n));
            let products = lefts.zip(rights);
            let expected: Vec<f32> =
                products.flat_map(|(l, r)| reference::matmul([m, k, n], l, r, transposed, factor)).collect();
            assert_lanes(&out, lane, &expected, "batched");
            assert_lanes(&shares, lane, &reference::softmax(n, &expected), "last axis");
        }
        let other = Shape::new(&[b + 1, k, k]).unwrap();
        assert!(op.output(&[&left, &other]).is_err() && op.output(&[&left]).is_err());
    }
    assert!(Softmax.output(&[&left, &left]).is_err());
}

/// Transposes, products, a mask of −∞ and a softmax do what the fused operation does in the same order: scores over the
/// channels ascending and then the scale, terms in token order, values in token order. A weight of 0 behind the last
/// attended token adds nothing. So all bits are the same.
#[test]
fn attention_of_separate_ops_has_the_bits_of_the_fused_one() {
    let mut rng = Rng::stream(9, "attention", 0);
    for (heads, width, tokens) in [(1, 4, 6), (2, 3, 9), (4, 8, 5)] {
        let images: Vec<Vec<f32>> = (0..LANES).map(|_| random(&mut rng, 3 * heads * width * tokens)).collect();
        let block = interleave(&images);
        let whole = Shape::new(&[3 * heads * width, tokens, 1]).unwrap();
        let (_, fused) = run(&CausalAttention { heads }, &[(&whole, &block)]);

        let part = Shape::new(&[heads, width, tokens]).unwrap();
        let parts: Vec<&[f32]> = block.chunks(part.len() * LANES).collect();
        let [queries, keys, values] = [parts[0], parts[1], parts[2]];
        let turn = Transpose { order: vec![0, 2, 1] };
        let (turned, queries) = run(&turn, &[(&part, queries)]);
        let factor = 1.0 / (width as f32).sqrt();
        let product = MatMul { transposed: false, factor };
        let (square, scores) = run(&product, &[(&turned, &queries), (&part, keys)]);
        let masked = |i: usize| i % tokens > i / tokens % tokens;
        let mask = (0..square.len()).flat_map(|i| [if masked(i) { f32::NEG_INFINITY } else { 0.0 }; LANES]);
        let (_, scores) = run(&Add, &[(&square, &scores), (&square, &mask.collect::<Vec<_>>())]);
        let (_, weights) = run(&Softmax, &[(&square, &scores)]);
        let product = MatMul { transposed: true, factor: 1.0 };
        let (mixed, out) = run(&product, &[(&square, &weights), (&part, values)]);
        let (_, out) = run(&turn, &[(&mixed, &out)]);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out), bits(&fused), "{heads} heads of {width}, {tokens} tokens");
    }
}
