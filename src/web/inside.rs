//! Looking inside a network: which layer hurts, what every layer takes and gives, weights down to their bytes.

use super::{Engine, Job, JsAssets, thrown, to_js};
use crate::evaluate::{inspect_weights, output_units, weight_named};
use crate::methods::Mode;
use crate::recipe::{Question, Recipe, look, sensitivity};
use crate::task::Task;
use js_sys::{Array, Float32Array, Uint8Array, Uint32Array};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// See [`crate::recipe::SensitivityRow`].
    #[wasm_bindgen(typescript_type = "SensitivityRow[]")]
    pub type JsRows;
    /// See [`crate::evaluate::LayerInspection`].
    #[wasm_bindgen(typescript_type = "LayerInspection[]")]
    pub type JsInspections;
    /// See [`crate::evaluate::WeightInspection`].
    #[wasm_bindgen(typescript_type = "WeightInspection")]
    pub type JsWeights;
    /// See [`Job::matrix`].
    #[wasm_bindgen(typescript_type = "[Uint32Array, Float32Array, Uint8Array, Uint32Array, Uint32Array]")]
    pub type JsMatrix;
}

#[wasm_bindgen]
impl Engine {
    fn question(
        &self,
        recipe: &Recipe,
        bits: &[u32],
        sparsities: Option<Vec<f64>>,
        images: Option<u32>,
    ) -> Result<Question, JsValue> {
        Question::new((bits, sparsities.as_deref()), images, recipe, &self.library.borrow()).map_err(thrown)
    }

    /// Every file that [`Engine::sensitivity`] reads.
    ///
    /// # Errors
    /// A `CoreError` when the recipe is not legal.
    #[wasm_bindgen(js_name = sensitivityNeeds)]
    pub fn sensitivity_needs(
        &self,
        recipe: JsValue,
        bits: &[u32],
        sparsities: Option<Vec<f64>>,
        images: Option<u32>,
    ) -> Result<JsAssets, JsValue> {
        let recipe = self.parse(recipe)?;
        let question = self.question(&recipe, bits, sparsities, images)?;
        let assets = question.needs(&recipe, &self.library.borrow()).map_err(thrown)?;
        Ok(to_js(&assets).unchecked_into())
    }

    /// A job that judges every layer of a recipe's network changed alone and, without `alone`, all but it, on the first `images` of the
    /// validation split: pruned to every one of `sparsities` (an empty list: those usual), and rounded to every one of `bits` (none, and
    /// no sparsities: those usual). What was found before is not looked for again.
    ///
    /// # Errors
    /// A `CoreError` when the recipe is not legal, and for bits, sparsities or images out of range.
    pub fn sensitivity(
        &self,
        recipe: JsValue,
        bits: &[u32],
        sparsities: Option<Vec<f64>>,
        images: Option<u32>,
        alone: Option<bool>,
    ) -> Result<Job, JsValue> {
        let recipe = self.parse(recipe)?;
        let mut question = self.question(&recipe, bits, sparsities, images)?;
        if alone == Some(true) {
            question.modes = &[Mode::Only];
        }
        let (library, memory) = (Rc::clone(&self.library), Rc::clone(&self.memory));
        Ok(Job::new(|ctx| Task::new(ctx, |ctx| sensitivity(ctx, recipe, library, question, memory))))
    }

    /// A job that watches every layer of the network of a finished job on the first of the recipe's images, which must have been
    /// provided; `recipe` is the one that made it.
    ///
    /// # Errors
    /// A `CoreError` before that job's end.
    pub fn inspect(&self, job: &Job, recipe: JsValue) -> Result<Job, JsValue> {
        let (recipe, network) = (self.parse(recipe)?, job.outcome()?.network.clone());
        let library = Rc::clone(&self.library);
        Ok(Job::new(|ctx| Task::new(ctx, |ctx| look(ctx, recipe, library, network))))
    }
}

#[wasm_bindgen]
impl Job {
    /// What every layer does to the result; empty but for [`Engine::sensitivity`].
    ///
    /// # Errors
    /// A `CoreError` before the end.
    pub fn sensitivity(&self) -> Result<JsRows, JsValue> {
        Ok(to_js(&self.outcome()?.sensitivity).unchecked_into())
    }

    /// What every layer takes and gives; empty but for [`Engine::inspect`].
    ///
    /// # Errors
    /// A `CoreError` before the end.
    pub fn layers(&self) -> Result<JsInspections, JsValue> {
        Ok(to_js(&self.outcome()?.layers).unchecked_into())
    }

    /// The weight of one layer of the network, and some values of granule `granule`, from its value `from` on, down to the bytes.
    ///
    /// # Errors
    /// A `CoreError` before the end, and for a layer, granule or value that is not there.
    pub fn weights(&self, layer: &str, granule: u32, from: u32) -> Result<JsWeights, JsValue> {
        let found = inspect_weights(&self.outcome()?.network, layer, granule, from).map_err(thrown)?;
        Ok(to_js(&found).unchecked_into())
    }
    /// The weight of one layer, whole, as inference uses it: its dimensions; its values, row by row; 1 or 0 for each, whether pruning kept
    /// it (empty where it took none); the place that each had in the model's own weight (empty where all are there); and what goes together
    /// of the layer's outputs ([`output_units`]).
    ///
    /// # Errors
    /// A `CoreError` before the end, and for a layer without a weight.
    pub fn matrix(&self, layer: &str) -> Result<JsMatrix, JsValue> {
        let network = &self.outcome()?.network;
        let (node, weight) = weight_named(network, layer).map_err(thrown)?;
        let parameter = &network.parameters[weight];
        let values = parameter.effective().map_err(thrown)?;
        let numbers = |values: &[u32]| JsValue::from(Uint32Array::from(values));
        let (mut shape, mut kept) = (Vec::new(), Vec::new());
        values.shape().dims().iter().for_each(|&size| shape.push(size as u32));
        parameter.mask.as_deref().unwrap_or_default().iter().for_each(|&own| kept.push(u8::from(own)));
        let parts = Array::new();
        parts.push(&numbers(&shape));
        parts.push(&Float32Array::from(values.data()));
        parts.push(&Uint8Array::from(&kept[..]));
        parts.push(&numbers(parameter.origin.as_deref().unwrap_or_default()));
        parts.push(&numbers(&output_units(network, node)));
        Ok(parts.unchecked_into())
    }
}
