//! Files that appear whole or not at all.
//!
//! A file is written as `NAME.part` in its folder, synced to the disk and renamed; a killed program leaves at most
//! a `.part`, which no reader opens and the next writer overwrites.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::PipelineError;

/// A file under its temporary name; dropped without [`PartFile::commit`], it is removed.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    part: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl PartFile {
    /// Starts the file that will be `path`.
    ///
    /// # Errors
    /// [`PipelineError::Io`] where the folder is missing or not writable, or `path` is a folder.
    pub fn create(path: &Path) -> Result<Self, PipelineError> {
        if path.is_dir() {
            return Err(PipelineError::io(path)(io::ErrorKind::IsADirectory.into()));
        }
        let part = part_path(path)?;
        // Readable as well: some formats look back at what they wrote.
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part)
            .map_err(PipelineError::io(path))?;
        Ok(Self { file, part, path: path.to_owned(), committed: false })
    }

    /// The name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that the file has now.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Syncs the file, gives it its name and syncs the folder.
    ///
    /// # Errors
    /// [`PipelineError::Io`] of any of these; the temporary file is then gone.
    pub fn commit(mut self) -> Result<(), PipelineError> {
        self.file.sync_all().map_err(PipelineError::io(&self.path))?;
        fs::rename(&self.part, &self.path).map_err(PipelineError::io(&self.path))?;
        self.committed = true;
        sync_folder(&self.path)
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing can be done about a failure here, and nobody reads a `.part`.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Writes a small file whole or not at all.
///
/// # Errors
/// [`PipelineError::Io`]; an earlier file at `path` is then unchanged.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), PipelineError> {
    let mut file = PartFile::create(path)?;
    file.write_all(content).map_err(PipelineError::io(path))?;
    file.commit()
}

fn part_path(path: &Path) -> Result<PathBuf, PipelineError> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename).map_err(|kind| {
        // `..` and `/` have no name.
        PipelineError::io(path)(kind.into())
    })?;
    let mut part = name.to_owned();
    part.push(".part");
    Ok(path.with_file_name(part))
}

/// A rename is on the disk only when its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), PipelineError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(PipelineError::io(path))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), PipelineError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_nothing_and_the_old_one_stays() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        write_atomically(&path, b"old")?;
        let mut file = PartFile::create(&path)?;
        file.write_all(b"half a new fi")?;
        assert!(file.part().ends_with("a.json.part"));
        drop(file);
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn the_name_appears_with_the_whole_content() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        // Left by a killed run.
        fs::write(folder.path().join("a.json.part"), b"garbage that is longer")?;
        let mut file = PartFile::create(&path)?;
        file.write_all(b"whole")?;
        assert!(!path.exists());
        file.commit()?;
        assert_eq!(fs::read(&path)?, b"whole");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_file_are_refused_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        for path in [folder.path().join("none/a.json"), folder.path().to_owned(), PathBuf::from("/")] {
            assert!(matches!(PartFile::create(&path), Err(PipelineError::Io { path: p, .. }) if p == path));
        }
        Ok(())
    }
}
