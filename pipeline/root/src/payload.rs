//! Keys of a file, and the bytes behind them as a stream.

use crate::RootError;
use crate::compression::{Block, HEADER};
use crate::cursor::Cursor;
use crate::error::corrupt;
use crate::source::{Source, Window};

/// Version of a key from which on its places have 8 bytes.
const LONG: u16 = 1000;

/// Bytes of a key before its places.
const KEY_START: u64 = 18;

/// Bytes of an object that are unpacked before the next are asked for.
const PIECE: usize = 1 << 20;

/// Header of a record.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// All bytes of the record.
    pub(crate) size: u64,
    /// Bytes of the object, unpacked.
    object: u64,
    /// Bytes of this header.
    pub(crate) len: u64,
    pub(crate) cycle: u16,
    /// The record's own place.
    pub(crate) at: u64,
    pub(crate) class: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn parse(c: &mut Cursor<'_>) -> Result<Self, RootError> {
        let size = c.count()? as u64;
        let long = c.u16()? > LONG;
        let object = c.count()? as u64;
        c.u32()?;
        let len = u64::from(c.u16()?);
        let cycle = c.u16()?;
        let at = c.seek(long)?;
        c.seek(long)?;
        let (class, name, _) = (c.text()?, c.text()?, c.text()?);
        Ok(Self { size, object, len, cycle, at, class, name })
    }

    /// Reads a key in the file, and the bytes of its header.
    pub(crate) fn read(
        source: &Source,
        at: u64,
        end: u64,
        window: &mut Window,
    ) -> Result<(Self, Vec<u8>), RootError> {
        let len = window.get(source, at, KEY_START, end)?[14..16].to_vec();
        let len = u64::from(u16::from_be_bytes([len[0], len[1]]));
        let header = window.get(source, at, len.max(KEY_START), end)?.to_vec();
        Ok((Self::parse(&mut Cursor::new(&header))?, header))
    }

    /// The bytes behind the header, unpacked.
    pub(crate) fn object(&self, source: &Source) -> Result<Vec<u8>, RootError> {
        let mut payload = Payload::new(self, self.at, (Window::new(), Vec::new()))?;
        let mut object = Vec::new();
        while (object.len() as u64) < self.object {
            let known = object.len();
            let piece = (self.object - known as u64).min(PIECE as u64) as usize;
            object.resize(known + piece, 0);
            payload.read(source, &mut object[known..])?;
        }
        Ok(object)
    }
}

/// Memory that a payload leaves to the next.
pub(crate) type Room = (Window, Vec<u8>);

/// Makes a block long enough.
fn room_for(block: &mut Vec<u8>, size: usize) {
    if block.len() < size {
        block.resize(size, 0);
    }
}

/// The bytes of a record behind its header, unpacked block by block as they are asked for.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Place in the file of what is not unpacked yet, and the record's end.
    at: u64,
    end: u64,
    is_packed: bool,
    /// Bytes that are still to be unpacked.
    left: u64,
    window: Window,
    /// Room for a block, which is not cleared for the next, and the bytes of it that are one.
    block: Vec<u8>,
    filled: usize,
    /// Bytes of the block that were given.
    given: usize,
}

impl Payload {
    /// Payload of a key that lies at `place`.
    pub(crate) fn new(key: &Key, place: u64, (window, block): Room) -> Result<Self, RootError> {
        let stored = key.size.checked_sub(key.len);
        let Some(stored) = stored.filter(|&stored| stored <= key.object) else {
            return corrupt(format!("a record of {} bytes, {} of them its header", key.size, key.len));
        };
        let at = place.saturating_add(key.len);
        let (is_packed, left) = (stored < key.object, key.object);
        let end = at.saturating_add(stored);
        Ok(Self { at, end, is_packed, left, window, block, filled: 0, given: 0 })
    }

    pub(crate) const fn empty() -> Self {
        let window = Window::new();
        Self { at: 0, end: 0, is_packed: false, left: 0, window, block: Vec::new(), filled: 0, given: 0 }
    }

    /// Bytes in memory.
    pub(crate) fn of_memory(bytes: &[u8]) -> Self {
        Self { block: bytes.to_vec(), filled: bytes.len(), ..Self::empty() }
    }

    /// Bytes read ahead, and the room for blocks, for the next payload.
    pub(crate) fn into_room(self) -> Room {
        (self.window, self.block)
    }

    /// Fills `into` with the next bytes.
    pub(crate) fn read(&mut self, source: &Source, mut into: &mut [u8]) -> Result<(), RootError> {
        while !into.is_empty() {
            if self.given == self.filled {
                self.unpack(source)?;
            }
            let size = into.len().min(self.filled - self.given);
            let (now, later) = into.split_at_mut(size);
            now.copy_from_slice(&self.block[self.given..self.given + size]);
            self.given += size;
            into = later;
        }
        Ok(())
    }

    fn unpack(&mut self, source: &Source) -> Result<(), RootError> {
        (self.given, self.filled) = (0, 0);
        if self.left == 0 {
            return corrupt("a record is shorter than its object");
        }
        if !self.is_packed {
            let size = self.left.min(PIECE as u64);
            room_for(&mut self.block, size as usize);
            source.read(self.at, &mut self.block[..size as usize])?;
            self.filled = size as usize;
            self.at += size;
            self.left -= size;
            return Ok(());
        }
        let header = self.window.get(source, self.at, HEADER as u64, self.end)?;
        let block = Block::parse(header)?;
        if block.unpacked as u64 > self.left {
            return corrupt("compressed blocks of more bytes than their object");
        }
        let packed = self.window.get(source, self.at + HEADER as u64, block.packed as u64, self.end)?;
        room_for(&mut self.block, block.unpacked);
        block.unpack(packed, &mut self.block[..block.unpacked])?;
        self.filled = block.unpacked;
        self.at += (HEADER + block.packed) as u64;
        self.left -= block.unpacked as u64;
        self.window.forget_large();
        Ok(())
    }
}
