//! What multiply-adds cost when nothing else is done: the bounds that kernels of f32 and of 8-bit codes are compared with.

use super::{Description, Deviation, Workload};
use crate::simd::{F32x8, I8Quads, LANES, Lane};

/// Rounds of one run.
const ROUNDS: usize = 1 << 18;
/// Vectors that are multiplied and added to side by side: seven of eight lanes, so that products and sums find
/// work in every cycle; six fill the registers that V8 leaves, but each then waits for the one before.
const CHAINS: usize = 7;
const FACTOR: f32 = 0.999_999;
const TERM: f32 = 1e-6;

/// `v = v·FACTOR + TERM` in registers, [`CHAINS`] vectors of eight lanes, [`ROUNDS`] times. Multiply, then add, as in all
/// kernels here.
#[derive(Default)]
pub(super) struct MultiplyAdd {
    output: Vec<f32>,
}

/// Every lane another number: of equal ones the compiler would compute half.
fn start(chain: usize, lane: usize) -> f32 {
    1.0 + chain as f32 + lane as f32 / 16.0
}

#[inline(never)]
fn rounds(one: f32, count: usize) -> [F32x8; CHAINS] {
    // Constants would be loaded again in every round.
    let (factor, term) = (F32x8::splat(FACTOR * one), F32x8::splat(TERM * one));
    let chain = |i: usize| F32x8::load(&std::array::from_fn(|lane| start(i, lane) * one));
    let (mut a, mut b, mut c) = (chain(0), chain(1), chain(2));
    let (mut d, mut e, mut f, mut g) = (chain(3), chain(4), chain(5), chain(6));
    for _ in 0..count {
        a = a.mul(factor).add(term);
        b = b.mul(factor).add(term);
        c = c.mul(factor).add(term);
        d = d.mul(factor).add(term);
        e = e.mul(factor).add(term);
        f = f.mul(factor).add(term);
        g = g.mul(factor).add(term);
    }
    [a, b, c, d, e, f, g]
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
        self.output = rounds(one, ROUNDS).iter().map(|v| v.to_array()[LANES - 1]).collect();
        &self.output
    }

    fn check(&self) -> Deviation {
        let expected = (0..CHAINS).map(|chain| (0..ROUNDS).fold(start(chain, LANES - 1), |v, _| v * FACTOR + TERM));
        let wrong = expected.zip(&self.output).any(|(a, b)| a.to_bits() != b.to_bits());
        let found = f64::from(u8::from(wrong || self.output.len() != CHAINS));
        Deviation { found, allowed: 0.0 }
    }
}

/// Vectors of sums side by side for products of bytes: as many as the kernel has. Each waits for the one before as long as the
/// instruction takes, which on machines with VNNI is just as long as the four take to be issued.
const QUADS: usize = 4;

/// `v = v + codes · weights` in registers by the dot of four bytes, [`QUADS`] vectors of eight lanes, [`ROUNDS`] times.
#[derive(Default)]
pub(super) struct MultiplyAddBytes {
    output: Vec<f32>,
}

/// Four weights; every row its own.
fn weights(chain: usize) -> i32 {
    0x7f81_03fd ^ chain as i32
}

/// Four codes in each lane.
fn codes(one: f32) -> [i32; LANES] {
    std::array::from_fn(|lane| (0x0123_457f ^ (lane as i32) << 8) * one as i32)
}

#[inline(never)]
fn quad_rounds(one: f32, count: usize) -> [I8Quads; QUADS] {
    let codes = I8Quads::load(&codes(one));
    let weights = |chain: usize| I8Quads::splat(weights(chain) * one as i32);
    let (p, q, r, s) = (weights(0), weights(1), weights(2), weights(3));
    let zero = I8Quads::splat(0);
    let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
    for _ in 0..count {
        a = a.add_product(p, codes);
        b = b.add_product(q, codes);
        c = c.add_product(r, codes);
        d = d.add_product(s, codes);
    }
    [a, b, c, d]
}

impl Workload for MultiplyAddBytes {
    fn describe(&self) -> Description {
        let macs = (ROUNDS * QUADS * LANES * 4) as u64;
        Description { macs, bytes: 0, batch: 1, input: vec![1], outputs: QUADS }
    }

    fn input(&self) -> &[f32] {
        &[1.0]
    }

    fn run(&mut self, input: &[f32]) -> &[f32] {
        let one = input.first().copied().unwrap_or(1.0);
        self.output = quad_rounds(one, ROUNDS).iter().map(|v| v.to_array()[LANES - 1] as f32).collect();
        &self.output
    }

    fn check(&self) -> Deviation {
        let code = codes(1.0)[LANES - 1].to_le_bytes().map(i32::from);
        let expected = (0..QUADS).map(|chain| {
            let weight = weights(chain).to_le_bytes().map(|byte| i32::from(byte as i8));
            (0..4).map(|i| code[i] * weight[i]).sum::<i32>().wrapping_mul(ROUNDS as i32) as f32
        });
        let wrong = expected.zip(&self.output).any(|(a, b)| a.to_bits() != b.to_bits());
        let found = f64::from(u8::from(wrong || self.output.len() != QUADS));
        Deviation { found, allowed: 0.0 }
    }
}
