//! Which files and trees are meant by a path: `FILE`, `FILE.root:TREE`, patterns and lists of these.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::PipelineError;

/// Stands between a file and a tree of it.
const TREE: char = ':';

/// Stands between the parts of a list.
const LIST: char = ',';

/// Signs that make a name a pattern.
const PATTERN: [char; 3] = ['*', '?', '['];

/// A file, and a tree of it where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) file: PathBuf,
    pub(super) tree: Option<String>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)?;
        self.tree.iter().try_for_each(|tree| write!(f, "{TREE}{tree}"))
    }
}

/// The files of a table that is read from `path`; what no name of a file explains stays as it is.
///
/// # Errors
/// For a pattern that is none, or that no file matches.
pub fn table_files(path: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    Ok(addresses(path)?.into_iter().map(|address| address.file).collect())
}

/// The files and trees that `path` stands for, one at least: a file's own name goes before all else, a pattern's files are
/// in the order of their names.
pub(super) fn addresses(path: &Path) -> Result<Vec<Address>, PipelineError> {
    let Some(text) = path.to_str() else {
        return Ok(vec![Address { file: path.to_owned(), tree: None }]);
    };
    if let Some(address) = file(text) {
        return Ok(vec![address]);
    }
    let mut found = Vec::new();
    for part in text.split(LIST) {
        match file(part) {
            Some(address) => found.push(address),
            None if part.contains(PATTERN) => found.extend(matching(path, part)?),
            None => found.push(Address { file: part.into(), tree: None }),
        }
    }
    Ok(found)
}

/// The file of this name, or one with a tree.
fn file(text: &str) -> Option<Address> {
    if Path::new(text).exists() {
        return Some(Address { file: text.into(), tree: None });
    }
    let (file, tree) =
        text.rsplit_once(TREE).filter(|(file, tree)| is_tree(tree) && Path::new(file).exists())?;
    Some(Address { file: file.into(), tree: Some(tree.to_owned()) })
}

/// Whether a text can be the name of a tree: one with a comma is the rest of a list.
fn is_tree(text: &str) -> bool {
    !text.is_empty() && !text.contains(LIST)
}

/// Files of a pattern, which a tree may follow.
fn matching(path: &Path, pattern: &str) -> Result<Vec<Address>, PipelineError> {
    let files = |pattern: &str| -> Result<Vec<PathBuf>, PipelineError> {
        let refused =
            |e: glob::PatternError| PipelineError::refused(path, format!("pattern `{pattern}`: {e}"));
        Ok(glob::glob(pattern).map_err(refused)?.flatten().collect())
    };
    let (mut found, mut tree) = (files(pattern)?, None);
    if let (true, Some((before, name))) = (found.is_empty(), pattern.rsplit_once(TREE)) {
        (found, tree) = (files(before)?, Some(name.to_owned()));
    }
    if found.is_empty() {
        return Err(PipelineError::refused(path, format!("no file matches `{pattern}`")));
    }
    Ok(found.into_iter().map(|file| Address { file, tree: tree.clone() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn names_go_before_trees_and_these_before_patterns() -> Outcome {
        let folder = tempfile::tempdir()?;
        for name in ["b.root", "a.root", "c:d.root", "e,f.root", "[g].root"] {
            std::fs::write(folder.path().join(name), "")?;
        }
        let shown = |text: &str| -> Result<Vec<String>, PipelineError> {
            let prefix = format!("{}/", folder.path().display());
            let parts: Vec<_> = text.split(' ').map(|part| format!("{prefix}{part}")).collect();
            let found = addresses(Path::new(&parts.join(",")))?;
            Ok(found.iter().map(|address| address.to_string().replace(&prefix, "")).collect())
        };
        for plain in
            ["a.root", "a.root:dir/tree", "c:d.root", "c:d.root:tree", "e,f.root", "[g].root", "none.root"]
        {
            assert_eq!(shown(plain)?, [plain]);
        }
        assert_eq!(shown("b.root:t a.root")?, ["b.root:t", "a.root"]);
        assert_eq!(shown("[ab].root:t")?, ["a.root:t", "b.root:t"]);
        assert_eq!(shown("?.root b.root")?, ["a.root", "b.root", "b.root"]);
        assert!(shown("*.parquet").is_err_and(|e| e.to_string().contains("no file matches")));
        assert!(shown("***.root").is_err_and(|e| e.to_string().contains("pattern")));
        Ok(())
    }
}
