//! The numbers of a branch, basket by basket.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::RootError;
use crate::cursor::Cursor;
use crate::error::corrupt;
use crate::kind::Kind;
use crate::objects::{Basket, Place};
use crate::payload::{Key, Payload};
use crate::source::Source;

/// A branch of numbers.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Places of the baskets, in the order of the rows.
    pub(crate) baskets: Vec<Basket>,
}

/// A branch that is read from its first row on.
#[derive(Debug)]
pub(crate) struct Column {
    stored: Arc<Stored>,
    /// The basket that comes next.
    next: usize,
    payload: Payload,
    /// Bytes of numbers that the present basket still has.
    left: usize,
    /// Bytes of the numbers of a batch.
    bytes: Vec<u8>,
}

impl Column {
    pub(crate) const fn new(stored: Arc<Stored>) -> Self {
        Self { stored, next: 0, payload: Payload::empty(), left: 0, bytes: Vec::new() }
    }

    /// The next `rows` numbers; `tree` is the record of the tree.
    pub(crate) fn read(&mut self, source: &Source, tree: &[u8], rows: usize) -> Result<ArrayRef, RootError> {
        let kind = self.stored.kind;
        self.bytes.resize(rows * kind.size(), 0);
        let mut filled = 0;
        while filled < self.bytes.len() {
            if self.left == 0 {
                self.open(source, tree).map_err(|e| self.in_basket(e))?;
            }
            let size = self.left.min(self.bytes.len() - filled);
            let read = self.payload.read(source, &mut self.bytes[filled..filled + size]);
            read.map_err(|e| self.in_basket(e))?;
            filled += size;
            self.left -= size;
        }
        Ok(kind.decode(&self.bytes))
    }

    /// Turns to the next basket.
    fn open(&mut self, source: &Source, tree: &[u8]) -> Result<(), RootError> {
        let stored = Arc::clone(&self.stored);
        let Some(basket) = stored.baskets.get(self.next) else {
            return corrupt("it is missing");
        };
        self.next += 1;
        let size = match &basket.place {
            Place::File { at, size } => self.open_record(source, *at, *size, basket.entries)?,
            Place::Tree(range) => {
                self.open_in_tree(tree.get(range.clone()).unwrap_or_default(), basket.entries)?
            }
        };
        self.left = size;
        Ok(())
    }

    fn open_record(&mut self, source: &Source, at: u64, size: u64, entries: u64) -> Result<usize, RootError> {
        let (mut window, block) = std::mem::replace(&mut self.payload, Payload::empty()).into_room();
        // Some writers leave the size to the record itself.
        let end = if size == 0 { source.len() } else { at.saturating_add(size) };
        let (key, header) = Key::read(source, at, end, &mut window)?;
        if key.class != "TBasket" || (size != 0 && key.size != size) {
            return corrupt(format!(
                "a record `{}` of {} bytes, not a TBasket of {size}",
                key.class, key.size
            ));
        }
        let mut c = Cursor::new(&header);
        Key::parse(&mut c)?;
        let numbers = self.numbers(&Head::parse(&mut c, &key)?, entries)?;
        self.payload = Payload::new(&key, at, (window, block))?;
        Ok(numbers)
    }

    fn open_in_tree(&mut self, bytes: &[u8], entries: u64) -> Result<usize, RootError> {
        let mut c = Cursor::new(bytes);
        let key = Key::parse(&mut c)?;
        let head = Head::parse(&mut c, &key)?;
        let numbers = self.numbers(&head, entries)?;
        for _ in 0..head.lists() {
            let size = c.count()?;
            c.take(size.saturating_mul(4))?;
        }
        // The header stands here a second time.
        c.take(key.len as usize)?;
        self.payload = Payload::of_memory(c.take(numbers)?);
        Ok(numbers)
    }

    /// Bytes of the numbers of a basket, which must be as many as its rows take.
    fn numbers(&self, head: &Head, entries: u64) -> Result<usize, RootError> {
        let size = self.stored.kind.size();
        if head.entries != entries || head.bytes != entries.saturating_mul(size as u64) {
            let due = format!("{entries} rows of {size} bytes");
            return corrupt(format!("{} rows in {} bytes, not {due}", head.entries, head.bytes));
        }
        Ok(head.bytes as usize)
    }

    fn in_basket(&self, error: RootError) -> RootError {
        let place = || format!("basket {} of branch `{}`", self.next, self.stored.name);
        match error {
            RootError::Io(e) => RootError::Io(e),
            RootError::Refused(what) => RootError::Refused(format!("{}: {what}", place())),
            RootError::Corrupt(what) => RootError::Corrupt(format!("{}: {what}", place())),
        }
    }
}

/// Numbers of a basket behind its key.
struct Head {
    entries: u64,
    /// Bytes of the numbers, without what may follow them.
    bytes: u64,
    flag: u8,
}

impl Head {
    fn parse(c: &mut Cursor<'_>, key: &Key) -> Result<Self, RootError> {
        c.u16()?;
        c.u32()?;
        // A negative size is followed by a byte of settings.
        if c.i32()? < 0 {
            c.u8()?;
        }
        let entries = c.count()? as u64;
        let last = c.count()? as u64;
        let flag = c.u8()?;
        match last.checked_sub(key.len) {
            Some(bytes) => Ok(Self { entries, bytes, flag }),
            None => corrupt(format!("its numbers end {} bytes before they begin", key.len - last)),
        }
    }

    /// Lists of places that follow in the record of a tree; numbers of a fixed size need none.
    const fn lists(&self) -> usize {
        match self.flag {
            80.. | 0 => 0,
            flag if flag % 10 == 2 => 0,
            41.. => 2,
            _ => 1,
        }
    }
}
