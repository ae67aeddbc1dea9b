//! Workers that each hold a shard of the images and send their gradients to each other.

use super::{Exchange, Gradients, Message};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The workers of a training; one that sends nothing, where nothing is exchanged.
pub(super) struct Workers {
    exchange: Option<Exchange>,
    /// What each has not sent yet, by worker and parameter; empty where messages leave nothing.
    rest: Vec<Vec<Tensor>>,
    /// Bytes of the newest message of one worker, and of one of f32.
    pub bytes: [u64; 2],
}

impl Workers {
    /// Those of an exchange of gradients by these parameters.
    pub fn new(exchange: Option<Exchange>, parameters: &[Tensor]) -> Self {
        let remembering = exchange.filter(|exchange| exchange.message.remembers()).map_or(0, |own| own.workers);
        let zeros = || parameters.iter().map(|parameter| Tensor::zeros(parameter.shape().clone())).collect();
        Self { exchange, rest: (0..remembering).map(|_| zeros()).collect(), bytes: [0; 2] }
    }

    /// What each of them sees of an epoch's order: image `i` is worker `i mod workers`'s.
    pub fn shards(&self, order: Vec<u32>) -> Vec<Vec<u32>> {
        let Some(Exchange { workers, .. }) = self.exchange else { return vec![order] };
        (0..workers).map(|worker| order.iter().copied().filter(|i| i % workers == worker).collect()).collect()
    }

    /// Makes a worker's gradients what the others get of them.
    pub fn send(&mut self, worker: usize, gradients: &mut [Tensor], seed: u64, stream: u64) {
        let Some(Exchange { message, .. }) = self.exchange else { return };
        let mut rng = Rng::stream(seed, "message", stream);
        self.bytes = [0; 2];
        for (i, gradient) in gradients.iter_mut().enumerate() {
            let rest = self.rest.get_mut(worker).and_then(|own| own.get_mut(i)).map(Tensor::data_mut);
            self.bytes[1] += Message::Dense.send(&mut gradient.data().to_vec(), None, &mut rng);
            self.bytes[0] += message.send(gradient.data_mut(), rest, &mut rng);
        }
    }

    /// Makes the sum of all messages what every worker follows.
    pub fn merge(&self, sum: &mut Gradients) {
        let Some(Exchange { workers, message }) = self.exchange else { return };
        message.merge(&mut sum.parameters, workers);
        sum.statistics.iter_mut().flat_map(|(_, own)| own).for_each(|value| *value /= workers as f32);
    }

    /// What has not been sent, for a checkpoint.
    pub fn rest(&self) -> impl Iterator<Item = Tensor> + '_ {
        self.rest.iter().flatten().cloned()
    }

    /// Goes on from what [`Workers::rest`] gave.
    pub fn restore(&mut self, rest: impl Iterator<Item = Tensor>) {
        self.rest.iter_mut().flatten().zip(rest).for_each(|(own, kept)| *own = kept);
    }
}

/// Adds a worker's gradients to the sum of those before.
pub(super) fn add(sum: &mut Gradients, own: &Gradients) {
    sum.loss += own.loss;
    let plus = |sum: &mut [f32], own: &[f32]| sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    sum.parameters.iter_mut().zip(&own.parameters).for_each(|(sum, own)| plus(sum.data_mut(), own.data()));
    sum.statistics.iter_mut().zip(&own.statistics).for_each(|(sum, own)| plus(&mut sum.1, &own.1));
    sum.inputs.iter_mut().zip(&own.inputs).for_each(|(sum, own)| *sum += own);
}
