//! AdaRound (Nagel et al. 2020, arXiv 2004.10568): whether each weight goes up or down is learned, layer by layer, so that
//! the layer's output stays what it was.
//!
//! A weight is s · clip(⌊w/s⌋ + h(V)), h(V) = clip(σ(V)(ζ − γ) + γ, 0, 1). The loss is the mean over windows of the squared
//! difference of the outputs, behind the activation that alone reads them (eq. 25: targets from the network in f32, inputs
//! as the layers rounded before make them), plus λ Σ 1 − |2h − 1|^β. β falls from 20 to 2 by half a cosine after the first
//! fifth of the steps, in which λ is 0. Adam, rate 0.01. Where in the end the error over all windows is greater than
//! that of the nearest codes, those stand: learning that is short may not have come that far.

use super::grid::Grid;
use super::windows::{positions, window};
use crate::error::CoreError;
use crate::kernels::conv::ConvShape;
use crate::math::{cos, exp, ln};
use crate::ops::{BlockGradient, Layer, LayerParams, Linear, Op, Scratch};
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::{Shape, Tensor, TensorError};

const ZETA: f32 = 1.1;
const GAMMA: f32 = -0.1;
const LAMBDA: f32 = 0.01;
const BETA: (f64, f64) = (20.0, 2.0);
const WARM: f64 = 0.2;
const RATE: f64 = 0.01;
/// Windows of a step, of any images and positions.
const WINDOWS: usize = 256;

/// What to learn: the rows of one group of a layer.
pub(super) struct Problem<'a> {
    /// The layer's windows.
    pub shape: ConvShape,
    /// The group.
    pub group: usize,
    /// The layer's inputs as it will see them, in blocks.
    pub inputs: &'a [Vec<f32>],
    /// Its outputs in the network in f32, in blocks.
    pub targets: &'a [Vec<f32>],
    /// Images in the blocks.
    pub images: usize,
    /// The group's rows.
    pub weight: &'a [f32],
    /// Position of their first value in the whole weight.
    pub first: usize,
    /// Which values of the whole weight pruning has kept, if it has taken any.
    pub mask: Option<&'a [bool]>,
    /// One per row.
    pub bias: &'a [f32],
    /// What alone reads the outputs, if it works element by element.
    pub activation: Option<&'a dyn Op>,
    /// Steps.
    pub iterations: u32,
}

/// The rounded rows, and how many weights were not yet within a hundredth of up or down when learning ended.
pub(super) struct Learned {
    pub weight: Vec<f32>,
    #[cfg_attr(not(test), expect(dead_code, reason = "what the tests look at"))]
    pub unsettled: usize,
}

/// Multiply-adds of learning `weights` weights.
pub(super) fn macs(weights: usize, iterations: u32) -> u64 {
    weights as u64 * u64::from(iterations) * (2 * WINDOWS as u64 + MACS_PER_WEIGHT)
}

/// About what the step of one weight costs, in multiply-adds.
const MACS_PER_WEIGHT: u64 = 100;

fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + exp(-v))
}

/// h(V), and its slope.
fn rectified(v: f32) -> (f32, f32) {
    let s = sigmoid(v);
    let h = s * (ZETA - GAMMA) + GAMMA;
    if h <= 0.0 {
        (0.0, 0.0)
    } else if h >= 1.0 {
        (1.0, 0.0)
    } else {
        (h, s * (1.0 - s) * (ZETA - GAMMA))
    }
}

/// 1 − |2h − 1|^β, and its slope by h.
fn indecision(h: f32, beta: f32) -> (f32, f32) {
    let side = 2.0 * h - 1.0;
    let distance = side.abs();
    if distance == 0.0 {
        return (1.0, 0.0);
    }
    let power = exp(beta * ln(distance));
    (1.0 - power, -2.0 * beta * power / distance * side.signum())
}

/// Weights that are being learned: floor, bounds and scale of each, and V with Adam's means.
struct State {
    floor: Vec<f32>,
    bounds: Vec<(f32, f32)>,
    scale: Vec<f32>,
    v: Vec<f32>,
    means: Vec<[f32; 2]>,
    powers: [f64; 2],
}

impl State {
    fn new(grid: &Grid<'_>, first: usize, weight: &[f32]) -> Self {
        let count = weight.len();
        let scale: Vec<f32> = (0..count).map(|i| grid.granule(first + i).scale).collect();
        let floor: Vec<f32> = weight.iter().zip(&scale).map(|(w, s)| (w / s).floor()).collect();
        // h(V) starts at the fraction that rounding down would lose.
        let start = |i: usize| {
            let rest = weight[i] / scale[i] - floor[i];
            -ln((ZETA - GAMMA) / (rest - GAMMA) - 1.0)
        };
        Self {
            v: (0..count).map(start).collect(),
            bounds: (0..count).map(|i| grid.levels(first + i)).collect(),
            means: vec![[0.0; 2]; count],
            powers: [1.0; 2],
            floor,
            scale,
        }
    }

    /// The weight with what `up` says is added to the floor, and whether it is inside the grid.
    fn value(&self, i: usize, up: f32) -> (f32, bool) {
        let level = self.floor[i] + up;
        let (low, high) = self.bounds[i];
        (level.clamp(low, high) * self.scale[i], level >= low && level <= high)
    }

    fn soft(&self) -> Vec<f32> {
        (0..self.v.len()).map(|i| self.value(i, rectified(self.v[i]).0).0).collect()
    }

    /// One step of Adam (Kingma and Ba 2015, arXiv 1412.6980); `gradient` is by the weights.
    fn step(&mut self, gradient: &[f32], beta: Option<f32>) {
        let [first, second] = [0.9f64, 0.999];
        self.powers = [self.powers[0] * first, self.powers[1] * second];
        let rate = (RATE * (1.0 - self.powers[1]).sqrt() / (1.0 - self.powers[0])) as f32;
        for (i, gradient) in gradient.iter().enumerate() {
            let (h, slope) = rectified(self.v[i]);
            let inside = self.value(i, h).1;
            let by_h = if inside { gradient * self.scale[i] } else { 0.0 };
            let regular = beta.map_or(0.0, |beta| LAMBDA * indecision(h, beta).1);
            let g = (by_h + regular) * slope;
            let [mean, square] = &mut self.means[i];
            *mean = 0.9 * *mean + 0.1 * g;
            *square = 0.999 * *square + 0.001 * g * g;
            self.v[i] -= rate * *mean / (square.sqrt() + 1e-8);
        }
    }
}

/// A step's windows in blocks of eight, with the outputs they should give.
struct Sample {
    inputs: Vec<Vec<f32>>,
    targets: Vec<Vec<f32>>,
    count: usize,
}

impl Problem<'_> {
    fn rows(&self) -> usize {
        self.shape.out_channels / self.shape.groups
    }

    /// `count` windows: all in order when there are no more, or else drawn.
    fn sample(&self, rng: &mut Rng) -> Sample {
        let (taps, rows, positions) = (self.shape.taps(), self.rows(), positions(&self.shape));
        let total = self.images * positions;
        let count = total.min(WINDOWS);
        let mut sample = Sample {
            inputs: vec![vec![0.0; taps * LANES]; count.div_ceil(LANES)],
            targets: vec![vec![0.0; rows * LANES]; count.div_ceil(LANES)],
            count,
        };
        let mut buffer = vec![0.0; taps * LANES];
        for at in 0..count {
            let drawn = if total <= WINDOWS { at } else { rng.below(total as u64) as usize };
            let (image, position) = (drawn / positions, drawn % positions);
            let (block, from, to) = (image / LANES, image % LANES, at % LANES);
            window(&self.shape, self.group, position, &self.inputs[block], &mut buffer);
            let targets = self.targets[block].as_chunks::<LANES>().0;
            copy_lane(&buffer, from, &mut sample.inputs[at / LANES], to);
            for row in 0..rows {
                let feature = (self.group * rows + row) * positions + position;
                sample.targets[at / LANES][row * LANES + to] = targets[feature][from];
            }
        }
        sample
    }

    /// Squared error over all windows, behind the activation; f64, blocks, positions, rows and lanes ascending.
    async fn error(&self, ctx: &Context, weight: &[f32], activation: Option<&dyn Layer>) -> Result<f64, TensorError> {
        let (rows, taps, positions) = (self.rows(), self.shape.taps(), positions(&self.shape));
        let layer = self.layer(weight.to_vec())?;
        let (mut x, mut out, mut scratch) = (vec![0.0; taps * LANES], vec![0.0; rows * LANES], Scratch::default());
        let (mut target, mut sum) = (out.clone(), 0.0);
        for (block, (inputs, targets)) in self.inputs.iter().zip(self.targets).enumerate() {
            let used = LANES.min(self.images - block * LANES);
            for position in 0..positions {
                window(&self.shape, self.group, position, inputs, &mut x);
                layer.forward(&[&x], &mut out, &mut scratch);
                for (row, lanes) in target.chunks_mut(LANES).enumerate() {
                    let feature = (self.group * rows + row) * positions + position;
                    lanes.copy_from_slice(&targets[feature * LANES..(feature + 1) * LANES]);
                }
                for values in [&mut out, &mut target] {
                    if let Some(activation) = activation {
                        let plain = values.clone();
                        activation.forward(&[&plain], values, &mut scratch);
                    }
                }
                for (out, target) in out.chunks(LANES).zip(target.chunks(LANES)) {
                    let differences = out.iter().zip(target).take(used).map(|(a, b)| f64::from(*a) - f64::from(*b));
                    sum = differences.fold(sum, |sum, difference| sum + difference * difference);
                }
            }
            ctx.tick((weight.len() * positions * LANES) as u64).await;
        }
        Ok(sum)
    }

    /// The group's rows as a layer over windows.
    fn layer(&self, weight: Vec<f32>) -> Result<Box<dyn Layer>, TensorError> {
        let (rows, taps) = (self.rows(), self.shape.taps());
        let weight = Tensor::new(Shape::new(&[rows, taps])?, weight)?;
        let bias = Tensor::new(Shape::new(&[rows])?, self.bias.to_vec())?;
        let params = LayerParams { tensors: &[&weight, &bias], ..LayerParams::default() };
        Linear { outputs: rows }.prepare(&[&Shape::new(&[taps])?], &params)
    }

    /// The gradient by the weights of the mean squared error over a sample.
    fn gradient(
        &self,
        weight: Vec<f32>,
        sample: &Sample,
        activation: Option<&dyn Layer>,
        scratch: &mut Scratch,
    ) -> Result<Vec<f32>, TensorError> {
        let (rows, taps) = (self.rows(), self.shape.taps());
        let layer = self.layer(weight)?;
        let mut gradients = Vec::with_capacity(sample.inputs.len());
        for (block, (input, target)) in sample.inputs.iter().zip(&sample.targets).enumerate() {
            let mut out = vec![0.0; rows * LANES];
            layer.forward(&[input], &mut out, scratch);
            let used = LANES.min(sample.count - block * LANES);
            let difference = |found: &[f32], wanted: &[f32]| -> Vec<f32> {
                let share = 2.0 / sample.count as f32;
                let slope = |(i, (a, b)): (usize, (&f32, &f32))| if i % LANES < used { share * (a - b) } else { 0.0 };
                found.iter().zip(wanted).enumerate().map(slope).collect()
            };
            gradients.push(match activation {
                None => difference(&out, target),
                Some(activation) => {
                    let (mut found, mut wanted) = (out.clone(), target.clone());
                    activation.forward(&[&out], &mut found, scratch);
                    activation.forward(&[target], &mut wanted, scratch);
                    let gradient = difference(&found, &wanted);
                    let mut by_input = vec![0.0; out.len()];
                    let block = BlockGradient { images: used, inputs: &[&out], gradient: &gradient };
                    activation.backward_inputs(&block, &mut [&mut by_input], scratch);
                    by_input
                }
            });
        }
        let inputs: Vec<&[f32]> = sample.inputs.iter().map(Vec::as_slice).collect();
        let gradients: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
        let (mut by_weight, mut by_bias) = (vec![0.0; rows * taps], vec![0.0; rows]);
        for (first, count) in layer.gradient_tiles() {
            let rows = first..first + count;
            let own = &mut by_weight[rows.start * taps..rows.end * taps];
            layer.backward_rows(&inputs, &gradients, first, &mut [own, &mut by_bias[rows]], scratch);
        }
        Ok(by_weight)
    }
}

fn copy_lane(from: &[f32], lane: usize, to: &mut [f32], to_lane: usize) {
    for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
        to[to_lane] = from[lane];
    }
}

/// Learns which way each weight goes.
///
/// # Errors
/// `internal` when the layer's parts do not fit each other, which tests rule out.
pub(super) async fn learn(
    ctx: &Context,
    grid: &Grid<'_>,
    problem: &Problem<'_>,
    mut rng: Rng,
) -> Result<Learned, CoreError> {
    let fault = |error: TensorError| CoreError::internal("adaround", error);
    let shape = Shape::new(&[problem.rows()]).map_err(fault)?;
    let activation = problem.activation.map(|op| op.prepare(&[&shape], &LayerParams::default()));
    let activation = activation.transpose().map_err(fault)?;
    let mut state = State::new(grid, problem.first, problem.weight);
    if let Some(mask) = problem.mask {
        // What is pruned may only be 0.
        let pruned = state.bounds.iter_mut().zip(&mask[problem.first..]).filter(|(_, kept)| !**kept);
        pruned.for_each(|(bounds, _)| *bounds = (0.0, 0.0));
    }
    let mut scratch = Scratch::default();
    let steps = f64::from(problem.iterations);
    for step in 0..problem.iterations {
        let sample = problem.sample(&mut rng);
        let gradient = problem.gradient(state.soft(), &sample, activation.as_deref(), &mut scratch).map_err(fault)?;
        let past = (f64::from(step) / steps - WARM) / (1.0 - WARM);
        let beta = BETA.1 + 0.5 * (BETA.0 - BETA.1) * (1.0 + cos(past.max(0.0) * std::f64::consts::PI));
        state.step(&gradient, (past >= 0.0).then_some(beta as f32));
        ctx.tick(problem.weight.len() as u64 * (2 * sample.count as u64 + MACS_PER_WEIGHT)).await;
    }
    let up: Vec<f32> = state.v.iter().map(|&v| rectified(v).0).collect();
    let mut weight: Vec<f32> =
        up.iter().enumerate().map(|(i, &h)| state.value(i, f32::from(u8::from(h >= 0.5))).0).collect();
    let nearest: Vec<f32> =
        problem.weight.iter().enumerate().map(|(i, &value)| grid.nearest(problem.first + i, value)).collect();
    let error = async |weight: &[f32]| problem.error(ctx, weight, activation.as_deref()).await.map_err(fault);
    if error(&weight).await? > error(&nearest).await? {
        weight = nearest;
    }
    Ok(Learned { weight, unsettled: up.iter().filter(|&&h| h > 0.01 && h < 0.99).count() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::ops::Relu;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn slopes_equal_finite_differences() {
        for v in [-2.2f32, -0.7, 0.1, 1.9] {
            let (h, slope) = rectified(v);
            let finite = (rectified(v + 1e-2).0 - rectified(v - 1e-2).0) / 2e-2;
            assert!((slope - finite).abs() < 1e-3, "{v}: {slope} is not {finite}");
            for beta in [2.0, 5.0, 20.0] {
                let slope = indecision(h, beta).1;
                let finite = (indecision(h + 1e-3, beta).0 - indecision(h - 1e-3, beta).0) / 2e-3;
                assert!((slope - finite).abs() < 0.02 * slope.abs().max(1.0), "{h} {beta}: {slope} is not {finite}");
            }
        }
        assert_eq!((rectified(9.0), rectified(-9.0)), ((1.0, 0.0), (0.0, 0.0)));
    }

    /// A convolution of two groups over correlated images, with its inputs and outputs.
    fn case() -> (ConvShape, Vec<Vec<f32>>, Vec<f32>, Vec<f32>) {
        let shape = ConvShape { input: [4, 6, 6], out_channels: 6, kernel: [3, 3], stride: 1, padding: 1, groups: 2 };
        let mut rng = Rng::stream(8, "case", 0);
        let image = |rng: &mut Rng| {
            let shared = rng.uniform(0.0, 1.0);
            (0..4 * 36 * LANES).map(|_| shared + rng.uniform(-0.3, 0.3)).collect::<Vec<f32>>()
        };
        let inputs = (0..4).map(|_| image(&mut rng)).collect();
        let weight = (0..6 * shape.taps()).map(|_| rng.uniform(-0.5, 0.5)).collect();
        let bias = (0..6).map(|_| rng.uniform(-0.2, 0.2)).collect();
        (shape, inputs, weight, bias)
    }

    fn outputs(shape: &ConvShape, group: usize, inputs: &[Vec<f32>], weight: &[f32], bias: &[f32]) -> Vec<Vec<f32>> {
        let (rows, taps, positions) = (3, shape.taps(), positions(shape));
        inputs
            .iter()
            .map(|block| {
                let mut out = vec![0.0; 6 * positions * LANES];
                let mut x = vec![0.0; taps * LANES];
                for position in 0..positions {
                    window(shape, group, position, block, &mut x);
                    for row in 0..rows {
                        for lane in 0..LANES {
                            let dot: f32 = (0..taps).map(|t| weight[row * taps + t] * x[t * LANES + lane]).sum();
                            out[((group * rows + row) * positions + position) * LANES + lane] = dot + bias[row];
                        }
                    }
                }
                out
            })
            .collect()
    }

    #[test]
    fn nearly_every_weight_settles_and_the_loss_is_below_that_of_the_nearest() {
        for (activation, format) in [(None, "int3"), (Some(Relu), "int3"), (Some(Relu), "int2"), (None, "ternary")] {
            let (shape, inputs, weight, bias) = case();
            let (taps, group) = (shape.taps(), 1);
            let (own, own_bias) = (weight[3 * taps..].to_vec(), bias[3..].to_vec());
            let targets = outputs(&shape, group, &inputs, &own, &own_bias);
            let format = formats::find(format).unwrap();
            let granules: Vec<_> = weight.chunks(taps).map(|row| format.fit(row, true)).collect();
            let given = (inputs.clone(), targets.clone(), own.clone(), own_bias.clone(), granules.clone());
            let learned = Task::new(Rc::new(Context::new(1)), move |ctx| async move {
                let (inputs, targets, weight, bias, granules) = &given;
                let grid = Grid::new(format, granules, 2 * weight.len());
                let activation = activation.as_ref().map(|op| op as &dyn Op);
                let problem = Problem {
                    shape,
                    group,
                    inputs,
                    targets,
                    images: 31,
                    weight,
                    first: weight.len(),
                    mask: None,
                    bias,
                    activation,
                    iterations: 1000,
                };
                learn(&ctx, &grid, &problem, Rng::stream(1, "adaround", 0)).await.unwrap()
            })
            .finish();
            let unsettled = learned.unsettled;
            assert!(unsettled * 20 <= own.len(), "{unsettled} of {} are neither up nor down", own.len());
            let grid = Grid::new(format, &granules, weight.len());
            let nearest: Vec<f32> = own.iter().enumerate().map(|(i, &v)| grid.nearest(own.len() + i, v)).collect();
            for (i, &value) in learned.weight.iter().enumerate() {
                let scale = grid.granule(own.len() + i).scale;
                assert_eq!(grid.nearest(own.len() + i, value), value, "off the grid");
                let (low, high) = grid.levels(own.len() + i);
                let inside = (low..=high).contains(&(own[i] / scale));
                assert!(!inside || (value - own[i]).abs() <= scale * 1.001, "neither up nor down");
            }
            let loss = |weight: &[f32]| {
                let clip = |v: f32| if activation.is_some() { v.max(0.0) } else { v };
                let found = outputs(&shape, group, &inputs, weight, &own_bias);
                let pairs = found.iter().flatten().zip(targets.iter().flatten());
                pairs.map(|(a, b)| f64::from(clip(*a)) - f64::from(clip(*b))).fold(0.0, |sum, d| sum + d * d)
            };
            let (learned, nearest) = (loss(&learned.weight), loss(&nearest));
            assert!(learned < nearest, "{learned} is not below {nearest}");
        }
    }
}
