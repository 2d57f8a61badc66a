//! Compact files: what was binned is what is read, large counts and empty images included.

use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float32Type, UInt8Type, UInt32Type};
use arrow::ipc::reader::FileReader;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{Export, ImageReader, ImageWriter, Layout, export};
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::card::{ImageFormat, ImagesCard};
use rayon::prelude::*;

use crate::store::{
    TestResult, cards, names, provenance, some_events, some_images, some_labels, write_images,
};

pub(crate) const FORMATS: [ImageFormat; 2] = [ImageFormat::Hdf5, ImageFormat::Arrow];

pub(crate) fn card(format: ImageFormat, bins: usize) -> ImagesCard {
    ImagesCard { events: 100, bins, format, gzip: 1, layout: Layout::Dense, ..ImagesCard::default() }
}

/// Images of which the second is empty and the third has counts of 254, 255, 256 and 70,000.
pub(crate) fn images(n: usize, bins: usize) -> Result<Vec<CompactImage>, PipelineError> {
    let mut images = (0..n)
        .map(|i| {
            let mut events = some_events(300 + 10 * i);
            events.remove_first(7 * i);
            CompactImage::of(events.angles(), bins)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = bins.pow(3).div_ceil(8);
    let crowded = || [vec![0b0100_1011], vec![0; bytes - 1]].concat();
    let counts = vec![254, 255, 256, 70_000];
    for (i, image) in images.iter_mut().enumerate().skip(1).take(2) {
        *image = if i == 1 {
            CompactImage::new(bins)?
        } else {
            CompactImage::from_parts(bins, crowded(), vec![2.5e2, 5.0e3, 1.0e2, 3.0e5], counts.clone())?
        };
    }
    Ok(images)
}

pub(crate) fn write(path: &Path, format: ImageFormat, images: &[CompactImage]) -> Result<(), PipelineError> {
    let card = card(format, images[0].bins());
    let mut writer = ImageWriter::create(
        path,
        &ImagesCard { layout: Layout::Compact, ..card },
        images.len(),
        &provenance(),
    )?;
    writer.push_compact(images, &some_labels(images.len()))?;
    writer.finish()
}

/// Every image of a file in every form, against those that were written.
fn check(path: &Path, wanted: &[CompactImage]) -> TestResult {
    let reader = ImageReader::open(path)?;
    let (bins, cells) = (wanted[0].bins(), wanted[0].bins().pow(3));
    assert_eq!((reader.len(), reader.bins(), reader.layout()), (wanted.len(), bins, Layout::Compact));
    assert_eq!(reader.labels(), some_labels(wanted.len()));
    assert_eq!(reader.provenance(), Some(&provenance()));
    assert_eq!(reader.events(), Some(&wanted.iter().map(CompactImage::events).collect::<Vec<_>>()[..]));
    let (mut read, mut dense, mut expected) = (CompactImage::new(2)?, vec![-1.0; cells], vec![0.0; cells]);
    // The second time no digest is checked.
    for i in (0..wanted.len()).rev().chain(0..wanted.len()) {
        reader.read_compact(i, &mut read)?;
        assert_eq!(read, wanted[i], "{i}");
        wanted[i].to_dense(&mut expected)?;
        reader.read(i, &mut dense)?;
        assert_eq!(dense, expected, "{i}");
        wanted[i].counts_to_dense(&mut expected)?;
        reader.read_counts(i, &mut dense)?;
        assert_eq!(dense, expected, "{i}");
    }
    Ok(())
}

#[test]
fn images_labels_events_and_provenance_come_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for format in FORMATS {
        // 27 cells are no whole bytes, 125 no whole words.
        for (n, bins) in [(3, 3), (20, 5), (1, 2), (5, 50)] {
            let images = images(n, bins)?;
            write(&path, format, &images)?;
            check(&path, &images)?;
        }
    }
    assert_eq!(names(folder.path()), ["images"]);
    Ok(())
}

#[test]
fn a_file_of_empty_images_is_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for format in FORMATS {
        let images = vec![CompactImage::new(4)?; 3];
        write(&path, format, &images)?;
        check(&path, &images)?;
    }
    Ok(())
}

#[test]
fn more_than_fits_into_memory_and_a_batch() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    // All of 64^3 cells occupied: 1.3 MB an image, so that spools spill and Arrow has several batches.
    let full = |i: usize| {
        let sums = (0..64_usize.pow(3)).map(|cell| 1.0 + (cell + i) as f32).collect();
        CompactImage::from_parts(64, vec![255; 1 << 15], sums, vec![1 + i as u32; 1 << 18])
    };
    let images = (0..18).map(full).collect::<Result<Vec<_>, _>>()?;
    for format in FORMATS {
        write(&path, format, &images)?;
        let reader = ImageReader::open(&path)?;
        let mut read = CompactImage::new(2)?;
        for i in [17, 0, 8, 5, 6] {
            reader.read_compact(i, &mut read)?;
            assert!(read == images[i], "{i}");
        }
    }
    assert_eq!(names(folder.path()), ["images"], "nothing else stays");
    Ok(())
}

#[test]
fn a_file_does_not_depend_on_threads_pieces_or_time() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let (images, labels) = (images(30, 4)?, some_labels(30));
    for format in FORMATS {
        let write = |threads, piece: usize| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let card = card(format, 4);
            let mut writer = ImageWriter::create(
                &path,
                &ImagesCard { layout: Layout::Compact, ..card },
                30,
                &provenance(),
            )?;
            rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| {
                let mut pieces = images.chunks(piece).zip(labels.chunks(piece));
                pieces.try_for_each(|(images, labels)| writer.push_compact(images, labels))
            })?;
            writer.finish()?;
            Ok(fs::read(&path)?)
        };
        let first = write(1, 1)?;
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert!(write(1, 30)? == first && write(3, 7)? == first, "{format:?}");
    }
    Ok(())
}

#[test]
fn many_threads_read_at_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let images = images(50, 8)?;
    let mut wanted = vec![0.0; 50 * 512];
    for (dense, image) in wanted.chunks_mut(512).zip(&images) {
        image.to_dense(dense)?;
    }
    for format in FORMATS {
        write(&path, format, &images)?;
        let reader = ImageReader::open(&path)?;
        let all_right = (0..400_usize).into_par_iter().all(|k| {
            let i = k * 37 % 50;
            let mut image = vec![0.0; 512];
            reader.read(i, &mut image).is_ok() && image == wanted[i * 512..(i + 1) * 512]
        });
        assert!(all_right, "{format:?}");
        let mut all = vec![0.0; 50 * 512];
        reader.read_range(0, 50, &mut all)?;
        assert_eq!(all, wanted);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let image = images(1, 4)?;
    for format in FORMATS {
        let mut writer = ImageWriter::create(
            &path,
            &ImagesCard { layout: Layout::Compact, ..card(format, 4) },
            1,
            &provenance(),
        )?;
        let error = writer.push(&some_images(1, 4), 0.5).unwrap_err();
        assert!(error.to_string().contains("push_compact"), "{error}");
        assert!(writer.push_compact(&images(1, 5)?, &[0.5]).is_err(), "other bins");
        assert!(writer.push_compact(&image, &[0.5, 0.6]).is_err(), "a label too many");
        assert!(writer.push_compact(&image, &[f64::INFINITY]).is_err(), "no label");
        writer.push_compact(&image, &[f64::NAN])?;
        assert!(writer.push_compact(&image, &[0.5]).is_err(), "one too many");
        writer.finish()?;
        let reader = ImageReader::open(&path)?;
        assert!(reader.labels()[0].is_nan());
        assert!(reader.read(1, &mut [0.0; 64]).is_err() && reader.read(0, &mut [0.0; 63]).is_err());
        assert!(reader.read_counts(1, &mut [0.0; 64]).is_err());
        assert!(reader.read_counts(0, &mut [0.0; 63]).is_err());
        assert!(reader.read_compact(1, &mut CompactImage::new(4)?).is_err());
        let before = fs::read(&path)?;
        let unfinished = ImageWriter::create(
            &path,
            &ImagesCard { layout: Layout::Compact, ..card(format, 4) },
            2,
            &provenance(),
        )?;
        assert!(unfinished.finish().is_err());
        assert_eq!((names(folder.path()), fs::read(&path)?), (vec!["images".to_owned()], before));
    }
    Ok(())
}

#[test]
fn a_dense_file_takes_compact_images_but_has_no_counts() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let images = images(5, 4)?;
    for card in cards(4) {
        let mut writer = ImageWriter::create(&path, &card, 5, &provenance())?;
        writer.push_compact(&images, &some_labels(5))?;
        writer.finish()?;
        let reader = ImageReader::open(&path)?;
        assert_eq!((reader.layout(), reader.events()), (Layout::Dense, None));
        let (mut got, mut wanted) = (vec![0.0; 64], vec![0.0; 64]);
        for (i, image) in images.iter().enumerate() {
            reader.read(i, &mut got)?;
            image.to_dense(&mut wanted)?;
            assert_eq!(got, wanted);
        }
        let error = reader.read_counts(0, &mut got).unwrap_err();
        assert_eq!(error.to_string(), "layout = dense is not allowed; allowed: compact, which has counts");
        let to = Export { format: ImageFormat::Hdf5, layout: Layout::Compact, gzip: 0 };
        assert!(export(&reader, 0..5, &folder.path().join("new"), to).is_err());
        assert_eq!(names(folder.path()), ["images"]);
    }
    Ok(())
}

#[test]
fn a_set_of_images_can_be_divided_and_made_dense() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, part) = (folder.path().join("images"), folder.path().join("part"));
    let images = images(12, 5)?;
    for from in FORMATS {
        write(&path, from, &images)?;
        let reader = ImageReader::open(&path)?;
        for (format, layout) in FORMATS.into_iter().flat_map(|f| [(f, Layout::Compact), (f, Layout::Dense)]) {
            for range in [0..12, 1..4, 11..12] {
                export(&reader, range.clone(), &part, Export { format, layout, gzip: 1 })?;
                let read = ImageReader::open(&part)?;
                assert_eq!((read.layout(), read.provenance()), (layout, reader.provenance()));
                assert_eq!(read.labels(), &reader.labels()[range.clone()]);
                let (mut got, mut wanted) = (vec![0.0; 125 * range.len()], vec![0.0; 125 * range.len()]);
                read.read_range(0, range.len(), &mut got)?;
                reader.read_range(range.start, range.len(), &mut wanted)?;
                assert_eq!(got, wanted);
            }
        }
        let to = Export { format: from, layout: Layout::Compact, gzip: 0 };
        export(&reader, 0..12, &part, to)?;
        assert_eq!(fs::read(&part)?, fs::read(&path)?, "a copy is the same file");
        for bad in [0..0, 5..13] {
            assert!(export(&reader, bad, &part, to).is_err());
        }
        assert!(export(&reader, 0..12, &path, to).is_err(), "onto itself");
        assert_eq!(names(folder.path()), ["images", "part"]);
    }
    Ok(())
}

#[test]
fn images_of_others_are_exported_without_provenance() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, out) = (folder.path().join("a.h5"), folder.path().join("out"));
    let file = hdf5::File::create(&path)?;
    let images = ndarray::Array4::from_shape_vec((2, 4, 4, 4), some_images(2, 4))?;
    file.new_dataset_builder().with_data(&images).create("images")?;
    file.create_group("labels")?.new_dataset_builder().with_data(&some_labels(2)).create("delta_c9")?;
    file.close()?;
    for format in FORMATS {
        export(&ImageReader::open(&path)?, 0..2, &out, Export { format, layout: Layout::Dense, gzip: 0 })?;
        let reader = ImageReader::open(&out)?;
        assert!(reader.provenance().is_none());
        let mut got = vec![0.0; 128];
        reader.read_range(0, 2, &mut got)?;
        assert_eq!(got, some_images(2, 4));
    }
    Ok(())
}

#[test]
fn dense_arrow_images_begin_at_multiples_of_64_bytes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.arrow");
    // 64^3: several batches. The first value of each image is its own.
    let bins = 64;
    write_images(&path, &card(ImageFormat::Arrow, bins), 18)?;
    let (bytes, images) = (fs::read(&path)?, some_images(18, bins));
    let (first, second) = (images[..6].to_vec(), images[8 * bins.pow(3)..8 * bins.pow(3) + 6].to_vec());
    for start in [first, second] {
        let start: Vec<u8> = start.iter().flat_map(|x| x.to_le_bytes()).collect();
        let at = bytes.windows(start.len()).position(|window| window == start).ok_or("not in the file")?;
        assert_eq!(at % 64, 0);
    }
    Ok(())
}

#[test]
fn hdf5_users_see_plain_arrays() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.h5");
    let images = images(4, 5)?;
    write(&path, ImageFormat::Hdf5, &images)?;
    let file = hdf5::File::open(&path)?;
    let (bitmap, sums) = (file.dataset("bitmap")?, file.dataset("sums")?);
    assert_eq!((bitmap.shape(), file.attr("bins")?.read_scalar::<u64>()?), (vec![4, 16], 5));
    assert_eq!(
        bitmap.read_raw::<u8>()?,
        images.iter().flat_map(CompactImage::bitmap).copied().collect::<Vec<_>>()
    );
    assert_eq!(
        sums.read_raw::<f32>()?,
        images.iter().flat_map(CompactImage::sums).copied().collect::<Vec<_>>()
    );
    let counts = file.dataset("counts")?.read_raw::<u8>()?;
    let offsets = file.dataset("offsets")?.read_raw::<u64>()?;
    let overflow = file.dataset("overflow")?.read_raw::<u64>()?;
    assert_eq!((offsets[0], offsets[4]), (0, counts.len() as u64));
    let crowded = offsets[2];
    assert_eq!(counts[crowded as usize..crowded as usize + 4], [254, 255, 255, 255]);
    assert_eq!(overflow, [crowded + 1, 255, crowded + 2, 256, crowded + 3, 70_000]);
    assert_eq!(file.dataset("labels/delta_c9")?.read_raw::<f64>()?, some_labels(4));
    Ok(())
}

#[test]
fn arrow_users_see_lists() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.arrow");
    let images = images(4, 5)?;
    write(&path, ImageFormat::Arrow, &images)?;
    let mut reader = FileReader::try_new(fs::File::open(&path)?, None)?;
    let batch = reader.next().ok_or("no batch")??;
    for (i, image) in images.iter().enumerate() {
        assert_eq!(batch["bitmap"].as_fixed_size_binary().value(i), image.bitmap());
        let sums = batch["sums"].as_list::<i32>().value(i);
        assert_eq!(sums.as_primitive::<Float32Type>().values(), image.sums());
        assert_eq!(batch["counts"].as_list::<i32>().value(i).len(), image.counts().len());
    }
    let counts = batch["counts"].as_list::<i32>().value(2);
    assert_eq!(counts.as_primitive::<UInt8Type>().values()[..], [254, 255, 255, 255]);
    let overflow = batch["overflow"].as_list::<i32>().value(2);
    assert_eq!(overflow.as_primitive::<UInt32Type>().values()[..], [1, 255, 2, 256, 3, 70_000]);
    assert!(batch["overflow"].as_list::<i32>().value(0).is_empty());
    Ok(())
}

#[test]
fn images_have_a_label_for_each_coefficient() {
    let folder = tempfile::tempdir().unwrap();
    let directions = ["c9", "c10", "c7_prime_im"].map(|name| name.parse().unwrap());
    let labels: Vec<f64> = (0..12).map(|i| f64::from(i) / 8.0).collect();
    let images = images(4, 4).unwrap();
    for (k, layout) in [Layout::Dense, Layout::Compact].into_iter().enumerate() {
        for card in cards(4) {
            let card = ImagesCard { layout, ..card };
            let name = format!("{k}-{}.{}", card.gzip, card.format.extension());
            let (path, copy) = (folder.path().join(&name), folder.path().join(format!("copy-{name}")));
            let mut writer =
                ImageWriter::create_labelled(&path, &card, 4, &directions, &provenance()).unwrap();
            writer.push_compact(&images[..3], &labels[..9]).unwrap();
            writer.push_compact(&images[3..4], &labels[9..]).unwrap();
            writer.finish().unwrap();
            let reader = ImageReader::open(&path).unwrap();
            assert_eq!((reader.directions(), reader.labels()), (&directions[..], &labels[..]), "{name}");
            assert_eq!(reader.label(2), &labels[6..9]);
            let to = Export { format: card.format, layout, gzip: 0 };
            export(&reader, 1..3, &copy, to).unwrap();
            let reader = ImageReader::open(&copy).unwrap();
            assert_eq!((reader.directions(), reader.labels()), (&directions[..], &labels[3..9]), "{name}");
        }
    }
}

#[test]
fn labels_come_in_one_order_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.h5");
    for names in [vec!["c10", "c9"], vec!["c9", "c9"], vec!["c9", "c7", "c10"], vec![]] {
        let directions: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        let created = ImageWriter::create_labelled(&path, &cards(4)[0], 1, &directions, &provenance());
        let error = created.err().unwrap().to_string();
        assert!(error.contains("each direction once, C9 first, the others by name"), "{error}");
    }
    let of_two = ["c9", "c10"].map(|name| name.parse().unwrap());
    let mut writer = ImageWriter::create_labelled(&path, &cards(4)[0], 2, &of_two, &provenance()).unwrap();
    let error = writer.push_many(&[0.0; 64], &[0.5]).unwrap_err().to_string();
    assert!(error.contains("number of labels = 1") && error.contains("multiple of 2"), "{error}");
    assert!(writer.push_many(&[0.0; 64], &[0.5, f64::INFINITY]).unwrap_err().to_string().contains("c10"));
}
