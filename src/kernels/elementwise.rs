//! Functions of one element, eight lanes at a time, in explicit vectors: the page's build vectorises no loop by itself.

use crate::simd::{F32x8, LANES, Lane};

type Lanes = [f32; LANES];

/// `row[i] = f(row[i])`.
#[inline(always)]
pub fn update(row: &mut [Lanes], f: impl Fn(F32x8) -> F32x8) {
    for cell in row {
        f(F32x8::load(cell)).store(cell);
    }
}

/// `to[i] = f(to[i], from[i])`.
#[inline(always)]
pub fn combine(to: &mut [Lanes], from: &[Lanes], f: impl Fn(F32x8, F32x8) -> F32x8) {
    for (to, from) in to.iter_mut().zip(from) {
        f(F32x8::load(to), F32x8::load(from)).store(to);
    }
}

/// `to[i] = f(to[i], left[i], right[i])`.
#[inline(always)]
pub fn combine_two(to: &mut [Lanes], left: &[Lanes], right: &[Lanes], f: impl Fn(F32x8, F32x8, F32x8) -> F32x8) {
    for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
        f(F32x8::load(to), F32x8::load(left), F32x8::load(right)).store(to);
    }
}

/// Calls `f` with all values of one image, the last of them with zeros behind.
pub fn each_vector(values: &mut [f32], mut f: impl FnMut(&mut [Lanes])) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    f(whole);
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    f(std::slice::from_mut(&mut last));
    rest.copy_from_slice(&last[..rest.len()]);
}

/// `max(x, 0)`; NaN and −0 stay.
pub fn relu(row: &mut [Lanes]) {
    let zero = F32x8::splat(0.0);
    update(row, |x| x.pick_max(zero));
}

/// `x · slope + offset`, two roundings.
pub fn affine(row: &mut [Lanes], slope: f32, offset: f32) {
    affine_above(row, slope, offset, f32::NEG_INFINITY);
}

/// [`affine`], then `max(…, floor)` as [`relu`] has it; a floor of −∞ changes nothing.
pub fn affine_above(row: &mut [Lanes], slope: f32, offset: f32, floor: f32) {
    let (slope, offset, floor) = (F32x8::splat(slope), F32x8::splat(offset), F32x8::splat(floor));
    update(row, |x| x.mul(slope).add(offset).pick_max(floor));
}

/// [`affine_above`] with `from` added before the floor.
pub fn affine_add_above(row: &mut [Lanes], from: &[Lanes], slope: f32, offset: f32, floor: f32) {
    let (slope, offset, floor) = (F32x8::splat(slope), F32x8::splat(offset), F32x8::splat(floor));
    combine(row, from, |x, from| x.mul(slope).add(offset).add(from).pick_max(floor));
}

/// `to += from`.
pub fn add(to: &mut [Lanes], from: &[Lanes]) {
    add_above(to, from, f32::NEG_INFINITY);
}

/// `to = max(to + from, floor)`, as [`affine_above`] has it.
pub fn add_above(to: &mut [Lanes], from: &[Lanes], floor: f32) {
    let floor = F32x8::splat(floor);
    combine(to, from, |to, from| to.add(from).pick_max(floor));
}
