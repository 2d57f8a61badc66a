//! Numbers that are used again, so that the system need not clear them for each convolution.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::kernel::Buffer;

/// Most numbers that are kept.
const KEPT: usize = 16 << 20;

static POOL: Mutex<Vec<Buffer<f32>>> = Mutex::new(Vec::new());

fn pool() -> MutexGuard<'static, Vec<Buffer<f32>>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers of any value, kept for the next who needs as many.
pub(super) struct Scratch {
    buffer: Buffer<f32>,
    len: usize,
}

impl Scratch {
    pub(super) fn of(len: usize) -> Self {
        let mut pool = pool();
        let fit = pool.iter().position(|buffer| (len..=2 * len).contains(&buffer.len()));
        let kept = fit.map(|i| pool.swap_remove(i));
        drop(pool);
        Self { buffer: kept.unwrap_or_else(|| Buffer::zeros(len)), len }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, Buffer::zeros(0));
        let mut pool = pool();
        if pool.iter().map(|kept| kept.len()).sum::<usize>() + buffer.len() <= KEPT {
            pool.push(buffer);
        }
    }
}
