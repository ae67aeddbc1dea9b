//! Writing text: a model of characters asked for one after the other.

use crate::error::{CoreError, ErrorCode};
use crate::graph::Plan;
use crate::models::{Execution, Network, Step};
use crate::rng::Rng;
use crate::train::softmax;
use std::collections::VecDeque;

/// How the next character is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 always takes the likeliest character.
    pub temperature: f32,
    /// Seed of the random stream `write`, one for each character.
    pub seed: u64,
}

/// A text under way. Keys and values of what was read are kept (see [`Step`]), so that a character costs one step. When the
/// model's positions are used up, the newest half of the text is read again from position 0.
pub struct Writer {
    step: Step,
    plan: Plan,
    sampling: Sampling,
    /// Characters that stand at positions `0..read.len()`.
    read: Vec<u8>,
    waiting: VecDeque<u8>,
    written: u64,
    logits: Vec<f32>,
}

impl Writer {
    /// A text that begins with `prompt`, characters by number; an empty one begins with character 0.
    ///
    /// # Errors
    /// `combination` for a model that is none of text; `range` for a temperature below 0 and for a character that the model does
    /// not know; see [`Network::plan_of`].
    pub fn new(network: &Network, execution: Execution, prompt: &[u8], sampling: Sampling) -> Result<Self, CoreError> {
        let Some(step) = Step::new(network)? else {
            return Err(CoreError::new(ErrorCode::Combination, "model", network.model.id, "a model of text"));
        };
        if !(0.0..=MOST_TEMPERATURE).contains(&sampling.temperature) {
            let found = sampling.temperature.to_string();
            return Err(CoreError::new(ErrorCode::Range, "temperature", found, format!("0 to {MOST_TEMPERATURE}")));
        }
        if let Some(unknown) = prompt.iter().find(|&&c| usize::from(c) >= step.vocabulary) {
            let allowed = format!("below {}", step.vocabulary);
            return Err(CoreError::new(ErrorCode::Range, "prompt", unknown.to_string(), allowed));
        }
        let plan = network.plan_of(&step.graph, execution)?;
        let waiting = if prompt.is_empty() { VecDeque::from([0]) } else { prompt.iter().copied().collect() };
        Ok(Self { step, plan, sampling, read: Vec::new(), waiting, written: 0, logits: Vec::new() })
    }

    /// Multiply-adds of one step.
    pub fn step_macs(&self) -> u64 {
        self.plan.graph().macs()
    }

    /// Logits after the newest character that was read.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Reads one character; gives the next one once all that is there was read.
    pub fn advance(&mut self) -> Option<u8> {
        if self.read.len() == self.step.tokens {
            for &character in self.read[self.step.tokens / 2..].iter().rev() {
                self.waiting.push_front(character);
            }
            self.read.clear();
        }
        let character = self.waiting.pop_front()?;
        let at = self.read.len();
        let input = self.plan.image();
        input[0] = f32::from(character);
        input[1] = at as f32;
        let outputs = self.plan.run_image().to_vec();
        self.step.keep(&outputs, self.plan.image(), at);
        self.read.push(character);
        self.logits = outputs[..self.step.vocabulary].to_vec();
        if !self.waiting.is_empty() {
            return None;
        }
        let next = choose(&self.logits, self.sampling, self.written);
        self.written += 1;
        self.waiting.push_back(next);
        Some(next)
    }
}

/// The greatest temperature there is.
pub const MOST_TEMPERATURE: f32 = 10.0;

/// Character number `index` of a text: the first whose share of probability, summed in order, passes a uniform draw.
fn choose(logits: &[f32], Sampling { temperature, seed }: Sampling, index: u64) -> u8 {
    let likeliest = || {
        let first = (0, f32::NEG_INFINITY);
        let better = |best: (usize, f32), (i, &x): (usize, &f32)| if x > best.1 { (i, x) } else { best };
        logits.iter().enumerate().fold(first, better).0 as u8
    };
    if temperature == 0.0 {
        return likeliest();
    }
    let scaled: Vec<f32> = logits.iter().map(|x| x / temperature).collect();
    let draw = Rng::stream(seed, "write", index).uniform(0.0, 1.0);
    let mut sum = 0.0;
    let shares = softmax(&scaled);
    let passed = shares.iter().position(|share| {
        sum += share;
        sum > draw
    });
    // Rounding may leave the sum a little under 1.
    passed.map_or_else(likeliest, |i| i as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_zero_takes_the_likeliest_and_others_follow_the_shares() {
        let logits = [0.0, 2.0, 1.0];
        assert_eq!(choose(&logits, Sampling { temperature: 0.0, seed: 1 }, 0), 1);
        let mut counts = [0u32; 3];
        for index in 0..4000 {
            counts[usize::from(choose(&logits, Sampling { temperature: 1.0, seed: 1 }, index))] += 1;
        }
        for (count, share) in counts.iter().zip(softmax(&logits)) {
            assert!((f64::from(*count) / 4000.0 - f64::from(share)).abs() < 0.03, "{counts:?}");
        }
    }
}
