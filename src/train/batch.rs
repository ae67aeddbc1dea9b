//! The images of one step, moved about as the options say.

use super::{Batch, TrainOptions, Workspace};
use crate::data::Images;
use crate::rng::Rng;
use crate::simd::LANES;

/// The chosen images in lanes.
pub(super) fn make_batch(
    images: &Images,
    chosen: &[u32],
    options: &TrainOptions,
    seed: u64,
    step: u64,
    workspace: &mut Workspace,
) -> Batch {
    let features = images.features();
    let [_, height, width] = images.shape();
    let (mut flips, mut shifts) = (Rng::stream(seed, "flip", step), Rng::stream(seed, "shift", step));
    let blocks = chosen
        .chunks(LANES)
        .zip(workspace.take(chosen.len().div_ceil(LANES), features * LANES))
        .map(|(chunk, mut block)| {
            images.fill(chunk.iter().map(|&i| i as usize), &mut block);
            for lane in 0..chunk.len() {
                if options.flip && flips.next_u64() & 1 == 1 {
                    mirror_lane(&mut block, lane, width);
                }
                if options.shift > 0 {
                    let mut draw = || shifts.below(2 * u64::from(options.shift) + 1) as isize - options.shift as isize;
                    let by = [draw(), draw()];
                    shift_lane(&mut block, lane, [height, width], by);
                }
            }
            block
        })
        .collect();
    let labels = chosen.iter().flat_map(|&i| images.labels(i as usize)).copied().collect();
    Batch { blocks, labels, items: chosen.to_vec() }
}

/// Mirrors every row of one image left to right.
fn mirror_lane(block: &mut [f32], lane: usize, width: usize) {
    for row in block.as_chunks_mut::<LANES>().0.chunks_exact_mut(width) {
        for x in 0..width / 2 {
            let (left, right) = (row[x][lane], row[width - 1 - x][lane]);
            (row[x][lane], row[width - 1 - x][lane]) = (right, left);
        }
    }
}

/// Moves one image down and right by `by` pixels; what comes in is 0.
fn shift_lane(block: &mut [f32], lane: usize, [height, width]: [usize; 2], by: [isize; 2]) {
    for channel in block.as_chunks_mut::<LANES>().0.chunks_exact_mut(height * width) {
        let image: Vec<f32> = channel.iter().map(|lanes| lanes[lane]).collect();
        for y in 0..height {
            for x in 0..width {
                let from = (y.checked_add_signed(-by[0]), x.checked_add_signed(-by[1]));
                channel[y * width + x][lane] = match from {
                    (Some(y), Some(x)) if y < height && x < width => image[y * width + x],
                    _ => 0.0,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentation_moves_one_lane_alone() {
        let mut block: Vec<f32> = (0..6 * LANES).map(|i| i as f32).collect();
        let before = block.clone();
        mirror_lane(&mut block, 2, 3);
        let lane = |block: &[f32], lane: usize| (0..6).map(|i| block[i * LANES + lane]).collect::<Vec<f32>>();
        assert_eq!(lane(&block, 2), [18.0, 10.0, 2.0, 42.0, 34.0, 26.0]);
        shift_lane(&mut block, 2, [2, 3], [1, -1]);
        assert_eq!(lane(&block, 2), [0.0, 0.0, 0.0, 10.0, 2.0, 0.0]);
        assert_eq!(lane(&block, 3), lane(&before, 3));
    }
}
