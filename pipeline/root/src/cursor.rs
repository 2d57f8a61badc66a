//! Bytes of a ROOT file, big-endian, with every bound checked.

use crate::RootError;
use crate::error::{corrupt, refused};

/// Marks a count of bytes before an object.
pub(crate) const BYTE_COUNT: u32 = 0x4000_0000;

/// Bit of a TObject that is followed by the number of a process.
const IS_REFERENCED: u32 = 1 << 4;

/// A place in some bytes.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Reading of the same bytes from another place on.
    pub(crate) const fn from(&self, at: usize) -> Self {
        Self { bytes: self.bytes, at }
    }

    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8], RootError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..size) else {
            return corrupt(format!("{size} bytes at {} are missing", self.at));
        };
        self.at += size;
        Ok(taken)
    }

    /// Goes on behind what was read already.
    pub(crate) fn move_to(&mut self, end: usize) -> Result<(), RootError> {
        match end.checked_sub(self.at) {
            Some(size) => self.take(size).map(drop),
            None => corrupt(format!("an object is longer than the file says, {} bytes", self.at - end)),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RootError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RootError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, RootError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RootError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RootError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A signed number of 4 bytes that counts something.
    pub(crate) fn count(&mut self) -> Result<usize, RootError> {
        let count = self.i32()?;
        usize::try_from(count).or_else(|_| corrupt(format!("a count of {count}")))
    }

    /// A signed number of 8 bytes that counts something.
    pub(crate) fn long_count(&mut self) -> Result<u64, RootError> {
        let count = i64::from_be_bytes(self.array()?);
        u64::try_from(count).or_else(|_| corrupt(format!("a count of {count}")))
    }

    /// A place in the file, of 4 or 8 bytes.
    pub(crate) fn seek(&mut self, long: bool) -> Result<u64, RootError> {
        if long { self.long_count() } else { Ok(u64::from(self.u32()?)) }
    }

    /// Numbers of a member that is an array on the heap, with the byte before them.
    pub(crate) fn numbers<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], RootError> {
        self.u8()?;
        let bytes = self.take(count.saturating_mul(N))?;
        Ok(bytes.as_chunks().0)
    }

    /// A TString.
    pub(crate) fn text(&mut self) -> Result<String, RootError> {
        let size = match self.u8()? {
            255 => self.count()?,
            size => usize::from(size),
        };
        Ok(String::from_utf8_lossy(self.take(size)?).into_owned())
    }

    /// The name of a class, which ends with a zero.
    pub(crate) fn class_name(&mut self) -> Result<&'a str, RootError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == 0);
        match end.map(|end| std::str::from_utf8(&rest[..end])) {
            Some(Ok(name)) => {
                self.at += name.len() + 1;
                Ok(name)
            }
            _ => corrupt("the name of a class is missing"),
        }
    }

    /// Version of an object, and where the object ends.
    pub(crate) fn version(&mut self) -> Result<(u16, usize), RootError> {
        let count = self.u32()?;
        if count & BYTE_COUNT == 0 {
            return refused("objects without their sizes, as of ROOT before 3.0; allowed: ROOT 5 or 6");
        }
        let end = self.at + (count & !BYTE_COUNT) as usize;
        if end > self.bytes.len() {
            return corrupt(format!("an object ends {} bytes behind its record", end - self.bytes.len()));
        }
        Ok((self.u16()?, end))
    }

    /// Passes an object over.
    pub(crate) fn skip(&mut self) -> Result<(), RootError> {
        let (_, end) = self.version()?;
        self.move_to(end)
    }

    /// Passes the base class of nearly all over.
    pub(crate) fn skip_tobject(&mut self) -> Result<(), RootError> {
        self.u16()?;
        self.u32()?;
        if self.u32()? & IS_REFERENCED != 0 {
            self.u16()?;
        }
        Ok(())
    }

    /// Name and title of a TNamed.
    pub(crate) fn named(&mut self) -> Result<(String, String), RootError> {
        let (_, end) = self.version()?;
        self.skip_tobject()?;
        let named = (self.text()?, self.text()?);
        self.move_to(end)?;
        Ok(named)
    }
}
