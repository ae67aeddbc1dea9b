//! Featherweight: neural networks made small, by real kernels, with the same bits on every machine.
//!
//! The modules stand in the order data flows; imports run upwards in this list only.

pub mod error;
pub mod fields;
pub mod named;
pub mod tensor;
pub mod math;
pub mod rng;
pub mod task;
pub mod simd;
pub mod kernels;
pub mod ops;
pub mod graph;
pub mod formats;
pub mod data;
pub mod models;
pub mod train;
pub mod evaluate;
pub mod generate;
pub mod report;
pub mod methods;
pub mod recipe;
pub mod measure;
pub mod catalog;
#[cfg(target_arch = "wasm32")]
mod memory;
#[cfg(target_arch = "wasm32")]
pub mod web;
