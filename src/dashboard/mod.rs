//! The dashboard of a training: curves, speed and what is left, on a terminal of its own while the training goes on.
//!
//! A thread draws what [`Dashboard::report`] was told and reads keys; the training never waits for it, and computes the
//! same with and without it. Lines that are noted meanwhile follow on the ordinary screen when the dashboard closes,
//! whatever closes it: the end, an error, a panic, Ctrl-C or a signal.
//!
//! burn's own dashboard is not used: it belongs to burn's training loop, takes no Ctrl-C, and brings twice the crates.

mod history;
mod plot;
mod screen;
mod view;

use std::io::{BufWriter, Stderr, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGINT, SIGTSTP};

use self::history::History;
pub(crate) use self::screen::{hold, leave as give_back};
use crate::learn::Event;
use crate::signals;

/// Time between two frames, and the longest that a key waits.
const TICK: Duration = Duration::from_millis(100);

/// The terminal in which a training is shown; dropping it brings the ordinary screen back.
pub struct Dashboard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// State that both threads know.
struct Shared {
    history: Mutex<History>,
    /// The training is over.
    over: AtomicBool,
}

impl Shared {
    fn history(&self) -> MutexGuard<'_, History> {
        // What a thread that panicked left half told is still worth showing.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dashboard {
    /// Takes over the terminal for the training of `name`; `None` where there is none, or too small a one, or where
    /// the process runs in its background.
    pub fn open(name: &str, device: &str, images: usize) -> Option<Self> {
        if !screen::is_suitable() || screen::enter().is_err() {
            return None;
        }
        let history = History::new(name, device, images);
        let shared = Arc::new(Shared { history: Mutex::new(history), over: AtomicBool::new(false) });
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new().name("dashboard".to_owned()).spawn(move || {
            // Where it fails, the terminal is gone or does not answer; the training needs none.
            let _ = watch(&seen);
            screen::leave();
        });
        if thread.is_err() {
            screen::leave();
        }
        Some(Self { shared, thread: Some(thread.ok()?) })
    }

    /// Shows what happened.
    pub fn report(&self, event: &Event) {
        self.shared.history().record(event, Instant::now());
    }

    /// Whether the user wants the training to stop at its next checkpoint.
    pub fn is_stop_wanted(&self) -> bool {
        self.shared.history().stopping
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked, its panic has been printed.
            let _ = thread.join();
        }
        screen::leave();
    }
}

/// Draws and listens until the training is over or somebody else has given the terminal back.
fn watch(shared: &Shared) -> std::io::Result<()> {
    let mut terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(stderr())))?;
    let mut suspended = false;
    while !shared.over.load(Ordering::Relaxed) {
        if suspended {
            // After `bg` the terminal belongs to the shell; after `fg` it is ours again.
            if !screen::is_foreground() {
                thread::sleep(TICK);
                continue;
            }
            screen::enter()?;
            terminal.clear()?;
            suspended = false;
        }
        if !draw(&mut terminal, shared)? {
            return Ok(());
        }
        if !event::poll(TICK)? {
            continue;
        }
        if let event::Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match meaning(key) {
                Some(Wish::End) => signals::obey(SIGINT),
                Some(Wish::Suspend) => {
                    signals::obey(SIGTSTP);
                    suspended = true;
                }
                Some(Wish::Stop) => shared.history().stopping ^= true,
                Some(Wish::Scale) => shared.history().linear ^= true,
                None => {}
            }
        }
    }
    Ok(())
}

/// Draws a frame unless the terminal has been given back.
fn draw(
    terminal: &mut Terminal<CrosstermBackend<BufWriter<Stderr>>>,
    shared: &Shared,
) -> std::io::Result<bool> {
    screen::while_shown(|| {
        let history = shared.history();
        terminal.draw(|frame| view::draw(frame, &history, Instant::now())).map(|_| ())
    })
}

/// Request of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// A checkpoint, then the end; once more: after all not.
    Stop,
    /// Another scale of the losses.
    Scale,
    /// Action of the terminal outside of raw mode.
    End,
    Suspend,
}

fn meaning(key: KeyEvent) -> Option<Wish> {
    match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
        (KeyCode::Char('c'), true) => Some(Wish::End),
        (KeyCode::Char('z'), true) => Some(Wish::Suspend),
        (KeyCode::Char('q'), false) => Some(Wish::Stop),
        (KeyCode::Char('l'), false) => Some(Wish::Scale),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_last_line_says() {
        let key = |c: char, modifiers| meaning(KeyEvent::new(KeyCode::Char(c), modifiers));
        assert_eq!(key('q', KeyModifiers::NONE), Some(Wish::Stop));
        assert_eq!(key('l', KeyModifiers::NONE), Some(Wish::Scale));
        assert_eq!(key('c', KeyModifiers::CONTROL), Some(Wish::End));
        assert_eq!(key('z', KeyModifiers::CONTROL), Some(Wish::Suspend));
        assert_eq!(key('c', KeyModifiers::NONE), None);
    }
}
