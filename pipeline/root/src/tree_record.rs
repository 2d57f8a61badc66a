//! A tree, its branches and the heads of its baskets, as version 6 of ROOT writes them.

use std::iter::repeat;

use crate::compression::ZLIB_1;
use crate::encode::Encoder;
use crate::kind::Kind;

/// Rows of a basket, of all branches alike: clusters of ROOT end where baskets do.
pub(crate) const ROWS: usize = 1 << 16;

/// Bytes of what a basket says behind its key.
pub(crate) const BASKET: usize = 19;

/// The fewest baskets that ROOT keeps places for.
const FEWEST: usize = 10;

/// Limit that ROOT takes for none.
const NO_LIMIT: u64 = 1_000_000_000_000;

/// A column that is written.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Numbers that are not in a basket yet.
    pub(crate) pending: Vec<u8>,
    baskets: Vec<Basket>,
    rows: u64,
    unpacked: u64,
    stored: u64,
}

#[derive(Debug)]
struct Basket {
    at: u64,
    size: usize,
    first: u64,
}

impl Branch {
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        let (pending, baskets) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), kind, pending, baskets, rows: 0, unpacked: 0, stored: 0 }
    }

    /// Notes that the pending numbers are stored.
    pub(crate) fn add(&mut self, at: u64, size: usize, unpacked: u64, rows: usize) {
        self.baskets.push(Basket { at, size, first: self.rows });
        self.rows += rows as u64;
        self.unpacked += unpacked;
        self.stored += size as u64;
        self.pending.clear();
    }

    /// Name and type, as in a leaf list.
    fn title(&self) -> String {
        format!("{}/{}", self.name, self.kind.leaf().1)
    }
}

/// Head of a basket of `rows` numbers behind its key; they end at `last`, counted from the key's start.
pub(crate) fn basket(e: &mut Encoder, kind: Kind, rows: usize, last: usize) {
    e.u16(3);
    e.u32(last as u32);
    e.u32(kind.size() as u32);
    e.u32(rows as u32);
    e.u32(last as u32);
    e.u8(0);
}

/// The record of a tree behind a key of `key` bytes.
pub(crate) fn encode(name: &str, key: usize, branches: &[Branch], rows: u64) -> Vec<u8> {
    let mut e = Encoder::behind(key);
    e.versioned(20, |e| {
        e.named(name, "");
        // Looks of a line, an area and markers.
        e.versioned(2, |e| {
            e.u16(602);
            e.u32(0x0001_0001);
        });
        area(e);
        e.versioned(3, |e| {
            e.u32(0x0001_0001);
            e.f32(1.0);
        });
        let unpacked = branches.iter().map(|branch| branch.unpacked).sum();
        let stored = branches.iter().map(|branch| branch.stored).sum();
        // The last two: what was saved and flushed while the tree grew.
        e.u64s([rows, unpacked, stored, 0, 0]);
        e.f64(1.0);
        // Timer, screen lines, updates, places in a basket of arrays, ranges of clusters.
        e.u32s([0, 25, 0, 1000, 0]);
        // Bytes between autosaves, rows of a cluster, rows of an estimate.
        e.u64s([NO_LIMIT, NO_LIMIT, 0, 300_000_000_u64.wrapping_neg(), ROWS as u64, 1_000_000]);
        // No ranges of clusters.
        e.u16(0);
        io_features(e);
        let mut leaves = Vec::new();
        e.objects(branches.len(), |e| {
            for branch in branches {
                e.object("TBranch", |e| leaves.push(encode_branch(e, branch)));
            }
        });
        e.objects(leaves.len(), |e| e.u32s(leaves));
        // Aliases, values and order of an index, the index, friends, a user's objects, references: none.
        e.u32s([0; 7]);
    });
    e.bytes
}

/// Colour and style of an area.
fn area(e: &mut Encoder) {
    e.versioned(2, |e| {
        e.u16(0);
        e.u16(1001);
    });
}

/// Of a class without a version: a checksum stands in its place.
fn io_features(e: &mut Encoder) {
    e.versioned(0, |e| {
        e.u32(0x1aa1_2f10);
        e.u8(0);
    });
}

/// Appends a branch; the number of its leaf.
fn encode_branch(e: &mut Encoder, branch: &Branch) -> u32 {
    let Branch { name, kind, baskets, rows, unpacked, stored, .. } = branch;
    let places = FEWEST.max(baskets.len() + 1);
    let mut number = 0;
    e.versioned(13, |e| {
        e.named(name, &branch.title());
        area(e);
        e.u32s([ZLIB_1, (ROWS * kind.size()) as u32, 0, baskets.len() as u32]);
        e.u64(*rows);
        io_features(e);
        e.u32s([0, places as u32, 0]);
        e.u64s([*rows, 0, *unpacked, *stored]);
        e.objects(0, |_| {});
        e.objects(1, |e| number = leaf(e, name, *kind));
        e.objects(0, |_| {});
        let sizes = baskets.iter().map(|basket| basket.size as u32);
        e.u8(1);
        e.u32s(sizes.chain(repeat(0)).take(places));
        let firsts = baskets.iter().map(|basket| basket.first).chain([*rows]);
        e.u8(1);
        e.u64s(firsts.chain(repeat(0)).take(places));
        e.u8(1);
        e.u64s(baskets.iter().map(|basket| basket.at).chain(repeat(0)).take(places));
        e.text("");
    });
    number
}

/// Appends the leaf of a branch; its number.
fn leaf(e: &mut Encoder, name: &str, kind: Kind) -> u32 {
    e.object(kind.leaf().0, |e| {
        e.versioned(1, |e| {
            e.versioned(2, |e| {
                e.named(name, name);
                e.u32(1);
                e.u32(kind.size() as u32);
                e.u32(0);
                e.u8(0);
                e.u8(u8::from(kind.is_unsigned()));
                e.u32(0);
            });
            // The least and the largest number, which are not known.
            e.bytes.extend(vec![0; 2 * kind.size()]);
        });
    })
}
