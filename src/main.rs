//! The command line of humboldt.

use std::process::ExitCode;

fn main() -> ExitCode {
    humboldt::commands::main()
}
