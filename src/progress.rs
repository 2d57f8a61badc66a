//! Progress of long work on standard error: a bar on a terminal (or, of a training, a [dashboard]), plain lines
//! elsewhere, nothing when quiet. Work that another program does in its own process ([`Caller`]) shows nothing: what it
//! would print goes to the caller.
//!
//! [dashboard]: crate::dashboard

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use humboldt_pipeline::store::atomic::remove_parts;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::dashboard;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Time over which a speed is measured: a machine that slept, or had other work before, is as fast as it is now.
const RECENT: Duration = Duration::from_mins(2);

/// Least time between two points of a [`Speed`].
const SPEED_INTERVAL: Duration = Duration::from_secs(1);

static QUIET: AtomicBool = AtomicBool::new(false);
static STYLE: Mutex<Style> = Mutex::new(Style::Bar);

/// Form of progress on a terminal. Elsewhere it is always lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A dashboard of a training, a bar of other work.
    Dashboard,
    /// A bar.
    Bar,
    /// Lines.
    Lines,
}

/// Silences notes and progress; errors and results are still printed.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whoever has a command done in this process: hears what it would print, sees how far it is, and may stop it.
#[derive(Debug, Default)]
pub struct Caller {
    output: Mutex<String>,
    notes: Mutex<Vec<String>>,
    work: Mutex<Work>,
    done: AtomicU64,
    stopped: AtomicBool,
}

/// Work whose progress a caller sees.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Its name, as in `generate`.
    pub label: String,
    /// Units that are done.
    pub done: u64,
    /// All of them.
    pub total: u64,
    /// Name of the units, as in `events`.
    pub unit: &'static str,
}

/// Payload that unwinds work which its caller stopped.
#[derive(Debug)]
pub struct Stopped;

thread_local! {
    static CALLER: RefCell<Option<Arc<Caller>>> = const { RefCell::new(None) };
}

impl Caller {
    /// Does work for this caller. Work that waits for other threads may do theirs meanwhile, so calls nest.
    pub fn hears<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        struct Before(Option<Arc<Caller>>);
        impl Drop for Before {
            fn drop(&mut self) {
                CALLER.set(self.0.take());
            }
        }
        let _before = Before(CALLER.replace(Some(Arc::clone(self))));
        work()
    }

    /// Output since the last call.
    pub fn output(&self) -> String {
        std::mem::take(&mut *hold(&self.output))
    }

    /// The notes since the last call.
    pub fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *hold(&self.notes))
    }

    /// Work that is being done.
    pub fn work(&self) -> Work {
        Work { done: self.done.load(Ordering::Relaxed), ..hold(&self.work).clone() }
    }

    /// Asks the work to end, which it does at its next progress: it unwinds, and what it began to write is removed.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// The caller of this thread's work.
fn caller() -> Option<Arc<Caller>> {
    CALLER.with_borrow(Clone::clone)
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how progress is shown; a bar, unless said otherwise.
pub fn set_style(style: Style) {
    *STYLE.lock().unwrap_or_else(PoisonError::into_inner) = style;
}

/// Form of progress where there is a terminal; `None` when quiet.
pub(crate) fn style() -> Option<Style> {
    let style = *STYLE.lock().unwrap_or_else(PoisonError::into_inner);
    (!QUIET.load(Ordering::Relaxed)).then_some(style)
}

/// Whether a terminal of this process can move its cursor: `TERM` is set, and not `dumb`.
pub(crate) fn is_able() -> bool {
    cfg!(windows) || env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether a terminal may be given colours: it is able, and `NO_COLOR` is not set (<https://no-color.org>).
pub(crate) fn has_colours() -> bool {
    is_able() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints to standard output. Where nobody reads any more, as behind `| head`, the work goes on in silence.
pub fn print(text: std::fmt::Arguments) {
    if let Some(caller) = caller() {
        let _ = hold(&caller.output).write_fmt(text);
        return;
    }
    if let Err(error) = std::io::stdout().write_fmt(text)
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        say(&format!("error: cannot write to standard output: {error}"));
        let _parts = remove_parts();
        std::process::exit(1);
    }
}

/// Prints a line to standard error; where nobody reads any more, that is no reason to end.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// [`print`] with the arguments of `print!`.
macro_rules! out {
    ($($arguments:tt)*) => { $crate::progress::print(format_args!($($arguments)*)) };
}

/// [`print`] with the arguments of `println!`.
macro_rules! outln {
    () => { $crate::progress::print(format_args!("\n")) };
    ($($arguments:tt)*) => { $crate::progress::print(format_args!("{}\n", format_args!($($arguments)*))) };
}

pub(crate) use {out, outln};

/// One line for the user about what happens.
pub fn note(message: impl AsRef<str>) {
    if let Some(caller) = caller() {
        hold(&caller.notes).push(message.as_ref().to_owned());
        return;
    }
    if !QUIET.load(Ordering::Relaxed) && !dashboard::hold(message.as_ref()) {
        say(message.as_ref());
    }
}

/// Progress through a known amount of work.
pub struct Progress {
    label: String,
    unit: &'static str,
    total: u64,
    done: AtomicU64,
    skipped: AtomicU64,
    start: Instant,
    shown: Shown,
}

/// Form in which the user sees it.
enum Shown {
    Bar(ProgressBar),
    /// When the last line was, and the speed.
    Lines(Mutex<(Instant, Speed)>),
    /// By somebody else.
    Elsewhere,
    /// By the caller.
    Caller(Arc<Caller>),
}

impl Progress {
    /// Starts to count `total` units (such as `images`) of the work named `label`.
    pub fn new(label: &str, total: u64, unit: &'static str) -> Self {
        if let Some(caller) = caller() {
            *hold(&caller.work) = Work { label: label.to_owned(), done: 0, total, unit };
            caller.done.store(0, Ordering::Relaxed);
            return Self::shown(label, total, unit, Shown::Caller(caller));
        }
        let bars = style().is_some_and(|style| style != Style::Lines)
            && std::io::stderr().is_terminal()
            && is_able();
        if !bars {
            let now = Instant::now();
            return Self::shown(label, total, unit, Shown::Lines(Mutex::new((now, Speed::new(now, 0)))));
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        let template = format!(
            "{{prefix:<24}} {{bar:32}} {{human_pos}}/{{human_len}} {unit}  {{per_sec}}  left {{eta}}  {{msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self::shown(label, total, unit, Shown::Bar(bar.with_prefix(label.to_owned())))
    }

    /// Counts as [`Progress::new`] does what a dashboard shows; lines that stay are still printed.
    pub fn unseen(label: &str, total: u64, unit: &'static str) -> Self {
        Self::shown(label, total, unit, Shown::Elsewhere)
    }

    fn shown(label: &str, total: u64, unit: &'static str, shown: Shown) -> Self {
        Self {
            label: label.to_owned(),
            unit,
            total,
            done: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            start: Instant::now(),
            shown,
        }
    }

    /// Counts `n` more units; `detail` is shown behind the numbers. Work that its caller stopped unwinds here.
    pub fn advance(&self, n: u64, detail: &str) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        let skipped = self.skipped.load(Ordering::Relaxed);
        let lines = match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(done + skipped);
                if !detail.is_empty() {
                    bar.set_message(detail.to_owned());
                }
                return;
            }
            Shown::Lines(lines) => lines,
            Shown::Elsewhere => return,
            Shown::Caller(caller) => {
                caller.done.store(done + skipped, Ordering::Relaxed);
                if caller.is_stopped() {
                    resume_unwind(Box::new(Stopped));
                }
                return;
            }
        };
        // A poisoned lock means another thread already failed; progress then says nothing more.
        let Ok(mut lines) = lines.lock() else { return };
        let (last, speed) = &mut *lines;
        let now = Instant::now();
        if now.duration_since(*last) < LINE_INTERVAL {
            return;
        }
        *last = now;
        let rate = speed.at(now, done);
        let so_far = done + skipped;
        let left = self.total.saturating_sub(so_far) as f64 / rate;
        let Self { label, unit, total, .. } = self;
        note(format!(
            "{label}: {so_far}/{total} {unit}, {} {unit}/s, {} left{}",
            number(rate),
            seconds(left),
            separated(detail)
        ));
    }

    /// Counts up to `done` units in all, those that were skipped apart.
    pub fn reach(&self, done: u64, detail: &str) {
        self.advance(done.saturating_sub(self.done.load(Ordering::Relaxed)), detail);
    }

    /// Counts `n` units that were done before: they do not enter the rate.
    pub fn skip(&self, n: u64) {
        self.skipped.fetch_add(n, Ordering::Relaxed);
        if let Shown::Bar(bar) = &self.shown {
            bar.inc(n);
            bar.reset_eta();
        }
    }

    /// A line that stays, above the bar where there is one.
    pub fn line(&self, message: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.println(message),
            Shown::Lines(_) | Shown::Elsewhere | Shown::Caller(_) => note(message),
        }
    }

    /// Ends the work with a line of how much and how fast.
    pub fn finish(self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        let done = self.done.load(Ordering::Relaxed);
        let elapsed = self.start.elapsed().as_secs_f64();
        let rate = done as f64 / elapsed.max(1e-9);
        note(format!(
            "{}: {done} {} in {} ({} {}/s)",
            self.label,
            self.unit,
            seconds(elapsed),
            number(rate),
            self.unit
        ));
    }
}

/// Speed of work over the last two minutes.
#[derive(Debug)]
pub struct Speed {
    /// Times, not closer than [`SPEED_INTERVAL`], and the units that were done then.
    points: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Of work of which so many units are done now.
    pub fn new(now: Instant, done: u64) -> Self {
        Self { points: VecDeque::from([(now, done)]) }
    }

    /// Units a second since the first time that is recent, or since the last one.
    pub fn at(&mut self, now: Instant, done: u64) -> f64 {
        let since = |(time, _): &(Instant, u64)| now.duration_since(*time);
        while self.points.len() > 1 && self.points.front().is_some_and(|first| since(first) > RECENT) {
            self.points.pop_front();
        }
        let (first, before) = self.points.front().copied().unwrap_or((now, done));
        if self.points.back().is_none_or(|last| since(last) >= SPEED_INTERVAL) {
            self.points.push_back((now, done));
        }
        done.saturating_sub(before) as f64 / now.duration_since(first).as_secs_f64().max(1e-9)
    }
}

fn separated(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(", {detail}") }
}

/// Three digits with a prefix: `12.3k`, `4.56M`.
pub fn number(x: f64) -> String {
    let (value, prefix) = match x.abs() {
        a if a >= 1e9 => (x / 1e9, "G"),
        a if a >= 1e6 => (x / 1e6, "M"),
        a if a >= 1e3 => (x / 1e3, "k"),
        _ => (x, ""),
    };
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{prefix}")
}

/// A duration as `1.2 s`, `3 min 05 s`, `2 h 10 min`.
pub fn seconds(s: f64) -> String {
    let whole = s.round() as u64;
    match whole {
        _ if !s.is_finite() => "?".to_owned(),
        0..60 => format!("{s:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten units a second, an hour of sleep, five a second: what follows the first point behind the sleep has the new speed.
    #[test]
    fn the_speed_is_that_of_the_last_minutes() {
        // Milliseconds between lines, and between batches.
        for step in [10_000, 200] {
            let start = Instant::now();
            let mut speed = Speed::new(start, 0);
            let mut at = |time: u64, done: u64| speed.at(start + Duration::from_millis(time), done);
            let before: Vec<f64> = (1..=200_000 / step).map(|i| at(step * i, step * i / 100)).collect();
            assert!(before.iter().all(|rate| (rate - 10.0).abs() < 1e-9), "{before:?}");
            let behind = (0..200_000 / step).map(|i| at(3_800_000 + step * i, 2000 + step * i / 200));
            let behind: Vec<f64> = behind.collect();
            assert!(behind[0] < 0.1, "{behind:?}");
            assert!(behind[1..].iter().all(|rate| (rate - 5.0).abs() < 1e-9), "{behind:?}");
            assert!(speed.points.len() < 130);
        }
    }

    #[test]
    fn a_caller_hears_what_is_printed_and_stops_work_at_its_progress() {
        let (outer, inner) = (Arc::new(Caller::default()), Arc::new(Caller::default()));
        outer.hears(|| {
            outln!("a {}", 1);
            // A thread that waits may do another caller's work meanwhile.
            inner.hears(|| note("b"));
            note("c");
            let progress = Progress::new("draw", 10, "events");
            progress.skip(2);
            progress.advance(3, "");
        });
        assert_eq!((outer.output().as_str(), outer.notes()), ("a 1\n", vec!["c".to_owned()]));
        assert_eq!((inner.output().as_str(), inner.notes()), ("", vec!["b".to_owned()]));
        let Work { label, done, total, unit } = outer.work();
        assert_eq!((label.as_str(), done, total, unit), ("draw", 5, 10, "events"));
        outer.stop();
        let stopped =
            std::panic::catch_unwind(|| outer.hears(|| Progress::new("draw", 10, "events").advance(1, "")));
        assert!(stopped.is_err_and(|payload| payload.is::<Stopped>()));
        assert!(caller().is_none());
    }

    #[test]
    fn numbers_and_durations_read_well() {
        assert_eq!(number(3_456_789.0), "3.46M");
        assert_eq!(number(12_345.0), "12.3k");
        assert_eq!(number(0.5), "0.50");
        assert_eq!(seconds(1.24), "1.2 s");
        assert_eq!(seconds(185.0), "3 min 05 s");
        assert_eq!(seconds(7800.0), "2 h 10 min");
        assert_eq!(seconds(f64::INFINITY), "?");
    }
}
