//! Images: what was written is what is read, whatever the format, the threads and the pieces.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use hdf5::types::VarLenUnicode;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{ImageReader, ImageWriter};
use humboldt_schemas::card::ImagesCard;
use ndarray::{Array4, Ix4};
use rayon::prelude::*;

use crate::store::{TestResult, cards, names, provenance, refusal, some_images, some_labels, write_images};

#[test]
fn images_labels_and_provenance_come_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    for (i, card) in cards(6).into_iter().enumerate() {
        // The name says nothing about the format.
        let path = folder.path().join(format!("{i}.images"));
        write_images(&path, &card, 20)?;
        let reader = ImageReader::open(&path)?;
        assert_eq!((reader.len(), reader.bins(), reader.is_empty()), (20, 6, false));
        assert_eq!(reader.labels(), some_labels(20));
        assert_eq!(reader.provenance(), Some(&provenance()));
        let mut images = vec![0.0; 20 * 216];
        reader.read_range(0, 20, &mut images)?;
        assert_eq!(images, some_images(20, 6));
        let mut one = vec![0.0; 216];
        reader.read(13, &mut one)?;
        assert_eq!(one, images[13 * 216..14 * 216]);
    }
    assert_eq!(names(folder.path()).len(), 4, "nothing but the files");
    Ok(())
}

#[test]
fn a_file_does_not_depend_on_threads_pieces_or_time() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    let (images, labels) = (some_images(30, 4), some_labels(30));
    let write = |card: &ImagesCard, threads, piece| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut writer = ImageWriter::create(&path, card, 30, &provenance())?;
        rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| {
            let mut pieces = images.chunks(piece * 64).zip(labels.chunks(piece));
            pieces.try_for_each(|(images, labels)| writer.push_many(images, labels))
        })?;
        writer.finish()?;
        Ok(fs::read(&path)?)
    };
    let first: Vec<_> = cards(4).iter().map(|card| write(card, 1, 1)).collect::<Result<_, _>>()?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    for (card, first) in cards(4).iter().zip(first) {
        assert!(write(card, 1, 30)? == first && write(card, 3, 7)? == first, "{card:?}");
    }
    Ok(())
}

#[test]
fn many_threads_read_at_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, wanted) = (folder.path().join("images"), some_images(50, 8));
    for card in cards(8) {
        write_images(&path, &card, 50)?;
        let reader = ImageReader::open(&path)?;
        let all_right = (0..400_usize).into_par_iter().all(|k| {
            let i = k * 37 % 50;
            let mut image = vec![0.0; 512];
            reader.read(i, &mut image).is_ok() && image == wanted[i * 512..(i + 1) * 512]
        });
        assert!(all_right, "{card:?}");
    }
    Ok(())
}

#[test]
fn more_batches_than_one_and_chosen_images() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    // 1 MiB an image: Arrow batches hold eight.
    for card in cards(64) {
        write_images(&path, &card, 18)?;
        let wanted = some_images(18, 64);
        let cells = 64_usize.pow(3);
        let mut images = vec![0.0; 3 * cells];
        ImageReader::open(&path)?.read_many(&[17, 0, 8], &mut images)?;
        for (k, i) in [17, 0, 8].into_iter().enumerate() {
            assert!(images[k * cells..(k + 1) * cells] == wanted[i * cells..(i + 1) * cells], "{i} {card:?}");
        }
    }
    Ok(())
}

#[test]
fn a_label_can_be_unknown() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for card in cards(4) {
        let mut writer = ImageWriter::create(&path, &card, 2, &provenance())?;
        writer.push_many(&some_images(2, 4), &[f64::NAN, 0.5])?;
        writer.finish()?;
        let reader = ImageReader::open(&path)?;
        assert!(reader.labels()[0].is_nan() && reader.labels()[1] > 0.0);
    }
    Ok(())
}

#[test]
fn an_unfinished_file_leaves_nothing_and_the_old_one_stays() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for card in cards(4) {
        write_images(&path, &card, 3)?;
        let before = fs::read(&path)?;
        let mut writer = ImageWriter::create(&path, &card, 5, &provenance())?;
        writer.push(&some_images(1, 4), 0.5)?;
        assert_eq!(names(folder.path()).len(), 2);
        drop(writer);
        assert_eq!(names(folder.path()), ["images"]);
        let mut writer = ImageWriter::create(&path, &card, 5, &provenance())?;
        writer.push(&some_images(1, 4), 0.5)?;
        assert!(matches!(writer.finish(), Err(PipelineError::OutOfRange { .. })), "images are missing");
        assert_eq!(names(folder.path()), ["images"]);
        assert_eq!(fs::read(&path)?, before);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for card in cards(4) {
        assert!(ImageWriter::create(&path, &card, 0, &provenance()).is_err(), "no images");
        let mut bad = card.clone();
        bad.bins = 300;
        assert!(ImageWriter::create(&path, &bad, 1, &provenance()).is_err(), "too many bins");
        bad = card.clone();
        bad.gzip = 10;
        assert!(ImageWriter::create(&path, &bad, 1, &provenance()).is_err(), "no such level");
        let mut writer = ImageWriter::create(&path, &card, 1, &provenance())?;
        assert!(writer.push(&[0.0; 63], 0.1).is_err(), "a cell is missing");
        assert!(writer.push(&[0.0; 64], f64::INFINITY).is_err(), "no label");
        writer.push(&[0.0; 64], 0.1)?;
        assert!(writer.push(&[0.0; 64], 0.2).is_err(), "one too many");
        writer.finish()?;
        let reader = ImageReader::open(&path)?;
        assert!(reader.read(1, &mut [0.0; 64]).is_err());
        assert!(reader.read(0, &mut [0.0; 63]).is_err());
        assert!(reader.read_range(0, 2, &mut [0.0; 128]).is_err());
    }
    Ok(())
}

#[test]
fn a_value_that_is_not_finite_is_refused_when_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images");
    for card in cards(4) {
        let mut images = some_images(2, 4);
        images[64 + 9] = f32::NAN;
        let mut writer = ImageWriter::create(&path, &card, 2, &provenance())?;
        writer.push_many(&images, &[0.0, 1.0])?;
        writer.finish()?;
        let reader = ImageReader::open(&path)?;
        reader.read(0, &mut [0.0; 64])?;
        assert!(
            refusal(reader.read(1, &mut [0.0; 64]), &path).contains("image 1 has values that are not finite")
        );
    }
    Ok(())
}

type Make = fn(&hdf5::File, &Array4<f32>) -> hdf5::Result<()>;

#[test]
fn hdf5_images_of_other_programs_are_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    let wanted = some_images(5, 4);
    let array = Array4::from_shape_vec((5, 4, 4, 4), wanted.clone())?;
    let kinds: [(&str, Make); 5] = [
        ("contiguous", |f, a| f.new_dataset_builder().with_data(a).create("images").map(|_| ())),
        ("f64", |f, a| f.new_dataset_builder().with_data(&a.mapv(f64::from)).create("images").map(|_| ())),
        ("chunked", |f, a| {
            f.new_dataset_builder().with_data(a).chunk((1, 4, 4, 4)).create("images").map(|_| ())
        }),
        ("shuffled", |f, a| {
            f.new_dataset_builder()
                .with_data(a)
                .chunk((1, 4, 4, 4))
                .shuffle()
                .deflate(3)
                .create("images")
                .map(|_| ())
        }),
        ("other chunks", |f, a| {
            f.new_dataset_builder().with_data(a).chunk((2, 4, 2, 4)).deflate(3).create("images").map(|_| ())
        }),
    ];
    for (kind, make) in kinds {
        let path = folder.path().join(kind);
        let file = hdf5::File::create(&path)?;
        make(&file, &array)?;
        let labels = file.create_group("labels")?;
        labels.new_dataset_builder().with_data(&some_labels(5)).create("delta_c9")?;
        drop((labels, file));
        let reader = ImageReader::open(&path)?;
        assert_eq!((reader.len(), reader.labels()), (5, &some_labels(5)[..]), "{kind}");
        assert!(reader.provenance().is_none());
        let mut images = vec![0.0; 320];
        reader.read_range(0, 5, &mut images)?;
        assert_eq!(images, wanted, "{kind}");
    }
    Ok(())
}

#[test]
fn hdf5_users_see_axes_units_and_convention() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.h5");
    write_images(&path, &cards(4)[1], 3)?;
    let file = hdf5::File::open(&path)?;
    let images = file.dataset("images")?;
    assert_eq!(images.read::<f32, Ix4>()?.into_raw_vec_and_offset().0, some_images(3, 4));
    assert_eq!(images.chunk(), Some(vec![1, 4, 4, 4]));
    let axes = images.attr("axes")?.read_raw::<VarLenUnicode>()?;
    assert_eq!(
        axes.iter().map(VarLenUnicode::as_str).collect::<Vec<_>>(),
        ["cos_theta_l", "cos_theta_k", "chi"]
    );
    let text = |name: &str| file.attr(name)?.read_scalar::<VarLenUnicode>();
    assert_eq!(text("angle_convention")?.as_str(), "LHCb");
    assert!(text("humboldt")?.as_str().contains("\"card_hash\":\"c0ffee\""));
    Ok(())
}

/// An Arrow IPC file with the columns given, three rows a batch.
fn arrow_file(
    path: &std::path::Path,
    columns: Vec<(Field, ArrayRef)>,
    options: IpcWriteOptions,
) -> TestResult {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    let mut writer = FileWriter::try_new_with_options(fs::File::create(path)?, &batch.schema(), options)?;
    for start in (0..batch.num_rows()).step_by(3) {
        writer.write(&batch.slice(start, 3.min(batch.num_rows() - start)))?;
    }
    Ok(writer.finish()?)
}

fn arrow_images(n: usize, bins: usize) -> Result<(Field, ArrayRef), arrow::error::ArrowError> {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let cells = i32::try_from(bins.pow(3)).unwrap_or(i32::MAX);
    let values = Arc::new(Float32Array::from(some_images(n, bins)));
    let list = FixedSizeListArray::try_new(Arc::clone(&item), cells, values, None)?;
    Ok((Field::new("images", DataType::FixedSizeList(item, cells), true), Arc::new(list)))
}

fn arrow_labels(n: usize) -> (Field, ArrayRef) {
    (Field::new("delta_c9", DataType::Float64, true), Arc::new(Float64Array::from(some_labels(n))))
}

#[test]
fn arrow_images_of_other_programs_are_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    let comment = || -> (Field, ArrayRef) {
        (Field::new("comment", DataType::Utf8, true), Arc::new(StringArray::from(vec!["x"; 8])))
    };
    let lz4 = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let plain = IpcWriteOptions::default;
    let files = [
        ("plain", vec![arrow_images(8, 4)?, arrow_labels(8)], plain()),
        ("order", vec![comment(), arrow_labels(8), arrow_images(8, 4)?], plain()),
        ("lz4", vec![arrow_images(8, 4)?, arrow_labels(8)], lz4),
    ];
    for (name, columns, options) in files {
        let path = folder.path().join(name);
        arrow_file(&path, columns, options)?;
        let reader = ImageReader::open(&path)?;
        assert_eq!((reader.len(), reader.bins(), reader.labels()), (8, 4, &some_labels(8)[..]), "{name}");
        let mut images = vec![0.0; 512];
        reader.read_range(0, 8, &mut images)?;
        assert_eq!(images, some_images(8, 4), "{name}");
    }
    Ok(())
}

#[test]
fn arrow_files_with_other_columns_are_refused_by_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.arrow");
    let tensor = |more: &str| -> Result<_, arrow::error::ArrowError> {
        let (field, array) = arrow_images(3, 4)?;
        let extension = format!(r#"{{"shape":[4,4,4],{more}}}"#);
        Ok((field.with_metadata([("ARROW:extension:metadata".to_owned(), extension)]), array))
    };
    let flat: (Field, ArrayRef) =
        (Field::new("images", DataType::Float64, true), Arc::new(Float64Array::from(vec![1.0; 3])));
    let cases = [
        (vec![arrow_labels(3)], "no column `images`"),
        (vec![arrow_images(3, 4)?], "no column `delta_c9`"),
        (vec![flat, arrow_labels(3)], "column `images`: Float64, wanted lists"),
        (
            vec![tensor(r#""dim_names":["chi","cos_theta_k","cos_theta_l"]"#)?, arrow_labels(3)],
            "axes [\"chi\"",
        ),
        (
            vec![tensor(r#""permutation":[2,0,1]"#)?, arrow_labels(3)],
            "permutation [2,0,1], wanted axes in their order, as numpy.ascontiguousarray leaves them",
        ),
    ];
    for (columns, message) in cases {
        arrow_file(&path, columns, IpcWriteOptions::default())?;
        let refused = refusal(ImageReader::open(&path), &path);
        assert!(refused.contains(message), "{refused}");
    }
    Ok(())
}
