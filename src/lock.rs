//! Locks of folders, which keep two processes from the same work.
//!
//! Work goes on where the file system has no locks (some Lustre and NFS mounts), with one note; a folder that
//! this process cannot write needs none.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::error::{AtPath, Error};
use crate::progress::note;

/// Who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody.
    Exclusive,
    /// Nobody; whoever holds it is waited for.
    Awaited,
    /// Others of this kind.
    Shared,
}

/// A lock, held for as long as this value lives; nothing where there are none.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

/// Refusal of a folder that another process works in.
pub(crate) fn busy(folder: &Path) -> Error {
    Error::file(folder, "another process works in this folder")
}

/// Locks a file, which is made where it is missing.
///
/// # Errors
/// `busy`, when another process holds the lock; when the file cannot be made for another reason than that its folder
/// cannot be written.
pub(crate) fn lock(path: &Path, kind: Kind, busy: impl Fn() -> Error) -> Result<Lock, Error> {
    let Some(file) = open(path).at(path)? else {
        return Ok(Lock { _file: None });
    };
    let outcome = match kind {
        Kind::Exclusive => file.try_lock(),
        Kind::Shared => file.try_lock_shared(),
        Kind::Awaited => file.lock().map_err(TryLockError::Error),
    };
    match outcome {
        Ok(()) => Ok(Lock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Error(error)) if is_unknown(&error) => {
            note_once(path);
            Ok(Lock { _file: None })
        }
        Err(TryLockError::Error(error)) => Err(error).at(path),
    }
}

/// Another user's file may be one that is read only, which locks as well.
fn open(path: &Path) -> io::Result<Option<File>> {
    let unwritable =
        |e: &io::Error| matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    match File::options().create(true).append(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if unwritable(&error) => Ok(File::open(path).ok()),
        Err(error) => Err(error),
    }
}

/// Whether the file system has no locks, or none for a file that is open for reading.
fn is_unknown(error: &io::Error) -> bool {
    const NO_LOCKS: [Errno; 5] = [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK, Errno::INVAL, Errno::BADF];
    error.kind() == ErrorKind::Unsupported
        || NO_LOCKS.iter().any(|known| Some(known.raw_os_error()) == error.raw_os_error())
}

fn note_once(path: &Path) {
    static NOTED: AtomicBool = AtomicBool::new(false);
    if !NOTED.swap(true, Ordering::Relaxed) {
        note(format!(
            "{}: the file system has no locks; see to it yourself that no second process works here",
            path.parent().unwrap_or(path).display()
        ));
    }
}
