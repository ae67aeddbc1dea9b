//! Graph surgery: a graph made from another one, node by node. The old graph stays as it is; ops are shared.

use super::{Graph, GraphError, ValueId};
use crate::ops::Op;
use crate::tensor::TensorError;
use std::sync::Arc;

/// What becomes of a node.
#[derive(Debug)]
pub enum Edit {
    /// It stays.
    Keep,
    /// It goes; what read it reads this one of its inputs instead.
    Remove(usize),
    /// It does something else.
    Replace(Arc<dyn Op>),
    /// It stays, and what it read first goes through a new node of this name.
    Before(String, Arc<dyn Op>),
    /// It stays, and what read it reads a new node of this name, which reads it.
    After(String, Arc<dyn Op>),
}

/// A graph made from another one.
#[derive(Debug)]
pub struct Edited {
    /// The new graph; parameters are counted anew.
    pub graph: Graph,
    /// For each of its nodes, the index of the old one; `None` for a new one.
    pub origin: Vec<Option<usize>>,
}

impl Graph {
    /// The graph after `edit` of every node, by index.
    ///
    /// # Errors
    /// [`GraphError`] when an op does not take its new inputs, or when the last node left is not the output.
    pub fn edited(&self, edit: impl Fn(usize) -> Edit) -> Result<Edited, GraphError> {
        self.edited_by(&edit)
    }

    /// One copy of the code for all edits.
    fn edited_by(&self, edit: &dyn Fn(usize) -> Edit) -> Result<Edited, GraphError> {
        let mut graph = Self::new(self.shape(ValueId::INPUT).clone());
        let mut origin = Vec::new();
        let mut values = vec![ValueId::INPUT];
        for (i, node) in self.nodes().iter().enumerate() {
            let mut inputs: Vec<ValueId> = node.inputs.iter().map(|id| values[id.index()]).collect();
            let mut behind = None;
            let op = match edit(i) {
                Edit::Keep => Arc::clone(&node.op),
                Edit::Before(name, op) => {
                    inputs[0] = graph.add_shared(&name, op, &inputs[..1])?;
                    origin.push(None);
                    Arc::clone(&node.op)
                }
                Edit::After(name, op) => {
                    behind = Some((name, op));
                    Arc::clone(&node.op)
                }
                Edit::Replace(op) => op,
                Edit::Remove(input) => {
                    values.push(inputs[input]);
                    continue;
                }
            };
            let mut value = graph.add_shared(&node.name, op, &inputs)?;
            origin.push(Some(i));
            if let Some((name, op)) = behind {
                value = graph.add_shared(&name, op, &[value])?;
                origin.push(None);
            }
            values.push(value);
        }
        match (self.nodes().last(), values.last()) {
            (Some(last), Some(output)) if output.index() != origin.len() => {
                let error = TensorError::Unsupported {
                    op: last.op.kind(),
                    shape: self.output().clone(),
                    wanted: "the output of the last node that is left",
                };
                Err(GraphError { node: last.name.clone(), error })
            }
            _ => Ok(Edited { graph, origin }),
        }
    }

    /// The one node that reads the output of `node`, once; `None` when none, several or the graph's user do.
    pub fn only_reader(&self, node: usize) -> Option<usize> {
        let reads = |reader: usize| self.nodes()[reader].inputs.iter().filter(|id| id.index() == node + 1).count();
        let mut readers = (node + 1..self.nodes().len()).filter(|&reader| reads(reader) > 0);
        let first = readers.next()?;
        (reads(first) == 1 && readers.next().is_none()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Linear, Relu};
    use crate::tensor::Shape;

    fn graph() -> Graph {
        let mut graph = Graph::new(Shape::new(&[4]).unwrap());
        let a = graph.then("a", Linear { outputs: 4 }).unwrap();
        let relu = graph.then("relu", Relu).unwrap();
        graph.add("sum", Add, &[a, relu]).unwrap();
        graph.then("b", Linear { outputs: 2 }).unwrap();
        graph
    }

    #[test]
    fn a_removed_node_hands_its_readers_its_input() {
        let old = graph();
        let new = old.edited(|i| if i == 1 { Edit::Remove(0) } else { Edit::Keep }).unwrap();
        assert_eq!(new.origin, [Some(0), Some(2), Some(3)]);
        let nodes = new.graph.nodes();
        assert_eq!(nodes[1].inputs, [ValueId(1), ValueId(1)]);
        assert_eq!((nodes[2].first_param, nodes[2].inputs[0]), (2, ValueId(2)));
        assert_eq!(old.nodes().len(), 4);
    }

    #[test]
    fn an_op_can_be_replaced_and_must_fit() {
        let wider = |outputs| move |i| if i == 3 { Edit::Replace(Arc::new(Linear { outputs })) } else { Edit::Keep };
        assert_eq!(graph().edited(wider(7)).unwrap().graph.output().dims(), [7]);
        let narrow =
            |i| if i == 1 { Edit::Replace(Arc::new(Linear { outputs: 3 }) as Arc<dyn Op>) } else { Edit::Keep };
        assert_eq!(graph().edited(narrow).unwrap_err().node, "sum");
    }

    #[test]
    fn new_nodes_stand_before_and_behind() {
        let edit = |i| match i {
            0 => Edit::After("a-relu".into(), Arc::new(Relu) as Arc<dyn Op>),
            3 => Edit::Before("b-relu".into(), Arc::new(Relu)),
            _ => Edit::Keep,
        };
        let new = graph().edited(edit).unwrap();
        assert_eq!(new.origin, [Some(0), None, Some(1), Some(2), None, Some(3)]);
        let names: Vec<&str> = new.graph.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["a", "a-relu", "relu", "sum", "b-relu", "b"]);
        // Both readers of `a` read what stands behind it, and `b` what stands before it.
        let inputs = |i: usize| new.graph.nodes()[i].inputs.iter().map(|id| id.index()).collect::<Vec<_>>();
        assert_eq!(
            [inputs(1), inputs(2), inputs(3), inputs(4), inputs(5)],
            [vec![1], vec![2], vec![2, 3], vec![4], vec![5]]
        );
        assert_eq!(new.graph.nodes()[5].first_param, 2);
    }

    #[test]
    fn readers_are_counted() {
        let graph = graph();
        assert_eq!([0, 1, 2, 3].map(|node| graph.only_reader(node)), [None, Some(2), Some(3), None]);
    }
}
