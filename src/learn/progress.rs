//! Events of a training or a prediction for whoever waits for it; the library itself prints nothing.

use std::ops::ControlFlow;

use humboldt_schemas::results::EpochMetrics;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A training goes on after this epoch, from an earlier run's checkpoint.
    Resumed {
        /// The epoch, from 1; 0 before the first.
        epoch: usize,
        /// Batches of the next epoch that are done.
        batch: usize,
        /// The epochs so far.
        history: &'a [EpochMetrics],
    },
    /// Images were read into memory.
    Loaded {
        /// So far.
        done: usize,
        /// In all.
        total: usize,
    },
    /// A batch was learned.
    Batch {
        /// Epoch, from 1.
        epoch: usize,
        /// Most epochs there will be.
        epochs: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
        /// Loss of the batch.
        loss: f64,
        /// Learning rate of the batch.
        learning_rate: f64,
    },
    /// An epoch ended, its checkpoint is written.
    Epoch(&'a EpochMetrics),
    /// Images of known delta C9 went through a network over elements.
    Calibrated {
        /// So far.
        done: usize,
        /// In all.
        total: usize,
    },
    /// Images were predicted.
    Predicted {
        /// So far.
        done: usize,
        /// In all.
        total: usize,
    },
}

/// Hears of events. `Break` stops the work: a training then ends with a checkpoint of its last batch.
pub trait Progress: Sync {
    /// Called from the thread that called the work.
    fn report(&self, event: Event) -> ControlFlow<()>;
}

/// Nobody waits.
impl Progress for () {
    fn report(&self, _: Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: Fn(Event) -> ControlFlow<()> + Sync> Progress for F {
    fn report(&self, event: Event) -> ControlFlow<()> {
        self(event)
    }
}
