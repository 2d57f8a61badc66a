//! Work for Python: on a pool of threads of our own, without the GIL, in sight of a callback, until Ctrl-C.
//!
//! The pool belongs to the process that made it. After a fork its threads are not there, and whoever waited for them would wait
//! for ever; so it is made anew where the number of the process is another. For the same reason nothing here runs on rayon's
//! global pool but networks, which a forked process refuses once they have run in its parent.

use std::any::Any;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use humboldt::commands;
use humboldt::commands::refusal::{Refusal, RefusalKind};
use humboldt::progress::{Caller, Stopped};
use humboldt_pipeline::store::{MemoryPath, atomic};
use pyo3::exceptions::{
    PyFileExistsError, PyFileNotFoundError, PyIsADirectoryError, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::table::Table;

/// Time between two looks at Python's signals.
const SIGNALS: Duration = Duration::from_millis(20);
/// Time between two calls of a callback.
const PROGRESS: Duration = Duration::from_millis(100);
/// Time in which stopped work is waited for; then it ends by itself, and what it makes is forgotten.
const PATIENCE: Duration = Duration::from_millis(500);

/// The threads, and the process that they belong to.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);
/// Number of threads; 0 for as many as there are cores.
static THREADS: AtomicUsize = AtomicUsize::new(0);
/// The process in which networks have run on rayon's global threads; 0 for none.
static NETWORKS: AtomicU32 = AtomicU32::new(0);
/// Message and place of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut place = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, pool)) = &*place
        && *owner == process::id()
    {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(THREADS.load(Ordering::Relaxed))
        .thread_name(|i| format!("humboldt {i}"))
        .build()
        .map_err(|e| PyRuntimeError::new_err(format!("threads: {e}")))?;
    let pool = Arc::new(pool);
    // Threads of a parent are not there: they could not be ended.
    std::mem::forget(place.replace((process::id(), Arc::clone(&pool))));
    Ok(pool)
}

/// Sets the number of threads from now on; as many as there are cores where it is 0, or what RAYON_NUM_THREADS says.
#[pyfunction]
pub(crate) fn set_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
    let mut place = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, pool)) = place.take() {
        if owner == process::id() {
            drop(pool);
        } else {
            std::mem::forget(pool);
        }
    }
}

/// Marks that this process runs a network, where that can work.
///
/// # Errors
/// In a process that was forked from one in which a network has run.
pub(crate) fn run_network() -> PyResult<()> {
    let (own, owner) = (process::id(), NETWORKS.load(Ordering::Relaxed));
    if owner != 0 && owner != own {
        return Err(PyRuntimeError::new_err(
            "a network ran in the process that this one was forked from, and its threads are not here; allowed: workers \
             that are started by `spawn` or `forkserver`, or networks in one process",
        ));
    }
    NETWORKS.store(own, Ordering::Relaxed);
    Ok(())
}

/// A refusal as an exception.
pub(crate) fn exception(refusal: Refusal) -> PyErr {
    let Refusal { text, kind } = refusal;
    match kind {
        RefusalKind::Input => PyValueError::new_err(text),
        RefusalKind::Work => PyRuntimeError::new_err(text),
        RefusalKind::System(ErrorKind::NotFound) => PyFileNotFoundError::new_err(text),
        RefusalKind::System(ErrorKind::PermissionDenied) => PyPermissionError::new_err(text),
        RefusalKind::System(ErrorKind::AlreadyExists) => PyFileExistsError::new_err(text),
        RefusalKind::System(ErrorKind::IsADirectory) => PyIsADirectoryError::new_err(text),
        RefusalKind::System(ErrorKind::OutOfMemory) => PyMemoryError::new_err(text),
        RefusalKind::System(_) => PyOSError::new_err(text),
    }
}

/// An error of one of humboldt's libraries as an exception.
pub(crate) fn refused(error: impl Into<anyhow::Error>) -> PyErr {
    exception(Refusal::from(error.into()))
}

/// Panics are faults of ours: they become exceptions that say where they happened, and print nothing.
fn keep_panics_for_exceptions() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_hook(Box::new(|panic| {
            *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
    });
}

fn fault(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let place = std::mem::take(&mut *PANIC.lock().unwrap_or_else(PoisonError::into_inner));
    PyRuntimeError::new_err(format!(
        "a fault in humboldt, please report it: {} {place}",
        text.unwrap_or_default()
    ))
}

/// Does work on our threads without the GIL, and gives its result with the notes that it made.
///
/// # Errors
/// Those of the work; KeyboardInterrupt; what the callback raises.
pub(crate) fn work<T: Send + 'static>(
    py: Python,
    progress: Option<&Bound<PyAny>>,
    work: impl FnOnce(&Caller) -> Result<T, Refusal> + Send + 'static,
) -> PyResult<(T, Vec<String>)> {
    keep_panics_for_exceptions();
    let caller = Arc::new(Caller::default());
    let (sender, mut receiver) = channel();
    let heard = Arc::clone(&caller);
    pool()?.spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| heard.hears(|| work(&heard))));
        // Nobody waits any more for work that was stopped.
        let _ = sender.send(done);
    });
    let (mut told, tell) = (Instant::now(), |progress: &Bound<PyAny>| {
        let work = caller.work();
        if work.label.is_empty() {
            Ok(())
        } else {
            progress.call1((work.label, work.done, work.total, work.unit)).map(|_| ())
        }
    });
    loop {
        let (event, back) = py.detach(move || (receiver.recv_timeout(SIGNALS), receiver));
        receiver = back;
        let interrupted = match event {
            Ok(Ok(Ok(result))) => {
                progress.map_or(Ok(()), tell)?;
                return Ok((result, caller.notes()));
            }
            Ok(Ok(Err(refusal))) => return Err(exception(refusal)),
            Ok(Err(payload)) if payload.is::<Stopped>() => {
                return Err(PyRuntimeError::new_err("the work was stopped"));
            }
            Ok(Err(payload)) => return Err(fault(&*payload)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the work was lost with its threads"));
            }
            Err(RecvTimeoutError::Timeout) => py.check_signals().and_then(|()| match progress {
                Some(progress) if told.elapsed() >= PROGRESS => {
                    told = Instant::now();
                    tell(progress)
                }
                _ => Ok(()),
            }),
        };
        if let Err(reason) = interrupted {
            caller.stop();
            py.detach(move || {
                // Whatever it says now comes too late.
                let _ = receiver.recv_timeout(PATIENCE);
            });
            return Err(reason);
        }
    }
}

/// An argument of a command: a word of the command line, or a table in the place of a file, with the argument's name.
#[derive(FromPyObject)]
pub(crate) enum Argument<'py> {
    Word(String),
    Table(String, PyRef<'py, Table>),
}

/// A file, or a table that stands in the place of one as long as this lives.
pub(crate) struct Place {
    path: PathBuf,
    table: Option<(MemoryPath, String)>,
}

impl From<Argument<'_>> for Place {
    fn from(argument: Argument) -> Self {
        match argument {
            Argument::Word(word) => Self { path: word.into(), table: None },
            Argument::Table(name, table) => {
                let held = MemoryPath::of(table.held());
                Self { path: held.path().to_owned(), table: Some((held, name)) }
            }
        }
    }
}

impl Place {
    /// The path of the file, or that by which the table is read.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A text with the argument's name in the place of a table's path.
    fn named(&self, text: &str) -> String {
        match &self.table {
            Some((held, name)) => text.replace(&held.path().display().to_string(), name),
            None => text.to_owned(),
        }
    }

    /// What came of work with it; a refusal calls a table by its argument's name.
    pub(crate) fn refusing<T>(&self, done: anyhow::Result<T>) -> Result<T, Refusal> {
        done.map_err(|error| {
            let Refusal { text, kind } = Refusal::from(error);
            Refusal { text: self.named(&text), kind }
        })
    }
}

/// Does a command as `humboldt` would: what it prints, its notes, and with `output` the table that it would write.
#[pyfunction]
#[pyo3(signature = (arguments, *, output=false, network=false, progress=None))]
pub(crate) fn call(
    py: Python,
    arguments: Vec<Argument>,
    output: bool,
    network: bool,
    progress: Option<Bound<PyAny>>,
) -> PyResult<(String, Vec<String>, Option<Table>)> {
    if network {
        run_network()?;
    }
    let places: Arc<[Place]> = arguments.into_iter().map(Place::from).collect();
    let mut words: Vec<String> = places.iter().map(|place| place.path().display().to_string()).collect();
    let written = output.then(MemoryPath::to_write);
    if let Some(path) = &written {
        words.extend(["--out".to_owned(), path.path().display().to_string()]);
    }
    let held = Arc::clone(&places);
    let named = move |text: String| held.iter().fold(text, |text, place| place.named(&text));
    let in_work = named.clone();
    let ((printed, table), notes) = work(py, progress.as_ref(), move |caller| {
        commands::call(&words).map_err(|Refusal { text, kind }| Refusal { text: in_work(text), kind })?;
        let table = written.and_then(|path| path.take()).map(Table::new).transpose();
        Ok((caller.output(), table.map_err(|e| Refusal::from(anyhow::Error::from(e)))?))
    })?;
    Ok((named(printed), notes.into_iter().map(named).collect(), table))
}

/// The program `humboldt`: its exit code. `arguments` begin with the program's name.
#[pyfunction]
pub(crate) fn main(py: Python, arguments: Vec<OsString>) -> u8 {
    py.detach(|| commands::main_of(arguments))
}

/// Removes files that work of this process has begun and not ended.
#[pyfunction]
pub(crate) fn remove_unfinished_files() {
    let _parts = atomic::remove_parts();
}
