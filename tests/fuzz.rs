//! Whatever the files of a campaign's folder hold, they are read or refused in one line.

#![cfg(unix)]
#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::fuzz::{Budget, Target};
use humboldt::campaign::{Campaign, Task};
use humboldt_schemas::card::{RunCard, Split};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551615",
    "100000000",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\"../../etc/passwd\"",
    "\"format_version\": 1",
    "\"format_version\": 2",
    "\"delta_c9\": ",
    "\"shards\": [",
    "\"file\": ",
    "\"bytes\": ",
];

/// A whole campaign, made once a process; gives one of its files, to be damaged.
fn campaign(folder: &Path, file: &str) -> Vec<PathBuf> {
    let folder = folder.join("campaign");
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards/tiny.toml");
    let campaign = Campaign::for_card(&folder, &RunCard::read(&card).unwrap().data()).unwrap();
    humboldt::progress::set_quiet(true);
    campaign.make(&Split::ALL, Task::ALL).unwrap();
    campaign.merge().unwrap();
    vec![folder.join(file)]
}

/// Puts a damaged file in its place, and looks at the campaign.
fn look(input: &Path, file: &str) -> bool {
    let folder = input.with_file_name("campaign");
    fs::copy(input, folder.join(file)).unwrap();
    let looked = Campaign::open(&folder).and_then(|campaign| {
        let status = campaign.status()?;
        assert!(status.finished <= status.shards && status.images_finished <= status.images);
        campaign.verify()?;
        campaign.open_shards(Split::Validation)
    });
    looked.map_err(|e| assert_eq!(format!("{e:#}").lines().count(), 1, "not one line: {e:#}")).is_ok()
}

macro_rules! fuzz_tests {
    ($($short:ident, $long:ident: $file:literal;)+) => { $(
        #[test]
        fn $short() {
            let (seeds, read) = (|folder: &Path| campaign(folder, $file), |input: &Path| look(input, $file));
            Target { name: stringify!($short), seeds, words: WORDS, read }.survives(Budget::Cases(300));
        }

        #[test]
        #[ignore = "long: cargo test --release --test integration fuzz:: -- --ignored"]
        fn $long() {
            let (seeds, read) = (|folder: &Path| campaign(folder, $file), |input: &Path| look(input, $file));
            Target { name: stringify!($short), seeds, words: WORDS, read }.survives(Budget::Time);
        }
    )+ };
}
fuzz_tests! {
    campaign_file, campaign_file_for_long: "campaign.json";
    shard_record, shard_record_for_long: "shards/validation-00000.json";
    manifest, manifest_for_long: "manifest.json";
}
