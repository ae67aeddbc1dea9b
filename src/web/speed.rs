//! Kernels and workloads that the host times: the core has no clock.

use super::{Job, JsDescription, JsDeviation, JsLayers, thrown, to_js};
use crate::error::{CoreError, ErrorCode};
use crate::kernels::integer;
use crate::measure;
use wasm_bindgen::prelude::*;

/// Names of the integer kernels to choose from; results do not depend on the choice.
#[wasm_bindgen]
pub fn kernels() -> Vec<String> {
    integer::choices().iter().map(ToString::to_string).collect()
}

/// Makes networks prepared from now on use the integer kernel of this name where layers allow it; pairs for any other name.
#[wasm_bindgen(js_name = useKernel)]
pub fn use_kernel(name: &str) {
    integer::choose(integer::choice(name).unwrap_or(integer::Choice::Pairs));
}

/// About a tenth of a millisecond of integer work, to time a kernel by.
#[wasm_bindgen]
pub struct KernelTrial(integer::Trial);

#[wasm_bindgen]
impl KernelTrial {
    /// The work for one of [`kernels`].
    ///
    /// # Errors
    /// A `CoreError` for any other name.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str) -> Result<KernelTrial, JsValue> {
        let wanted = || CoreError::new(ErrorCode::Range, "kernel", name, integer::choices().join(", "));
        integer::Trial::new(name).map(Self).ok_or_else(|| thrown(wanted()))
    }

    /// Does it once.
    pub fn run(&mut self) -> f32 {
        self.0.run()
    }
}

/// Work to be timed by the host: kernels and networks on made-up numbers. See [`crate::measure`].
#[wasm_bindgen]
pub struct Workload {
    work: Box<dyn measure::Workload>,
}

#[wasm_bindgen]
impl Workload {
    /// The ids there are.
    pub fn ids() -> Vec<String> {
        measure::WORKLOADS.iter().map(|entry| entry.id.to_string()).collect()
    }

    /// Prepares a workload with numbers from a seed.
    ///
    /// # Errors
    /// A `CoreError` when there is none with this id.
    #[wasm_bindgen(constructor)]
    pub fn new(id: &str, seed: u32) -> Result<Workload, JsValue> {
        Ok(Self { work: measure::prepare(id, u64::from(seed)).map_err(thrown)? })
    }

    /// What it is.
    pub fn describe(&self) -> JsDescription {
        to_js(&self.work.describe()).unchecked_into()
    }

    /// Its layers, in graph order.
    pub fn layers(&self) -> JsLayers {
        to_js(&self.work.layers()).unchecked_into()
    }

    /// Parameter `index`, counted through all layers.
    pub fn parameter(&self, index: usize) -> Vec<f32> {
        self.work.parameter(index).to_vec()
    }

    /// Whole numbers of a layer's weight; empty where it computes with floats.
    pub fn levels(&self, layer: usize) -> Vec<i32> {
        self.work.levels(layer).map_or_else(Vec::new, |(levels, _)| levels.to_vec())
    }

    /// Their scales, one for each row.
    pub fn scales(&self, layer: usize) -> Vec<f32> {
        self.work.levels(layer).map_or_else(Vec::new, |(_, scales)| scales.to_vec())
    }

    /// The inputs it was prepared with, row-major, images first.
    pub fn input(&self) -> Vec<f32> {
        self.work.input().to_vec()
    }

    /// Outputs from inputs, both row-major f32 and copied, as any library does at its border; `output` has room for a batch of them.
    ///
    /// # Errors
    /// A `CoreError` where it has another length.
    pub fn run(&mut self, input: &[f32], output: &js_sys::Float32Array) -> Result<(), JsValue> {
        give(self.work.run(input), output)
    }

    /// The inputs as four codes in a word, where there are such.
    pub fn words(&self) -> Vec<i32> {
        self.work.words().to_vec()
    }

    /// [`Workload::run`] of those.
    ///
    /// # Errors
    /// As there.
    #[wasm_bindgen(js_name = runWords)]
    pub fn run_words(&mut self, words: &[i32], output: &js_sys::Float32Array) -> Result<(), JsValue> {
        give(self.work.run_words(words), output)
    }

    /// How far the newest output is from a naive computation.
    pub fn check(&self) -> JsDeviation {
        to_js(&self.work.check()).unchecked_into()
    }
}

#[wasm_bindgen]
impl Job {
    /// Layer `layer` of the network alone, to be timed: with `percent` of a hundred weights zero and skipped, or dense for 0. Nothing where
    /// no kernel skips zeros for it.
    ///
    /// # Errors
    /// A `CoreError` before the end.
    #[wasm_bindgen(js_name = layerWork)]
    pub fn layer_work(&self, layer: &str, percent: usize) -> Result<Option<Workload>, JsValue> {
        let work = measure::layer(&self.outcome()?.network, layer, percent.min(100), 7).map_err(thrown)?;
        Ok(work.map(|work| Workload { work }))
    }
}

fn give(values: &[f32], output: &js_sys::Float32Array) -> Result<(), JsValue> {
    let room = output.length() as usize;
    if room != values.len() {
        return Err(thrown(CoreError::new(ErrorCode::Range, "output", room.to_string(), values.len().to_string())));
    }
    output.copy_from(values);
    Ok(())
}
