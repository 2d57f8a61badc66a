//! Objects as ROOT streams them.

use std::collections::HashMap;

use crate::RootError;
use crate::cursor::BYTE_COUNT;
use crate::error::refused;

/// Stands before the name of a class where it is first met.
pub(crate) const NEW_CLASS: u32 = 0xffff_ffff;

/// Marks the place of a class that was met before.
pub(crate) const CLASS: u32 = 0x8000_0000;

/// Places of classes and objects count from the start of the key, and two more.
pub(crate) const MAP_OFFSET: usize = 2;

/// Texts from this length on have it in four more bytes.
const LONG_TEXT: usize = 255;

/// Version of a key with places of 4 bytes; with 8, a thousand more.
const KEY: u16 = 4;

/// Version of keys and folders with places of 8 bytes, less that with 4.
pub(crate) const LONG: u16 = 1000;

/// The date of all that is written, 1995-01-01: the same rows make the same bytes.
pub(crate) const DATE: u32 = (1 << 22) | (1 << 17);

/// Place of the key of the file, which all others belong to.
pub(crate) const BEGIN: u64 = 100;

/// The last place that has 4 bytes, ROOT's `kStartBigFile`.
pub(crate) const SHORT: u64 = 2_000_000_000;

/// Bytes of an object, and the classes that it met so far.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the key before the object.
    key: usize,
    classes: HashMap<&'static str, u32>,
}

impl Encoder {
    /// An object behind a key of so many bytes.
    pub(crate) fn behind(key: usize) -> Self {
        Self { key, ..Self::default() }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn u32s(&mut self, values: impl IntoIterator<Item = u32>) {
        values.into_iter().for_each(|value| self.u32(value));
    }

    pub(crate) fn u64s(&mut self, values: impl IntoIterator<Item = u64>) {
        values.into_iter().for_each(|value| self.u64(value));
    }

    /// A place in the file.
    pub(crate) fn seek(&mut self, value: u64, long: bool) {
        if long { self.u64(value) } else { self.u32(value as u32) }
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        if text.len() < LONG_TEXT {
            self.u8(text.len() as u8);
        } else {
            self.u8(LONG_TEXT as u8);
            self.u32(text.len() as u32);
        }
        self.bytes.extend(text.as_bytes());
    }

    /// An object of a class that is known, behind its size and version.
    pub(crate) fn versioned(&mut self, version: u16, members: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.u16(version);
        members(self);
        self.count_from(start);
    }

    /// An object behind the name of its class; the number by which it can be named later.
    pub(crate) fn object(&mut self, class: &'static str, members: impl FnOnce(&mut Self)) -> u32 {
        let start = self.bytes.len();
        self.u32(0);
        let tag = (self.bytes.len() + self.key + MAP_OFFSET) as u32 | CLASS;
        if let Some(&known) = self.classes.get(class) {
            self.u32(known);
        } else {
            self.classes.insert(class, tag);
            self.u32(NEW_CLASS);
            self.bytes.extend(class.as_bytes());
            self.u8(0);
        }
        members(self);
        self.count_from(start);
        (start + self.key + MAP_OFFSET) as u32
    }

    fn count_from(&mut self, start: usize) {
        let count = (self.bytes.len() - start - 4) as u32 | BYTE_COUNT;
        self.bytes[start..start + 4].copy_from_slice(&count.to_be_bytes());
    }

    /// The base class of nearly all.
    pub(crate) fn tobject(&mut self) {
        self.u16(1);
        self.u64(0);
    }

    pub(crate) fn named(&mut self, name: &str, title: &str) {
        self.versioned(1, |e| {
            e.tobject();
            e.text(name);
            e.text(title);
        });
    }

    /// A TObjArray of objects that `items` appends.
    pub(crate) fn objects(&mut self, count: usize, items: impl FnOnce(&mut Self)) {
        self.versioned(3, |e| {
            e.tobject();
            e.text("");
            e.u32(count as u32);
            e.u32(0);
            items(e);
        });
    }
}

/// Names and place of a record.
#[derive(Debug, Clone)]
pub(crate) struct Header<'a> {
    pub(crate) class: &'a str,
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) at: u64,
    /// Bytes of the object, unpacked, and as they are stored.
    pub(crate) object: usize,
    pub(crate) stored: usize,
    /// Bytes of what a basket says behind its key.
    pub(crate) more: usize,
}

impl Header<'_> {
    /// Bytes of the key.
    pub(crate) fn len(&self) -> usize {
        let texts = [self.class, self.name, self.title];
        let texts = texts.map(|text| text.len() + if text.len() < LONG_TEXT { 1 } else { 5 });
        texts.iter().sum::<usize>() + self.more + if self.at > SHORT { 34 } else { 26 }
    }

    /// # Errors
    /// For names so long that no key holds them, and for objects of 2 GiB.
    pub(crate) fn encode(&self) -> Result<Encoder, RootError> {
        let len = self.len();
        let Ok(key) = u16::try_from(len) else {
            return refused(format!("a name of {} bytes; allowed: names below 30,000", self.name.len()));
        };
        let Ok(size) = i32::try_from(len + self.stored) else {
            return refused(format!("an object of {} bytes; allowed: below 2 GiB", self.stored));
        };
        let long = self.at > SHORT;
        let mut e = Encoder::default();
        e.u32(size.unsigned_abs());
        e.u16(if long { KEY + LONG } else { KEY });
        e.u32(self.object as u32);
        e.u32(DATE);
        e.u16(key);
        e.u16(1);
        e.seek(self.at, long);
        e.seek(BEGIN, long);
        e.text(self.class);
        e.text(self.name);
        e.text(self.title);
        Ok(e)
    }
}
