//! What multiply-adds cost when nothing else is done: the bounds that kernels are compared with.

use super::{Description, Deviation, Workload};
use crate::simd::{Dot, F32x8, I8Quads, I8Split, I16Pairs, LANES, Lane, portable};

/// Rounds of one run.
const ROUNDS: usize = 1 << 18;
/// Vectors that are multiplied and added to side by side: six of eight lanes fill what registers V8 leaves.
const CHAINS: usize = 6;
const FACTOR: f32 = 0.999_999;
const TERM: f32 = 1e-6;

/// `v = v·FACTOR + TERM` in registers, [`CHAINS`] vectors of eight lanes, [`ROUNDS`] times. Multiply, then add, as in all
/// kernels here.
#[derive(Default)]
pub(super) struct MultiplyAdd {
    output: Vec<f32>,
}

fn start(chain: usize) -> f32 {
    1.0 + chain as f32
}

impl Workload for MultiplyAdd {
    fn describe(&self) -> Description {
        let macs = (ROUNDS * CHAINS * LANES) as u64;
        Description { macs, bytes: 0, batch: 1, input: vec![1], outputs: CHAINS }
    }

    fn input(&self) -> &[f32] {
        &[1.0]
    }

    fn run(&mut self, input: &[f32]) -> &[f32] {
        // The first value scales the start, so that nothing is known before the call.
        let one = input.first().copied().unwrap_or(1.0);
        let (factor, term) = (F32x8::splat(FACTOR), F32x8::splat(TERM));
        let chain = |i: usize| F32x8::splat(start(i) * one);
        let (mut a, mut b, mut c) = (chain(0), chain(1), chain(2));
        let (mut d, mut e, mut f) = (chain(3), chain(4), chain(5));
        for _ in 0..ROUNDS {
            a = a.mul(factor).add(term);
            b = b.mul(factor).add(term);
            c = c.mul(factor).add(term);
            d = d.mul(factor).add(term);
            e = e.mul(factor).add(term);
            f = f.mul(factor).add(term);
        }
        self.output = [a, b, c, d, e, f].iter().map(|v| v.to_array()[LANES - 1]).collect();
        &self.output
    }

    fn check(&self) -> Deviation {
        let expected = (0..CHAINS).map(|chain| (0..ROUNDS).fold(start(chain), |v, _| v * FACTOR + TERM));
        let wrong = expected.zip(&self.output).any(|(a, b)| a.to_bits() != b.to_bits());
        let found = f64::from(u8::from(wrong || self.output.len() != CHAINS));
        Deviation { found, allowed: 0.0 }
    }
}

/// `v = v + v·WEIGHTS` in registers, by a dot instruction: [`Dot::GROUP`] products and as many additions in every lane.
pub(super) struct Dots {
    about: Description,
    run: fn(i32) -> [i32; CHAINS],
    output: Vec<f32>,
    sums: [i32; CHAINS],
    groups: usize,
}

/// Small weights in every group, so that the codes of a lane stay busy; sums wrap. Quads keep to their second factor's 0…127.
const WEIGHTS: i32 = 0x0103_0202;

fn dots<V: Dot>(one: i32) -> [i32; CHAINS] {
    let weights = V::splat(WEIGHTS);
    let chain = |i: i32| V::splat(i + one);
    let (mut a, mut b, mut c) = (chain(0), chain(1), chain(2));
    let (mut d, mut e, mut f) = (chain(3), chain(4), chain(5));
    for _ in 0..ROUNDS {
        a = a.add_product(a, weights);
        b = b.add_product(b, weights);
        c = c.add_product(c, weights);
        d = d.add_product(d, weights);
        e = e.add_product(e, weights);
        f = f.add_product(f, weights);
    }
    [a, b, c, d, e, f].map(|v| v.sums().to_array()[LANES - 1])
}

impl Dots {
    fn new<V: Dot>() -> Self {
        let macs = (ROUNDS * CHAINS * LANES * V::GROUP) as u64;
        let about = Description { macs, bytes: 0, batch: 1, input: vec![1], outputs: CHAINS };
        Self { about, run: dots::<V>, output: Vec::new(), sums: [0; CHAINS], groups: V::GROUP }
    }

    /// 16-bit pairs.
    pub(super) fn pairs() -> Self {
        Self::new::<I16Pairs>()
    }

    /// 8-bit quads by the one instruction.
    pub(super) fn quads() -> Self {
        Self::new::<I8Quads>()
    }

    /// 8-bit quads by way of 16-bit sums.
    pub(super) fn split() -> Self {
        Self::new::<I8Split>()
    }
}

impl Workload for Dots {
    fn describe(&self) -> Description {
        self.about.clone()
    }

    fn input(&self) -> &[f32] {
        &[1.0]
    }

    fn run(&mut self, input: &[f32]) -> &[f32] {
        self.sums = (self.run)(input.first().map_or(1, |&one| one as i32));
        self.output = self.sums.iter().map(|&sum| sum as f32).collect();
        &self.output
    }

    fn check(&self) -> Deviation {
        // The portable vectors hold one lane's exact sums.
        let expected = if self.groups == 2 { dots::<portable::I16Pairs>(1) } else { dots::<portable::I8Quads>(1) };
        Deviation { found: f64::from(u8::from(expected != self.sums)), allowed: 0.0 }
    }
}
