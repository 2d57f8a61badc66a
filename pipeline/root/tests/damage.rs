//! Damaged and cut files: an error or numbers, never a panic, nor memory that the file does not fill.

use std::fs;
use std::path::Path;

use humboldt_root::TreeReader;
use proptest::prelude::*;

use crate::support::{Outcome, file, read_all};

const FILES: [&str; 8] = [
    "root_none.root",
    "root_zlib.root",
    "root_lzma.root",
    "root_lz4.root",
    "root_zstd.root",
    "root_embedded.root",
    "root_mixed.root",
    "uproot_rntuple.root",
];

/// Reads whatever can be read.
fn exercise(path: &Path) -> Result<(), String> {
    let tree = TreeReader::open(path, Some("events")).map_err(|e| e.to_string())?;
    read_all(&tree, 100).map(drop).map_err(|e| e.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn flipped_bytes_and_cuts_do_no_harm(
        which in 0..FILES.len(),
        // Most of a file is numbers; its head and its end are what a reader believes.
        flips in prop::collection::vec((0_u8..3, 0.0..1.0_f64, any::<u8>()), 0..6),
        cut in prop::option::of(0.0..1.0_f64),
    ) {
        let mut bytes = fs::read(file(FILES[which])).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for (part, place, byte) in flips {
            let len = bytes.len() as f64;
            let at = match part {
                0 => place * 600.0,
                1 => len - 1.0 - place * 9000.0,
                _ => place * len,
            };
            let last = bytes.len() - 1;
            bytes[(at as usize).min(last)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        let path = tempfile::NamedTempFile::new().map_err(|e| TestCaseError::fail(e.to_string()))?;
        fs::write(path.path(), &bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        if let Err(what) = exercise(path.path()) {
            prop_assert!(!what.is_empty() && !what.contains('\n'), "{what}");
        }
    }
}

#[test]
fn a_cut_file_is_said_to_be_cut() -> Outcome {
    let bytes = fs::read(file("root_zlib.root"))?;
    let path = tempfile::NamedTempFile::new()?;
    fs::write(path.path(), &bytes[..bytes.len() - 1])?;
    let what = exercise(path.path()).err().ok_or("refused")?;
    assert_eq!(what, format!("truncated: {} bytes of {}", bytes.len() - 1, bytes.len()));
    Ok(())
}

#[test]
fn a_changed_number_is_found_where_the_compression_has_a_checksum() -> Outcome {
    for compression in ["zlib", "lzma", "lz4"] {
        let bytes = fs::read(file(&format!("root_{compression}.root")))?;
        // Within the numbers of a basket; those that do not get smaller are stored without a checksum.
        let at = bytes.windows(4).position(|four| four == b"\x03f64").ok_or("the branch")? + 100;
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let path = tempfile::NamedTempFile::new()?;
        fs::write(path.path(), &changed)?;
        let what = exercise(path.path()).err().ok_or(compression)?;
        assert!(what.starts_with("basket 1 of branch `f64`: a block that cannot be unpacked: "), "{what}");
    }
    Ok(())
}
