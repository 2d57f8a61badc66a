//! The terminal: taken over, and given back whatever happens; and the lines that wait meanwhile.

use std::io::{IsTerminal, stderr, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, panic};

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    self, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::view::SMALLEST;
use crate::progress::{self, say};

/// The longest that giving the terminal back waits for a frame.
const PATIENCE: Duration = Duration::from_millis(500);

static SCREEN: OnceLock<Screen> = OnceLock::new();

struct Screen {
    /// The ordinary screen is shown.
    ordinary: AtomicBool,
    /// Held while a frame is written.
    drawing: Mutex<()>,
    /// Lines for the ordinary screen.
    waiting: Mutex<Vec<String>>,
}

impl Screen {
    /// From now on a panic gives the terminal back first.
    fn new() -> Self {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            leave();
            report(what);
        }));
        Self { ordinary: AtomicBool::new(true), drawing: Mutex::new(()), waiting: Mutex::new(Vec::new()) }
    }

    fn is_shown(&self) -> bool {
        !self.ordinary.load(Ordering::SeqCst)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a frame that is being written, but not for ever: it may be this thread's own, which panicked.
    fn drawn(&self) -> Option<MutexGuard<'_, ()>> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.drawing.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }
}

/// Whether there is a terminal for output and keys, able and large enough, and this process is in its foreground.
pub(super) fn is_suitable() -> bool {
    let terminals = stderr().is_terminal() && stdin().is_terminal();
    progress::is_able()
        && terminals
        && is_foreground()
        && terminal::size().is_ok_and(|(width, height)| width >= SMALLEST.width && height >= SMALLEST.height)
}

/// Whether the terminal listens to this process; one in the background that changed its settings would be halted.
pub(super) fn is_foreground() -> bool {
    rustix::termios::tcgetpgrp(stderr()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Shows the dashboard's screen.
pub(super) fn enter() -> io::Result<()> {
    let screen = SCREEN.get_or_init(Screen::new);
    screen.ordinary.store(false, Ordering::SeqCst);
    let entered = enable_raw_mode().and_then(|()| execute!(stderr(), EnterAlternateScreen, Hide));
    if entered.is_err() {
        leave();
    }
    entered
}

/// Brings the ordinary screen back, if it is not there, with the lines that waited for it.
pub(crate) fn leave() {
    let Some(screen) = SCREEN.get() else { return };
    let frame = screen.drawn();
    if !screen.ordinary.swap(true, Ordering::SeqCst) {
        // A terminal that is gone needs no care.
        let _ = execute!(stderr(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
    drop(frame);
    for line in screen.waiting().drain(..) {
        say(&line);
    }
}

/// Does `work` if the dashboard is shown, and nobody takes its screen away meanwhile. Whether it is shown.
pub(super) fn while_shown(work: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
    let Some(screen) = SCREEN.get() else { return Ok(false) };
    let _frame = screen.drawing.lock().unwrap_or_else(PoisonError::into_inner);
    if screen.is_shown() { work().map(|()| true) } else { Ok(false) }
}

/// Keeps a line until the ordinary screen is back. Whether that was needed.
pub(crate) fn hold(line: &str) -> bool {
    let Some(screen) = SCREEN.get().filter(|screen| screen.is_shown()) else { return false };
    screen.waiting().push(line.to_owned());
    true
}
