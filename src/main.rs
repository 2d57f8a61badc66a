//! The command line of humboldt.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Keeps the pages of large tensors from one step of a training to the next; the system's allocator gives each back, and has the next
/// one cleared.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    keep_pages();
    humboldt::commands::main()
}

/// Has the allocator keep what is freed.
#[expect(unsafe_code, reason = "the allocator's options have no safe interface")]
fn keep_pages() {
    /// `mi_option_purge_delay` of mimalloc 3, milliseconds; never if negative.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: no other thread runs yet, as this function wants it.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}
