//! The integer kernels against exact sums in 64 bits: every way to store weights, both dot instructions, all edge sizes
//! from 1 to twice a tile, and the ends of every range.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::kernels::conv::ConvShape;
use featherweight::kernels::integer::{Buffers, Choice, Integer, Layout, Packed, Steps, TILE_ROWS};
use featherweight::kernels::{Plain, Rescale, RowSink, reference};
use featherweight::math::round_ties_even;
use featherweight::rng::Rng;
use featherweight::simd::{Dot, I8Quads, I16Pairs, LANES, whole_bytes};

fn linear(inputs: usize, outputs: usize) -> ConvShape {
    ConvShape { input: [inputs, 1, 1], out_channels: outputs, kernel: [1, 1], stride: 1, padding: 0, groups: 1 }
}

/// Whole numbers in `low..=high`, only its ends when `extreme`.
fn draw(rng: &mut Rng, n: usize, (low, high): (i32, i32), extreme: bool) -> Vec<i32> {
    let mut one = || low + rng.below((high - low + 1) as u64) as i32;
    (0..n).map(|_| if extreme { if one() <= (low + high) / 2 { low } else { high } } else { one() }).collect()
}

/// The sums of one image in 64 bits, by gathering every output's inputs for the naive linear layer.
fn exact(shape: &ConvShape, weights: &[i32], x: &[i32]) -> Vec<i64> {
    let [rows, out_height, out_width] = shape.output();
    let [_, height, width] = shape.input;
    let (taps, channels) = (shape.taps(), shape.input[0] / shape.groups);
    let mut out = Vec::new();
    for row in 0..rows {
        let group = row / (rows / shape.groups);
        for at in 0..out_height * out_width {
            let mut inputs = Vec::new();
            for tap in 0..taps {
                let (c, ky, kx) = (
                    tap / (shape.kernel[0] * shape.kernel[1]),
                    tap / shape.kernel[1] % shape.kernel[0],
                    tap % shape.kernel[1],
                );
                let y = (at / out_width * shape.stride + ky).checked_sub(shape.padding).filter(|&y| y < height);
                let x_at = (at % out_width * shape.stride + kx).checked_sub(shape.padding).filter(|&x| x < width);
                let value = y.zip(x_at).map_or(0, |(y, at)| x[((group * channels + c) * height + y) * width + at]);
                inputs.push(value);
            }
            out.extend(reference::linear_i64(&weights[row * taps..(row + 1) * taps], &inputs));
        }
    }
    out
}

/// Runs a block of codes (as values on a grid of scale ½) through the layer, and checks every lane against `exact`.
fn check(
    rng: &mut Rng,
    shape: ConvShape,
    weights: (i32, i32),
    codes: (i32, i32),
    extreme: bool,
    choice: Choice,
) -> &'static str {
    let what = format!("{shape:?}, weights {weights:?}, codes {codes:?}");
    shape.check().unwrap();
    let weights = draw(rng, shape.out_channels * shape.taps(), weights, extreme);
    let size = shape.input.iter().product::<usize>();
    let images: Vec<Vec<i32>> = (0..LANES).map(|_| draw(rng, size, codes, extreme)).collect();
    let bias = draw(rng, shape.out_channels, (-1 << 20, 1 << 20), false);
    let scale: Vec<f32> = (0..shape.out_channels).map(|row| 0.25 + row as f32).collect();
    let block: Vec<f32> = (0..size).flat_map(|i| images.iter().map(move |image| image[i] as f32 * 0.5)).collect();
    let steps = Steps { scale: 0.5, low: codes.0.min(0), high: codes.1.max(0) };
    let layer = Integer::new(shape, steps, &weights, choice).unwrap();
    let [_, height, width] = shape.output();
    let mut buffers = Buffers::default();
    for _ in 0..2 {
        let mut out = vec![f32::NAN; shape.out_channels * height * width * LANES];
        layer.run(
            &block,
            &mut buffers,
            &Rescale { bias: &bias, scale: &scale },
            &mut Plain::new(&mut out, [height, width]),
        );
        for (lane, image) in images.iter().enumerate() {
            for (at, sum) in exact(&shape, &weights, image).into_iter().enumerate() {
                let row = at / (height * width);
                let expected = i32::try_from(sum + i64::from(bias[row])).unwrap() as f32 * scale[row];
                assert_eq!(out[at * LANES + lane].to_bits(), expected.to_bits(), "{what}, {at}, lane {lane}");
            }
        }
    }
    layer.id()
}

/// Ranges of weights, one for every way to store them: fields with and without a center inside, bytes, words.
const WEIGHTS: [(i32, i32); 9] =
    [(-1, 1), (-2, 1), (0, 3), (-7, 7), (-15, 0), (-127, 127), (-128, 127), (-255, 0), (-32767, 32767)];

#[test]
fn linear_layers_are_exact_at_every_edge() {
    let mut rng = Rng::stream(1, "integer", 0);
    for rows in 1..=2 * TILE_ROWS {
        for k in [1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 128] {
            for weights in WEIGHTS {
                for codes in [(0, 127), (-127, 127), (-255, 255)] {
                    for choice in [Choice::Quads, Choice::Split] {
                        check(&mut rng, linear(k, rows), weights, codes, k % 2 == 0, choice);
                    }
                }
            }
        }
    }
}

#[test]
fn convolutions_are_exact_at_every_edge() {
    let mut rng = Rng::stream(2, "integer", 0);
    let mut shapes = Vec::new();
    for out_channels in 1..=2 * TILE_ROWS {
        for (channels, side, kernel, stride, padding) in [
            (1, 5, 3, 1, 1),
            (1, 7, 5, 1, 2),
            (1, 9, 4, 2, 0),
            (1, 3, 1, 1, 0),
            (2, 7, 5, 1, 2),
            (3, 6, 3, 2, 1),
            (4, 4, 1, 1, 0),
            (5, 8, 3, 3, 0),
            (6, 5, 2, 1, 1),
            (8, 5, 1, 2, 0),
        ] {
            let input = [channels, side, side + 1];
            shapes.push(ConvShape { input, out_channels, kernel: [kernel; 2], stride, padding, groups: 1 });
        }
    }
    for (channels, out_channels, groups, stride) in
        [(4, 4, 4, 1), (4, 8, 4, 2), (4, 8, 2, 1), (6, 3, 3, 1), (10, 15, 5, 2)]
    {
        let input = [channels, 6, 5];
        shapes.push(ConvShape { input, out_channels, kernel: [3; 2], stride, padding: 1, groups });
    }
    shapes.push(ConvShape { input: [2, 6, 9], out_channels: 3, kernel: [2, 5], stride: 1, padding: 1, groups: 1 });
    for (i, shape) in shapes.into_iter().enumerate() {
        for weights in [WEIGHTS[i % WEIGHTS.len()], (-127, 127)] {
            for codes in [(0, 127), (-100, 127), (-3, 252)] {
                for choice in [Choice::Pairs, Choice::Quads, Choice::Split] {
                    check(&mut rng, shape, weights, codes, i % 3 == 0, choice);
                }
            }
        }
    }
}

#[test]
fn long_sums_of_the_ends_of_the_ranges_neither_saturate_nor_wrap() {
    let mut rng = Rng::stream(3, "integer", 0);
    let k = 4096;
    for (weights, codes) in [(-128, -128), (-128, 127), (127, 127), (127, -128), (-255, 255), (-8, 127)] {
        let id = check(&mut rng, linear(k, 5), (weights, weights), (codes, codes), true, Choice::Quads);
        let within = if whole_bytes() { -128..=127 } else { 0..=127 };
        assert_eq!(id.contains("quads"), within.contains(&codes) && weights >= -128, "{weights} {codes}: {id}");
    }
    // The longest bursts that fit 16 bits, at both ends.
    for weight in [1, -1, 7, -8, 15, -16, 31, -32] {
        let id = check(&mut rng, linear(k, 5), (weight, weight), (127, 127), true, Choice::Split);
        assert!(id.ends_with("-burst"), "{weight}: {id}");
    }
    let id = check(&mut rng, linear(k, 5), (-128, -128), (127, 127), true, Choice::Split);
    assert!(id.ends_with("-split"), "{id}");
    // One product of i16 pairs at its largest: 2 · 32767².
    check(&mut rng, linear(1, 1), (32767, 32767), (32767, 32767), true, Choice::Quads);
}

#[test]
fn the_kernel_follows_weights_and_inputs() {
    let mut rng = Rng::stream(4, "integer", 0);
    let mut id = |weights, codes, choice| check(&mut rng, linear(40, 8), weights, codes, true, choice);
    let (pairs, quads, split) = (Choice::Pairs, Choice::Quads, Choice::Split);
    assert!(id((-1, 1), (0, 127), quads).ends_with("-i2i8i32-quads"));
    assert!(id((-7, 7), (0, 127), quads).ends_with("-i4i8i32-quads"));
    assert!(id((-127, 127), (0, 127), quads).ends_with("-i8i8i32-quads"));
    assert!(id((-127, 127), (0, 127), pairs).ends_with("-i8i16i32-pairs"));
    // The negative codes of quads: raised where bytes are multiplied as unsigned ones, which the arrays of native builds do.
    let signed = if whole_bytes() { "-i4i8i32-quads" } else { "-i4i16i32-pairs" };
    assert!(id((-7, 7), (-127, 127), quads).ends_with(signed), "after a negative code");
    assert!(id((0, 255), (0, 255), quads).ends_with("-i8i16i32-pairs"));
    assert!(id((-300, 255), (-127, 127), quads).ends_with("-i16i16i32-pairs"));
    assert!(id((-7, 7), (0, 127), split).ends_with("-i4i8i16-burst"));
    assert!(id((-31, 31), (0, 127), split).ends_with("-i8i8i16-burst"));
    assert!(id((-63, 63), (0, 127), split).ends_with("-i8i8i32-split"));
    assert!(id((-7, 7), (-127, 127), split).ends_with("-i4i16i32-pairs"), "after a negative code");
    let steps = Steps { scale: 1.0, low: -65535, high: 65535 };
    assert!(Integer::new(linear(1, 1), steps, &[1], Choice::Quads).is_none());
    let steps = Steps { low: 0, high: 1, ..steps };
    assert!(Integer::new(linear(1, 1), steps, &[70000], Choice::Quads).is_none());
}

/// Several blocks at once through a linear layer, as values and as codes, against sums in 64 bits.
fn check_blocks(rng: &mut Rng, [k, rows, blocks]: [usize; 3], weights: (i32, i32), codes: (i32, i32), bias: bool) {
    let shape = linear(k, rows);
    let extreme = (k + rows + blocks).is_multiple_of(2);
    let weights = draw(rng, rows * k, weights, extreme);
    let images: Vec<Vec<i32>> = (0..blocks * LANES).map(|_| draw(rng, k, codes, extreme)).collect();
    let bias = draw(rng, if bias { rows } else { 0 }, (-1 << 20, 1 << 20), false);
    let scale: Vec<f32> = (0..rows).map(|row| 0.25 + row as f32).collect();
    let block = |images: &[Vec<i32>]| -> Vec<f32> {
        (0..k).flat_map(|i| images.iter().map(move |image| image[i] as f32 * 0.5)).collect()
    };
    let values: Vec<Vec<f32>> = images.chunks(LANES).map(block).collect();
    let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let word = |four: &[i32]| i32::from_le_bytes(std::array::from_fn(|i| four[i] as u8));
    let words = |images: &[Vec<i32>]| -> Vec<i32> {
        (0..k / 4).flat_map(|i| images.iter().map(move |image| word(&image[4 * i..4 * i + 4]))).collect()
    };
    let words: Vec<i32> = images.chunks(LANES).flat_map(words).collect();
    let layer = Integer::new(shape, Steps { scale: 0.5, low: -127, high: 127 }, &weights, Choice::Quads).unwrap();
    let (mut buffers, rescale) = (Buffers::default(), Rescale { bias: &bias, scale: &scale });
    let expected: Vec<Vec<i64>> = images.iter().map(|image| exact(&shape, &weights, image)).collect();
    for by_words in [false, true, false] {
        let mut out = vec![f32::NAN; blocks * rows * LANES];
        let mut outs: Vec<Plain<'_>> = out.chunks_exact_mut(rows * LANES).map(|out| Plain::new(out, [1, 1])).collect();
        let mut sinks: Vec<&mut dyn RowSink> = outs.iter_mut().map(|out| out as &mut dyn RowSink).collect();
        if by_words && k % 4 == 0 {
            layer.run_words(&words, &mut buffers, &rescale, &mut sinks);
        } else {
            layer.run_blocks(&values, &mut buffers, &rescale, &mut sinks);
        }
        for (image, sums) in expected.iter().enumerate() {
            for (row, sum) in sums.iter().enumerate() {
                let found = out[(image / LANES * rows + row) * LANES + image % LANES];
                let sum = sum + i64::from(bias.get(row).copied().unwrap_or(0));
                let expected = i32::try_from(sum).unwrap() as f32 * scale[row];
                assert_eq!(found.to_bits(), expected.to_bits(), "{k} to {rows}, {blocks} blocks, {image}, row {row}");
            }
        }
    }
}

#[test]
fn products_of_quarters_give_the_same_sums() {
    let mut rng = Rng::stream(9, "integer", 0);
    // Around the sizes they begin at, and what is left over by eights of rows and twos of blocks.
    for k in [124, 126, 127, 128, 129, 132, 136, 140, 141, 143, 144, 160] {
        for rows in [31, 32, 33, 35, 39, 40, 41, 47] {
            let weights = [(-7, 7), (-1, 1), (-64, 63), (-8, 7), (-65, 63), (-127, 127)][(k + rows) % 6];
            for blocks in 1..=7 {
                check_blocks(&mut rng, [k, rows, blocks], weights, (0, 127), rows % 2 == 0);
            }
        }
    }
    // The ends of both ranges at once, in long sums; codes below 0 take another way.
    for weight in [-64, -8, 7, 63] {
        for codes in [(127, 127), (0, 127), (0, 0), (-127, 127)] {
            check_blocks(&mut rng, [4096, 33, 5], (weight, weight), codes, true);
        }
    }
    check_blocks(&mut rng, [512, 48, 6], (-64, 63), (0, 127), false);
}

/// A 3×3 convolution of stride 1.
fn three(channels: usize, rows: usize, [height, width]: [usize; 2], padding: usize) -> ConvShape {
    let input = [channels, height, width];
    ConvShape { input, out_channels: rows, kernel: [3; 2], stride: 1, padding, groups: 1 }
}

#[test]
fn fewer_products_give_the_same_sums() {
    let mut rng = Rng::stream(7, "integer", 0);
    let mut taken = 0;
    let mut one = |shape: ConvShape, weights, codes, extreme| {
        let id = check(&mut rng, shape, weights, codes, extreme, Choice::Split);
        taken += usize::from(id.ends_with("-winograd"));
    };
    for channels in 1..=40 {
        let size = [1 + channels * 5 % 9, 1 + channels * 7 % 9];
        one(three(channels, 15 + channels % 4, size, 1), (-127, 127), (-127, 127), channels % 2 == 0);
        one(three(channels, 16, [4, 6], 1), (-127, 127), (-3, 252), channels % 2 == 1);
    }
    for height in 1..=9 {
        for width in 1..=9 {
            for padding in 0..=2 {
                if (height + 2 * padding).min(width + 2 * padding) >= 3 {
                    let codes = [(0, 255), (-127, 127), (-128, 0)][(height + width) % 3];
                    one(three(13, 10, [height, width], padding), (-128, 127), codes, padding == 1);
                }
            }
        }
    }
    for rows in 1..=13 {
        one(three(21, rows, [7, 6], 1), (-127, 127), (0, 255), rows % 2 == 0);
    }
    // All of one value: the ends of both ranges at once.
    for weight in [-128, -127, 127, 255] {
        for code in [-255, -127, 127, 255] {
            one(three(40, 9, [6, 7], 1), (weight, weight), (code, code), true);
        }
    }
    assert!(taken > 180, "{taken}");
}

#[test]
fn fewer_products_are_taken_where_they_fit_and_pay() {
    let mut rng = Rng::stream(8, "integer", 0);
    let mut taken = |shape: ConvShape, weights: (i32, i32), codes| {
        [Choice::Pairs, Choice::Quads, Choice::Split].map(|choice| {
            check(&mut rng, shape, weights, codes, weights.0 == weights.1, choice).ends_with("-i16i16i32-winograd")
        })
    };
    let byte = (-127, 127);
    for shape in [three(8, 16, [4, 4], 1), three(16, 16, [28, 28], 1), three(64, 64, [7, 7], 1)] {
        assert_eq!(taken(shape, byte, byte), [true, false, true], "{shape:?}");
    }
    let shape = three(16, 8, [8, 8], 1);
    for other in [
        three(7, 24, [8, 8], 1),
        three(24, 7, [8, 8], 1),
        three(8, 15, [8, 8], 1),
        three(16, 8, [1, 1], 1),
        three(16, 8, [3, 3], 1),
        ConvShape { stride: 2, ..shape },
        ConvShape { groups: 2, ..shape },
        ConvShape { kernel: [3, 2], ..shape },
        ConvShape { kernel: [5, 5], ..shape },
    ] {
        assert_eq!(taken(other, byte, byte), [false; 3], "{other:?}");
    }
    // Four codes in 16 bits, and nine weights.
    assert_eq!(taken(shape, (-1, 1), (-8191, 8191)), [true, false, true]);
    assert_eq!(taken(shape, (-1, 1), (-8192, 0)), [false; 3]);
    assert_eq!(taken(shape, (3640, 3640), (0, 127)), [true, false, true]);
    assert_eq!(taken(shape, (3641, 3641), (0, 127)), [false; 3]);
    // Four sums in 32 bits: 4 · 16 · 9 · 1000 · 3728 < 2^31 ≤ 4 · 16 · 9 · 1000 · 3729.
    for (weight, high, fits) in [(1000, 3728, true), (-1000, 3728, true), (1000, 3729, false), (-1000, 3729, false)] {
        assert_eq!(taken(shape, (weight, weight), (high, high)), [fits, false, fits], "{weight} {high}");
    }
}

#[test]
fn weights_come_back_from_every_packing() {
    fn survive<V: Dot>(shape: ConvShape, weights: &[i32], width: u32) {
        let packed = Packed::<V>::new(shape, weights);
        assert_eq!((packed.unpack(), packed.width()), (weights.to_vec(), width), "{shape:?}");
        let least = weights.len() * width as usize / 8;
        assert!(packed.bytes() >= least && (weights.len() < 1000 || packed.bytes() < least * 9 / 8 + 64));
    }
    let mut rng = Rng::stream(5, "integer", 0);
    for shape in [
        linear(61, 7),
        linear(400, 120),
        ConvShape { input: [6, 5, 5], out_channels: 7, kernel: [3, 2], stride: 1, padding: 0, groups: 1 },
        ConvShape { input: [5, 5, 5], out_channels: 10, kernel: [3, 3], stride: 1, padding: 1, groups: 5 },
    ] {
        for (range, width) in WEIGHTS.into_iter().zip([2, 2, 2, 4, 4, 8, 8, 8, 16]) {
            let mut weights = draw(&mut rng, shape.out_channels * shape.taps(), range, false);
            (weights[0], weights[1]) = range;
            survive::<I16Pairs>(shape, &weights, width);
            if weights.iter().all(|w| i8::try_from(*w).is_ok()) {
                survive::<I8Quads>(shape, &weights, width);
            }
        }
    }
}

#[test]
fn codes_are_those_of_the_grid() {
    let mut rng = Rng::stream(6, "integer", 0);
    let shape = ConvShape { input: [5, 3, 4], out_channels: 1, kernel: [1, 1], stride: 1, padding: 0, groups: 1 };
    let steps = Steps { scale: 0.013, low: -127, high: 127 };
    let mut block: Vec<f32> = (0..5 * 12 * LANES).map(|_| rng.uniform(-3.0, 3.0)).collect();
    block[7] = f32::NAN;
    block[9] = f32::INFINITY;
    let layout = Layout::<I8Quads>::new(shape);
    let mut out = Vec::new();
    assert!(layout.arrange_blocks(&steps, &[&block], &mut out));
    for (i, &value) in block.iter().enumerate() {
        let (channel, position, lane) = (i / LANES / 12, i / LANES % 12, i % LANES);
        let word = out[(position * layout.depth + channel / 4) * LANES + lane];
        let code = round_ties_even((value / steps.scale).clamp(-127.0, 127.0)) as i32;
        assert_eq!(i32::from(word.to_le_bytes()[channel % 4] as i8), code, "{value}");
    }
    block.iter_mut().for_each(|v| *v = v.abs());
    assert!(!layout.arrange_blocks(&steps, &[&block], &mut out));
}
