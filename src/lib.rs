//! Featherweight: neural networks made small, by real kernels, with the same bits on every machine.
//!
//! The modules stand in the order data flows; imports run upwards in this list only.
