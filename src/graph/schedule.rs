//! Which values of a graph stand in memory, as what, and the calls that make them.

use super::{Graph, ValueId};
use crate::kernels::integer::Steps;
use crate::ops::{Layer, Rest, RowStep, Tail};

/// One call of a run: a layer, and what follows it on its rows.
pub(super) struct Step {
    pub(super) node: usize,
    /// It, and the nodes in its tail.
    pub(super) nodes: Vec<usize>,
    /// Values it reads.
    pub(super) inputs: Vec<usize>,
    /// Values that the tail's additions read, in order.
    pub(super) others: Vec<usize>,
    /// The value it gives: the node's, or the one of the last node in its tail.
    pub(super) output: usize,
    /// `None` for layers that do not give rows.
    pub(super) tail: Option<Tail>,
}

/// Which values of a graph stand in memory, and the calls that make them. `kept[node]` keeps what a node reads.
pub(super) fn schedule(graph: &Graph, layers: &[Box<dyn Layer>], kept: &[bool]) -> (Vec<Step>, Vec<Option<usize>>) {
    let mut readers = vec![0; graph.shapes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        for input in &node.inputs {
            // A value that must be kept counts as read by one more.
            readers[input.index()] += if kept.get(i) == Some(&true) { 2 } else { 1 };
        }
    }
    // The value whose buffer each value has.
    let mut home: Vec<usize> = (0..graph.shapes().len()).collect();
    let mut steps: Vec<Step> = Vec::new();
    for (i, (node, layer)) in graph.nodes().iter().zip(layers).enumerate() {
        let (output, row_step) = (i + 1, layer.as_row_step());
        if let (Some(RowStep::View), Some(input)) = (&row_step, node.inputs.first()) {
            home[output] = home[input.index()];
            continue;
        }
        let inputs: Vec<usize> = node.inputs.iter().map(|id| home[id.index()]).collect();
        let before = |steps: &[Step], id: ValueId| {
            let alone = readers[id.index()] == 1 && home[id.index()] == id.index();
            steps.iter().position(|step| alone && step.output == id.index() && step.tail.is_some())
        };
        let mut joined = false;
        if let Some(row_step) = row_step {
            for (position, &id) in node.inputs.iter().enumerate() {
                let Some(at) = before(&steps, id) else { continue };
                let mut step = steps.remove(at);
                joined = step.tail.as_mut().is_some_and(|tail| tail.push(row_step.clone()));
                if joined {
                    // The call moves to where its last node stands: everything that the tail reads is there by then.
                    step.output = output;
                    step.nodes.push(i);
                    step.others.extend(inputs.iter().enumerate().filter(|(j, _)| *j != position).map(|(_, &id)| id));
                    steps.push(step);
                    break;
                }
                steps.insert(at, step);
            }
        }
        if !joined {
            let size = match graph.shapes()[output].dims() {
                &[_, height, width] => [height, width],
                _ => [1, 1],
            };
            let tail = layer.gives_rows().then(|| Tail::new(size));
            steps.push(Step { node: i, nodes: vec![i], inputs, others: Vec::new(), output, tail });
        }
    }
    let made: Vec<usize> = std::iter::once(0).chain(steps.iter().map(|step| step.output)).collect();
    let buffers = home.iter().map(|home| made.iter().position(|made| made == home)).collect();
    (steps, buffers)
}

/// The grid that all readers of a step's value round it to, where that is the only use there is of it and the step can
/// round its own rows: then only the codes are kept.
pub(super) fn shared_grid(steps: &[Step], made: usize, layers: &[Box<dyn Layer>]) -> Option<Steps> {
    let value = steps[made].output;
    steps[made].tail.as_ref()?;
    let mut readers =
        steps.iter().filter(|step| step.inputs.contains(&value)).map(|step| layers[step.node].reads_codes());
    let grid = readers.next()??;
    let alone = readers.all(|other| other == Some(grid)) && !steps.iter().any(|step| step.others.contains(&value));
    alone.then_some(grid)
}

/// A value of one or more blocks. Where there are fewer than the plan is wide, blocks take turns.
pub(super) struct Blocks {
    /// Empty where there are codes.
    pub(super) data: Vec<f32>,
    /// What every reader would round the value to, and their grid.
    pub(super) codes: Option<(Vec<i8>, Steps)>,
    /// Numbers of one block.
    len: usize,
}

impl Blocks {
    pub(super) fn new(len: usize, count: usize, grid: Option<Steps>) -> Self {
        match grid {
            Some(steps) => Self { data: Vec::new(), codes: Some((vec![0; len * count], steps)), len },
            None => Self { data: vec![0.0; len * count], codes: None, len },
        }
    }

    pub(super) fn range(&self, block: usize) -> std::ops::Range<usize> {
        let held = self.codes.as_ref().map_or(self.data.len(), |(codes, _)| codes.len());
        let start = block * self.len % held.max(1);
        start..start + self.len
    }

    pub(super) fn get(&self, block: usize) -> &[f32] {
        &self.data[self.range(block)]
    }

    pub(super) fn get_mut(&mut self, block: usize) -> &mut [f32] {
        let range = self.range(block);
        &mut self.data[range]
    }

    /// Codes of a block, where it has them.
    pub(super) fn codes(&self, block: usize) -> Option<&[i8]> {
        self.codes.as_ref().map(|(codes, _)| &codes[self.range(block)])
    }

    /// A block, to be written.
    pub(super) fn rest(&mut self, block: usize) -> Rest<'_> {
        let range = self.range(block);
        match &mut self.codes {
            Some((codes, steps)) => Rest::Codes(&mut codes[range], *steps),
            None => Rest::Values(&mut self.data[range]),
        }
    }

    /// Blocks from `block` on, to be written.
    pub(super) fn rests(&mut self, block: usize) -> Vec<Rest<'_>> {
        let (len, start) = (self.len, self.range(block).start);
        match &mut self.codes {
            Some((codes, steps)) => {
                codes[start..].chunks_exact_mut(len).map(|part| Rest::Codes(part, *steps)).collect()
            }
            None => self.data[start..].chunks_exact_mut(len).map(Rest::Values).collect(),
        }
    }
}
