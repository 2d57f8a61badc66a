//! A file that is read at any place, by any number of threads.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::RootError;
use crate::error::{corrupt, refused};

/// Bytes that are read at once where fewer are asked for.
const AHEAD: u64 = 1 << 18;

#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    len: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, RootError> {
        let file = File::open(path)?;
        let status = file.metadata()?;
        if !status.is_file() {
            return refused("no regular file; allowed: a file, for it is read in several places");
        }
        Ok(Self { file, len: status.len() })
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// The first bytes of the file, at most `size`.
    pub(crate) fn head(&self, size: u64) -> Result<Vec<u8>, RootError> {
        self.bytes(0, size.min(self.len))
    }

    pub(crate) fn read(&self, at: u64, into: &mut [u8]) -> Result<(), RootError> {
        self.check(at, into.len() as u64)?;
        Ok(read_exact_at(&self.file, into, at)?)
    }

    /// Bytes that the file claims to have: nothing is allocated before that is checked.
    pub(crate) fn bytes(&self, at: u64, size: u64) -> Result<Vec<u8>, RootError> {
        self.check(at, size)?;
        let mut bytes = vec![0; size as usize];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    fn check(&self, at: u64, size: u64) -> Result<(), RootError> {
        match at.checked_add(size) {
            Some(end) if end <= self.len => Ok(()),
            _ => corrupt(format!("truncated: {size} bytes at {at} of {}", self.len)),
        }
    }
}

/// A part of a file that was read ahead.
#[derive(Debug)]
pub(crate) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { start: 0, bytes: Vec::new() }
    }

    /// The `size` bytes from `at` on, of a record that ends at `end`.
    pub(crate) fn get(&mut self, source: &Source, at: u64, size: u64, end: u64) -> Result<&[u8], RootError> {
        let Some(rest) = end.checked_sub(at).filter(|&rest| size <= rest) else {
            return corrupt(format!("a record ends before byte {at} + {size}"));
        };
        let is_here = at >= self.start && at + size <= self.start + self.bytes.len() as u64;
        if !is_here {
            self.bytes = source.bytes(at, size.max(rest.min(AHEAD)))?;
            self.start = at;
        }
        let first = (at - self.start) as usize;
        Ok(&self.bytes[first..first + size as usize])
    }

    /// Lets go of a block of up to 16 MiB, which many columns would hold until their next.
    pub(crate) fn forget_large(&mut self) {
        if self.bytes.len() as u64 > AHEAD {
            *self = Self::new();
        }
    }
}

/// Fills `bytes` from `offset` on, without a place in the file that threads would share.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::UnexpectedEof`] behind the end.
#[cfg(unix)]
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` from `offset` on, without a place in the file that threads would share.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::UnexpectedEof`] behind the end.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n..];
        offset += n as u64;
    }
    Ok(())
}
