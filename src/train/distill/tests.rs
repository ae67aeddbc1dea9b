//! Every loss against its definition and against finite differences.

use super::*;
use crate::math::{exp_f64, ln_f64};

const IMAGES: usize = 11;

fn draws(name: &str, count: usize) -> Vec<f32> {
    let mut rng = Rng::stream(5, name, 0);
    (0..count).map(|_| rng.uniform(-2.0, 2.0)).collect()
}

/// A loss and its gradient.
type Found = (f64, Vec<f32>);

/// Compares the gradient with (loss(s + h) − loss(s − h)) / 2h, value by value.
fn check(name: &str, s: &[f32], of: &mut dyn FnMut(&[f32]) -> Found) {
    let (loss, gradient) = of(s);
    assert!(loss > 0.01 && gradient.len() == s.len(), "{name}: {loss}");
    let largest = gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
    for at in 0..s.len() {
        let mut shifted = |by: f32| {
            let mut shifted = s.to_vec();
            shifted[at] += by;
            of(&shifted).0
        };
        let h = 0.01;
        let numeric = (shifted(h) - shifted(-h)) / f64::from(2.0 * h);
        let apart = (numeric - f64::from(gradient[at])).abs();
        assert!(apart < 0.01 * f64::from(largest), "{name}, {at}: {numeric} is not {}", gradient[at]);
    }
}

#[test]
fn softened_logits_have_the_divergence_and_its_slopes() {
    for positions in [1, 3] {
        let size = [IMAGES, 4, positions];
        let (s, t) = (draws("s", IMAGES * 4 * positions), draws("t", IMAGES * 4 * positions));
        for temperature in [0.5, 1.0, 4.0] {
            check("logits", &s, &mut |s| soften(s, &t, size, temperature));
        }
        // By the definition, in f64, of one image of one position.
        let p = |values: &[f32]| {
            let terms: Vec<f64> = values.iter().map(|v| exp_f64(f64::from(*v) / 3.0)).collect();
            let sum: f64 = terms.iter().sum();
            terms.iter().map(|term| term / sum).collect::<Vec<f64>>()
        };
        let (ps, pt) = (p(&s[..4]), p(&t[..4]));
        let wanted: f64 = 9.0 * pt.iter().zip(&ps).map(|(t, s)| t * ln_f64(t / s)).sum::<f64>();
        assert!((soften(&s[..4], &t[..4], [1, 4, 1], 3.0).0 - wanted).abs() < 1e-5);
    }
}

#[test]
fn what_is_alike_has_no_loss_and_no_slope() {
    let s = draws("alike", IMAGES * 12);
    let channels = [3, 3];
    let none = |(loss, gradient): Found| loss == 0.0 && gradient.iter().all(|slope| *slope == 0.0);
    assert!(none(soften(&s, &s, [IMAGES, 12, 1], 4.0)));
    assert!(none(hint(&s, &s, IMAGES, channels, (&[], &mut []))));
    assert!(none(attention(&s, &s, IMAGES, channels)));
    assert!(none(relational(&s, &s, IMAGES)));
    // Distances are compared with their mean, so a larger copy is alike, and attention does not see the size either.
    let twice: Vec<f32> = s.iter().map(|v| 2.0 * v).collect();
    assert!(none(relational(&s, &twice, IMAGES)));
    assert!(none(attention(&s, &twice, IMAGES, channels)));
}

#[test]
fn logits_far_apart_do_not_overflow() {
    let (loss, gradient) = soften(&[300.0, -300.0], &[-300.0, 300.0], [1, 2, 1], 1.0);
    assert!((loss - 600.0).abs() < 1e-3 && gradient == [1.0, -1.0], "{loss} {gradient:?}");
}

#[test]
fn hints_have_the_slopes_of_their_loss() {
    let (s, t) = (draws("s", IMAGES * 3 * 4), draws("t", IMAGES * 3 * 4));
    check("hint", &s, &mut |s| hint(s, &t, IMAGES, [3, 3], (&[], &mut [])));
    let (t, regressor) = (draws("t", IMAGES * 5 * 4), draws("regressor", 5 * 3));
    let mut slopes = vec![9.0; regressor.len()];
    check("hint through a regressor", &s, &mut |s| hint(s, &t, IMAGES, [3, 5], (&regressor, &mut slopes)));
    check("regressor", &regressor, &mut |regressor| {
        let (loss, _) = hint(&s, &t, IMAGES, [3, 5], (regressor, &mut slopes));
        (loss, slopes.clone())
    });
}

#[test]
fn attention_has_the_slopes_of_its_loss() {
    let (s, t) = (draws("s", IMAGES * 3 * 4), draws("t", IMAGES * 5 * 4));
    check("attention", &s, &mut |s| attention(s, &t, IMAGES, [3, 5]));
}

#[test]
fn distances_have_the_slopes_of_their_loss() {
    let (s, t) = (draws("s", IMAGES * 4), draws("t", IMAGES * 7));
    check("relational", &s, &mut |s| relational(s, &t, IMAGES));
    // Two images at one place, and one image alone, have no direction.
    assert_eq!(relational(&[1.0, 1.0], &[1.0, 2.0], 2), (0.0, vec![0.0; 2]));
    assert_eq!(relational(&[1.0], &[1.0], 1), (0.0, vec![0.0]));
}

#[test]
fn what_is_known_of_a_set_is_what_a_batch_would_be_answered() {
    crate::task::Task::new(Rc::new(Context::new(1)), |ctx| async move { answers(&ctx).await }).finish();
}

async fn answers(ctx: &Context) {
    use crate::models::{Execution, Network, find};
    let network = Network::random(find("lenet-small-fashion").unwrap(), 3).unwrap();
    // Values 2 and 5, kept as what nodes 2 and 5 read.
    let (pairs, features) = ([(0, 2), (0, 5)], 784);
    let mut kept = vec![false; network.graph.nodes().len()];
    (kept[2], kept[5]) = (true, true);
    let teacher = || Teacher::new(network.plan_keeping(Execution::Integer, &kept).unwrap(), &pairs);
    let images = draws("images", 20 * features);
    let block = |items: &[u32]| {
        let mut block = vec![0.0; features * LANES];
        for (lane, item) in items.iter().enumerate() {
            for at in 0..features {
                block[at * LANES + lane] = images[*item as usize * features + at];
            }
        }
        block
    };
    let items: Vec<u32> = (0..IMAGES as u32).map(|i| 19 - i).collect();
    let blocks: Vec<Vec<f32>> = items.chunks(LANES).map(block).collect();
    let batch = Batch { blocks, labels: vec![0; IMAGES], items };
    let (mut fresh, mut knowing, mut known) = (teacher(), teacher(), Vec::new());
    for item in 0..20 {
        for value in knowing.ask(ctx, &block(&[item])).await {
            known.extend(value.as_chunks::<LANES>().0.iter().map(|row| row[0]));
        }
    }
    assert_eq!(known.len(), 20 * knowing.width());
    knowing.knows(Rc::new(known));
    let (fresh, knowing) = (fresh.answer(ctx, &batch).await, knowing.answer(ctx, &batch).await);
    assert_eq!(knowing.iter().map(|blocks| blocks[0].len() / LANES).collect::<Vec<_>>(), [10, 3 * 784, 8 * 100]);
    for (fresh, knowing) in fresh.iter().zip(&knowing) {
        assert_eq!(plain(fresh, IMAGES), plain(knowing, IMAGES));
        assert!(fresh.iter().flatten().any(|v| *v != 0.0));
    }
}
