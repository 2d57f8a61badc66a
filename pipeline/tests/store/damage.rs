//! Damaged, foreign and newer files: each is refused in one line, none is believed, none ends the program.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventReader, EventWriter, ImageReader, ImageWriter};

use crate::store::{TestResult, cards, names, provenance, refusal, some_events, write_events, write_images};

/// Opens a file as what its name says and reads all of it.
fn read(path: &Path) -> Result<(), PipelineError> {
    if path.to_string_lossy().contains("events") {
        return EventReader::open(path)?.read_all().map(|_| ());
    }
    let reader = ImageReader::open(path)?;
    let mut image = vec![0.0; reader.bins().pow(3)];
    (0..reader.len()).try_for_each(|i| reader.read(i, &mut image))
}

/// One small file of each kind.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    let mut paths = Vec::new();
    for (i, card) in cards(4).into_iter().enumerate() {
        paths.push(folder.join(format!("images{i}.{}", card.format.extension())));
        write_images(&paths[i], &card, 5)?;
    }
    for name in ["events.parquet", "events.arrow"] {
        paths.push(folder.join(name));
        write_events(&folder.join(name), &some_events(300))?;
    }
    Ok(paths)
}

#[test]
fn a_truncated_file_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    for path in files(folder.path())? {
        let whole = fs::read(&path)?;
        read(&path)?;
        for len in (0..whole.len()).rev().step_by(whole.len() / 200).chain([
            0,
            1,
            4,
            7,
            8,
            9,
            51,
            52,
            whole.len() - 1,
        ]) {
            fs::write(&path, &whole[..len])?;
            let message = refusal(read(&path), &path);
            // Less than a signature says nothing about the format.
            let known = len == 0 || len < 8 || message.contains("truncated");
            assert!(known, "{len} of {} bytes: {message}", whole.len());
            assert!(len > 0 || message.ends_with(": empty"), "{message}");
        }
    }
    Ok(())
}

#[test]
fn another_signature_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    for path in files(folder.path())? {
        let mut bytes = fs::read(&path)?;
        bytes[2] ^= 0x20;
        fs::write(&path, &bytes)?;
        assert!(refusal(read(&path), &path).contains("neither"));
        fs::write(&path, "q2,cos_theta_l\n1.0,0.5\n")?;
        assert!(refusal(read(&path), &path).contains("neither"));
    }
    Ok(())
}

#[test]
fn a_flipped_bit_never_ends_the_program() -> TestResult {
    let folder = tempfile::tempdir()?;
    for path in files(folder.path())? {
        let whole = fs::read(&path)?;
        // The one structure of HDF5 without a checksum is the heap of its strings: there the library can crash.
        let strings = whole.windows(4).position(|bytes| bytes == b"GCOL").unwrap_or(whole.len());
        for at in (0..whole.len()).filter(|at| !(strings..strings + 4096).contains(at)).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes)?;
            if let Err(error) = read(&path) {
                assert!(!matches!(error, PipelineError::Io { .. }), "byte {at}: {error:?}");
                refusal(Err::<(), _>(error), &path);
            }
        }
    }
    Ok(())
}

#[test]
fn a_part_is_not_a_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    // A killed program: the writer is never dropped.
    for (i, card) in cards(4).into_iter().enumerate() {
        let path = folder.path().join(format!("images{i}"));
        let mut writer = ImageWriter::create(&path, &card, 2, &provenance())?;
        writer.push(&[1.0; 64], 0.1)?;
        std::mem::forget(writer);
        assert!(matches!(ImageReader::open(&path), Err(PipelineError::Io { .. })));
        let part = part_of(folder.path(), &format!("images{i}"));
        refusal(ImageReader::open(&part), &part);
    }
    for name in ["events.parquet", "events.arrow"] {
        let mut writer = EventWriter::create(&folder.path().join(name), &provenance())?;
        writer.write(&some_events(1000))?;
        std::mem::forget(writer);
        assert!(matches!(EventReader::open(&folder.path().join(name)), Err(PipelineError::Io { .. })));
        let part = part_of(folder.path(), name);
        refusal(EventReader::open(&part), &part);
    }
    Ok(())
}

/// The unfinished file that will be `name`.
fn part_of(folder: &Path, name: &str) -> PathBuf {
    let begins = format!(".{name}.");
    let part = names(folder)
        .into_iter()
        .find(|n| n.starts_with(&begins) && Path::new(n).extension().is_some_and(|e| e == "part"));
    folder.join(part.expect("an unfinished file"))
}

#[test]
fn one_kind_of_file_is_not_another() -> TestResult {
    let folder = tempfile::tempdir()?;
    let paths = files(folder.path())?;
    assert!(refusal(EventReader::open(&paths[0]), &paths[0]).contains("neither Parquet, Arrow IPC nor ROOT"));
    assert!(refusal(EventReader::open(&paths[3]), &paths[3]).contains("no column `q2`"));
    assert!(refusal(ImageReader::open(&paths[4]), &paths[4]).contains("neither HDF5 nor an Arrow IPC file"));
    assert!(refusal(ImageReader::open(&paths[5]), &paths[5]).contains("no column `images`"));
    Ok(())
}

type Make = fn(&hdf5::File) -> hdf5::Result<()>;

fn dataset(file: &hdf5::File, name: &str, shape: &[usize]) -> hdf5::Result<()> {
    file.new_dataset::<f32>().shape(shape).create(name).map(|_| ())
}

#[test]
fn hdf5_without_images_or_of_other_shapes_is_refused_by_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("other.h5");
    let cases: [(Make, &str); 6] = [
        (|_| Ok(()), "no dataset `images`"),
        (|f| dataset(f, "images", &[2, 4, 4, 4]), "no dataset `labels/delta_c9`"),
        (|f| dataset(f, "images", &[2, 64]), "`images` has shape [2, 64]"),
        (|f| dataset(f, "images", &[2, 4, 4, 5]), "`images` has shape [2, 4, 4, 5]"),
        (|f| dataset(f, "images", &[3, 4, 4, 4]), "3 images, but `labels/delta_c9` has shape [2]"),
        (
            |f| f.new_dataset::<f32>().shape([2, 4, 4, 4]).chunk([1, 4, 4, 4]).create("images").map(|_| ()),
            "image 0: HDF5: its chunk has 0 bytes",
        ),
    ];
    for (i, (make, message)) in cases.into_iter().enumerate() {
        let file = hdf5::File::create(&path)?;
        make(&file)?;
        if i > 1 {
            let labels = file.create_group("labels")?;
            labels.new_dataset_builder().with_data(&[0.5_f64, 1.0]).create("delta_c9")?;
        }
        file.close()?;
        let refused = refusal(read(&path), &path);
        assert!(refused.contains(message), "{refused}");
    }
    Ok(())
}

#[test]
fn a_newer_format_and_another_convention_are_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut newer = provenance();
    newer.format_version = 2;
    for card in cards(4) {
        let path = folder.path().join("images");
        let mut writer = ImageWriter::create(&path, &card, 1, &newer)?;
        writer.push(&[1.0; 64], 0.1)?;
        writer.finish()?;
        let refused = refusal(ImageReader::open(&path), &path);
        assert!(refused.contains("format version 2, this program reads up to 1"), "{refused}");
    }
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.path().join(name);
        EventWriter::create(&path, &newer)?.finish()?;
        assert!(refusal(EventReader::open(&path), &path).contains("format version 2"));
    }
    let path = folder.path().join("a.h5");
    write_images(&path, &cards(4)[0], 1)?;
    let file = hdf5::File::open_rw(&path)?;
    file.delete_attr("angle_convention")?;
    let attribute = file.new_attr::<hdf5::types::VarLenUnicode>().create("angle_convention")?;
    attribute.write_scalar(&"EvtGen".parse::<hdf5::types::VarLenUnicode>()?)?;
    drop((attribute, file));
    assert!(refusal(ImageReader::open(&path), &path).contains("`angle_convention` = EvtGen"));
    Ok(())
}

#[test]
fn missing_files_and_folders_are_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let not_found = |error: Option<PipelineError>, wanted: &Path| matches!(error, Some(PipelineError::Io { path, source }) if path == wanted && source.kind() == ErrorKind::NotFound);
    let path = folder.path().join("none/events.parquet");
    assert!(not_found(ImageReader::open(&path).err(), &path));
    assert!(not_found(EventReader::open(&path).err(), &path));
    assert!(not_found(ImageWriter::create(&path, &cards(4)[0], 1, &provenance()).err(), &path));
    assert!(not_found(EventWriter::create(&path, &provenance()).err(), &path));
    for error in [ImageReader::open(folder.path()).err(), EventReader::open(folder.path()).err()] {
        assert!(matches!(error, Some(PipelineError::Io { path, .. }) if path == folder.path()));
    }
    assert_eq!(names(folder.path()), [""; 0]);
    Ok(())
}

#[test]
fn a_damaged_heap_of_texts_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.h5");
    write_images(&path, &cards(4)[0], 5)?;
    let good = fs::read(&path)?;
    // Its signature and version, its size, and the first text: number, references and size.
    let heap = good.windows(8).position(|bytes| bytes == b"GCOL\x01\0\0\0").ok_or("no heap")?;
    let (heap_size, number, size) = (heap + 8, heap + 16, heap + 24);
    for (at, bytes) in [
        (heap, &b"GCOM"[..]),
        (heap + 4, &[2]),
        (heap_size, &[0xff; 8]),
        (heap_size, &[0; 8]),
        (heap_size + 3, &[1]),
        (number, &[0]),
        (number, &[77]),
        (size, &[0xff; 8]),
        (size, &[0; 8]),
        (size + 1, &[0x0f]),
    ] {
        let mut damaged = good.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, &damaged)?;
        let message = refusal(read(&path), &path);
        assert!(message.contains("HDF5: "), "{at}, {bytes:?}: {message}");
    }
    fs::write(&path, good)?;
    Ok(read(&path)?)
}
