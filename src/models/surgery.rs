//! Network surgery: another graph, with the parameters and input grids of the nodes that stay.

use super::Network;
use crate::error::CoreError;
use crate::graph::{Edit, Edited};
use std::rc::Rc;

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
}
