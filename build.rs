//! The git commit of the program, for the provenance of reports.

use std::path::Path;
use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Only where the commit or the sources change: else every build would be a whole one.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    let folders = ["build.rs", "src", "physics", "schemas", "pipeline"].map(str::to_owned);
    for path in folders.into_iter().chain(log).filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(commit) = git(&["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]) {
        println!("cargo::rustc-env=HUMBOLDT_COMMIT={commit}");
    }
}
