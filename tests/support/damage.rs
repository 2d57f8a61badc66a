//! Ways to damage a file.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Longest file that damage makes [bytes].
const LONGEST: usize = 1 << 20;

/// Numbers at the edge of what a length, an offset or a count may be.
const EDGES: [u64; 14] = [
    0,
    1,
    7,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    0x7fff_ffff_ffff_fff8,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// The random numbers of one case.
pub(crate) fn generator(seed: u64, case: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case)
}

/// One valid file on its way to a damaged one.
pub(crate) struct Damage<'a> {
    rng: Pcg64,
    files: &'a [Vec<u8>],
    words: &'a [&'a str],
    bytes: Vec<u8>,
}

impl<'a> Damage<'a> {
    /// Begins with one of `files`; `words` may come anywhere.
    pub(crate) fn new(mut rng: Pcg64, files: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        let bytes = files[rng.random_range(0..files.len())].clone();
        Self { rng, files, words, bytes }
    }

    /// Damages it once or, at times, more often.
    pub(crate) fn apply(mut self) -> Vec<u8> {
        loop {
            self.once();
            if self.rng.random_range(0..5) < 3 {
                self.bytes.truncate(LONGEST);
                return self.bytes;
            }
        }
    }

    fn once(&mut self) {
        let at = self.place();
        match self.rng.random_range(0..13) {
            0 | 1 => self.change(at, |rng, byte| *byte ^= 1 << rng.random_range(0..8)),
            2 => self.change(at, |rng, byte| *byte = rng.random()),
            3 => self.change(at, |rng, byte| {
                *byte = byte.wrapping_add_signed([-2, -1, 1, 2][rng.random_range(0..4)]);
            }),
            4..=6 => self.number(at),
            7 => self.bytes.truncate(at),
            8 => {
                let piece = self.piece();
                self.bytes.drain(piece);
            }
            9 => {
                let piece = self.piece_of(at);
                let piece = self.bytes[piece].to_vec();
                self.insert(&piece);
            }
            10 => {
                let (a, b) = (self.piece(), self.piece());
                for (i, j) in a.zip(b) {
                    self.bytes.swap(i, j);
                }
            }
            11 => self.splice(),
            _ => self.word(),
        }
    }

    /// A byte of the file; near an end of it as often as not, where headers are.
    fn place(&mut self) -> usize {
        let len = self.bytes.len();
        if len == 0 {
            return 0;
        }
        let near = self.rng.random_range(0..len.min(512));
        match self.rng.random_range(0..4) {
            0 => near,
            1 => len - 1 - near,
            _ => self.rng.random_range(0..len),
        }
    }

    fn change(&mut self, at: usize, f: impl FnOnce(&mut Pcg64, &mut u8)) {
        if let Some(byte) = self.bytes.get_mut(at) {
            f(&mut self.rng, byte);
        }
    }

    /// Writes an extreme number of 1, 2, 4 or 8 bytes, as lengths and offsets are, aligned more often than not.
    fn number(&mut self, at: usize) {
        let size = 1 << self.rng.random_range(0..4);
        let at = if self.rng.random_range(0..4) > 0 { at / size * size } else { at };
        let mut value = EDGES[self.rng.random_range(0..EDGES.len())];
        if self.rng.random_range(0..3) == 0 {
            value = value.wrapping_add_signed(self.rng.random_range(-9..10));
        }
        let number = if self.rng.random_range(0..8) == 0 { value.swap_bytes() } else { value }.to_le_bytes();
        for (byte, new) in self.bytes.iter_mut().skip(at).zip(&number[..size]) {
            *byte = *new;
        }
    }

    fn piece(&mut self) -> Range<usize> {
        let at = self.place();
        self.piece_of(at)
    }

    /// Some bytes from `at` on: a few, or a line, or many.
    fn piece_of(&mut self, at: usize) -> Range<usize> {
        let rest = &self.bytes[at.min(self.bytes.len())..];
        let longest = match self.rng.random_range(0..3) {
            0 => 16,
            1 => rest.iter().position(|&b| b == b'\n').map_or(64, |end| end + 1),
            _ => rest.len(),
        };
        let longest = longest.min(rest.len());
        at..at + self.rng.random_range(0..=longest)
    }

    fn insert(&mut self, piece: &[u8]) {
        let at = self.place();
        let times = if self.rng.random_range(0..16) == 0 { self.rng.random_range(2..2000) } else { 1 };
        let times = times.min(LONGEST / piece.len().max(1)).max(1);
        self.bytes.splice(at..at, piece.repeat(times));
    }

    /// The beginning of this file and the end of another.
    fn splice(&mut self) {
        let other = &self.files[self.rng.random_range(0..self.files.len())];
        let at = self.place();
        let same = at.min(other.len());
        let from = if self.rng.random() { same } else { self.rng.random_range(0..=other.len()) };
        self.bytes.truncate(at);
        self.bytes.extend_from_slice(&other[from..]);
    }

    /// A word of the format, over what is there or between.
    fn word(&mut self) {
        let Some(last) = self.words.len().checked_sub(1) else { return };
        let word = self.words[self.rng.random_range(0..=last)].as_bytes();
        if self.rng.random() {
            return self.insert(word);
        }
        let over = self.piece();
        self.bytes.splice(over.start..over.end.min(over.start + word.len()), word.iter().copied());
    }
}
