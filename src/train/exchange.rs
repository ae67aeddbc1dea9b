//! Gradients as machines send them to each other: several workers, each with a shard of the data, and what a message holds.

use super::number::largest;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What is sent of a gradient, tensor by tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message {
    /// Every value as f32.
    Dense,
    /// Eight bits for each value, and a scale (Dettmers 2016, arXiv 1511.04561, with a linear grid).
    EightBit,
    /// The norm, and of each value its sign and one of `levels` + 1 levels, up or down by chance (Alistarh et al. 2017, QSGD, arXiv
    /// 1610.02132).
    Qsgd {
        /// Levels above 0.
        levels: u32,
    },
    /// −1, 0 or 1 times the largest magnitude, by chance; values beyond `clip` standard deviations are cut off before, 0: none are
    /// (Wen et al. 2017, TernGrad, arXiv 1705.07878).
    TernGrad {
        /// Standard deviations.
        clip: f64,
    },
    /// Signs alone; the majority's is followed (Bernstein et al. 2018, signSGD, arXiv 1802.04434).
    Sign,
    /// Signs times the mean magnitude; what that loses is added to the next gradient (Seide et al. 2014; Karimireddy et al. 2019, arXiv
    /// 1901.09847).
    OneBit,
    /// The share of largest magnitude; the rest is added to the next gradient (Lin et al. 2018, DGC, arXiv 1712.01887).
    TopK {
        /// What is sent, 0 to 1.
        share: f64,
    },
}

/// Workers, and what they send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// How many.
    pub workers: u32,
    /// What.
    pub message: Message,
}

impl Message {
    /// Whether a worker keeps what it has not sent.
    pub fn remembers(self) -> bool {
        matches!(self, Self::OneBit | Self::TopK { .. })
    }

    /// Makes a gradient what the others get of it; `rest` is what was not sent before, and becomes what is not sent now. Returns the
    /// bytes of the message.
    pub fn send(self, gradient: &mut [f32], rest: Option<&mut [f32]>, rng: &mut Rng) -> u64 {
        let n = gradient.len() as u64;
        let mut own = rest;
        if let Some(rest) = &mut own {
            gradient.iter_mut().zip(rest.iter()).for_each(|(value, rest)| *value += rest);
        }
        let before: Vec<f32> = if own.is_some() { gradient.to_vec() } else { Vec::new() };
        let bytes = match self {
            Self::Dense => 4 * n,
            Self::EightBit => {
                let scale = largest(gradient.iter()) / 127.0;
                if scale > 0.0 {
                    gradient.iter_mut().for_each(|g| *g = crate::math::round_ties_even(*g / scale) * scale);
                }
                n + 4
            }
            Self::Qsgd { levels } => {
                let norm = gradient.iter().fold(0.0, |sum, g| sum + f64::from(*g) * f64::from(*g)).sqrt() as f32;
                for g in gradient.iter_mut().filter(|_| norm > 0.0) {
                    let level = g.abs() / norm * levels as f32;
                    let low = level as u32 as f32;
                    let up = rng.uniform(0.0, 1.0) < level - low;
                    *g = norm * g.signum() * (low + if up { 1.0 } else { 0.0 }) / levels as f32;
                }
                4 + (n * u64::from(1 + (levels + 1).next_power_of_two().trailing_zeros())).div_ceil(8)
            }
            Self::TernGrad { clip } => {
                if clip > 0.0 {
                    let mean = gradient.iter().fold(0.0, |sum, g| sum + f64::from(*g)) / n.max(1) as f64;
                    let squares = gradient.iter().fold(0.0, |sum, g| {
                        let apart = f64::from(*g) - mean;
                        sum + apart * apart
                    });
                    let bound = (clip * (squares / n.max(1) as f64).sqrt()) as f32;
                    gradient.iter_mut().for_each(|g| *g = g.clamp(-bound, bound));
                }
                let most = largest(gradient.iter());
                for g in gradient.iter_mut().filter(|_| most > 0.0) {
                    *g = if rng.uniform(0.0, 1.0) < g.abs() / most { most * g.signum() } else { 0.0 };
                }
                4 + (2 * n).div_ceil(8)
            }
            Self::Sign => {
                gradient.iter_mut().filter(|g| **g != 0.0).for_each(|g| *g = g.signum());
                n.div_ceil(8)
            }
            Self::OneBit => {
                let mean = gradient.iter().fold(0.0, |sum, g| sum + f64::from(g.abs())) / n.max(1) as f64;
                gradient.iter_mut().for_each(|g| *g = if *g < 0.0 { -mean as f32 } else { mean as f32 });
                4 + n.div_ceil(8)
            }
            Self::TopK { share } => {
                let keep = ((share * n as f64).ceil() as usize).clamp(1, gradient.len().max(1));
                let mut sizes: Vec<f32> = gradient.iter().map(|g| g.abs()).collect();
                crate::math::sort(&mut sizes);
                let least = sizes.get(sizes.len().saturating_sub(keep)).copied().unwrap_or(0.0);
                let above = gradient.iter().filter(|g| g.abs() > least).count();
                // Of those that are as large as the least, the first go.
                let mut equal = keep - above.min(keep);
                for g in gradient.iter_mut() {
                    let stays = g.abs() > least || (g.abs() == least && equal > 0);
                    equal -= usize::from(g.abs() == least && equal > 0);
                    if !stays {
                        *g = 0.0;
                    }
                }
                8 * keep as u64
            }
        };
        if let Some(rest) = &mut own {
            for ((rest, before), sent) in rest.iter_mut().zip(&before).zip(gradient.iter()) {
                *rest = before - sent;
            }
        }
        bytes
    }

    /// What the sum of all workers' messages becomes.
    pub fn merge(self, sums: &mut [Tensor], workers: u32) {
        for value in sums.iter_mut().flat_map(|sum| sum.data_mut()) {
            *value = match self {
                Self::Sign if *value == 0.0 => 0.0,
                Self::Sign => value.signum(),
                _ => *value / workers as f32,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Vec<f32> {
        let mut rng = Rng::stream(3, "gradient", 0);
        (0..257).map(|i| rng.uniform(-1.0, 1.0) * if i % 7 == 0 { 1.0 } else { 0.05 }).collect()
    }

    /// The mean of many messages, and by how much one of them scatters around it.
    fn mean(message: Message) -> Vec<f64> {
        const DRAWS: usize = 4000;
        let mut rng = Rng::stream(9, "messages", 0);
        let mut sums = vec![0.0; gradient().len()];
        for _ in 0..DRAWS {
            let mut sent = gradient();
            message.send(&mut sent, None, &mut rng);
            sums.iter_mut().zip(&sent).for_each(|(sum, sent)| *sum += f64::from(*sent));
        }
        sums.into_iter().map(|sum| sum / DRAWS as f64).collect()
    }

    #[test]
    fn qsgd_and_unclipped_terngrad_are_unbiased_and_clipped_terngrad_is_not() {
        let norm = gradient().iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        for (message, step) in [
            (Message::Qsgd { levels: 4 }, norm / 4.0),
            (Message::Qsgd { levels: 1 }, norm),
            (Message::TernGrad { clip: 0.0 }, f64::from(largest(gradient().iter()))),
        ] {
            for (mean, value) in mean(message).into_iter().zip(gradient()) {
                // A draw between two neighbours one step apart scatters by half a step at most.
                let five = 5.0 * 0.5 * step / 4000f64.sqrt();
                assert!((mean - f64::from(value)).abs() < five, "{message:?}: {mean} is not {value}");
            }
        }
        let clipped = mean(Message::TernGrad { clip: 2.5 });
        let worst = clipped.iter().zip(gradient()).map(|(m, g)| (m - f64::from(g)).abs()).fold(0.0, f64::max);
        assert!(worst > 0.1, "nothing was cut off");
    }

    #[test]
    fn what_is_not_sent_is_sent_later() {
        for message in [Message::OneBit, Message::TopK { share: 0.05 }] {
            let mut rest = vec![0.0; gradient().len()];
            let mut sent_in_all = vec![0.0; gradient().len()];
            let mut rng = Rng::stream(1, "rest", 0);
            for _ in 0..50 {
                let mut sent = gradient();
                message.send(&mut sent, Some(&mut rest), &mut rng);
                sent_in_all.iter_mut().zip(&sent).for_each(|(sum, sent)| *sum += f64::from(*sent));
            }
            // What came in is what went out and what is left.
            for ((sent, rest), value) in sent_in_all.iter().zip(&rest).zip(gradient()) {
                assert!((sent + f64::from(*rest) - 50.0 * f64::from(value)).abs() < 1e-3, "{message:?}");
            }
        }
        let mut sent = gradient();
        let bytes = Message::TopK { share: 0.05 }.send(&mut sent, None, &mut Rng::stream(1, "top", 0));
        assert_eq!((sent.iter().filter(|g| **g != 0.0).count(), bytes), (13, 104));
    }

    #[test]
    fn messages_have_the_bytes_of_their_bits_and_merge_as_they_should() {
        let mut rng = Rng::stream(1, "bytes", 0);
        let mut bytes = |message: Message| message.send(&mut gradient(), None, &mut rng);
        assert_eq!(bytes(Message::Dense), 1028);
        assert_eq!(bytes(Message::EightBit), 261);
        // A sign and three bits for five levels; a sign and one for two.
        assert_eq!(bytes(Message::Qsgd { levels: 4 }), 4 + 129);
        assert_eq!(bytes(Message::Qsgd { levels: 1 }), 4 + 65);
        assert_eq!(bytes(Message::TernGrad { clip: 2.5 }), 4 + 65);
        assert_eq!(bytes(Message::Sign), 33);
        assert_eq!(bytes(Message::OneBit), 37);
        let sum = |values: &[f32]| {
            vec![Tensor::new(crate::tensor::Shape::new(&[values.len()]).unwrap(), values.to_vec()).unwrap()]
        };
        let mut signs = sum(&[3.0, -1.0, 0.0]);
        Message::Sign.merge(&mut signs, 3);
        assert_eq!(signs[0].data(), [1.0, -1.0, 0.0]);
        let mut mean = sum(&[3.0, -1.5]);
        Message::Dense.merge(&mut mean, 3);
        assert_eq!(mean[0].data(), [1.0, -0.5]);
    }
}
