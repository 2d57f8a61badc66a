//! Damaged files against readers, in child processes: whatever a file holds, a reader reads it or refuses it.
//!
//! A child is the test's own binary, run again for the same test under `ulimit -v`; a thread of it watches the time.
//! Any end of a child (a panic, a signal, too much memory, a hang) is a finding: its input is saved, and the next
//! child goes on behind it. Case n of a seed is always the same, so that a finding can be had again.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use super::damage::{Damage, generator};

/// Address space of a child [KiB].
const MEMORY: usize = 2 << 20;

/// Time for one input.
const PATIENCE: Duration = Duration::from_secs(20);

/// Findings after which a reader is given up.
const ENOUGH: usize = 10;

/// Set in a child: the folder of its files, its first case, and `cases` or `seconds` with their number.
const CHILD: &str = "HUMBOLDT_FUZZ_CHILD";

/// A reader and what it is given.
pub(crate) struct Target {
    /// Name of the test.
    pub(crate) name: &'static str,
    /// Makes valid files in a folder, to be damaged, and whatever else the reader needs.
    pub(crate) seeds: fn(&Path) -> Vec<PathBuf>,
    /// Pieces that mean something to the reader, to be put anywhere.
    pub(crate) words: &'static [&'static str],
    /// Reads all of a file in the folder, and panics if what it gives, or how it refuses, is wrong; whether it read it.
    pub(crate) read: fn(&Path) -> bool,
}

/// Limit of a run, in time or cases.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// Equal cases every time: for the tests of every day.
    Cases(u64),
    /// `HUMBOLDT_FUZZ_SECONDS` (600 if not set) of cases that begin with `HUMBOLDT_FUZZ_SEED`.
    Time,
}

impl Target {
    /// # Panics
    /// With every finding, and where its input lies.
    pub(crate) fn survives(&self, budget: Budget) {
        if let Ok(child) = env::var(CHILD) {
            return self.child(&child);
        }
        let (begin, seconds) = (Instant::now(), number("HUMBOLDT_FUZZ_SECONDS", 600));
        let (mut first, mut findings) = (0, Vec::new());
        while findings.len() < ENOUGH {
            let left = match budget {
                Budget::Cases(cases) if first >= cases => break,
                Budget::Cases(cases) => format!("cases {cases}"),
                Budget::Time => match seconds.saturating_sub(begin.elapsed().as_secs()) {
                    0 => break,
                    left => format!("seconds {left}"),
                },
            };
            let folder = tempfile::tempdir().unwrap();
            let end = self.run_child(folder.path(), &format!("{first} {left}"));
            let case = fs::read_to_string(folder.path().join("case")).unwrap_or_default();
            let Ok(case) = case.parse::<u64>() else { panic!("{}: no case was begun: {end:?}", self.name) };
            let Some(end) = end else { break };
            findings.push(format!("case {case}: {end}: {}", self.save(folder.path(), case).display()));
            first = case + 1;
        }
        assert!(
            findings.is_empty(),
            "{}, seed {}, {first} cases:\n{}",
            self.name,
            seed(),
            findings.join("\n")
        );
    }

    /// The whole name of the test that runs, modules and all; on a single thread it is not known, but for the module.
    fn test(&self) -> String {
        let thread = std::thread::current();
        let name = thread.name().filter(|name| name.ends_with(self.name));
        name.map_or_else(|| format!("fuzz::{}", self.name), str::to_owned)
    }

    /// Runs a child; how it ended, unless well.
    fn run_child(&self, folder: &Path, work: &str) -> Option<String> {
        let log = folder.join("log");
        let errors = File::create(&log).unwrap();
        let status = Command::new("bash")
            .args(["-c", &format!("ulimit -c 0 -v {MEMORY}; exec \"$0\" \"$@\"")])
            .arg(env::current_exe().unwrap())
            .args(["--exact", &self.test(), "--include-ignored", "--nocapture"])
            .env(CHILD, format!("{work} {}", folder.display()))
            // Threads reserve address space.
            .envs([("RAYON_NUM_THREADS", "2"), ("MALLOC_ARENA_MAX", "1")])
            .stdout(Stdio::null())
            .stderr(errors)
            .status()
            .unwrap();
        let log = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
        (!status.success()).then(|| format!("{status}: {}", log.trim().replace('\n', " | ")))
    }

    fn save(&self, folder: &Path, case: u64) -> PathBuf {
        let saved = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-findings");
        fs::create_dir_all(&saved).unwrap();
        let saved = saved.join(format!("{}-{}-{case}", self.name, seed()));
        fs::copy(folder.join("input"), &saved).unwrap();
        saved
    }

    fn child(&self, work: &str) {
        let words: Vec<&str> = work.splitn(4, ' ').collect();
        let [first, unit, amount, folder] = words[..] else { panic!("{CHILD} = {work}") };
        let (first, amount, folder): (u64, u64, _) =
            (first.parse().unwrap(), amount.parse().unwrap(), Path::new(folder));
        let seeds: Vec<_> = (self.seeds)(folder).iter().map(|path| fs::read(path).unwrap()).collect();
        let (input, counter, begin) = (folder.join("input"), folder.join("case"), Instant::now());
        for (i, seed) in seeds.iter().enumerate() {
            fs::write(&input, seed).unwrap();
            assert!((self.read)(&input), "{}: undamaged file {i} is refused", self.name);
        }
        watch();
        keep_panics();
        let (mut tried, mut read) = (0_u64, 0_u64);
        for case in first.. {
            let over = match unit {
                "cases" => case >= amount,
                _ => begin.elapsed().as_secs() >= amount,
            };
            if over {
                break;
            }
            fs::write(&counter, case.to_string()).unwrap();
            fs::write(&input, Damage::new(generator(seed(), case), &seeds, self.words).apply()).unwrap();
            CASE.store(case, Ordering::Relaxed);
            if let Ok(whole) = catch_unwind(AssertUnwindSafe(|| (self.read)(&input))) {
                read += u64::from(whole);
            } else {
                eprintln!("panic: {}", PANIC.lock().unwrap());
                std::process::exit(101);
            }
            tried += 1;
        }
        report(self.name, tried, read);
    }
}

/// Told only when asked for by name: a line for who watches a long run.
fn report(name: &str, tried: u64, read: u64) {
    if let Ok(path) = env::var("HUMBOLDT_FUZZ_REPORT") {
        let line = format!("{name}: {tried} cases, {read} of them read, the others refused\n");
        let mut all = fs::read_to_string(&path).unwrap_or_default();
        all.push_str(&line);
        fs::write(path, all).unwrap();
    }
}

static CASE: AtomicU64 = AtomicU64::new(u64::MAX);

/// Ends the process when it is at one case for too long.
fn watch() {
    thread::spawn(|| {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_millis(200));
            let case = CASE.load(Ordering::Relaxed);
            if case != last {
                (last, since) = (case, Instant::now());
            } else if case != u64::MAX && since.elapsed() > PATIENCE {
                eprintln!("hang: more than {} s", PATIENCE.as_secs());
                std::process::exit(102);
            }
        }
    });
}

static PANIC: Mutex<String> = Mutex::new(String::new());

/// Panics are not printed: some readers catch those of their libraries.
fn keep_panics() {
    std::panic::set_hook(Box::new(|info| *PANIC.lock().unwrap() = info.to_string()));
}

fn seed() -> u64 {
    number("HUMBOLDT_FUZZ_SEED", 1)
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} = {text}, wanted a number")),
        Err(_) => default,
    }
}
