//! Network surgery: another graph, with the parameters and input grids of the nodes that stay.

use super::Network;
use crate::error::CoreError;
use crate::graph::{Edit, Edited, Graph};
use std::rc::Rc;
use std::sync::Arc;

impl Network {
    /// Edits the graph, node by node. Parameters go with their nodes; where an op's parameters change their shape, the
    /// caller has put tensors of the new shape in place before.
    ///
    /// # Errors
    /// `internal` when an op does not take its new inputs, or a parameter has not the shape its op wants.
    pub fn edit(&mut self, edit: impl Fn(usize) -> Edit) -> Result<(), CoreError> {
        self.edit_by(&edit)
    }

    /// One copy of the code for all edits.
    fn edit_by(&mut self, edit: &dyn Fn(usize) -> Edit) -> Result<(), CoreError> {
        let Edited { graph, origin } =
            self.graph.edited(edit).map_err(|error| CoreError::internal(self.model.id, error))?;
        let mut parameters = Vec::new();
        for (node, &old) in graph.nodes().iter().zip(&origin) {
            // A new node has no parameters.
            let first = old.map_or(0, |old| self.graph.nodes()[old].first_param);
            for (i, spec) in node.params.iter().enumerate().filter(|_| old.is_some()) {
                let parameter = self.parameters[first + i].clone();
                let shape = parameter.packed.as_ref().map_or(parameter.latent.shape(), |packed| packed.shape());
                if *shape != spec.shape || parameter.latent.shape() != shape {
                    let found = format!("{shape}, not {}", spec.shape);
                    return Err(CoreError::internal(&parameter.name, found));
                }
                parameters.push(parameter);
            }
        }
        self.inputs = origin.iter().map(|&old| old.and_then(|old| self.inputs[old])).collect();
        self.parameters = parameters;
        self.graph = Rc::new(graph);
        Ok(())
    }

    /// Another graph of this network's layers by their names, with the nodes that edits have put between this one's: rotations before
    /// a layer, and the rounding of keys and values behind one.
    ///
    /// # Errors
    /// `internal` when an op does not take its inputs there.
    pub(super) fn with_new_nodes(&self, graph: &Graph) -> Result<Graph, CoreError> {
        let nodes = self.graph.nodes();
        // The rotation that layer `name` reads, and the rounding that reads layer `name`.
        let find = |kind: &str, name: &str, beside: &dyn Fn(usize) -> Option<usize>| {
            (0..nodes.len())
                .find(|&at| nodes[at].op.kind() == kind && beside(at).is_some_and(|other| nodes[other].name == name))
        };
        let before = |name: &str| find("hadamard", name, &|at| self.graph.only_reader(at));
        let behind = |name: &str| find("kv_cache", name, &|at| nodes[at].inputs[0].index().checked_sub(1));
        let new = |at: usize| (nodes[at].name.clone(), Arc::clone(&nodes[at].op));
        let fault = |error| CoreError::internal(self.model.id, error);
        let rotated = graph.edited(|node| match before(&graph.nodes()[node].name) {
            None => Edit::Keep,
            Some(at) => {
                let (name, op) = new(at);
                Edit::Before(name, op)
            }
        });
        let rotated = rotated.map_err(fault)?.graph;
        let rounded = rotated.edited(|node| match behind(&rotated.nodes()[node].name) {
            None => Edit::Keep,
            Some(at) => {
                let (name, op) = new(at);
                Edit::After(name, op)
            }
        });
        Ok(rounded.map_err(fault)?.graph)
    }
}
