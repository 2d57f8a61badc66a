//! Signals that end the program, such as Ctrl-C: the terminal is given back and unfinished files are removed first.

use humboldt_pipeline::store::atomic::remove_parts;
use signal_hook::consts::SIGTSTP;
use signal_hook::low_level;

use crate::dashboard;

/// Does what a signal does by default, on the ordinary screen and without unfinished files. Returns from those that
/// halt the process only.
pub(crate) fn obey(signal: i32) {
    dashboard::give_back();
    let ends = signal != SIGTSTP;
    let _parts = ends.then(remove_parts);
    // A signal that has no default would have been no reason to come here.
    let _ = low_level::emulate_default_handler(signal);
}

/// From now on deadly signals are obeyed by a thread of their own: a handler may do next to nothing.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::{flag, low_level::pipe};

    let Ok((mut read, write)) = UnixStream::pair() else { return };
    let mut caught = Vec::new();
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        // What `nohup` or a shell set aside stays so.
        if is_ignored(signal) {
            continue;
        }
        let hit = Arc::new(AtomicBool::new(false));
        let registered = write.try_clone().and_then(|write| {
            flag::register(signal, Arc::clone(&hit)).and_then(|_| pipe::register(signal, write))
        });
        // One that cannot be caught ends the program as it always did.
        if registered.is_ok() {
            caught.push((signal, hit));
        }
    }
    let wait = move || {
        while read.read_exact(&mut [0]).is_ok() {
            if let Some((signal, _)) = caught.iter().find(|(_, hit)| hit.swap(false, Ordering::SeqCst)) {
                obey(*signal);
            }
        }
    };
    // Without the thread signals would have no effect at all; but where none can be had, nothing works.
    let _ = thread::Builder::new().name("signals".to_owned()).spawn(wait);
}

#[cfg(not(unix))]
pub(crate) fn watch() {}

/// Whether this process was started to ignore a signal; where that cannot be known, it counts for a hangup.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.map_or(signal == signal_hook::consts::SIGHUP, |mask| mask >> (signal - 1) & 1 == 1)
}
