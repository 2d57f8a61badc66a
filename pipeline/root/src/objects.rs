//! A TTree as it is streamed: its branches, their leaves, and where their baskets lie.
//!
//! The classes are those of ROOT 5 and 6; a version that is not known is refused. What no table needs is passed over by
//! the sizes that every object carries.

use std::ops::Range;

use crate::RootError;
use crate::cursor::{BYTE_COUNT, Cursor};
use crate::encode::{CLASS, MAP_OFFSET, NEW_CLASS};
use crate::error::{corrupt, refused};
use crate::kind::Kind;

/// A tree: its number of rows, and its branches with those that lie in others.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) entries: u64,
    pub(crate) branches: Vec<Branch>,
}

/// A branch; why it cannot be read, where that is so.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) name: String,
    pub(crate) kind: Result<Kind, String>,
    pub(crate) baskets: Vec<Basket>,
}

/// A part of a branch that is stored in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basket {
    pub(crate) entries: u64,
    pub(crate) place: Place,
}

/// Place of a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File {
        at: u64,
        size: u64,
    },
    /// In the record of the tree: a basket that was not full when the tree was written.
    Tree(Range<usize>),
}

/// Reads the record of a tree; `key` are the bytes of its key, from which references count.
pub(crate) fn tree(class: &str, record: &[u8], key: usize) -> Result<Tree, RootError> {
    let mut c = Cursor::new(record);
    if class != "TTree" {
        c.version()?;
    }
    let (version, _) = c.version()?;
    if !(16..=20).contains(&version) {
        return refused(format!("version {version} of the class TTree is not known; allowed: 16 to 20"));
    }
    for _ in 0..4 {
        c.skip()?;
    }
    let entries = c.long_count()?;
    // Sizes, the weight, settings of filling and of reading.
    c.take(if version < 18 { 24 } else { 32 })?;
    c.take(8 + 3 * 4)?;
    if version > 16 {
        c.take(4)?;
    }
    let clusters = if version > 18 { c.count()? } else { 0 };
    c.take(if version < 18 { 5 * 8 } else { 6 * 8 })?;
    if version > 18 {
        c.numbers::<8>(clusters)?;
        c.numbers::<8>(clusters)?;
    }
    if version > 19 {
        c.skip()?;
    }
    let objects = Objects { record, key };
    let mut branches = Vec::new();
    objects.branches(&mut c, entries, "", &mut branches)?;
    Ok(Tree { entries, branches })
}

struct Objects<'a> {
    record: &'a [u8],
    key: usize,
}

impl<'a> Objects<'a> {
    /// Calls `each` with the place in a TObjArray, the class, a cursor, and the end of every object that is stored in it.
    fn array(
        &self,
        c: &mut Cursor<'a>,
        mut each: impl FnMut(usize, &'a str, Cursor<'a>, usize) -> Result<(), RootError>,
    ) -> Result<(), RootError> {
        let (_, end) = c.version()?;
        c.skip_tobject()?;
        c.text()?;
        let size = c.count()?;
        c.u32()?;
        for i in 0..size {
            let start = c.at();
            let count = c.u32()?;
            if count & BYTE_COUNT == 0 {
                // Nothing, or an object that was met before.
                continue;
            }
            if count == NEW_CLASS {
                return refused("objects without their sizes, as of ROOT before 3.0; allowed: ROOT 5 or 6");
            }
            let object_end = start + 4 + (count & !BYTE_COUNT) as usize;
            let tag = c.u32()?;
            if tag & CLASS != 0 {
                let class = self.class(c, tag)?;
                each(i, class, c.clone(), object_end)?;
            }
            c.move_to(object_end)?;
        }
        c.move_to(end)
    }

    /// Name of the class of a tag, which the cursor stands behind.
    fn class(&self, c: &mut Cursor<'a>, tag: u32) -> Result<&'a str, RootError> {
        if tag == NEW_CLASS {
            return c.class_name();
        }
        let place = (tag & !CLASS) as usize;
        match place.checked_sub(MAP_OFFSET + self.key) {
            Some(place) if place < self.record.len() => {
                let mut there = c.from(place);
                if there.u32()? == NEW_CLASS { there.class_name() } else { corrupt("an object of no class") }
            }
            _ => corrupt("an object of no class"),
        }
    }

    /// Appends the branches of a TObjArray; `outer` is the name of the branch that they lie in, with a dot.
    fn branches(
        &self,
        c: &mut Cursor<'a>,
        rows: u64,
        outer: &str,
        found: &mut Vec<Branch>,
    ) -> Result<(), RootError> {
        self.array(c, |_, class, mut c, _| self.branch(class, &mut c, rows, outer, found))
    }

    fn branch(
        &self,
        class: &str,
        c: &mut Cursor<'a>,
        rows: u64,
        outer: &str,
        found: &mut Vec<Branch>,
    ) -> Result<(), RootError> {
        match class {
            "TBranch" => {}
            "TBranchClones" => {
                c.version()?;
                let (name, _) = c.named()?;
                let kind = Err("objects of a TClonesArray".to_owned());
                found.push(Branch { name: format!("{outer}{name}"), kind, baskets: Vec::new() });
                return Ok(());
            }
            _ => drop(c.version()?),
        }
        let (version, _) = c.version()?;
        if !(10..=13).contains(&version) {
            return refused(format!(
                "version {version} of the class TBranch is not known; allowed: 10 to 13"
            ));
        }
        let (name, title) = c.named()?;
        c.skip()?;
        c.take(3 * 4)?;
        let written = c.count()?;
        c.long_count()?;
        if version > 12 {
            c.skip()?;
        }
        c.u32()?;
        let most = c.count()?;
        c.u32()?;
        let entries = c.long_count()?;
        let first = if version > 10 { c.long_count()? } else { 0 };
        c.take(2 * 8)?;

        let mut inner = Vec::new();
        // Behind a dot, the names of the members begin with that of the object.
        let prefix = if name.ends_with('.') { outer.to_owned() } else { format!("{outer}{name}.") };
        self.branches(c, rows, &prefix, &mut inner)?;
        let mut leaves = Vec::new();
        self.array(c, |_, class, mut c, _| {
            leaves.push(leaf(class, &mut c)?);
            Ok(())
        })?;
        let mut embedded = Vec::new();
        self.array(c, |i, _, c, end| {
            embedded.push((i, c.at()..end));
            Ok(())
        })?;
        let bytes = c.numbers::<4>(most)?;
        let starts = c.numbers::<8>(most)?;
        let places = c.numbers::<8>(most)?;
        let elsewhere = c.text()?;

        let kind = kind(class, &leaves, &title, !inner.is_empty());
        let kind = kind.and_then(|kind| match () {
            () if !elsewhere.is_empty() => Err(format!("its baskets lie in another file, `{elsewhere}`")),
            () if entries != rows || first != 0 => {
                Err(format!("it holds {entries} rows of the tree's {rows}"))
            }
            () => Ok(kind),
        });
        let name = format!("{outer}{name}");
        let mut baskets = Vec::new();
        if kind.is_ok() {
            let places = places.iter().map(|&at| u64::from_be_bytes(at));
            let places = places.zip(bytes.iter().map(|&n| u64::from(u32::from_be_bytes(n)))).enumerate();
            let files = places.filter(|&(i, (at, _))| i < written && at != 0);
            let mut stored: Vec<_> = files.map(|(i, (at, size))| (i, Place::File { at, size })).collect();
            let on_disk = stored.len();
            let in_tree =
                embedded.into_iter().filter(|(i, _)| !stored[..on_disk].iter().any(|(k, _)| k == i));
            let in_tree: Vec<_> = in_tree.map(|(i, range)| (i, Place::Tree(range))).collect();
            stored.extend(in_tree);
            let starts: Vec<_> = starts.iter().map(|&n| u64::from_be_bytes(n)).collect();
            baskets = with_entries(&name, stored, &starts, entries)?;
        }
        found.push(Branch { name, kind, baskets });
        found.append(&mut inner);
        Ok(())
    }
}

/// Baskets with their numbers of rows, which must be those of the branch together.
fn with_entries(
    name: &str,
    mut stored: Vec<(usize, Place)>,
    starts: &[u64],
    entries: u64,
) -> Result<Vec<Basket>, RootError> {
    stored.sort_by_key(|&(i, _)| i);
    let firsts: Option<Vec<u64>> = stored.iter().map(|&(i, _)| starts.get(i).copied()).collect();
    let mut edges = firsts.unwrap_or_default();
    edges.push(entries);
    if edges.len() != stored.len() + 1 || edges[0] != 0 || !edges.is_sorted() {
        return corrupt(format!(
            "the baskets of branch `{name}` do not hold its {entries} rows one after another"
        ));
    }
    let baskets = stored.into_iter().zip(edges.windows(2));
    let baskets = baskets.map(|((_, place), edge)| Basket { entries: edge[1] - edge[0], place });
    Ok(baskets.filter(|basket| basket.entries > 0).collect())
}

/// Content of a branch for each row.
struct Leaf<'a> {
    class: &'a str,
    len: i32,
    size: i32,
    is_unsigned: bool,
    /// Whether another leaf counts its numbers.
    is_counted: bool,
}

fn leaf<'a>(class: &'a str, c: &mut Cursor<'a>) -> Result<Leaf<'a>, RootError> {
    // Of the class itself, then of TLeaf.
    c.version()?;
    let (version, _) = c.version()?;
    if version == 0 || version > 2 {
        return refused(format!("version {version} of the class TLeaf is not known; allowed: 1 or 2"));
    }
    c.named()?;
    let (len, size) = (c.i32()?, c.i32()?);
    c.take(4 + 1)?;
    let is_unsigned = c.u8()? != 0;
    let is_counted = c.u32()? != 0;
    Ok(Leaf { class, len, size, is_unsigned, is_counted })
}

/// Type of a branch's numbers, or why it is not read.
fn kind(class: &str, leaves: &[Leaf<'_>], title: &str, is_split: bool) -> Result<Kind, String> {
    let leaf = match leaves {
        _ if is_split => return Err("an object whose members are branches".to_owned()),
        _ if class != "TBranch" => {
            return Err("an object, one of its members or a container, as std::vector".to_owned());
        }
        [leaf] => leaf,
        other => return Err(format!("{} leaves, `{title}`", other.len())),
    };
    if leaf.is_counted {
        return Err("an array whose length differs from row to row".to_owned());
    }
    let kind = Kind::of_leaf(leaf.class, leaf.is_unsigned)?;
    if leaf.len != 1 || title.contains('[') {
        return Err(format!("an array, `{title}`"));
    }
    if leaf.size as usize != kind.size() {
        return Err(format!("numbers of {} bytes, not {}", leaf.size, kind.size()));
    }
    Ok(kind)
}
