//! Files of ROOT itself and of uproot.

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use humboldt_root::TreeReader;

use crate::support::{Outcome, check, file, read_all};

const COMPRESSIONS: [&str; 5] = ["none", "zlib", "lzma", "lz4", "zstd"];

/// The line that a file or a tree is refused with.
fn refusal(name: &str, tree: Option<&str>) -> String {
    TreeReader::open(&file(name), tree)
        .map_or_else(|e| e.to_string(), |tree| format!("opened {}", tree.name()))
}

#[test]
fn every_type_in_every_compression_is_what_root_and_uproot_wrote() -> Outcome {
    for writer in ["root", "uproot"] {
        for compression in COMPRESSIONS {
            let tree = TreeReader::open(&file(&format!("{writer}_{compression}.root")), Some("events"))?;
            assert_eq!(tree.rows(), 500);
            assert!(tree.refused().is_empty() && tree.schema().fields().len() >= 11);
            for rows_per_batch in [1, 37, 500, 10_000] {
                let all = read_all(&tree, rows_per_batch)?;
                assert_eq!(all.num_rows(), 500);
                for (field, column) in tree.schema().fields().iter().zip(all.columns()) {
                    check(field.name(), column);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_choice_of_columns_in_any_order_is_read() -> Outcome {
    let tree = TreeReader::open(&file("root_zstd.root"), None)?;
    let place = |name| tree.schema().index_of(name);
    let chosen = [place("flag")?, place("f64")?];
    let batches = tree.batches(&chosen, 100).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(batches.len(), 5);
    assert_eq!(batches[4].schema().field(0).name(), "flag");
    assert_eq!(batches[4].column(1).as_primitive::<Float64Type>().value(99), 499.0 * 0.37 - 50.0);
    // Rows are counted without a column as well.
    let counted = tree.batches(&[], 300).map(|batch| batch.map(|batch| batch.num_rows()));
    assert_eq!(counted.collect::<Result<Vec<_>, _>>()?, [300, 200]);
    Ok(())
}

#[test]
fn baskets_in_the_record_of_the_tree_are_read() -> Outcome {
    let tree = TreeReader::open(&file("root_embedded.root"), None)?;
    let all = read_all(&tree, 64)?;
    assert_eq!((all.num_rows(), all.num_columns()), (500, 3));
    for (field, column) in tree.schema().fields().iter().zip(all.columns()) {
        check(field.name(), column);
    }
    Ok(())
}

#[test]
fn baskets_of_several_blocks_are_whole() -> Outcome {
    for compression in ["zlib", "lz4", "zstd", "lzma"] {
        let tree = TreeReader::open(&file(&format!("uproot_large_{compression}.root")), None)?;
        let all = read_all(&tree, 1 << 16)?;
        let numbers = all.column(0).as_primitive::<Float64Type>();
        assert_eq!(numbers.len(), 2_200_000);
        for (row, number) in numbers.values().iter().enumerate() {
            assert_eq!(*number, (row / 10_000) as f64 + 0.5, "row {row} with {compression}");
        }
    }
    Ok(())
}

#[test]
fn trees_are_found_in_folders_and_by_their_highest_cycle() -> Outcome {
    let name = "root_mixed.root";
    assert_eq!(TreeReader::open(&file(name), Some("events"))?.rows(), 30);
    let inner = TreeReader::open(&file(name), Some("/dir/sub/tree"))?;
    assert_eq!((inner.name(), inner.rows()), ("dir/sub/tree", 20));
    assert!(inner.texts().is_empty());
    check("f64", read_all(&inner, 7)?.column(0));
    let ntuple = TreeReader::open(&file(name), Some("ntuple"))?;
    let all = read_all(&ntuple, 4)?;
    assert_eq!(all.schema().field(1).name(), "b");
    assert_eq!(all.column(1).as_primitive::<arrow::datatypes::Float32Type>().value(6), 36.0);
    let choice = "several trees; allowed: one of them, as FILE.root:TREE: events, ntuple, dir/sub/tree";
    assert_eq!(refusal(name, None), choice);
    let unknown = "no tree `evnts`; allowed: events, ntuple, dir/sub/tree";
    assert_eq!(refusal(name, Some("evnts")), unknown);
    assert!(refusal(name, Some("histogram")).starts_with("no tree `histogram`"));
    Ok(())
}

#[test]
fn texts_beside_a_tree_are_heard() -> Outcome {
    let tree = TreeReader::open(&file("root_mixed.root"), Some("events"))?;
    let texts = [("note", "of a TNamed"), ("remark", "of a TObjString")];
    assert_eq!(tree.texts(), texts.map(|(name, text)| (name.to_owned(), text.to_owned())));
    Ok(())
}

#[test]
fn branches_of_more_than_a_number_are_refused_by_name() -> Outcome {
    let tree = TreeReader::open(&file("root_mixed.root"), Some("events"))?;
    let read: Vec<_> = tree.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(read, ["f64", "n"]);
    let object = "an object, one of its members or a container, as std::vector";
    let wanted = [
        ("jagged", "an array whose length differs from row to row"),
        ("fixed", "an array, `fixed[3]/D`"),
        ("half", "Float16_t, numbers of fewer bits"),
        ("short_double", "Double32_t, numbers of fewer bits"),
        ("text", "text"),
        ("vector", object),
        ("string", object),
        ("point", "an object whose members are branches"),
        ("point.x", object),
        ("point.y", object),
        ("pair", "2 leaves, `x/F:y/F`"),
        ("late", "it holds 5 rows of the tree's 30"),
    ];
    assert_eq!(tree.refused(), wanted.map(|(name, why)| (name.to_owned(), why.to_owned())));
    Ok(())
}

#[test]
fn a_tree_without_rows_has_columns() -> Outcome {
    let tree = TreeReader::open(&file("uproot_empty.root"), None)?;
    assert_eq!((tree.rows(), tree.schema().fields().len()), (0, 1));
    assert_eq!(tree.refused()[0].0, "pairs");
    assert_eq!(tree.batches(&[0], 10).count(), 0);
    Ok(())
}

#[test]
fn rntuples_and_other_files_are_refused_with_what_to_do() {
    let rntuple = refusal("uproot_rntuple.root", None);
    assert!(
        rntuple.starts_with("`events` is an RNTuple; allowed: a TTree. In Python: import uproot; "),
        "{rntuple}"
    );
    assert!(!rntuple.contains('\n'));
    assert!(refusal("README.md", None).starts_with("no ROOT file"));
    assert!(refusal("", None).contains("regular file"));
}
