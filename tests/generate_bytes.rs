//! Bytes of generated columns, so that a change of the code that should change no event can show that it does not.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::File;
use std::path::Path;

use crate::support::succeed;
use arrow::array::AsArray;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Requests and the hashes of their columns: those of the first commit in which a test held them.
const REQUESTS: [(&str, &str); 10] = [
    ("", "e941663f80c030a539652d8f59c0ab937bb230ff7ad98185a8fb379b581efa91"),
    (
        "--model bare --flavour B0 --lepton e --line-shape narrow --q2 1.1:6 --wc c10=0.5+0.1i",
        "1441ee88a5cb6ca5fd8bf8c88c67eeeefa5cd2a0c78e21a50e29d772667a920a",
    ),
    (
        "--model nnlo --flavour B- --q2 0.1:8,11:12.5 --wc c7=-0.05,c9_prime=0.5-0.3i",
        "d1c7cdd357161e9b407475bbe8799e6a1b9d647d9b5eb37be82c27e38229e460",
    ),
    (
        "--model full --flavour B+ --q2 1.1:19 --veto 8:11,12.5:15 --delta-c9 -1",
        "c58e0908c95c32664221565fe66a51521168c3a46d6647c227899db6ddf1e45b",
    ),
    (
        "--flavour B0 --charmonium --q2 8:15",
        "9741c7cc275855e8bd745e5ccbbc5297b0a8bbb57c4432e0cf181a28f757dbce",
    ),
    (
        "--model nnlo --lepton e --line-shape narrow --charmonium j_psi=1.3:1.2 --wc c10_prime=-0.4i",
        "bf91d0ced90a01458bfb8adaafcbfb2fd503f2fef6f263cbd9c0965debacc635",
    ),
    (
        "--q2 0.1:19.2 --delta-c9 -0.5 --score c9,c10,c9_im",
        "244ae53983a8b282590fce57a9cf825427b19457a88c78fac720a51143fdb9c0",
    ),
    (
        "--model full --flavour B0 --line-shape narrow --veto 8:11 --score c7_prime_im,c_s",
        "e23c80b3e55a1345ab08b2e73a046a130c465e05709b612c4c9ca6b4920600e4",
    ),
    (
        "--model full --flavour B0 --lepton e --q2 0.05:1 --inputs sm_m_c_pole=1.5,v_cb=0.041 --score c7",
        "7e88cdf2c5f7d41238cb2c8c0f064c792fdd5042f4740d7c48402ad2cb8256bf",
    ),
    (
        "--flavour B+ --lepton e --line-shape narrow --wc c_s=0.05-0.02i,c_p=0.1 --score c_p",
        "445ccc31f8a0c0b7a5123d54898dcea52a150cf3293644bf5e0f36d83eaf0cb9",
    ),
];

/// BLAKE3 of each column's name and numbers, little-endian, in their order.
fn hash(table: &Path) -> String {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(table).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let mut hasher = blake3::Hasher::new();
    for (i, field) in batches[0].schema().fields().iter().enumerate() {
        hasher.update(field.name().as_bytes());
        for batch in &batches {
            let column = batch.column(i);
            if *field.data_type() == DataType::Float32 {
                column.as_primitive::<Float32Type>().values().iter().for_each(|x| {
                    hasher.update(&x.to_le_bytes());
                });
            } else {
                column.as_primitive::<Float64Type>().values().iter().for_each(|x| {
                    hasher.update(&x.to_le_bytes());
                });
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Sines and logarithms of other C libraries may differ in the last bit.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn issue_14_generate_keeps_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("events.parquet");
    let mut changed = Vec::new();
    for (request, expected) in REQUESTS {
        let mut arguments =
            vec!["generate", "--force", "--events", "9001", "--seed", "14", "--out", table.to_str().unwrap()];
        arguments.extend(request.split_whitespace());
        succeed(&arguments);
        let got = hash(&table);
        if got != expected {
            changed.push(format!("{request:?}: {got}"));
        }
    }
    assert!(changed.is_empty(), "other bytes than before:\n{}", changed.join("\n"));
}
