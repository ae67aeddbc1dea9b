//! The items of a split, as blocks for the kernels.

use super::shard::Shard;
use super::{DataSet, Kind};
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::Context;
use std::rc::Rc;

/// Images of one split, or windows of text, in its order.
#[derive(Clone, Debug)]
pub struct Images {
    set: Rc<DataSet>,
    shards: Vec<Rc<Shard>>,
    starts: Vec<usize>,
    len: usize,
    /// The items drawn, where they are not the first.
    drawn: Option<Rc<[u32]>>,
    /// The input that every byte is.
    unit: Rc<[f32]>,
}

impl Images {
    pub(super) fn new(set: Rc<DataSet>, shards: Vec<Rc<Shard>>, len: usize) -> Self {
        let starts = shards
            .iter()
            .scan(0, |end, shard| {
                let start = *end;
                *end += shard.labels.len();
                Some(start)
            })
            .collect();
        let unit = match set.kind {
            Kind::Images => unit_table(set.max),
            Kind::Text => (0..=255u8).map(f32::from).collect(),
        };
        Self { set, shards, starts, len, drawn: None, unit }
    }

    /// Some of these items, by index; `drawn` holds none from `len` on.
    pub fn picked(&self, drawn: &[u32]) -> Self {
        Self { len: drawn.len(), drawn: Some(drawn.into()), ..self.clone() }
    }

    /// `count` images of noise like those of a set, each from its own stream, all of the first class. Pixels are drawn evenly, none to three
    /// times made means over 3×3 of them, stretched to the whole range, and what is then below a drawn level made 0: dark ground, soft shapes.
    pub async fn noise(ctx: &Context, set: Rc<DataSet>, count: usize, seed: u64) -> Self {
        let mut pixels = Vec::with_capacity(count * set.features());
        for index in 0..count {
            pixels.extend(noise(set.shape, set.max, &mut Rng::stream(seed, "noise", index as u64)));
            ctx.tick(set.features() as u64 * MACS_PER_PIXEL).await;
        }
        let (shape, max, classes) = (set.shape, set.max, set.classes.len() as u8);
        let shard = Shard { labels: vec![0; count], pixels, shape, max, classes };
        Self::new(set, vec![Rc::new(shard)], count)
    }

    /// Channels, height and width of an image.
    pub fn shape(&self) -> [usize; 3] {
        self.set.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn locate(&self, index: usize) -> (&Shard, usize) {
        let index = self.drawn.as_ref().map_or(index, |drawn| drawn[index] as usize);
        let shard = self.starts.partition_point(|&start| start <= index) - 1;
        (&self.shards[shard], index - self.starts[shard])
    }

    /// Values of one item that a network reads.
    pub fn features(&self) -> usize {
        self.set.features()
    }

    /// Classes of one item: one, or one for each character.
    pub fn positions(&self) -> usize {
        if self.set.kind == Kind::Text { self.features() } else { 1 }
    }

    /// What the items are.
    pub fn kind(&self) -> Kind {
        self.set.kind
    }

    /// The class of an image, or of every character of a window. `index < len`.
    pub fn labels(&self, index: usize) -> &[u8] {
        let (shard, at) = self.locate(index);
        match self.set.kind {
            Kind::Images => &shard.labels[at..=at],
            Kind::Text => &self.stored(index)[1..],
        }
    }

    fn stored(&self, index: usize) -> &[u8] {
        let (shard, at) = self.locate(index);
        let size = self.set.shape.iter().product::<usize>();
        &shard.pixels[at * size..(at + 1) * size]
    }

    /// The bytes that a network reads of an item, planar, 0..=max. `index < len`.
    pub fn pixels(&self, index: usize) -> &[u8] {
        &self.stored(index)[..self.features()]
    }

    /// Writes up to eight items into the lanes of a block, pixels as values from 0 to 1 and characters as their numbers;
    /// unused lanes become 0.
    pub fn fill(&self, indices: impl Iterator<Item = usize>, block: &mut [f32]) {
        let items: Vec<&[u8]> = indices.take(LANES).map(|index| self.pixels(index)).collect();
        if items.len() < LANES {
            block.fill(0.0);
        }
        for (lane, item) in items.into_iter().enumerate() {
            fill_lane(item, &self.unit, lane, block);
        }
    }
}

/// `value / max` for every byte.
pub fn unit_table(max: u8) -> Rc<[f32]> {
    (0..=255u8).map(|value| f32::from(value) / f32::from(max.max(1))).collect()
}

/// Writes one image into lane `lane` of a block.
pub fn fill_lane(pixels: &[u8], unit: &[f32], lane: usize, block: &mut [f32]) {
    let unit = &unit[..256];
    for (feature, &pixel) in block.as_chunks_mut::<LANES>().0.iter_mut().zip(pixels) {
        feature[lane] = unit[usize::from(pixel)];
    }
}

/// About what a pixel of noise costs, in multiply-adds.
const MACS_PER_PIXEL: u64 = 50;

/// See [`Images::noise`].
fn noise([channels, height, width]: [usize; 3], max: u8, rng: &mut Rng) -> Vec<u8> {
    let mut image: Vec<f32> = (0..channels * height * width).map(|_| rng.uniform(0.0, 1.0)).collect();
    for _ in 0..rng.below(4) {
        let from = image.clone();
        for (at, value) in image.iter_mut().enumerate() {
            let (y, x) = (at / width % height, at % width);
            let (mut sum, mut count) = (0.0, 0.0);
            for near_y in y.saturating_sub(1)..height.min(y + 2) {
                for near_x in x.saturating_sub(1)..width.min(x + 2) {
                    sum += from[at + near_y * width + near_x - y * width - x];
                    count += 1.0;
                }
            }
            *value = sum / count;
        }
    }
    let (low, high) = image.iter().fold((1.0f32, 0.0f32), |(low, high), &v| (low.min(v), high.max(v)));
    let level = rng.uniform(0.0, 0.75);
    let stretched = |value: &f32| ((value - low) / (high - low).max(f32::MIN_POSITIVE) - level) / (1.0 - level);
    image.iter().map(|value| (stretched(value).max(0.0) * f32::from(max)).round_ties_even() as u8).collect()
}
