//! Whatever a card holds, it is read or refused in one line.

#![cfg(unix)]
#![allow(missing_docs, clippy::pedantic, reason = "tests")]

#[path = "../../tests/support/damage.rs"]
mod damage;
#[path = "../../tests/support/fuzz.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{Budget, Target};
use humboldt_schemas::card::RunCard;

const RUN_CARD: Target = Target {
    name: "run_card",
    seeds: cards,
    words: &[
        "[[",
        "]]",
        "{",
        "}",
        "=",
        "'''",
        "\"\"\"",
        "\\u0000",
        "\\UFFFFFFFF",
        "nan",
        "-inf",
        "1e999",
        "1e-400",
        "-0.0",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "0x",
        "1979-05-27T07:32:00Z",
        "\"0:1e308\"",
        "\":\"",
        "\"nan:inf\"",
        "4611686018427387904",
        "100000000",
        "1e-300",
        "a.b.c.d = 1\n",
        "[generator]\n",
        "[generator.wilson]\n",
        "[[dataset.groups]]\n",
        "c9 = \"1+nani\"\n",
        "\u{202e}",
        "\u{0}",
        "é",
    ],
    read: read_card,
};

/// The cards that come with the program.
fn cards(_: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["cards", "tests/cards"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let all = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut cards: Vec<_> = all.filter(|path| path.is_file()).collect();
    cards.sort();
    cards
}

fn read_card(path: &Path) -> bool {
    match RunCard::read(path) {
        Ok(card) => {
            card.hash();
            assert!(card.data().points().unwrap().len() >= 2);
            if let Ok(text) = card.to_toml() {
                assert_eq!(RunCard::parse(&text, "again").unwrap(), card, "its TOML is another card");
            }
            true
        }
        Err(e) => {
            assert_eq!(e.to_string().lines().count(), 1, "not one line: {e}");
            false
        }
    }
}

#[test]
fn run_card() {
    RUN_CARD.survives(Budget::Cases(1_000));
}

#[test]
#[ignore = "long: cargo test --release -p humboldt-schemas --test fuzz -- --ignored"]
fn run_card_for_long() {
    RUN_CARD.survives(Budget::Time);
}

/// The harness itself: what is wrong with a reader is found.
fn broken(name: &'static str, read: fn(&Path) -> bool) {
    Target { name, seeds: cards, words: &[], read }.survives(Budget::Cases(3));
}

#[test]
#[should_panic(expected = "a panic of a reader")]
fn a_panic_is_found() {
    broken("a_panic_is_found", |path| RunCard::read(path).is_ok() || panic!("a panic of a reader"));
}

#[test]
#[should_panic(expected = "memory allocation of 17179869184 bytes failed")]
fn too_much_memory_is_found() {
    broken("too_much_memory_is_found", |path| {
        RunCard::read(path).is_ok() || std::hint::black_box(vec![1_u8; 16 << 30]).len() == 1
    });
}

#[test]
#[should_panic(expected = "signal: 6")]
fn an_abort_is_found() {
    broken("an_abort_is_found", |path| RunCard::read(path).is_ok() || std::process::abort());
}
