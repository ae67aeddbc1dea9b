//! Long work without a clock: futures that count multiply-adds and give way when their budget is spent.
//!
//! Anything that may take more than a few milliseconds is an `async fn` that awaits [`Context::tick`]. The
//! owner polls it with a budget through [`Task::advance`]; progress, cancelling (dropping the task), pausing and
//! checkpoints all come from this one mechanism. Results never depend on the budget.

use crate::math::sort;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as PollContext, Poll, Waker};

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading weights and data.
    Load,
    /// Training.
    Train,
    /// Watching activations to choose their ranges.
    Calibrate,
    /// Choosing weights to go.
    Prune,
    /// Encoding weights.
    Quantize,
    /// Counting right answers.
    Evaluate,
    /// Finished.
    Done,
}

/// Values sorted at once.
const RUN: usize = 8192;
/// About what sorting one value costs, in multiply-adds.
pub const MACS_PER_SORTED: u64 = 100;

/// Points of a curve at most.
const CURVE_POINTS: usize = 128;

/// A curve of few points: when it is full, neighbours become their mean, and each new point stands for twice as many values.
#[derive(Debug)]
struct Curve {
    points: Vec<f32>,
    /// Values of a point.
    each: u32,
    /// Sum and number of the values of the next point.
    next: (f64, u32),
}

impl Curve {
    const EMPTY: Self = Self { points: Vec::new(), each: 1, next: (0.0, 0) };

    /// All of it as numbers.
    fn numbers(&self) -> Vec<f64> {
        let head = [f64::from(self.each), self.next.0, f64::from(self.next.1)];
        head.into_iter().chain(self.points.iter().map(|point| f64::from(*point))).collect()
    }

    /// What [`Curve::numbers`] gave; empty for fewer.
    fn of(numbers: &[f64]) -> Self {
        let [each, sum, count, points @ ..] = numbers else { return Self::EMPTY };
        let points = points.iter().take(CURVE_POINTS - 1).map(|point| *point as f32).collect();
        Self { points, each: (*each as u32).max(1), next: (*sum, *count as u32) }
    }

    fn push(&mut self, value: f64) {
        self.next = (self.next.0 + value, self.next.1 + 1);
        if self.next.1 < self.each {
            return;
        }
        self.points.push((self.next.0 / f64::from(self.each)) as f32);
        self.next = (0.0, 0);
        if self.points.len() == CURVE_POINTS {
            self.points = self.points.as_chunks::<2>().0.iter().map(|pair| 0.5 * (pair[0] + pair[1])).collect();
            self.each *= 2;
        }
    }
}

/// How a task stands to a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Nothing is trained: no checkpoint would come.
    Idle,
    /// Something is trained.
    Training,
    /// It is asked for a checkpoint.
    Asked,
    /// It has given that.
    Given,
}

/// What can be gone on from.
#[derive(Debug, Default)]
struct Saved {
    /// A checkpoint of the trainings that have ended.
    ended: Vec<u8>,
    /// The newest of the one under way; empty without.
    newest: Vec<u8>,
    /// Whether there is something that was not taken.
    fresh: bool,
}

/// Adds a state behind the others.
fn join(states: &mut Vec<u8>, state: &[u8]) {
    states.extend_from_slice(&(state.len() as u64).to_le_bytes());
    states.extend_from_slice(state);
}

/// Shared between a task and its owner: budget, progress, partial results, the newest checkpoint.
#[derive(Debug)]
pub struct Context {
    budget: Cell<u64>,
    done: Cell<u64>,
    total: Cell<u64>,
    phase: Cell<Phase>,
    partial: Cell<Option<(u32, u32)>>,
    bytes: Cell<Option<u64>>,
    losses: RefCell<Curve>,
    checkpoint: RefCell<Saved>,
    pause: Cell<Pause>,
    /// Threads that may work at once; always 1 in WebAssembly. Results do not depend on it.
    pub threads: usize,
    /// Multiply-adds between checkpoints; two seconds or so at 5 G/s unless changed.
    pub checkpoint_macs: u64,
}

impl Context {
    /// A context with no budget yet.
    pub fn new(threads: usize) -> Self {
        Self {
            budget: Cell::new(0),
            done: Cell::new(0),
            total: Cell::new(0),
            phase: Cell::new(Phase::Load),
            partial: Cell::new(None),
            bytes: Cell::new(None),
            losses: RefCell::new(Curve::EMPTY),
            checkpoint: RefCell::default(),
            pause: Cell::new(Pause::Idle),
            threads: threads.max(1),
            checkpoint_macs: 10_000_000_000,
        }
    }

    /// Spends `macs` multiply-adds of the budget, giving way once when it is gone.
    pub fn tick(&self, macs: u64) -> Tick<'_> {
        self.done.set(self.done.get() + macs);
        self.budget.set(self.budget.get().saturating_sub(macs));
        Tick { context: self, yielded: false }
    }

    /// Sorts, giving way between runs.
    pub async fn sort(&self, values: &mut [f32]) {
        for run in values.chunks_mut(RUN) {
            sort(run);
            self.tick(run.len() as u64 * MACS_PER_SORTED).await;
        }
        // Of sorted runs, which it finds, the sort makes one.
        sort(values);
        self.tick(values.len() as u64 * MACS_PER_SORTED).await;
    }

    /// Says how many multiply-adds the whole task is expected to take.
    pub fn expect(&self, macs: u64) {
        self.total.set(macs);
    }

    /// Says what the task does now.
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// What the task does now.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Multiply-adds done and expected. The expectation is an estimate, never below what is done.
    pub fn progress(&self) -> (u64, u64) {
        (self.done.get(), self.total.get().max(self.done.get()))
    }

    /// Reports `correct` right answers of `total` so far.
    pub fn report_partial(&self, correct: u32, total: u32) {
        self.partial.set(Some((correct, total)));
    }

    /// Forgets the counts of an evaluation that is not the task's own.
    pub fn clear_partial(&self) {
        self.partial.set(None);
    }

    /// Right answers and images so far in the last evaluation.
    pub fn partial(&self) -> Option<(u32, u32)> {
        self.partial.get()
    }

    /// Says how many bytes the network takes that is being judged.
    pub fn report_bytes(&self, bytes: u64) {
        self.bytes.set(Some(bytes));
    }

    /// Bytes of the network that is being judged, once known.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes.get()
    }

    /// Reports the mean loss of a step of training.
    pub fn report_loss(&self, loss: f64) {
        self.losses.borrow_mut().push(loss);
    }

    /// The losses of the newest training so far, at most 128 points, each the mean of as many steps.
    pub fn losses(&self) -> Vec<f32> {
        self.losses.borrow().points.clone()
    }

    /// Everything behind [`Context::losses`], for a checkpoint.
    pub fn curve(&self) -> Vec<f64> {
        self.losses.borrow().numbers()
    }

    /// Goes on with the curve that [`Context::curve`] gave; without one, with an empty one.
    pub fn restore_curve(&self, curve: &[f64]) {
        self.losses.replace(Curve::of(curve));
    }

    /// Says that a training begins, which gives a checkpoint when it is asked for one, or that it has ended.
    pub fn trains(&self, now: bool) {
        self.pause.set(if now { Pause::Training } else { Pause::Idle });
    }

    /// Asks for a checkpoint of the training under way, at the end of its step, so that nothing is done again. Returns whether that
    /// is still to come: with no training under way none does, and the newest is all there is.
    pub fn ask_checkpoint(&self) -> bool {
        if self.pause.get() == Pause::Training {
            self.pause.set(Pause::Asked);
        }
        self.is_asked()
    }

    /// Whether somebody waits for a checkpoint.
    pub fn is_asked(&self) -> bool {
        self.pause.get() == Pause::Asked
    }

    /// Keeps `bytes` as the newest state of the training under way. Gives way at the next tick if somebody waits for it.
    pub fn save_checkpoint(&self, bytes: Vec<u8>) {
        let mut saved = self.checkpoint.borrow_mut();
        (saved.newest, saved.fresh) = (bytes, true);
        if self.is_asked() {
            self.pause.set(Pause::Given);
            self.budget.set(0);
        }
    }

    /// Says that the training under way went on from this state.
    pub fn go_on_from(&self, bytes: &[u8]) {
        self.checkpoint.borrow_mut().newest = bytes.to_vec();
    }

    /// Says that a step of the recipe is done: how its training ended is part of all checkpoints to come, so that it is not done again.
    pub fn end_step(&self) {
        let mut saved = self.checkpoint.borrow_mut();
        let newest = std::mem::take(&mut saved.newest);
        if !newest.is_empty() {
            join(&mut saved.ended, &newest);
        }
    }

    /// Takes the newest checkpoint, if there is one that was not taken: the states that trainings of earlier steps ended with and that
    /// of the one under way, in their order, each after its length in eight bytes.
    pub fn take_checkpoint(&self) -> Option<Vec<u8>> {
        let mut saved = self.checkpoint.borrow_mut();
        if !std::mem::take(&mut saved.fresh) {
            return None;
        }
        let mut bytes = saved.ended.clone();
        if !saved.newest.is_empty() {
            join(&mut bytes, &saved.newest);
        }
        Some(bytes)
    }
}

/// The future of [`Context::tick`].
#[derive(Debug)]
#[must_use = "a tick that is not awaited never gives way"]
pub struct Tick<'a> {
    context: &'a Context,
    yielded: bool,
}

impl Future for Tick<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut PollContext<'_>) -> Poll<()> {
        if self.context.budget.get() > 0 || self.yielded {
            Poll::Ready(())
        } else {
            self.yielded = true;
            Poll::Pending
        }
    }
}

/// A running piece of work with its context. Dropping it cancels it.
pub struct Task<T> {
    context: Rc<Context>,
    future: Pin<Box<dyn Future<Output = T>>>,
}

impl<T> Task<T> {
    /// A task from a function of its context.
    pub fn new<F>(context: Rc<Context>, start: impl FnOnce(Rc<Context>) -> F) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        let future = Box::pin(start(Rc::clone(&context)));
        Self { context, future }
    }

    /// The context shared with the work.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs until the budget is spent (`None`) or the work is done. Not to be called again after that.
    pub fn advance(&mut self, budget_macs: u64) -> Option<T> {
        self.context.budget.set(budget_macs.max(1));
        let mut poll_context = PollContext::from_waker(Waker::noop());
        match self.future.as_mut().poll(&mut poll_context) {
            Poll::Ready(value) => {
                self.context.enter(Phase::Done);
                // There is nothing left to go on with.
                self.context.checkpoint.take();
                Some(value)
            }
            Poll::Pending => None,
        }
    }

    /// Runs to the end.
    pub fn finish(mut self) -> T {
        loop {
            if let Some(value) = self.advance(u64::MAX) {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_of_losses_stays_short_and_keeps_its_means() {
        let context = Context::new(1);
        (0..1000).for_each(|i| context.report_loss(f64::from(i)));
        let losses = context.losses();
        // Full after 128, 256 and 512 values: 8 to a point since then.
        assert_eq!(losses.len(), 125);
        assert!(losses.iter().enumerate().all(|(i, &loss)| loss == 8.0 * i as f32 + 3.5), "{losses:?}");
        // What goes on from a checkpoint has the same curve.
        let other = Context::new(1);
        other.restore_curve(&context.curve());
        (1000..2000).for_each(|i| [&context, &other].map(|each| each.report_loss(f64::from(i))).into_iter().collect());
        assert_eq!(context.losses(), other.losses());
        context.restore_curve(&[]);
        assert!(context.losses().is_empty());
    }

    #[test]
    fn gives_way_when_the_budget_is_spent_and_the_result_is_the_same() {
        let count = |budget: u64| {
            let mut task = Task::new(Rc::new(Context::new(1)), |context| async move {
                let mut sum = 0u64;
                for i in 0..100 {
                    sum += i;
                    context.tick(10).await;
                }
                sum
            });
            for calls in 1.. {
                if let Some(sum) = task.advance(budget) {
                    return (sum, calls, task.context().progress().0);
                }
            }
            unreachable!()
        };
        assert_eq!(count(u64::MAX), (4950, 1, 1000));
        assert_eq!(count(100), (4950, 11, 1000));
        assert_eq!(count(1), (4950, 101, 1000));
    }
}
