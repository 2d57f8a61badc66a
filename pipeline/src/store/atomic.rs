//! Files that appear whole or not at all, and streams, which cannot.
//!
//! A file is written under a hidden name of its own, `.NAME.HOST-PID-N.part`, in the folder where it will be, synced to
//! the disk and renamed. So two processes that write the same file leave one of the two, whole. Of a program that a
//! signal ends, [`remove_parts`] takes the unfinished files away; of one that was killed, [`sweep`] does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::PipelineError;

/// Ending of files that are not whole yet.
const PART: &str = ".part";

/// Characters of a file's name that its temporary name repeats; file systems allow 255 bytes.
const REPEATED: usize = 40;

/// Symbolic links that are followed, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Unfinished files of this process.
static PARTS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Unfinished files that this process began.
static BEGUN: AtomicU64 = AtomicU64::new(0);

fn parts() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished file of this process, which is about to end: while the returned value lives, none is begun
/// and none gets its name.
pub fn remove_parts() -> impl Sized {
    let parts = parts();
    for part in &*parts {
        // Nothing can be done about a failure, and nobody reads an unfinished file.
        let _ = fs::remove_file(part);
    }
    parts
}

/// Removes from a folder the unfinished files of processes of this machine that are no more. On systems without `/proc`
/// they stay.
pub fn sweep(folder: &Path) {
    let host = format!(".{}", host());
    let is_left = |name: &str| {
        let (rest, _) = name.strip_suffix(PART)?.rsplit_once('-')?;
        let (rest, process) = rest.rsplit_once('-')?;
        let process: u32 = process.parse().ok()?;
        let gone = Path::new("/proc/self").exists() && !Path::new("/proc").join(process.to_string()).exists();
        (name.starts_with('.') && rest.ends_with(&host) && gone).then_some(())
    };
    let Ok(entries) = fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().and_then(is_left).is_some() {
            // Of no harm where it cannot be removed.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Target of a writer: a file under its temporary name, which is removed if it is dropped without
/// [`PartFile::commit`]; or a stream.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    path: PathBuf,
    /// The name that the file has now; `None` of a stream.
    part: Option<PathBuf>,
    /// The name that it will have, at the end of all symbolic links.
    target: PathBuf,
}

impl PartFile {
    /// Starts the file that will be `path`; behind a symbolic link, the file that the link names.
    ///
    /// # Errors
    /// [`PipelineError::Io`] where the folder is missing or not writable, or `path` is a folder;
    /// [`PipelineError::OutOfRange`] where it is a pipe or another thing that is no file.
    pub fn create(path: &Path) -> Result<Self, PipelineError> {
        if is_stream(path) {
            let allowed = "a regular file; only HepMC and Arrow tables of events can go to a pipe";
            return Err(PipelineError::out_of_range("file to write", path.display(), allowed));
        }
        let target = followed(path).map_err(PipelineError::io(path))?;
        if target.is_dir() {
            return Err(PipelineError::io(path)(ErrorKind::IsADirectory.into()));
        }
        let mut known = parts();
        loop {
            // `..` and `/` have no name.
            let part = unique(&target).ok_or(ErrorKind::InvalidFilename.into());
            let part = part.map_err(PipelineError::io(path))?;
            // Readable as well: some formats look back at what they wrote.
            match File::options().read(true).write(true).create_new(true).open(&part) {
                Ok(file) => {
                    known.insert(part.clone());
                    return Ok(Self { file, path: path.to_owned(), part: Some(part), target });
                }
                // Of an earlier process of this number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(PipelineError::io(path)(error)),
            }
        }
    }

    /// Opens a stream ([`is_stream`]), or starts a file as [`PartFile::create`]. A named pipe waits for its reader.
    ///
    /// # Errors
    /// [`PipelineError::Io`] as [`PartFile::create`], or where the stream cannot be written.
    pub fn create_or_open(path: &Path) -> Result<Self, PipelineError> {
        if !is_stream(path) {
            return Self::create(path);
        }
        let file = open_stream(path).map_err(PipelineError::io(path))?;
        Ok(Self { file, path: path.to_owned(), part: None, target: path.to_owned() })
    }

    /// The name that was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that the file has now.
    pub fn part(&self) -> &Path {
        self.part.as_deref().unwrap_or(&self.target)
    }

    /// Whether it is a stream.
    pub const fn is_stream(&self) -> bool {
        self.part.is_none()
    }

    /// Syncs the file, gives it its name and syncs the folder; of a stream, nothing is left to do.
    ///
    /// # Errors
    /// [`PipelineError::Io`] of any of these; the temporary file is then gone.
    pub fn commit(mut self) -> Result<(), PipelineError> {
        if let Some(part) = &self.part {
            self.file.sync_all().map_err(PipelineError::io(&self.path))?;
            let mut known = parts();
            fs::rename(part, &self.target).map_err(PipelineError::io(&self.path))?;
            known.remove(part);
            drop(known);
            self.part = None;
            sync_folder(&self.target).map_err(PipelineError::io(&self.path))?;
        }
        Ok(())
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

impl Seek for PartFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // Nothing can be done about a failure here, and nobody reads a `.part`.
            let _ = fs::remove_file(part);
            parts().remove(part);
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

/// Writes JSON, indented, with a line feed at the end.
///
/// # Errors
/// [`PipelineError::Io`], of a value without a JSON form too.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), PipelineError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| PipelineError::io(path)(e.into()))?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

/// The name that stands for standard output.
pub const STDOUT: &str = "-";

/// Whether writing to `path` means writing to something that is no file: standard output (`-`), an open descriptor
/// (`/dev/stdout`, `/dev/fd/3`), a named pipe, a device.
pub fn is_stream(path: &Path) -> bool {
    let Ok(target) = followed(path) else { return false };
    is_descriptor(&target) || fs::metadata(&target).is_ok_and(|status| !status.is_file() && !status.is_dir())
}

/// Whether `path` is standard output by one of its names.
pub fn is_stdout(path: &Path) -> bool {
    const NAMES: [&str; 4] = [STDOUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    followed(path).is_ok_and(|target| NAMES.iter().any(|name| target == Path::new(name)))
}

/// Opens a stream where it stands: opened by its name, a file behind standard output would be written from its start.
fn open_stream(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    if is_stdout(path) {
        use std::os::fd::AsFd as _;
        return Ok(io::stdout().as_fd().try_clone_to_owned()?.into());
    }
    File::options().append(true).open(path)
}

fn is_descriptor(path: &Path) -> bool {
    path == Path::new(STDOUT)
        || ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"]
            .iter()
            .any(|name| path.starts_with(name))
}

/// The end of a chain of symbolic links, which need not exist.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        // What a descriptor is linked to may be a file of another process by now.
        let next = if is_descriptor(&target) { None } else { fs::read_link(&target).ok() };
        match next {
            Some(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            None => return Ok(target),
        }
    }
    fs::metadata(path).and(Ok(target))
}

/// A hidden name beside `target` that no other process and no other call gives.
pub fn unique(target: &Path) -> Option<PathBuf> {
    let name: String = target.file_name()?.to_string_lossy().chars().take(REPEATED).collect();
    let number = BEGUN.fetch_add(1, Ordering::Relaxed);
    let part = format!(".{name}.{}-{}-{number}{PART}", host(), std::process::id());
    Some(target.with_file_name(OsString::from(part)))
}

/// Whether an entry of a folder is an unfinished file.
pub fn is_part(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(PART))
}

/// The machine's name in the names of unfinished files: several machines share a folder, and number their processes
/// alike.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.trim().chars().take(REPEATED).map(plain).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// A rename is on the disk only when its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder).and_then(|f| f.sync_all()) {
        // Some file systems sync no folders, and a folder may be one to write to and not to read.
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_dropped_file_leaves_nothing_and_the_old_one_stays() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        write_atomically(&path, b"old")?;
        let mut file = PartFile::create(&path)?;
        file.write_all(b"half a new fi")?;
        assert!(is_part(file.part().file_name().ok_or("a name")?.as_ref()));
        drop(file);
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn the_name_appears_with_the_whole_content() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        let mut file = PartFile::create(&path)?;
        file.write_all(b"whole")?;
        assert!(!path.exists());
        file.commit()?;
        assert_eq!(fs::read(&path)?, b"whole");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn issue_13_two_writers_of_one_name_leave_one_whole_file() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(format!("{}.json", "long".repeat(50)));
        let (mut a, mut b) = (PartFile::create(&path)?, PartFile::create(&path)?);
        assert_ne!(a.part(), b.part());
        a.write_all(b"of ")?;
        b.write_all(b"of b")?;
        a.write_all(b"a")?;
        a.commit()?;
        assert_eq!(fs::read(&path)?, b"of a");
        b.commit()?;
        assert_eq!(fs::read(&path)?, b"of b");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_file_are_refused_at_once() -> Outcome {
        let folder = tempfile::tempdir()?;
        for path in [folder.path().join("none/a.json"), folder.path().to_owned(), PathBuf::from("/")] {
            assert!(matches!(PartFile::create(&path), Err(PipelineError::Io { path: p, .. }) if p == path));
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn issue_13_links_are_followed_to_files_that_are_and_that_are_not() -> Outcome {
        let folder = tempfile::tempdir()?;
        let inner = folder.path().join("inner");
        fs::create_dir(&inner)?;
        let [one, two] = ["one.json", "two.json"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("inner/target.json", &two)?;
        std::os::unix::fs::symlink("two.json", &one)?;
        for content in ["first", "second"] {
            write_atomically(&one, content.as_bytes())?;
            assert_eq!(fs::read_to_string(inner.join("target.json"))?, content);
        }
        assert!(one.is_symlink() && two.is_symlink() && !inner.join("target.json").is_symlink());
        assert_eq!(fs::read_dir(&inner)?.count(), 1);
        std::os::unix::fs::symlink("loop.json", folder.path().join("loop.json"))?;
        assert!(matches!(PartFile::create(&folder.path().join("loop.json")), Err(PipelineError::Io { .. })));
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn issue_13_what_is_no_file_is_a_stream() -> Outcome {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("out.hepmc");
        std::os::unix::fs::symlink("/dev/stdout", &link)?;
        for path in ["-", "/dev/stdout", "/dev/fd/1", link.to_str().ok_or("a name")?] {
            assert!(is_stream(Path::new(path)) && is_stdout(Path::new(path)), "{path}");
        }
        assert!(is_stream(Path::new("/dev/null")) && !is_stdout(Path::new("/dev/null")));
        assert!(!is_stream(folder.path()) && !is_stream(&folder.path().join("new.json")));
        assert!(PartFile::create_or_open(Path::new("/dev/null"))?.is_stream());
        let refused = PartFile::create(Path::new("/dev/null")).err().ok_or("refused")?;
        assert!(refused.to_string().contains("/dev/null"), "{refused}");
        assert!(Path::new("/dev/null").exists());
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn issue_13_files_of_killed_processes_are_swept_and_others_stay() -> Outcome {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        let own = PartFile::create(&path)?;
        // Processes have numbers below 2^22.
        let left = own.part().to_string_lossy().replace(&format!("-{}-", std::process::id()), "-4194305-");
        fs::write(&left, "half")?;
        let elsewhere = folder.path().join(".a.json.another_host-4194305-0.part");
        fs::write(&elsewhere, "half")?;
        sweep(folder.path());
        assert!(own.part().exists() && elsewhere.exists() && !Path::new(&left).exists());
        own.commit()?;
        assert!(path.exists());
        Ok(())
    }
}
