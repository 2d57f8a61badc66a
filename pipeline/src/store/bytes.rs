//! Bytes of a file: read at a place, by any number of threads, and inflated.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use humboldt_root::read_exact_at;

use crate::PipelineError;

/// Runs `f` with this thread's buffer for compressed bytes and its decompressor.
pub(super) fn with_scratch<T>(f: impl FnOnce(&mut Vec<u8>, &mut Decompress) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<(Vec<u8>, Decompress)> = RefCell::new((Vec::new(), Decompress::new(true)));
    }
    SCRATCH.with_borrow_mut(|(bytes, inflater)| f(bytes, inflater))
}

/// Fills `dense` from a zlib stream, or says what is wrong with the stream.
pub(super) fn inflate(inflater: &mut Decompress, deflated: &[u8], dense: &mut [u8]) -> Result<(), String> {
    inflater.reset(true);
    match inflater.decompress(deflated, dense, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if inflater.total_out() == dense.len() as u64 => Ok(()),
        Ok(_) => Err("another size than the other images".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Fills `bytes` from `offset` on.
pub(super) fn read_at(path: &Path, file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), PipelineError> {
    read_exact_at(file, bytes, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => PipelineError::corrupt(path, "truncated"),
        _ => PipelineError::io(path)(e),
    })
}
