//! Learning from a teacher: the losses between what two networks make of the same images.

use super::backprop::{Batch, Blocks};
use super::loss::softmax;
use super::objective::{CrossEntropy, Met, Objective};
use crate::error::CoreError;
use crate::graph::Plan;
use crate::math::ln;
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::{Shape, Tensor};
use std::rc::Rc;

/// What a student imitates beside the teacher's softened probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imitation {
    /// Nothing else (Hinton, Vinyals and Dean 2015, arXiv 1503.02531).
    Logits,
    /// Values of a layer, through a learned 1×1 convolution where their numbers of channels differ: the mean of (r(s) − t)² (Romero et
    /// al. 2015, FitNets, arXiv 1412.6550).
    Hint,
    /// Where a layer's values are large: the mean over positions of (Q_s/‖Q_s‖ − Q_t/‖Q_t‖)², Q the mean of squares over channels
    /// (Zagoruyko and Komodakis 2017, arXiv 1612.03928).
    Attention,
    /// Distances between the images of a batch, over their mean: the mean over pairs of the Huber loss (Park et al. 2019, RKD-D,
    /// arXiv 1904.05068).
    Relational,
}

/// What a distillation is told.
#[derive(Clone, Debug)]
pub struct DistillOptions {
    /// What is imitated.
    pub method: Imitation,
    /// Divides the logits of both before the softmax.
    pub temperature: f32,
    /// The share of the loss that α·T²·KL(teacher ‖ student) has; labels have the rest.
    pub alpha: f32,
    /// Times the loss of [`Imitation`].
    pub beta: f32,
    /// Values of the student and of the teacher, by index in their graphs, that belong together.
    pub pairs: Vec<(usize, usize)>,
}

/// A network that is only asked, in inference mode: running statistics, rounded where it is.
pub struct Teacher {
    plan: Plan,
    /// The values it is asked for, by index in its graph, the output first.
    wanted: Vec<usize>,
    /// Numbers of one image in each of them.
    lengths: Vec<usize>,
    /// `[image][values of all wanted]`, where they are known for a whole set.
    known: Option<Rc<Vec<f32>>>,
}

impl Teacher {
    /// Of a plan that keeps what the second values of `pairs` are.
    pub fn new(plan: Plan, pairs: &[(usize, usize)]) -> Self {
        let shapes = plan.graph().shapes();
        let wanted: Vec<usize> = std::iter::once(shapes.len() - 1).chain(pairs.iter().map(|pair| pair.1)).collect();
        let lengths = wanted.iter().map(|&value| shapes[value].len()).collect();
        Self { plan, wanted, lengths, known: None }
    }

    /// Numbers it gives of one image.
    pub fn width(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Sets what it would give of every image of a set, `[image][...]`.
    pub fn knows(&mut self, known: Rc<Vec<f32>>) {
        self.known = Some(known);
    }

    /// What it gives of one block, a value for each that is wanted.
    pub async fn ask(&mut self, ctx: &Context, block: &[f32]) -> Vec<Vec<f32>> {
        self.plan.input().copy_from_slice(block);
        self.plan.run();
        ctx.tick(self.plan.block_macs()).await;
        let last = self.plan.graph().nodes().len();
        let value = |&value: &usize| match value == last {
            true => self.plan.output_block(0).to_vec(),
            false => self.plan.node_output(value - 1).map(<[f32]>::to_vec).unwrap_or_default(),
        };
        self.wanted.iter().map(value).collect()
    }

    /// What it gives of a batch: for each wanted value its blocks.
    async fn answer(&mut self, ctx: &Context, batch: &Batch) -> Vec<Blocks> {
        let mut all = vec![Blocks::new(); self.wanted.len()];
        let width = self.width();
        for (block, items) in batch.blocks.iter().zip(batch.items.chunks(LANES)) {
            let Some(known) = &self.known else {
                all.iter_mut().zip(self.ask(ctx, block).await).for_each(|(blocks, value)| blocks.push(value));
                continue;
            };
            let mut at = 0;
            for (blocks, &length) in all.iter_mut().zip(&self.lengths) {
                let mut value = vec![0.0; length * LANES];
                for (lane, &item) in items.iter().enumerate() {
                    let from = item as usize * width + at;
                    for (rows, number) in value.as_chunks_mut::<LANES>().0.iter_mut().zip(&known[from..]) {
                        rows[lane] = *number;
                    }
                }
                at += length;
                blocks.push(value);
            }
        }
        all
    }
}

/// Cross-entropy with labels and what a teacher adds.
pub struct Distill {
    options: DistillOptions,
    labels: CrossEntropy,
    teacher: Teacher,
    /// What the teacher makes of the batch, and images of the batch.
    now: (Vec<Blocks>, usize),
    /// Channels of the student and the teacher, of each pair.
    channels: Vec<[usize; 2]>,
    /// Images of an epoch.
    images: usize,
    /// `[channels of the teacher, of the student]`, of each hint whose channels differ; empty for the others.
    regressors: Vec<Tensor>,
    slopes: Vec<Tensor>,
    /// Of the epoch so far: the sums of the norms of the gradients from the teacher and from labels, and images. Then the teacher's share
    /// in each epoch.
    notes: Vec<f64>,
}

/// Notes before the first epoch's.
const RUNNING: usize = 3;

impl Distill {
    /// For a student whose values have these shapes and that sees `images` images in an epoch. Regressors are drawn by the seed.
    ///
    /// # Errors
    /// `internal` when a regressor is too large for a tensor.
    pub fn new(
        options: DistillOptions,
        smoothing: f32,
        teacher: Teacher,
        shapes: &[Shape],
        (images, seed): (usize, u64),
    ) -> Result<Self, CoreError> {
        let first = |shape: &Shape| shape.dims().first().copied().unwrap_or(1);
        let own = teacher.plan.graph().shapes();
        let channels: Vec<[usize; 2]> =
            options.pairs.iter().map(|&(student, taught)| [first(&shapes[student]), first(&own[taught])]).collect();
        let mut regressors = Vec::new();
        for (i, &[from, to]) in channels.iter().enumerate() {
            let rows = if options.method == Imitation::Hint && from != to { to } else { 0 };
            let shape = Shape::new(&[rows, from]).map_err(|error| CoreError::internal("regressor", error))?;
            let mut tensor = Tensor::zeros(shape);
            let (bound, mut rng) = ((6.0 / from as f32).sqrt(), Rng::stream(seed, "regressor", i as u64));
            tensor.data_mut().iter_mut().for_each(|value| *value = rng.uniform(-bound, bound));
            regressors.push(tensor);
        }
        Ok(Self {
            options,
            labels: CrossEntropy::new(smoothing),
            teacher,
            now: Default::default(),
            channels,
            images,
            slopes: regressors.clone(),
            regressors,
            notes: vec![0.0; RUNNING],
        })
    }

    /// The share of the gradient that came from the teacher, of each epoch.
    pub fn shares(&self) -> Vec<f64> {
        self.notes[RUNNING..].to_vec()
    }

    /// The loss of pair `pair`, and its gradient by what the student makes of all images, `[image][value]`.
    fn imitate(&mut self, pair: usize, s: &[f32], t: &[f32]) -> (f64, Vec<f32>) {
        let images = self.now.1;
        match self.options.method {
            Imitation::Logits => (0.0, vec![0.0; s.len()]),
            Imitation::Attention => attention(s, t, images, self.channels[pair]),
            Imitation::Relational => relational(s, t, images),
            Imitation::Hint => {
                let (regressor, slopes) = (&self.regressors[pair], &mut self.slopes[pair]);
                hint(s, t, images, self.channels[pair], (regressor.data(), slopes.data_mut()))
            }
        }
    }
}

impl Objective for Distill {
    fn meet<'a>(&'a mut self, ctx: &'a Context, batch: &'a Batch) -> Met<'a> {
        Box::pin(async move {
            self.now = (self.teacher.answer(ctx, batch).await, batch.items.len());
            Ok(())
        })
    }

    fn judge(&mut self, values: &[Blocks], labels: &[u8], positions: usize, slopes: &mut [Blocks]) -> f64 {
        let Some(last) = values.len().checked_sub(1) else { return 0.0 };
        let DistillOptions { alpha, beta, temperature, .. } = self.options;
        let images = self.now.1;
        let answers: Vec<Vec<f32>> = self.now.0.iter().map(|blocks| plain(blocks, images)).collect();
        let (mut loss, mut own, mut taught) = (0.0, 0.0, 0.0);
        if alpha < 1.0 {
            loss = f64::from(1.0 - alpha) * self.labels.judge(values, labels, positions, slopes);
            for slope in slopes[last].iter_mut().flatten() {
                *slope *= 1.0 - alpha;
                own += f64::from(*slope * *slope);
            }
        }
        let mut found = Vec::new();
        if alpha > 0.0 {
            let logits = plain(&values[last], images);
            let classes = logits.len() / (images * positions).max(1);
            found.push((last, alpha, soften(&logits, &answers[0], [images, classes, positions], temperature)));
        }
        if self.options.method != Imitation::Logits {
            for pair in 0..self.options.pairs.len() {
                let at = self.options.pairs[pair].0;
                let result = self.imitate(pair, &plain(&values[at], images), &answers[1 + pair]);
                found.push((at, beta, result));
            }
            for slope in self.slopes.iter_mut().flat_map(Tensor::data_mut) {
                *slope *= beta;
            }
        }
        for (at, by, (part, gradient)) in found {
            loss += f64::from(by) * part * labels.len() as f64;
            slopes[at].resize_with(values[at].len(), || vec![0.0; gradient.len() / images * LANES]);
            for (image, gradient) in gradient.chunks(gradient.len() / images).enumerate() {
                let rows = slopes[at][image / LANES].as_chunks_mut::<LANES>().0;
                for (row, slope) in rows.iter_mut().zip(gradient) {
                    row[image % LANES] += by * slope;
                    taught += f64::from(by * slope) * f64::from(by * slope);
                }
            }
        }
        let notes = [taught.sqrt(), own.sqrt(), images as f64];
        self.notes.iter_mut().zip(notes).for_each(|(sum, more)| *sum += more);
        if self.notes[2] >= self.images as f64 {
            self.notes.push(self.notes[0] / (self.notes[0] + self.notes[1]).max(f64::MIN_POSITIVE));
            self.notes[..RUNNING].fill(0.0);
        }
        loss
    }

    fn own(&mut self) -> &mut Vec<Tensor> {
        &mut self.regressors
    }

    fn gradients(&mut self) -> Vec<Tensor> {
        self.slopes.clone()
    }

    fn notes(&mut self) -> &mut Vec<f64> {
        &mut self.notes
    }
}

/// Blocks as `[image][value]`.
fn plain(blocks: &[Vec<f32>], images: usize) -> Vec<f32> {
    let mut all = Vec::new();
    for image in 0..images {
        all.extend(blocks[image / LANES].as_chunks::<LANES>().0.iter().map(|row| row[image % LANES]));
    }
    all
}

/// T²·KL(softmax(t/T) ‖ softmax(s/T)), its mean over images and positions of logits `[image][class][position]`, and its gradient by `s`.
fn soften(s: &[f32], t: &[f32], [images, classes, positions]: [usize; 3], temperature: f32) -> (f64, Vec<f32>) {
    let (mut loss, mut gradient) = (0.0, vec![0.0; s.len()]);
    let count = (images * positions) as f32;
    for index in 0..images * positions {
        let at = |class: usize| (index / positions * classes + class) * positions + index % positions;
        let row = |from: &[f32]| (0..classes).map(|class| from[at(class)] / temperature).collect::<Vec<f32>>();
        let (s, t) = (row(s), row(t));
        let (ps, pt) = (softmax(&s), softmax(&t));
        // What is taken off logits to get ln p, from the likeliest class: p of others may be 0.
        let base = |logits: &[f32], p: &[f32]| {
            let most = (0..classes).fold(0, |best, i| if p[i] > p[best] { i } else { best });
            logits[most] - ln(p[most])
        };
        let (base_s, base_t) = (base(&s, &ps), base(&t, &pt));
        for class in 0..classes {
            loss += f64::from(pt[class] * ((t[class] - base_t) - (s[class] - base_s)));
            gradient[at(class)] = temperature * (ps[class] - pt[class]) / count;
        }
    }
    (f64::from(temperature * temperature) * loss / f64::from(count), gradient)
}

/// See [`Imitation::Hint`]; `[image][channel][position]`. The gradient of the regressor, where there is one, is written beside it.
fn hint(
    s: &[f32],
    t: &[f32],
    images: usize,
    [from, to]: [usize; 2],
    (regressor, slopes): (&[f32], &mut [f32]),
) -> (f64, Vec<f32>) {
    let (positions, by) = (t.len() / (images * to), 2.0 / t.len() as f32);
    let (mut loss, mut gradient) = (0.0, vec![0.0; s.len()]);
    slopes.fill(0.0);
    for image in 0..images {
        let (base_s, base_t) = (image * from * positions, image * to * positions);
        for channel in 0..to {
            let weights = regressor.chunks(from).nth(channel);
            for position in 0..positions {
                let source = |i: usize| base_s + i * positions + position;
                let made = match weights {
                    Some(weights) => (0..from).fold(0.0, |sum, i| sum + weights[i] * s[source(i)]),
                    None => s[source(channel)],
                };
                let difference = made - t[base_t + channel * positions + position];
                loss += f64::from(difference) * f64::from(difference);
                match weights {
                    Some(weights) => {
                        for (i, weight) in weights.iter().enumerate() {
                            gradient[source(i)] += by * difference * weight;
                            slopes[channel * from + i] += by * difference * s[source(i)];
                        }
                    }
                    None => gradient[source(channel)] = by * difference,
                }
            }
        }
    }
    (loss / t.len() as f64, gradient)
}

/// See [`Imitation::Attention`]; `[image][channel][position]`.
fn attention(s: &[f32], t: &[f32], images: usize, channels: [usize; 2]) -> (f64, Vec<f32>) {
    let positions = s.len() / (images * channels[0]);
    // The mean of squares over channels of an image, and its norm.
    let map = |values: &[f32], channels: usize, image: usize| {
        let own = &values[image * channels * positions..][..channels * positions];
        let mut map = vec![0.0f32; positions];
        for (i, value) in own.iter().enumerate() {
            map[i % positions] += value * value / channels as f32;
        }
        let norm = map.iter().fold(0.0, |sum, q| sum + q * q).sqrt().max(f32::MIN_POSITIVE);
        map.iter_mut().for_each(|q| *q /= norm);
        (map, norm)
    };
    let (mut loss, mut gradient) = (0.0, vec![0.0; s.len()]);
    let count = (images * positions) as f32;
    for image in 0..images {
        let ((qs, norm), (qt, _)) = (map(s, channels[0], image), map(t, channels[1], image));
        let slope: Vec<f32> = qs.iter().zip(&qt).map(|(s, t)| 2.0 * (s - t) / count).collect();
        loss += qs.iter().zip(&qt).fold(0.0, |sum, (s, t)| sum + f64::from((s - t) * (s - t)));
        let along = slope.iter().zip(&qs).fold(0.0, |sum, (slope, q)| sum + slope * q);
        for i in 0..channels[0] * positions {
            let (at, position) = (image * channels[0] * positions + i, i % positions);
            gradient[at] = (slope[position] - qs[position] * along) / norm * 2.0 * s[at] / channels[0] as f32;
        }
    }
    (loss / f64::from(count), gradient)
}

/// See [`Imitation::Relational`]; `[image][value]`, any number of values on either side.
fn relational(s: &[f32], t: &[f32], images: usize) -> (f64, Vec<f32>) {
    let mut gradient = vec![0.0; s.len()];
    let pairs = images * images.saturating_sub(1) / 2;
    // Distances of all pairs in order, and their mean.
    let distances = |values: &[f32]| {
        let size = values.len() / images.max(1);
        let mut all = Vec::with_capacity(pairs);
        for i in 0..images {
            for j in i + 1..images {
                let (a, b) = (&values[i * size..][..size], &values[j * size..][..size]);
                all.push(a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b)).sqrt());
            }
        }
        let mean = (all.iter().fold(0.0, |sum, d| sum + f64::from(*d)) / pairs.max(1) as f64) as f32;
        (all, mean)
    };
    let ((own, mean), (other, other_mean)) = (distances(s), distances(t));
    if mean == 0.0 || other_mean == 0.0 {
        return (0.0, gradient);
    }
    let (mut loss, mut along, mut slopes) = (0.0, 0.0, Vec::with_capacity(pairs));
    for (s, t) in own.iter().zip(&other) {
        let apart = s / mean - t / other_mean;
        let size = apart.abs();
        loss += f64::from(if size < 1.0 { 0.5 * apart * apart } else { size - 0.5 });
        let slope = apart.clamp(-1.0, 1.0) / pairs as f32;
        along += f64::from(slope * s / mean);
        slopes.push(slope);
    }
    let (along, size) = (along as f32 / pairs as f32, s.len() / images);
    let mut pair = 0;
    for i in 0..images {
        for j in i + 1..images {
            // By the distance, over it: the difference of two values is then the direction.
            let by = if own[pair] > 0.0 { (slopes[pair] - along) / mean / own[pair] } else { 0.0 };
            for at in 0..size {
                let slope = by * (s[i * size + at] - s[j * size + at]);
                gradient[i * size + at] += slope;
                gradient[j * size + at] -= slope;
            }
            pair += 1;
        }
    }
    (loss / pairs.max(1) as f64, gradient)
}

#[cfg(test)]
mod tests;
