//! Work shared among threads that are not rayon's.
//!
//! burn holds a lock while it walks back through a graph, and its CPU backend hands work to rayon meanwhile. A rayon
//! thread that waits takes up other work; were that another micro-batch, it would wait for the lock that it holds itself.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use rayon::prelude::*;

thread_local! {
    /// Whether this thread is one of as many as there are cores to work on.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// `f` of each item, in their order; as many threads as rayon has share them. One of rayon's own does all by itself: were all of these to wait for others here,
/// nobody would do the work that those hand to rayon.
pub(super) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = rayon::current_num_threads().min(items.len());
    if threads < 2 || rayon::current_thread_index().is_some() {
        return items.into_iter().map(f).collect();
    }
    let busy = threads == rayon::current_num_threads();
    let mut shares: Vec<Vec<(usize, T)>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, item) in items.into_iter().enumerate() {
        shares[i % threads].push((i, item));
    }
    let f = &f;
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let work = |share: Vec<(usize, T)>| {
            move || {
                BUSY.set(busy);
                share.into_iter().map(|(i, x)| (i, f(x))).collect::<Vec<_>>()
            }
        };
        let running: Vec<_> = shares.into_iter().map(|share| scope.spawn(work(share))).collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Results of `f` for all items, added up in their order, each as soon as those before it are; threads as in [`map`].
pub(super) fn sum<T: Send, R: Send>(
    items: Vec<T>,
    f: impl Fn(T) -> R + Sync,
    add: impl Fn(R, R) -> R + Sync,
) -> Option<R> {
    let sum = Mutex::new(Sum { of: 0, total: None, early: BTreeMap::new() });
    map(items.into_iter().enumerate().collect(), |(i, item)| {
        let result = f(item);
        sum.lock().unwrap_or_else(PoisonError::into_inner).take(i, result, &add);
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner).total
}

/// The sum of the first results, and those that came before their turn.
struct Sum<R> {
    of: usize,
    total: Option<R>,
    early: BTreeMap<usize, R>,
}

impl<R> Sum<R> {
    fn take(&mut self, i: usize, result: R, add: impl Fn(R, R) -> R) {
        self.early.insert(i, result);
        while let Some(next) = self.early.remove(&self.of) {
            self.of += 1;
            self.total = match self.total.take() {
                Some(total) => Some(add(total, next)),
                None => Some(next),
            };
        }
    }
}

/// `f` of each item and the worker that does it, in the order of the items: worker k takes every `workers`-th from the k-th on,
/// one after the other, on a thread of its own.
pub(super) fn share<T: Send, R: Send>(
    items: Vec<T>,
    workers: usize,
    f: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let mut shares: Vec<Vec<T>> = (0..workers).map(|_| Vec::new()).collect();
    for (i, item) in items.into_iter().enumerate() {
        shares[i % workers].push(item);
    }
    let f = &f;
    let results: Vec<Vec<R>> = thread::scope(|scope| {
        let work = |(worker, share): (usize, Vec<T>)| {
            move || share.into_iter().map(|x| f(worker, x)).collect::<Vec<_>>()
        };
        let running: Vec<_> = shares.into_iter().enumerate().map(|s| scope.spawn(work(s))).collect();
        running.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut results: Vec<_> = results.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    for i in 0.. {
        match results[i % workers].next() {
            Some(result) => all.push(result),
            None => break,
        }
    }
    all
}

/// Whether this thread does `n` things by itself.
pub(super) fn alone(n: usize) -> bool {
    BUSY.get() || n < 2 || rayon::current_num_threads() < 2
}

/// `f` of 0 to `n`, in order; by rayon's threads, unless [`map`] keeps them all busy. `f` must not wait for a lock.
pub(super) fn each<R: Send>(n: usize, f: impl Fn(usize) -> R + Send + Sync) -> Vec<R> {
    if alone(n) { (0..n).map(f).collect() } else { (0..n).into_par_iter().map(f).collect() }
}

/// As [`each`], for items with their numbers.
pub(super) fn each_of<T: Send>(items: Vec<T>, f: impl Fn(usize, T) + Send + Sync) {
    if alone(items.len()) {
        items.into_iter().enumerate().for_each(|(i, item)| f(i, item));
    } else {
        items.into_par_iter().enumerate().for_each(|(i, item)| f(i, item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let squares: Vec<usize> = (0..100).map(|i| i * i).collect();
        assert_eq!(map((0..100).collect(), |i: usize| i * i), squares);
        for workers in [1, 2, 3, 7] {
            assert_eq!(share((0..100).collect(), workers, |_, i: usize| i * i), squares);
        }
        let joined = sum((0..100).collect(), |i: usize| i.to_string(), |a, b| a + "," + &b);
        assert_eq!(joined.unwrap(), (0..100).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
        assert!(sum(Vec::new(), |i: usize| i, |a, b| a + b).is_none());
        let workers = share((0..5).collect(), 2, |worker, _: usize| worker);
        assert_eq!(workers, [0, 1, 0, 1, 0]);
    }

    /// Of all of rayon's threads at once, work that itself needs rayon.
    #[test]
    fn threads_of_rayon_do_not_wait_for_each_other() {
        let sums = |x: u64| (0..1000).into_par_iter().map(|y| x * y).sum::<u64>();
        let all: Vec<Vec<u64>> =
            (0..64_u64).into_par_iter().map(|i| map(vec![i, i + 1, i + 2], sums)).collect();
        for (i, found) in (0..).zip(all) {
            assert_eq!(found, [0, 1, 2].map(|x| (i + x) * 499_500));
        }
    }
}
