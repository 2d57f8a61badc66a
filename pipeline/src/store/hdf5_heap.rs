//! Checks where an HDF5 file keeps the texts of its attributes, before the library reads them.
//!
//! Texts of any length lie in a global heap, the one structure of HDF5's newer format without a checksum: the library
//! follows a damaged one beyond its end or for ever. Files of the older format have no checksums at all, and are left
//! to the library.
//!
//! Source: HDF5 file format specification 3.0, II.A, III.E, IV.A.1.b, IV.A.2.m.

use std::fs::File;
use std::path::Path;

use super::bytes::read_at;
use super::metadata;
use crate::PipelineError;

const ATTRIBUTE: u64 = 0x0c;
const CONTINUATION: u64 = 0x10;

/// Class of a datatype of variable length.
const VARIABLE: u8 = 9;

/// Kind of such a datatype that is a text; others are lists.
const TEXT: u8 = 1;

/// Largest piece of an object header or heap that is read [bytes].
const LARGEST: u64 = 16 << 20;

/// Checks the texts that the attributes of the root group point to.
pub(super) fn check(path: &Path, file: &File, len: u64) -> Result<(), PipelineError> {
    Walk { path, file, len }.root()
}

struct Walk<'a> {
    path: &'a Path,
    file: &'a File,
    len: u64,
}

impl Walk<'_> {
    fn root(&self) -> Result<(), PipelineError> {
        let superblock = self.piece(0, self.len.min(48))?;
        let mut start = Bytes(superblock.get(8..).unwrap_or_default());
        if !matches!(start.number(1), Some(2 | 3)) {
            return Ok(());
        }
        let damaged = || self.damaged("its root group");
        let root = start.skip(27).and_then(|()| start.number(8)).ok_or_else(damaged)?;
        // Signature, version, flags, four times, two limits, and a size of at most eight bytes.
        let head = self.piece(root, 34.min(self.len.saturating_sub(root)))?;
        let mut head = Bytes(&head);
        let (size, flags) = header_size(&mut head).ok_or_else(damaged)?;
        let first = root + (34.min(self.len - root) - head.0.len() as u64);
        let mut pieces = vec![(first, size)];
        let mut next = 0;
        while let Some(&(at, size)) = pieces.get(next) {
            let messages = self.piece(at, size)?;
            let mut messages = Bytes(&messages);
            while let Some((kind, message)) = message(&mut messages, flags) {
                match kind {
                    ATTRIBUTE => self.attribute(message)?,
                    CONTINUATION => {
                        let (at, size) = { message }.pair().ok_or_else(damaged)?;
                        // Behind a signature, before a checksum; no header has many.
                        let inner = size.checked_sub(8).zip(at.checked_add(4)).ok_or_else(damaged)?;
                        if pieces.len() == 1000 {
                            return Err(damaged());
                        }
                        pieces.push((inner.1, inner.0));
                    }
                    _ => {}
                }
            }
            next += 1;
        }
        Ok(())
    }

    /// Checks the texts of an attribute, if it is one that is read and has texts of any length.
    fn attribute(&self, mut message: Bytes<'_>) -> Result<(), PipelineError> {
        let damaged = || self.damaged("an attribute");
        let version = message.number(1).ok_or_else(damaged)?;
        let header = |message: &mut Bytes<'_>| {
            message.skip(1)?;
            let sizes = [message.number(2)?, message.number(2)?, message.number(2)?];
            message.skip(u64::from(version == 3)).map(|()| sizes)
        };
        // The newer format has these two only.
        if !matches!(version, 2 | 3) {
            return Ok(());
        }
        let [name_size, type_size, space_size] = header(&mut message).ok_or_else(damaged)?;
        let name = message.take(name_size).ok_or_else(damaged)?;
        let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name));
        let is_text = message.0.first().is_some_and(|b| b & 0xf == VARIABLE)
            && message.0.get(1).is_some_and(|b| b & 0xf == TEXT);
        if !is_text || !metadata::concerns(&name) {
            return Ok(());
        }
        message.skip(type_size + space_size).ok_or_else(damaged)?;
        // One, or one after the other in an array.
        while !message.0.is_empty() {
            let place = (message.number(4), message.number(8), message.number(4));
            let (Some(length), Some(heap), Some(index)) = place else { return Err(damaged()) };
            // An empty text lies nowhere.
            if length > 0 {
                self.heap(heap, index, length)?;
            }
        }
        Ok(())
    }

    /// Checks a global heap, and that its object `index` has `length` bytes.
    fn heap(&self, at: u64, index: u64, length: u64) -> Result<(), PipelineError> {
        let damaged = || self.damaged("its heap of texts");
        let head = self.piece(at, 16)?;
        let size = match Bytes(&head).pair() {
            Some((first, size)) if first == u64::from_le_bytes(*b"GCOL\x01\0\0\0") && size >= 16 => size,
            _ => return Err(damaged()),
        };
        let heap = self.piece(at, size)?;
        let mut rest = Bytes(&heap[16..]);
        let mut found = false;
        while rest.0.len() >= 16 {
            let left = rest.0.len() as u64;
            let (object, size) = rest.pair().ok_or_else(damaged)?;
            let object = object & 0xffff;
            if object == 0 {
                // The room that is left.
                if size != left {
                    return Err(damaged());
                }
                break;
            }
            if object == index && (size != length || std::mem::replace(&mut found, true)) {
                return Err(damaged());
            }
            let padded = size.checked_next_multiple_of(8).ok_or_else(damaged)?;
            rest.skip(padded).ok_or_else(damaged)?;
        }
        if found { Ok(()) } else { Err(damaged()) }
    }

    fn piece(&self, at: u64, size: u64) -> Result<Vec<u8>, PipelineError> {
        if size > LARGEST || at.checked_add(size).is_none_or(|end| end > self.len) {
            return Err(self.damaged("a part of it lies outside of it"));
        }
        let mut bytes = vec![0; size as usize];
        read_at(self.path, self.file, at, &mut bytes)?;
        Ok(bytes)
    }

    fn damaged(&self, what: &str) -> PipelineError {
        PipelineError::corrupt(self.path, format!("HDF5: {what}"))
    }
}

/// The size of the first piece of an object header of version 2, and its flags.
fn header_size(head: &mut Bytes<'_>) -> Option<(u64, u64)> {
    if head.take(5)? != b"OHDR\x02" {
        return None;
    }
    let flags = head.number(1)?;
    head.skip(if flags & 0x20 == 0 { 0 } else { 16 })?;
    head.skip(if flags & 0x10 == 0 { 0 } else { 4 })?;
    Some((head.number(1 << (flags & 3))?, flags))
}

/// The next message of an object header, with its type; none where less than one is left.
fn message<'a>(messages: &mut Bytes<'a>, flags: u64) -> Option<(u64, Bytes<'a>)> {
    let (kind, size) = (messages.number(1)?, messages.number(2)?);
    messages.skip(if flags & 4 == 0 { 1 } else { 3 })?;
    Some((kind, Bytes(messages.take(size)?)))
}

/// Bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(n).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, n: u64) -> Option<()> {
        self.take(n).map(|_| ())
    }

    /// A number of at most eight bytes.
    fn number(&mut self, size: u64) -> Option<u64> {
        Some(self.take(size)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn pair(&mut self) -> Option<(u64, u64)> {
        Some((self.number(8)?, self.number(8)?))
    }
}
