//! The integer twin: a quantized network run twice, with integer sums and as f32 arithmetic on the same rounded values.
//!
//! Both compute the same products; they differ by the rounding of f32 sums, by the bias, which is a whole number of steps in
//! the one and any f32 in the other, and where such a difference crosses the border
//! between two codes of a later layer, by whole codes (Jacob et al. 2018, arXiv 1712.05877, §3).

use crate::data::Images;
use crate::graph::Plan;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use serde::Serialize;

/// Most images that the twins are compared on.
pub const TWIN_IMAGES: usize = 1000;

/// Where the twins part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Difference {
    /// The first node, in graph order, whose output differs for any image.
    pub layer: String,
    /// The largest difference of any of its outputs.
    pub max_abs: f64,
    /// The same as a share of the largest output.
    pub relative: f64,
}

/// How well integer sums and f32 arithmetic agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Twin {
    /// Share of images, or of characters of text, that both put in the same class.
    pub agreement: f64,
    /// Images compared: the first of those evaluated.
    pub total: u32,
    /// The first difference; `null` when every output is equal bit for bit.
    pub first_difference: Option<Difference>,
}

/// Runs both plans of one graph side by side over the first [`TWIN_IMAGES`] images. Only values that both keep are compared, so they
/// should keep what every node reads ([`Plan::keeping`]).
pub async fn twin(ctx: &Context, integer: &mut Plan, fake: &mut Plan, images: &Images) -> Twin {
    ctx.enter(Phase::Evaluate);
    let total = images.len().min(TWIN_IMAGES);
    let positions = images.positions();
    let nodes = integer.graph().nodes().len();
    // Per node: the largest difference and the largest output; `differs` also counts what a maximum cannot (NaN).
    let mut found: Vec<(bool, f32, f32)> = vec![(false, 0.0, 0.0); nodes];
    let mut same = 0;
    for first in (0..total).step_by(LANES) {
        let count = LANES.min(total - first);
        images.fill(first..first + count, integer.input());
        let input = integer.input().to_vec();
        fake.input().copy_from_slice(&input);
        let (whole, rounded) = (integer.run(), fake.run());
        for at in 0..positions {
            let both = classes(whole, positions, at).into_iter().zip(classes(rounded, positions, at));
            same += both.take(count).filter(|(a, b)| a == b).count();
        }
        for (node, (differs, most, largest)) in found.iter_mut().enumerate() {
            let (Some(a), Some(b)) = (integer.node_output(node), fake.node_output(node)) else { continue };
            for (a, b) in lanes(a, count).zip(lanes(b, count)) {
                *differs |= a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
                *most = most.max((a - b).abs());
                *largest = largest.max(b.abs());
            }
        }
        ctx.tick(2 * integer.block_macs()).await;
    }
    let first_difference = found.iter().position(|(differs, ..)| *differs).map(|node| {
        let (_, most, largest) = found[node];
        let relative = if largest > 0.0 { f64::from(most) / f64::from(largest) } else { 0.0 };
        Difference { layer: integer.graph().nodes()[node].name.clone(), max_abs: f64::from(most), relative }
    });
    Twin { agreement: same as f64 / (total * positions).max(1) as f64, total: total as u32, first_difference }
}

/// The first class with the greatest logit at position `at`, for each lane.
fn classes(logits: &[f32], positions: usize, at: usize) -> [usize; LANES] {
    let rows: Vec<_> = logits.as_chunks::<LANES>().0.iter().skip(at).step_by(positions).collect();
    std::array::from_fn(|lane| {
        let better = |best: usize, class: usize| if rows[class][lane] > rows[best][lane] { class } else { best };
        (0..rows.len()).fold(0, better)
    })
}

/// The values of the first `count` lanes of a block.
fn lanes(block: &[f32], count: usize) -> impl Iterator<Item = f32> {
    block.as_chunks::<LANES>().0.iter().flat_map(move |lanes| lanes[..count].iter().copied())
}
