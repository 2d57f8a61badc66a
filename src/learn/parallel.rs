//! Work shared among threads that are not rayon's.
//!
//! burn holds a lock while it walks back through a graph, and its CPU backend hands work to rayon meanwhile. A rayon
//! thread that waits takes up other work; were that another micro-batch, it would wait for the lock that it holds itself.

use std::panic::resume_unwind;
use std::thread;

/// `f` of each item, in their order; as many threads as rayon has share them.
pub(super) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = rayon::current_num_threads().min(items.len());
    if threads < 2 {
        return items.into_iter().map(f).collect();
    }
    let mut shares: Vec<Vec<(usize, T)>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, item) in items.into_iter().enumerate() {
        shares[i % threads].push((i, item));
    }
    let f = &f;
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let work =
            |share: Vec<(usize, T)>| move || share.into_iter().map(|(i, x)| (i, f(x))).collect::<Vec<_>>();
        let running: Vec<_> = shares.into_iter().map(|share| scope.spawn(work(share))).collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_the_order_of_the_items() {
        let squares: Vec<usize> = (0..100).map(|i| i * i).collect();
        assert_eq!(super::map((0..100).collect(), |i: usize| i * i), squares);
    }
}
