//! Which channels of a network go together: a channel that is taken out takes with it what it is added to, the weights that make it
//! and those that read it (Fang et al. 2023, DepGraph, arXiv 2301.12900). And branches beside shortcuts, which can go whole.
//!
//! How channels pass through an op is said by [`Op::flow`](crate::ops::Op::flow).

use super::{Edit, Edited, Graph, GraphError, Node, ValueId};
use crate::ops::{Flow, channels};

/// What the units of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Channels of images.
    Channels,
    /// Outputs of fully connected layers, or of layers that see one token.
    Neurons,
    /// Heads of an attention: queries, keys and values.
    Heads,
}

/// Channels that layers make in common, in units of what must go at once.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name of the layer that makes them; of several, of the first that makes no others.
    pub name: String,
    /// What its units are.
    pub units: Units,
    /// How many there are.
    pub count: usize,
    /// Channels of a unit in that layer's output.
    pub each: usize,
}

/// All channels of a graph that can be taken out. Those of its input and its output stay, and those that an op mixes.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The groups, in the order of their layers.
    pub groups: Vec<Group>,
    /// For each channel of each value, the group and the unit that it goes with; `None` for those that stay.
    of: Vec<Vec<Option<(usize, usize)>>>,
}

/// Which units of each group are kept.
pub type Keep = Vec<Vec<bool>>;

/// A branch beside a shortcut: both are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The addition.
    pub add: usize,
    /// Which of its inputs is the shortcut.
    pub shortcut: usize,
    /// The nodes that only the branch needs, ascending.
    pub nodes: Vec<usize>,
}

/// Sets of channels that go together, as trees of parents; a root is its set's first channel.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// The set of all channels that stay.
const FIXED: usize = 0;

impl Channels {
    /// The group and the unit that each channel of a value goes with; `None` for those that stay.
    pub fn of(&self, value: usize) -> &[Option<(usize, usize)>] {
        &self.of[value]
    }

    /// Which channels of a value are kept.
    pub fn kept(&self, value: usize, keep: &[Vec<bool>]) -> Vec<bool> {
        self.of[value].iter().map(|unit| unit.is_none_or(|(group, unit)| keep[group][unit])).collect()
    }

    /// Every unit of every group.
    pub fn all(&self) -> Keep {
        self.groups.iter().map(|group| vec![true; group.count]).collect()
    }

    /// Whether `keep` speaks of these groups and leaves each at least one unit.
    pub fn fits(&self, keep: &[Vec<bool>]) -> bool {
        let fits = |(group, keep): (&Group, &Vec<bool>)| keep.len() == group.count && keep.contains(&true);
        keep.len() == self.groups.len() && self.groups.iter().zip(keep).all(fits)
    }
}

impl Graph {
    /// What can be taken out of it.
    pub fn channels(&self) -> Channels {
        let mut first = vec![FIXED + 1];
        for shape in self.shapes() {
            first.push(first[first.len() - 1] + channels(shape));
        }
        let all = |value: usize| first[value]..first[value + 1];
        let mut sets = Sets((0..first[first.len() - 1]).collect());
        let mut fixed: Vec<usize> = vec![0, self.nodes().len()];
        let mut makers: Vec<usize> = Vec::new();
        for (i, node) in self.nodes().iter().enumerate() {
            let inputs = node.inputs.iter().map(|id| id.index());
            match node.op.flow(&self.input_shapes(node)) {
                Flow::Mixed => fixed.extend(inputs.chain([i + 1])),
                Flow::New { axis } => {
                    makers.push(i);
                    fixed.extend(inputs.filter(|_| axis > 0));
                }
                Flow::Tied { inputs: numbers, output } => {
                    let most = numbers.iter().flatten().chain(&output).max();
                    let mut met = vec![None; most.map_or(0, |most| most + 1)];
                    for (value, numbers) in inputs.zip(&numbers).chain([(i + 1, &output)]) {
                        for (channel, &number) in all(value).zip(numbers) {
                            sets.join(channel, *met[number].get_or_insert(channel));
                        }
                    }
                }
            }
        }
        for value in fixed {
            all(value).for_each(|channel| sets.join(channel, FIXED));
        }
        let set: Vec<usize> = (0..sets.0.len()).map(|channel| sets.root(channel)).collect();
        let mut made_by = vec![Vec::new(); set.len()];
        for &maker in &makers {
            for &set in set[all(maker + 1)].iter().filter(|&&set| set != FIXED) {
                if made_by[set].last() != Some(&maker) {
                    made_by[set].push(maker);
                }
            }
        }
        let mut alike: Vec<(Vec<usize>, usize)> = Vec::new();
        for by in made_by.into_iter().filter(|by| !by.is_empty()) {
            match alike.iter_mut().find(|(other, _)| *other == by) {
                Some((_, count)) => *count += 1,
                None => alike.push((by, 1)),
            }
        }
        let (mut groups, mut units) = (Vec::new(), vec![None; set.len()]);
        for (by, count) in alike {
            // A layer that makes this group alone and all its units alike; without one its channels stay.
            let owner = by.into_iter().find_map(|maker| {
                let own: Vec<usize> = set[all(maker + 1)].iter().copied().filter(|&set| set != FIXED).collect();
                let each = own.len() / count;
                let alike = |set: &usize| own.iter().filter(|other| *other == set).count() == each;
                let mut order: Vec<usize> = Vec::new();
                own.iter().for_each(|set| {
                    if !order.contains(set) {
                        order.push(*set)
                    }
                });
                (order.len() == count && order.iter().all(alike)).then_some((maker, each, order))
            });
            let Some((owner, each, order)) = owner else { continue };
            let node = &self.nodes()[owner];
            let attends = |node: &Node| {
                let reads = |id: &ValueId| set[all(id.index())].iter().any(|set| order.contains(set));
                node.op.kind() == "causal_attention" && node.inputs.iter().any(reads)
            };
            let kind = match () {
                () if self.nodes().iter().any(attends) => Units::Heads,
                () if node.op.kind() == "linear" || self.positions() > 1 => Units::Neurons,
                () => Units::Channels,
            };
            order.iter().enumerate().for_each(|(unit, &set)| units[set] = Some((groups.len(), unit)));
            groups.push(Group { name: node.name.clone(), units: kind, count, each });
        }
        let of = |value: usize| set[all(value)].iter().map(|&set| units[set]).collect();
        Channels { groups, of: (0..self.shapes().len()).map(of).collect() }
    }

    /// The graph with the kept units alone.
    ///
    /// # Errors
    /// [`GraphError`] when an op does not take what is left of its inputs: that would be a fault of its [`Flow`].
    pub fn narrowed(&self, channels: &Channels, keep: &[Vec<bool>]) -> Result<Edited, GraphError> {
        self.edited(|node| {
            let kept = channels.kept(node + 1, keep);
            let op = if kept.contains(&false) { self.nodes()[node].op.narrowed(&kept) } else { None };
            op.map_or(Edit::Keep, Edit::Replace)
        })
    }

    /// Every branch beside a shortcut, in the order of their additions. The branch is the input with more nodes of its own, and at
    /// least one of them has parameters.
    pub fn branches(&self) -> Vec<Branch> {
        let nodes = self.nodes();
        let own = |add: usize, input: usize| {
            let mut own = vec![false; nodes.len()];
            for at in (0..add).rev() {
                let leads = |(reader, node): (usize, &Node)| {
                    let mut reads = node.inputs.iter().enumerate().filter(|(_, id)| id.index() == at + 1);
                    reads.all(|(i, _)| own[reader] || (reader, i) == (add, input))
                };
                let read = nodes.iter().any(|node| node.inputs.iter().any(|id| id.index() == at + 1));
                if read && nodes.iter().enumerate().all(leads) {
                    own[at] = true;
                }
            }
            (0..add).filter(|&at| own[at]).collect::<Vec<usize>>()
        };
        let mut found = Vec::new();
        for (add, node) in nodes.iter().enumerate() {
            if node.op.kind() != "add" || add + 1 == nodes.len() {
                continue;
            }
            let [left, right] = [own(add, 0), own(add, 1)];
            let (shortcut, branch, other) = if left.len() > right.len() { (1, left, right) } else { (0, right, left) };
            if branch.len() > other.len() && branch.iter().any(|&at| !nodes[at].params.is_empty()) {
                found.push(Branch { add, shortcut, nodes: branch });
            }
        }
        found
    }

    /// What becomes of each node when branches go: their shortcuts stay.
    pub fn without(branches: &[Branch], node: usize) -> Edit {
        if let Some(branch) = branches.iter().find(|branch| branch.add == node) {
            return Edit::Remove(branch.shortcut);
        }
        let inside = branches.iter().any(|branch| branch.nodes.contains(&node));
        if inside { Edit::Remove(0) } else { Edit::Keep }
    }
}
