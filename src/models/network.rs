//! A model with its parameters: latent values, what they are stored as, and how its inputs are rounded.

use super::Model;
use super::mask::zero_pruned;
use super::stored::{METADATA, POWERS, read_plain};
use crate::data::hex;
use crate::error::{CoreError, ErrorCode};
use crate::formats::{Format, PackedTensor, Part, PartKind, STORAGES, Storage, Stored, WeightQuantizer};
use crate::graph::{Graph, LayerArithmetic, Plan};
use crate::math::canonical_nan;
use crate::ops::{Init, Rounder};
use crate::rng::Rng;
use crate::tensor::Tensor;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::rc::Rc;
use std::sync::Arc;

/// How the least magnitude of an input that stays is stored.
const LEAST: &str = ".input.threshold";

/// How quantized layers compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// Integer sums where weights and inputs are both whole numbers times scales.
    Integer,
    /// f32 arithmetic on rounded values.
    Fake,
}

/// A parameter: the f32 values it was trained to, and the packed form once quantized.
#[derive(Clone)]
pub struct Parameter {
    /// Its name, such as `conv1.weight`.
    pub name: String,
    /// Values before quantization; training changes these.
    pub latent: Tensor,
    /// How it is rounded, once a step has said so; training goes through it.
    pub quantizer: Option<WeightQuantizer>,
    /// The stored form, if it is not plain f32.
    pub packed: Option<PackedTensor>,
    /// Which values pruning has kept, if it has taken any; the others are 0, in [`Parameter::latent`] and in what is used.
    pub mask: Option<Vec<bool>>,
    /// Of one that lost channels: the place that each element had in the model's own parameter, row by row.
    pub origin: Option<Vec<u32>>,
    /// Whether a transform has changed the values while the network as a whole computes the same. Reports then measure
    /// what rounding did against [`Parameter::latent`], not against the values before the first step.
    pub transformed: bool,
}

impl Parameter {
    /// Whether this is a weight matrix or kernel (biases stay f32).
    pub fn is_weight(&self) -> bool {
        self.name.ends_with(".weight")
    }

    /// The values that inference uses.
    ///
    /// # Errors
    /// `internal` when the packed form is not decodable, which its construction rules out.
    pub fn effective(&self) -> Result<Tensor, CoreError> {
        let Some(packed) = &self.packed else { return Ok(self.latent.clone()) };
        let mut values = packed.decode().map_err(|error| CoreError::internal(&self.name, error))?;
        zero_pruned(values.data_mut(), self.mask.as_deref());
        Ok(values)
    }

    /// Its stored form, plain f32 included.
    pub fn packed(&self) -> PackedTensor {
        self.packed.clone().unwrap_or_else(|| PackedTensor::plain(&self.latent))
    }

    /// As it stands in a file: stored as asked, dense where that cannot hold it, or (`None`) in the smallest way, the first of equals.
    /// Weights alone are stored in other ways than the dense one.
    pub fn stored(&self, storage: Option<Storage>) -> Stored {
        let (packed, kept) = (self.packed(), self.mask.as_deref());
        let mut best = packed.store_dense(kept);
        // What is not pruned is nowhere smaller.
        if !self.is_weight() || (storage.is_none() && kept.is_none()) {
            return best;
        }
        for (_, way) in STORAGES.into_iter().filter(|(_, way)| storage.is_none_or(|asked| asked == *way)) {
            if let Some(found) = packed.store(kept, way)
                && (storage.is_some() || found.bytes() < best.bytes())
            {
                best = found;
            }
        }
        best
    }
}

/// The format and grid that a node rounds its input to.
#[derive(Clone, Copy)]
pub struct InputQuantizer {
    /// The format.
    pub format: &'static dyn Format,
    /// Its grid: from calibration, learned, or from the input itself.
    pub grid: Rounder,
    /// Whether training has learned the grid's scale.
    pub learned: bool,
}

/// A model with parameters.
#[derive(Clone)]
pub struct Network {
    /// The model.
    pub model: &'static Model,
    /// Its graph.
    pub graph: Rc<Graph>,
    /// All parameters, in graph order.
    pub parameters: Vec<Parameter>,
    /// One entry per node: how it rounds its input.
    pub inputs: Vec<Option<InputQuantizer>>,
    /// How weights are stored; `None`: each in the smallest way.
    pub storage: Option<Storage>,
}

impl Network {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// `internal` when the model's graph does not build, which a test rules out.
    pub fn random(model: &'static Model, seed: u64) -> Result<Self, CoreError> {
        let graph = (model.build)().map_err(|error| CoreError::internal(model.id, error))?;
        let parameters = graph
            .params()
            .enumerate()
            .map(|(i, (name, spec))| {
                let mut latent = Tensor::zeros(spec.shape.clone());
                match spec.init {
                    Init::Zeros => {}
                    Init::Ones => latent.data_mut().fill(1.0),
                    Init::HeUniform { fan_in } => {
                        let bound = (6.0 / fan_in as f32).sqrt();
                        let mut rng = Rng::stream(seed, "init", i as u64);
                        latent.data_mut().iter_mut().for_each(|value| *value = rng.uniform(-bound, bound));
                    }
                }
                Parameter { name, latent, quantizer: None, packed: None, mask: None, origin: None, transformed: false }
            })
            .collect();
        let inputs = vec![None; graph.nodes().len()];
        Ok(Self { model, graph: Rc::new(graph), parameters, inputs, storage: None })
    }

    /// A network with the parameters of a safetensors file of f32 tensors.
    ///
    /// # Errors
    /// `checksum` when the file does not hold exactly the model's parameters.
    pub fn from_safetensors(model: &'static Model, path: &str, bytes: &[u8]) -> Result<Self, CoreError> {
        let mut network = Self::random(model, 0)?;
        let wrong = |found: String, allowed: String| CoreError::new(ErrorCode::Checksum, path, found, allowed);
        let file = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|error| wrong(error.to_string(), "a safetensors file".into()))?;
        network.parameters.iter_mut().try_for_each(|parameter| read_plain(&file, path, parameter))?;
        Ok(network)
    }

    /// Parameters as inference uses them.
    ///
    /// # Errors
    /// See [`Parameter::effective`].
    pub fn effective(&self) -> Result<Vec<Tensor>, CoreError> {
        self.parameters.iter().map(Parameter::effective).collect()
    }

    /// Index of the weight parameter of a node that has one.
    pub fn weight_of(&self, node: usize) -> Option<usize> {
        let node = &self.graph.nodes()[node];
        node.params.first().filter(|spec| spec.name == "weight").map(|_| node.first_param)
    }

    /// Whether a node has a weight that multiplies its input, so that the input can be rounded. An embedding's input is numbers of tokens.
    pub fn rounds_input(&self, node: usize) -> bool {
        self.weight_of(node).is_some() && self.graph.nodes()[node].op.kind() != "embedding"
    }

    /// How node `node` computes where it stands as node `at` of `graph`.
    fn arithmetic(&self, node: usize, execution: Execution, graph: &Graph, at: usize) -> LayerArithmetic {
        let parameter = self.weight_of(node).map(|weight| &self.parameters[weight]);
        let Some(InputQuantizer { grid, .. }) = self.inputs[node] else {
            let node = &graph.nodes()[at];
            let one = node.op.windows(&graph.input_shapes(node)).is_some_and(|shape| shape.is_linear());
            let stored = parameter.filter(|_| one).and_then(Parameter::weight_only);
            return stored.map_or(LayerArithmetic::Float, |stored| LayerArithmetic::Stored(Arc::new(stored)));
        };
        let grid = match grid {
            Rounder::Fixed(grid) => grid,
            Rounder::Dynamic(grid) => return LayerArithmetic::DynamicInputs(grid),
        };
        match parameter.filter(|_| execution == Execution::Integer).and_then(Parameter::levels) {
            Some((weights, scales)) => LayerArithmetic::Integer { grid, weights, scales },
            None => LayerArithmetic::RoundedInputs(grid),
        }
    }

    /// Whether any layer can be computed with integer sums.
    pub fn has_integer_layers(&self) -> bool {
        (0..self.graph.nodes().len()).any(|node| {
            matches!(self.arithmetic(node, Execution::Integer, &self.graph, node), LayerArithmetic::Integer { .. })
        })
    }

    /// The network ready for inference.
    ///
    /// # Errors
    /// `combination` naming the layer whose sums would not fit 32 bits.
    pub fn plan(&self, execution: Execution) -> Result<Plan, CoreError> {
        self.plan_keeping(execution, &[])
    }

    /// The same, with the inputs of every node with `kept[node]` to be read after a run ([`Plan::keeping`]).
    ///
    /// # Errors
    /// See [`Network::plan`].
    pub fn plan_keeping(&self, execution: Execution, kept: &[bool]) -> Result<Plan, CoreError> {
        let tensors = self.effective()?;
        let arithmetic: Vec<LayerArithmetic> =
            (0..self.graph.nodes().len()).map(|node| self.arithmetic(node, execution, &self.graph, node)).collect();
        Plan::keeping(&self.graph, &tensors.iter().collect::<Vec<_>>(), &arithmetic, kept)
            .map_err(|e| CoreError::new(ErrorCode::Combination, e.node.clone(), e.to_string(), "fewer bits"))
    }

    /// `graph` ready for inference with this network's parameters: its nodes take those of the nodes of the same names here.
    ///
    /// # Errors
    /// `internal` for a node that is not here; see [`Network::plan`].
    pub fn plan_of(&self, graph: &Rc<Graph>, execution: Execution) -> Result<Plan, CoreError> {
        let tensors = self.effective()?;
        let (mut own, mut arithmetic) = (Vec::new(), Vec::new());
        for (i, node) in graph.nodes().iter().enumerate() {
            if node.params.is_empty() {
                arithmetic.push(LayerArithmetic::Float);
                continue;
            }
            let at = self.graph.nodes().iter().position(|other| other.name == node.name);
            let at = at.ok_or_else(|| CoreError::internal(&node.name, "no layer of this name"))?;
            let first = self.graph.nodes()[at].first_param;
            own.extend(&tensors[first..first + node.params.len()]);
            arithmetic.push(self.arithmetic(at, execution, graph, i));
        }
        Plan::new(graph, &own, &arithmetic)
            .map_err(|e| CoreError::new(ErrorCode::Combination, e.node.clone(), e.to_string(), "fewer bits"))
    }

    /// SHA-256 over the effective parameters as little-endian f32, in graph order, NaN canonical.
    ///
    /// # Errors
    /// See [`Parameter::effective`].
    pub fn digest(&self) -> Result<String, CoreError> {
        let mut hash = Sha256::new();
        for tensor in self.effective()? {
            for &value in tensor.data() {
                hash.update(canonical_nan(value).to_le_bytes());
            }
        }
        Ok(hex(&hash.finalize()))
    }

    /// Everything that is stored: name and part, in graph order; input scales last of each node.
    pub fn parts(&self) -> Vec<(String, StoredAs, Part)> {
        let mut parts = Vec::new();
        for (i, node) in self.graph.nodes().iter().enumerate() {
            for parameter in &self.parameters[node.first_param..node.first_param + node.params.len()] {
                let role = match parameter.name.rsplit('.').next() {
                    Some("weight") => StoredAs::Weight,
                    Some("bias") => StoredAs::Bias,
                    _ => StoredAs::Other,
                };
                let stored = parameter.stored(self.storage).parts;
                parts.extend(stored.into_iter().map(|part| (format!("{}{}", parameter.name, part.suffix), role, part)));
            }
            if let Some(InputQuantizer { grid: Rounder::Fixed(grid), .. }) = &self.inputs[i] {
                let part = |suffix, kind, dtype, bytes: &[u8]| Part {
                    suffix,
                    kind,
                    dtype,
                    dims: vec![1],
                    bytes: bytes.to_vec(),
                };
                let scale = part(".input.scale", PartKind::Scales, safetensors::Dtype::F32, &grid.scale.to_le_bytes());
                parts.push((format!("{}.input.scale", node.name), StoredAs::Input, scale));
                if grid.zero_point != 0 || grid.low == 0 {
                    let zero = grid.zero_point.to_le_bytes();
                    let zero = part(".input.zero_point", PartKind::ZeroPoints, safetensors::Dtype::I32, &zero);
                    parts.push((format!("{}.input.zero_point", node.name), StoredAs::Input, zero));
                }
            }
        }
        for (i, node) in self.graph.nodes().iter().enumerate() {
            if let (Some(values), Some((name, suffix))) = (node.op.constants(), self.constants_of(i)) {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let (kind, dtype, dims) = (PartKind::Scales, safetensors::Dtype::F32, vec![values.len()]);
                let role = if suffix == LEAST { StoredAs::Other } else { StoredAs::Input };
                parts.push((format!("{name}{suffix}"), role, Part { suffix, kind, dtype, dims, bytes }));
            }
        }
        parts
    }

    /// With which layer, and as what, the values are stored that the op of a node between two layers must keep: a threshold with the
    /// layer whose input it prunes, scales with the layer before.
    pub(super) fn constants_of(&self, node: usize) -> Option<(&str, &'static str)> {
        let (nodes, entry) = (self.graph.nodes(), &self.graph.nodes()[node]);
        let threshold = entry.op.kind() == "threshold";
        let holder = if threshold { self.graph.only_reader(node)? } else { entry.inputs[0].index().checked_sub(1)? };
        Some((&nodes[holder].name, if threshold { LEAST } else { ".cache.scale" }))
    }

    /// The network as a safetensors file. Its one metadata entry, `featherweight`, is JSON: the recipe, format and shape of
    /// every packed tensor, the format of every rounded input, and the size of a network that has fewer channels than its model.
    ///
    /// # Errors
    /// `internal` when the parts do not serialize, which their construction rules out.
    pub fn export(&self, recipe: &serde_json::Value) -> Result<Vec<u8>, CoreError> {
        let parts = self.parts();
        let views: Result<Vec<_>, _> = parts
            .iter()
            .map(|(name, _, part)| {
                safetensors::tensor::TensorView::new(part.dtype, part.dims.clone(), &part.bytes)
                    .map(|view| (name.as_str(), view))
            })
            .collect();
        let views = views.map_err(|error| CoreError::internal("export", error))?;
        let (mut packed, mut inputs, mut sparse) = (json!({}), json!({}), json!({}));
        for parameter in &self.parameters {
            if let Some(tensor) = &parameter.packed {
                packed[&parameter.name] = packed_entry(tensor);
            }
            let Stored { layout, parts } = parameter.stored(self.storage);
            if layout.storage != Storage::Dense || parts.iter().any(|part| part.kind == PartKind::Masks) {
                sparse[&parameter.name] = json!({"storage": layout.storage.id(), "numbers": layout.numbers});
            }
        }
        for (node, input) in self.graph.nodes().iter().zip(&self.inputs) {
            if let Some(input) = input {
                inputs[&node.name] = input_entry(input);
            }
        }
        let mut metadata = json!({"recipe": recipe, "packed": packed, "inputs": inputs});
        if let Some(size) = self.size_entry()? {
            metadata["size"] = size;
        }
        if sparse != json!({}) {
            metadata["sparse"] = sparse;
        }
        let metadata = std::iter::once((METADATA.to_string(), metadata.to_string())).collect();
        safetensors::serialize(views, Some(metadata)).map_err(|error| CoreError::internal("export", error))
    }
}

/// What the exported file says of a packed tensor.
fn packed_entry(packed: &PackedTensor) -> serde_json::Value {
    let mut entry = json!({"format": packed.format().id(), "shape": packed.shape().dims()});
    if let Some(group) = packed.group() {
        entry["group"] = json!(group);
    }
    if packed.powers() {
        entry["scale"] = json!(POWERS);
    }
    if let Some(clustered) = packed.format().clustered() {
        entry["bits"] = json!(clustered.bits);
        entry["huffman"] = json!(clustered.huffman);
    }
    entry
}

/// What the exported file says of a rounded input: its format, and for a grid of its own range all there is to it.
fn input_entry(input: &InputQuantizer) -> serde_json::Value {
    let id = input.format.id();
    match input.grid {
        Rounder::Fixed(_) => json!(id),
        Rounder::Dynamic(grid) => json!({"format": id, "symmetric": grid.symmetric, "tokens": grid.tokens}),
    }
}

/// To what a stored part belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// A weight.
    Weight,
    /// A bias.
    Bias,
    /// The rounding of a node's input.
    Input,
    /// Anything else, such as the statistics of a batch norm.
    Other,
}
