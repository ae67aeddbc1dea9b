//! Network surgery on channels: a network that is really smaller, and how its file says what is left.

use super::stored::wrong;
use super::{Network, Parameter};
use crate::error::{CoreError, ErrorCode};
use crate::graph::{Branch, Channels, Edit, Graph};
use crate::ops::{Flow, channels};
use crate::tensor::{Shape, Tensor};
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;

/// Which elements of a row-major tensor of these dimensions are left, in order: those kept along every one of `axes`.
fn left(dims: &[usize], axes: &[(usize, Vec<bool>)]) -> Vec<usize> {
    let kept = |i: usize, axis: usize, kept: &[bool]| {
        let stride: usize = dims[axis + 1..].iter().product();
        kept[i / stride % dims[axis]]
    };
    (0..dims.iter().product()).filter(|&i| axes.iter().all(|(axis, own)| kept(i, *axis, own))).collect()
}

impl Parameter {
    /// Only these elements are left of it.
    fn narrow(&mut self, left: &[usize], shape: &Shape) -> Result<(), CoreError> {
        let values = left.iter().map(|&i| self.latent.data()[i]).collect();
        let tensor = Tensor::new(shape.clone(), values);
        self.latent = tensor.map_err(|error| CoreError::internal(&self.name, error))?;
        self.mask = self.mask.take().map(|mask| left.iter().map(|&i| mask[i]).collect());
        let origin = self.origin.take();
        self.origin = Some(left.iter().map(|&i| origin.as_ref().map_or(i as u32, |origin| origin[i])).collect());
        self.transformed = true;
        Ok(())
    }
}

impl Network {
    /// Takes out all units that are not kept, with the weights that make and read them. `channels` are those of the network's graph. The
    /// outputs are, bit for bit, those of the network in which the channels of these units are 0.
    ///
    /// # Errors
    /// `combination` when something is rounded already: grids and codes belong to the whole network. `internal` when `keep` does not
    /// fit the groups, or leaves one of them nothing.
    pub fn narrow(&mut self, channels: &Channels, keep: &[Vec<bool>]) -> Result<(), CoreError> {
        self.check_not_rounded()?;
        if !channels.fits(keep) {
            return Err(CoreError::internal(self.model.id, "units of other groups, or none of a group"));
        }
        let graph = Rc::clone(&self.graph);
        let edited = graph.narrowed(channels, keep).map_err(|error| CoreError::internal(self.model.id, error))?.graph;
        for (at, (node, new)) in graph.nodes().iter().zip(edited.nodes()).enumerate() {
            let output = channels.kept(at + 1, keep);
            for (i, (spec, new)) in node.params.iter().zip(&new.params).enumerate() {
                let dims = spec.shape.dims();
                let axes = match node.op.flow(&graph.input_shapes(node)) {
                    Flow::Mixed => continue,
                    Flow::New { axis: 0 } if dims.len() > 1 => {
                        vec![(0, output.clone()), (1, channels.kept(node.inputs[0].index(), keep))]
                    }
                    Flow::New { axis } => vec![(axis, output.clone())],
                    Flow::Tied { .. } => vec![(0, output.clone())],
                };
                if axes.iter().any(|(_, kept)| kept.contains(&false)) {
                    self.parameters[node.first_param + i].narrow(&left(dims, &axes), &new.shape)?;
                }
            }
        }
        self.edit(|node| match edited.nodes()[node].op.clone() {
            op if Arc::ptr_eq(&op, &graph.nodes()[node].op) => Edit::Keep,
            op => Edit::Replace(op),
        })
    }

    /// Takes out whole branches of its graph; their shortcuts stay. The outputs are those of the network in which what the branches
    /// add is 0.
    ///
    /// # Errors
    /// `combination` when something is rounded already.
    pub fn remove_branches(&mut self, branches: &[Branch]) -> Result<(), CoreError> {
        self.check_not_rounded()?;
        self.edit(|node| Graph::without(branches, node))
    }

    fn check_not_rounded(&self) -> Result<(), CoreError> {
        let refuse = |path: &str, found: &str| {
            Err(CoreError::new(
                ErrorCode::Combination,
                path,
                found,
                "channels and layers are taken out before quantize",
            ))
        };
        let rounded = |parameter: &&Parameter| parameter.packed.is_some() || parameter.quantizer.is_some();
        if let Some(parameter) = self.parameters.iter().find(rounded) {
            return refuse(&parameter.name, "a rounded weight");
        }
        match self.inputs.iter().position(Option::is_some) {
            Some(node) => refuse(&self.graph.nodes()[node].name, "a rounded input"),
            None => Ok(()),
        }
    }

    /// What a file says of a network that has fewer channels or branches than its model; `None` for all others. `channels` has the number of
    /// outputs of every layer that has fewer, `removed` the additions that are gone.
    pub(super) fn size_entry(&self) -> Result<Option<Value>, CoreError> {
        let full = (self.model.build)().map_err(|error| CoreError::internal(self.model.id, error))?;
        let (mut fewer, mut removed) = (json!({}), Vec::new());
        for (at, node) in full.nodes().iter().enumerate() {
            let own = self.graph.nodes().iter().position(|own| own.name == node.name);
            match own.map(|own| channels(&self.graph.shapes()[own + 1])) {
                None if node.op.kind() == "add" => removed.push(&node.name),
                Some(own) if !node.params.is_empty() && own < channels(&full.shapes()[at + 1]) => {
                    fewer[&node.name] = json!(own);
                }
                _ => {}
            }
        }
        let whole = removed.is_empty() && fewer.as_object().is_none_or(serde_json::Map::is_empty);
        Ok((!whole).then(|| json!({"channels": fewer, "removed": removed})))
    }

    /// Gives a fresh network of the model the size that the metadata of an exported file says; parameters get any values.
    ///
    /// # Errors
    /// `checksum` when the model cannot have that size.
    pub fn resize(&mut self, path: &str, metadata: &Value) -> Result<(), CoreError> {
        let Some(size) = metadata.get("size") else { return Ok(()) };
        let refuse = |found: &Value| wrong(path, found, "a size that the model can have");
        let mut branches = Vec::new();
        for name in size["removed"].as_array().ok_or_else(|| refuse(size))? {
            let named = |branch: &Branch| Some(self.graph.nodes()[branch.add].name.as_str()) == name.as_str();
            branches.push(self.graph.branches().into_iter().find(named).ok_or_else(|| refuse(name))?);
        }
        self.remove_branches(&branches)?;
        let all = self.graph.channels();
        let mut keep = all.all();
        for (group, keep) in all.groups.iter().zip(&mut keep) {
            let Some(found) = size["channels"].get(&group.name) else { continue };
            let of = |node: usize| self.graph.nodes()[node].name == group.name;
            let full = (0..self.graph.nodes().len()).find(|&node| of(node));
            let full = full.map_or(0, |node| channels(&self.graph.shapes()[node + 1]));
            let gone = found.as_u64().and_then(|own| full.checked_sub(usize::try_from(own).ok()?));
            let gone = gone.filter(|gone| gone.is_multiple_of(group.each) && gone / group.each < group.count);
            keep[group.count - gone.ok_or_else(|| refuse(found))? / group.each..].fill(false);
        }
        self.narrow(&all, &keep)?;
        // A file does not say which channels they were.
        self.parameters.iter_mut().for_each(|parameter| parameter.origin = None);
        Ok(())
    }
}
