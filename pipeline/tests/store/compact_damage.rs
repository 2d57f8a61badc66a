//! Damaged compact files: a changed byte is refused before it is used, and sizes are never believed.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::ImageReader;
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::card::ImageFormat;

use crate::store::compact::{FORMATS, images, write};
use crate::store::{TestResult, provenance, refusal, some_labels};

/// Findings of a reader: labels, images, counts.
type Content = (Vec<f64>, Vec<CompactImage>);

fn read(path: &Path) -> Result<Content, PipelineError> {
    let reader = ImageReader::open(path)?;
    let mut images = Vec::new();
    for i in 0..reader.len() {
        images.push(CompactImage::new(2)?);
        reader.read_compact(i, &mut images[i])?;
    }
    Ok((reader.labels().to_vec(), images))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    FORMATS
        .into_iter()
        .map(|format| {
            let path = folder.join(format!("images.{}", format.extension()));
            write(&path, format, &images(4, 5)?).map(|()| path)
        })
        .collect()
}

#[test]
fn a_truncated_file_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    for path in files(folder.path())? {
        let whole = fs::read(&path)?;
        read(&path)?;
        for len in (0..whole.len()).step_by(whole.len() / 150).chain([1, 8, 51, 52, whole.len() - 1]) {
            fs::write(&path, &whole[..len])?;
            refusal(read(&path), &path);
        }
    }
    Ok(())
}

#[test]
fn a_changed_byte_is_refused_or_does_not_matter() -> TestResult {
    let folder = tempfile::tempdir()?;
    for path in files(folder.path())? {
        let (whole, wanted) = (fs::read(&path)?, read(&path)?);
        // The one structure of HDF5 without a checksum is the heap of its strings: there the library can crash.
        let strings = whole.windows(4).position(|bytes| bytes == b"GCOL").unwrap_or(whole.len());
        let mut refused = 0;
        let mut file = fs::OpenOptions::new().write(true).open(&path)?;
        let mut put =
            |at: usize, byte: u8| file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.write_all(&[byte]));
        for at in (0..whole.len()).filter(|at| !(strings..strings + 4096).contains(at)) {
            put(at, whole[at] ^ 1 << (at % 8))?;
            match read(&path) {
                Ok(found) => assert_eq!(found, wanted, "byte {at} of {}", path.display()),
                Err(error) => {
                    assert!(!matches!(error, PipelineError::Io { .. }), "byte {at}: {error:?}");
                    refusal(Err::<(), _>(error), &path);
                    refused += 1;
                }
            }
            put(at, whole[at])?;
        }
        assert!(refused > whole.len() / 3, "{refused} of {}", whole.len());
    }
    Ok(())
}

#[test]
fn a_changed_byte_of_the_data_is_refused_by_its_image() -> TestResult {
    let folder = tempfile::tempdir()?;
    let images = images(4, 5)?;
    for path in files(folder.path())? {
        let whole = fs::read(&path)?;
        // The last image is the last in every array.
        let find = |bytes: &[u8]| {
            let at = whole.windows(bytes.len()).rposition(|window| window == bytes);
            at.ok_or("the data are not in the file")
        };
        let counts: Vec<u8> = images[3].counts().iter().map(|&c| c as u8).collect();
        let sums: &[u8] = bytemuck::cast_slice(images[3].sums());
        for part in [images[3].bitmap(), sums, &counts] {
            let at = find(part)?;
            for byte in at..at + part.len() {
                let mut bytes = whole.clone();
                bytes[byte] ^= 0x10;
                fs::write(&path, &bytes)?;
                let reader = ImageReader::open(&path)?;
                reader.read(0, &mut [0.0; 125])?;
                let message = refusal(reader.read(3, &mut [0.0; 125]), &path);
                assert!(message.ends_with("image 3: its checksum is wrong"), "{message}");
            }
        }
        let labels: Vec<u8> = some_labels(4).iter().flat_map(|x| x.to_le_bytes()).collect();
        let events: Vec<u8> = images.iter().flat_map(|image| image.events().to_le_bytes()).collect();
        for part in [labels, events] {
            let at = find(&part)?;
            for byte in at..at + part.len() {
                let mut bytes = whole.clone();
                bytes[byte] ^= 1;
                fs::write(&path, &bytes)?;
                let message = refusal(ImageReader::open(&path), &path);
                assert!(message.contains("the checksum of tables and metadata is wrong"), "{message}");
            }
        }
    }
    Ok(())
}

type Change = fn(&hdf5::File) -> hdf5::Result<()>;

/// Replaces a dataset by one of these numbers.
fn replace<T: hdf5::H5Type>(
    file: &hdf5::File,
    name: &str,
    shape: &[usize],
    values: &[T],
) -> hdf5::Result<()> {
    file.unlink(name)?;
    file.new_dataset::<T>().shape(shape).no_chunk().create(name)?.write_raw(values)
}

/// A dataset that claims this shape and has no data.
fn claim<T: hdf5::H5Type>(file: &hdf5::File, name: &str, shape: &[usize]) -> hdf5::Result<()> {
    file.unlink(name)?;
    file.new_dataset::<T>().shape(shape).chunk(vec![1; shape.len()]).create(name).map(|_| ())
}

#[test]
fn hdf5_arrays_of_other_shapes_types_and_sizes_are_refused_by_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.h5");
    let cases: [(Change, &str); 12] = [
        (|f| f.unlink("sums"), "no dataset `sums`"),
        (|f| f.unlink("digests"), "no dataset `digests`"),
        (|f| f.delete_attr("blake3"), "no attribute `blake3` of 32 bytes"),
        (|f| f.delete_attr("bins"), "HDF5: "),
        (|f| f.attr("bins")?.write_scalar(&300_u64), "attribute `bins`: wanted 2 to 256"),
        (|f| f.attr("bins")?.write_scalar(&6_u64), "`bitmap` has shape [4, 16], wanted [4, 27]"),
        (|f| replace(f, "events", &[4], &[1_u32; 4]), "`events` is not of type"),
        (|f| replace(f, "events", &[4], &[1_u64; 4]), "the checksum of tables and metadata is wrong"),
        (|f| replace(f, "offsets", &[5], &[0, u64::MAX, 2, 3, 4]), "`offsets` ends at 4"),
        (|f| replace(f, "offsets", &[6], &[0_u64; 6]), "`offsets` has shape [6], wanted [5]"),
        (|f| claim::<f32>(f, "sums", &[1 << 50]), "`sums` is not contiguous"),
        (|f| claim::<u64>(f, "overflow", &[1 << 50, 2]), "`overflow` is not contiguous"),
    ];
    for (change, message) in cases {
        write(&path, ImageFormat::Hdf5, &images(4, 5)?)?;
        let file = hdf5::File::open_rw(&path)?;
        change(&file).map_err(|e| format!("{message}: {e}"))?;
        file.close()?;
        let refused = refusal(read(&path), &path);
        assert!(refused.contains(message), "{refused}");
    }
    Ok(())
}

/// As a hostile writer makes it: tables that are wrong under a checksum that is right.
#[test]
fn tables_that_no_image_has_are_refused_whatever_their_checksum() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.h5");
    let cases: [(Change, &str); 6] = [
        (|f| set(f, "offsets", |o| o[1] = 1 << 40), "offsets that no image can have"),
        (|f| set(f, "offsets", |o| o[0] = 1), "offsets that no image can have"),
        (|f| set(f, "overflow", |o| o[0] = o[4] + 1), "overflow: places out of order or range"),
        (|f| set(f, "overflow", |o| o[4] = 1 << 40), "overflow: places out of order or range"),
        (|f| set(f, "overflow", |o| o[1] = 254), "overflow: a count of 254"),
        (|f| set(f, "overflow", |o| o[1] = 1 << 32), "overflow: a count of 4294967296"),
    ];
    for (change, message) in cases {
        write(&path, ImageFormat::Hdf5, &images(4, 5)?)?;
        let file = hdf5::File::open_rw(&path)?;
        change(&file)?;
        rewrite_checksum(&file)?;
        file.close()?;
        let refused = refusal(read(&path), &path);
        assert!(refused.contains(message), "{refused}");
    }
    // Tables that could be, but are not those of the images.
    let cases: [(Change, &str); 3] = [
        (|f| set(f, "events", |e| e[0] += 1), "image 0: 300 events, not 301"),
        (|f| set(f, "overflow", |o| o[1] = 300), "image 2: 70810 events, not 70765"),
        (|f| set(f, "overflow", |o| o[0] -= 1), "image 2: "),
    ];
    for (change, message) in cases {
        write(&path, ImageFormat::Hdf5, &images(4, 5)?)?;
        let file = hdf5::File::open_rw(&path)?;
        change(&file)?;
        rewrite_checksum(&file)?;
        file.close()?;
        ImageReader::open(&path)?;
        let refused = refusal(read(&path), &path);
        assert!(refused.contains(message), "{refused}");
    }
    Ok(())
}

fn set(file: &hdf5::File, name: &str, change: impl Fn(&mut [u64])) -> hdf5::Result<()> {
    let dataset = file.dataset(name)?;
    let mut values = dataset.read_raw::<u64>()?;
    change(&mut values);
    dataset.write_raw(&values)
}

/// The checksum as `docs/formats.md` defines it, made anew.
fn rewrite_checksum(file: &hdf5::File) -> hdf5::Result<()> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"humboldt compact images 1");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    for key in ["humboldt", "angle_convention"] {
        let text = file.attr(key)?.read_scalar::<hdf5::types::VarLenUnicode>()?;
        part(text.as_str().as_bytes());
    }
    part(&file.attr("bins")?.read_scalar::<u64>()?.to_le_bytes());
    for name in ["offsets", "overflow", "events"] {
        part(bytemuck::cast_slice(&file.dataset(name)?.read_raw::<u64>()?));
    }
    part(bytemuck::cast_slice(&file.dataset("labels/delta_c9")?.read_raw::<f64>()?));
    part(&file.dataset("digests")?.read_raw::<u8>()?);
    file.attr("blake3")?.write_raw(hasher.finalize().as_bytes().as_slice())
}

#[test]
fn the_checksum_is_the_one_of_the_documentation() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.h5");
    write(&path, ImageFormat::Hdf5, &images(4, 5)?)?;
    let file = hdf5::File::open_rw(&path)?;
    let before = file.attr("blake3")?.read_raw::<u8>()?;
    rewrite_checksum(&file)?;
    assert_eq!(file.attr("blake3")?.read_raw::<u8>()?, before);
    file.close()?;
    assert_eq!(read(&path)?.1, images(4, 5)?);
    Ok(())
}

#[test]
fn a_newer_format_is_refused() -> TestResult {
    use humboldt_pipeline::store::{ImageWriter, Layout};
    use humboldt_schemas::card::ImagesCard;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let mut newer = provenance();
    newer.format_version = 2;
    for format in FORMATS {
        let card = crate::store::compact::card(format, 5);
        let mut writer =
            ImageWriter::create(&path, &ImagesCard { layout: Layout::Compact, ..card }, 1, &newer)?;
        writer.push_compact(&images(1, 5)?, &[0.5])?;
        writer.finish()?;
        assert!(refusal(ImageReader::open(&path), &path).contains("format version 2"));
    }
    Ok(())
}
