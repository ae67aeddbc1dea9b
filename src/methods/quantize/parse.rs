//! What a recipe says about a quantize step, read and checked.

use super::*;
use crate::fields::MOST_WHOLE;
use crate::formats::{self, Family, Format};

/// What the first and the last layer may be kept at.
const ENDS: &str = "int8";

pub(super) fn parse(fields: Fields, network: &Network, _: &[Rc<dyn Step>]) -> Parsed {
    Ok(Rc::new(read(fields, network)?))
}

pub(super) fn read(mut fields: Fields, network: &Network) -> Result<QuantizeStep, CoreError> {
    let path = fields.path().to_string();
    let transforms_path = fields.at("transforms");
    let transforms = match fields.list("transforms", 8)? {
        Some(items) => transform::parse(&items, &transforms_path, network)?,
        None => Vec::new(),
    };
    let alpha = fields.number("alpha", 0.0..=1.0)?;
    let alpha_path = fields.at("alpha");
    let weights = fields.object("weights")?.map(|f| parse_weights(f, None)).transpose()?;
    let activations = fields.object("activations")?.map(|f| parse_activations(f, None)).transpose()?;
    let mut layers = Named::default();
    if let Some(entries) = fields.object("layers")? {
        let names: Vec<&str> = (0..network.graph.nodes().len())
            .filter(|&node| network.weight_of(node).is_some())
            .map(|node| network.graph.nodes()[node].name.as_str())
            .collect();
        for (name, value) in entries.into_entries() {
            let at = format!("{path}.layers.{name}");
            if !names.contains(&name.as_str()) {
                return Err(CoreError::new(ErrorCode::UnknownId, at, format!("\"{name}\""), names.join(", ")));
            }
            let mut own = Fields::new(value, at)?;
            let layer = Override {
                weights: own.object("weights")?.map(|f| parse_weights(f, weights.as_ref())).transpose()?,
                activations: own
                    .object("activations")?
                    .map(|f| parse_activations(f, activations.as_ref()))
                    .transpose()?,
            };
            own.finish()?;
            if layer.weights.is_none() && layer.activations.is_none() {
                let at = format!("{path}.layers.{name}");
                return Err(CoreError::new(ErrorCode::MissingField, at, "nothing to quantize", "weights, activations"));
            }
            layers.insert(name, layer);
        }
    }
    let ends = fields.id("ends", &[ENDS], |id| (id == ENDS).then(|| formats::find(id)).flatten())?;
    let ends_path = fields.at("ends");
    let bits = fields.object("bits")?.map(read_bits).transpose()?;
    let bits_path = fields.at("bits");
    let kv_cache = fields.object("kv_cache")?.map(|fields| KvSpec::read(fields, network)).transpose()?;
    let seed = fields.integer("seed", 0..=MOST_WHOLE)?;
    let seed_path = fields.at("seed");
    let correction = fields.id("correction", &ids(CORRECTIONS), |id| choose(CORRECTIONS, id))?;
    let images = fields.integer("images", 1..=1024)?;
    let (correction_path, images_path) = (fields.at("correction"), fields.at("images"));
    fields.finish()?;
    if weights.is_none() && activations.is_none() && layers.is_empty() && transforms.is_empty() && kv_cache.is_none() {
        return Err(CoreError::new(
            ErrorCode::MissingField,
            path,
            "nothing to quantize",
            "weights, activations, layers, transforms, kv_cache",
        ));
    }
    let mut step = QuantizeStep {
        transforms,
        alpha: alpha.unwrap_or(DEFAULT_ALPHA),
        weights,
        activations,
        layers,
        correction: correction.unwrap_or(Correction::None),
        images: images.map_or(DEFAULT_IMAGES, |images| images as u32),
        seed,
        bits,
        kv_cache,
    };
    let refuse = |path, found, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    if let Some(format) = ends
        && !step.keep_ends(network, format)?
    {
        let found = "int8 for ends of at least 8 bits, or that are not rounded";
        return refuse(ends_path, found, "with weights or activations of fewer bits");
    }
    let integer = |spec: &WeightSpec| spec.format.family() == Family::Integer && spec.format.bits() <= 8.0;
    if bits.is_some() && !step.weights.as_ref().is_some_and(integer) {
        let found = "bits to share out, but weights have no width of 2 to 8 bits";
        return refuse(bits_path, found, "with weights of int2 to int8");
    }
    if bits.is_some() && step.transforms.contains(&Transform::Awq) {
        let found = "bits to share out with awq, which scales for one width";
        return refuse(bits_path, found, "either of the two");
    }
    if seed.is_some() && !step.looks_at_images() && step.calibration_images() == 0 {
        return refuse(
            seed_path,
            "a seed for images that nothing looks at",
            "with a calibration, or what takes images",
        );
    }
    if images.is_some() && !step.looks_at_images() {
        let allowed = "only with gptq, adaround, smoothquant, awq, a correction or channels of kv_cache";
        return refuse(images_path, "images that nothing looks at", allowed);
    }
    if alpha.is_some() && !step.transforms.contains(&Transform::Smoothquant) {
        return refuse(alpha_path, "alpha without smoothquant", "only with smoothquant");
    }
    step.check_scalings(&transforms_path)?;
    if step.correction == Correction::Bias {
        if step.all_weights().any(|spec| spec.rounding.kind == Rounding::Adaround) {
            let found = "bias correction with adaround, which learns with the biases as they are";
            return refuse(correction_path, found, "either of the two");
        }
        if step.all_weights().next().is_none() && step.activations.is_none() && step.layers.is_empty() {
            return refuse(
                correction_path,
                "nothing is rounded that would need correction",
                "with weights or activations",
            );
        }
    }
    step.check_groups(&path, network)?;
    step.check_ranges(&path, network)?;
    Ok(step)
}

/// By what bits are shared out.
pub(super) const BY: &str = "sensitivity";
/// Validation images for that when the recipe does not say.
const DEFAULT_BITS_IMAGES: u32 = 200;

/// Reads `bits`.
fn read_bits(mut fields: Fields) -> Result<Budget, CoreError> {
    let budget = fields.number("budget", 2.0..=8.0)?;
    let bits = fields.needed("budget", budget)?;
    fields.id("by", &[BY], |id| (id == BY).then_some(()))?;
    let images = fields.integer("images", 8..=2000)?.map_or(DEFAULT_BITS_IMAGES, |images| images as u32);
    fields.finish()?;
    Ok(Budget { bits, images })
}

impl QuantizeStep {
    /// Gives the first and the last layer with weights `format` where they would have fewer bits, as entries of their own; says whether
    /// any changed. What a recipe says of such a layer stands.
    fn keep_ends(&mut self, network: &Network, format: &'static dyn Format) -> Result<bool, CoreError> {
        let weighted: Vec<usize> =
            (0..network.graph.nodes().len()).filter(|&node| network.weight_of(node).is_some()).collect();
        let mut changed = false;
        for node in [weighted.first(), weighted.last()].into_iter().flatten() {
            let name = &network.graph.nodes()[*node].name;
            let mut own = self.layers.get(name).cloned().unwrap_or_default();
            let fewer = |found: &'static dyn Format| found.bits() < format.bits();
            if own.weights.is_none() {
                let base = self.weights.filter(|spec| fewer(spec.format));
                own.weights = base.map(|base| base.with_format(format)).transpose()?;
                changed |= own.weights.is_some();
            }
            if own.activations.is_none() && network.rounds_input(*node) {
                let base = self.activations.filter(|spec| fewer(spec.format));
                own.activations = base.map(|base| base.with_format(format)).transpose()?;
                changed |= own.activations.is_some();
            }
            if own.weights.is_some() || own.activations.is_some() {
                self.layers.insert(name.clone(), own);
            }
        }
        Ok(changed)
    }

    /// Ranges of inputs at hand are those of an image, or of each token of a text: the range of a whole text would hold what comes
    /// after a character.
    fn check_ranges(&self, path: &str, network: &Network) -> Result<(), CoreError> {
        let text = network.graph.positions() > 1;
        let layers = self.layers.iter().map(|(name, own)| (format!(".layers.{name}"), own.activations));
        for (at, spec) in std::iter::once((String::new(), self.activations)).chain(layers) {
            if spec.is_some_and(|spec| spec.dynamic && spec.tokens != text) {
                let (found, allowed) = match text {
                    true => ("one dynamic range for a whole text, which would hold characters yet to come", "token"),
                    false => ("a range for each token of an image", "tensor, or a model of text"),
                };
                let path = format!("{path}{at}.activations.granularity");
                return Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
            }
        }
        Ok(())
    }

    /// Groups and blocks must divide the weights of an output of every layer that has them.
    pub(super) fn check_groups(&self, path: &str, network: &Network) -> Result<(), CoreError> {
        for node in 0..network.graph.nodes().len() {
            let name = &network.graph.nodes()[node].name;
            let (Some(index), Some(spec)) = (network.weight_of(node), self.weights_of(name)) else { continue };
            let Some(size) = spec.group() else { continue };
            let shape = network.parameters[index].latent.shape();
            let each = shape.len() / shape.dims()[0].max(1);
            if !each.is_multiple_of(size) {
                let own = self.layers.get(name).is_some_and(|own| own.weights.is_some());
                let at = if own { format!("{path}.layers.{name}") } else { path.to_string() };
                let (at, found, allowed) = if spec.format.block().is_some() {
                    let found =
                        format!("{} in blocks of {size}, and {each} weights per output of {name}", spec.format.id());
                    let allowed = format!("rows that {size} divides, or another format for {name} under layers");
                    (format!("{at}.weights.format"), found, allowed)
                } else {
                    let found = format!("{size}, and {each} weights per output of {name}");
                    let allowed = format!("a divisor of {each}, or another granularity for {name} under layers");
                    (format!("{at}.weights.granularity.group"), found, allowed)
                };
                return Err(CoreError::new(ErrorCode::Combination, at, found, allowed));
            }
        }
        Ok(())
    }

    /// Scalings by data must serve what is rounded.
    fn check_scalings(&self, path: &str) -> Result<(), CoreError> {
        let refuse = |found: &str, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
        let rounds = |spec: &WeightSpec| spec.format.ranged();
        let inputs = self.all_activations().next().is_some();
        if self.transforms.contains(&Transform::Smoothquant) && self.all_weights().next().is_some() && !inputs {
            let found = "smoothquant, which makes inputs easier to round and weights harder, but no input is rounded";
            return refuse(found, "with activations, or awq for weights alone");
        }
        if self.transforms.contains(&Transform::Awq) {
            if !self.all_weights().any(rounds) {
                let found = "awq, which scales by what rounding the weights does, but none is rounded to whole numbers";
                return refuse(found, "with weights of an integer format or ternary");
            }
            if self.all_weights().any(|spec| rounds(spec) && spec.range == Range::Mse) {
                let found = "awq with range mse, but awq chooses the ranges itself";
                return refuse(found, "\"range\": \"minmax\"");
            }
        }
        Ok(())
    }
}
