//! The same work on many items: one after another with ticks in between, or on threads where there are some.

use crate::ops::Scratch;
use crate::task::Context;

/// Calls `work` for every item and returns the results in item order. With one thread it ticks `macs_each` after each
/// item; with more it ticks once. Items must not depend on each other, so results are the same either way.
pub(super) async fn for_each<T: Send, R: Send>(
    ctx: &Context,
    macs_each: u64,
    items: Vec<T>,
    work: impl Fn(T, &mut Scratch) -> R + Sync,
) -> Vec<R> {
    let count = items.len();
    if ctx.threads == 1 || count < 2 {
        let mut scratch = Scratch::default();
        let mut results = Vec::with_capacity(count);
        for item in items {
            results.push(work(item, &mut scratch));
            ctx.tick(macs_each).await;
        }
        return results;
    }
    let per_thread = count.div_ceil(ctx.threads);
    let mut shares: Vec<Vec<T>> = Vec::new();
    let mut items = items.into_iter();
    while shares.len() * per_thread < count {
        shares.push(items.by_ref().take(per_thread).collect());
    }
    let work = &work;
    let results = std::thread::scope(|scope| {
        let run = |share: Vec<T>| {
            let mut scratch = Scratch::default();
            share.into_iter().map(|item| work(item, &mut scratch)).collect::<Vec<R>>()
        };
        let own = shares.pop();
        let handles: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || run(share))).collect();
        let own = own.map(run);
        let mut results = Vec::with_capacity(count);
        for handle in handles {
            match handle.join() {
                Ok(share) => results.extend(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results.extend(own.into_iter().flatten());
        results
    });
    ctx.tick(macs_each * count as u64).await;
    results
}
