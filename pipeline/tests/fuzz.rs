//! Whatever a file of events or images holds, it is read or refused in one line.

#![cfg(unix)]
#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fuzzing::{Budget, Target};
use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use humboldt_pipeline::store::{EventReader, EventWriter, ImageReader, ImageWriter};
use humboldt_pipeline::voxels::CompactImage;
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImageLayout, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

/// Pieces of metadata.
const WORDS: &[&str] = &[
    "q2",
    "cos_theta_l",
    "cos_theta_k",
    "chi",
    "m_kpi",
    "weight",
    "delta_c9",
    "images",
    "labels",
    "humboldt",
    "LHCb",
    "angle_convention",
    "PAR1",
    "ARROW1",
    "\"format_version\":1",
    "\"format_version\":-1",
    "\"shape\":[256,256,256]",
    "null",
    "\0\0\0\0\0\0\0\0",
    "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
    "TREE",
    "HEAP",
    "OHDR",
    "SNOD",
];

macro_rules! fuzz_tests {
    ($($short:ident, $long:ident: $cases:literal, $seeds:expr, $read:expr;)+) => { $(
        #[test]
        fn $short() {
            Target { name: stringify!($short), seeds: $seeds, words: WORDS, read: $read }.survives(Budget::Cases($cases));
        }

        #[test]
        #[ignore = "long: cargo test --release -p humboldt-pipeline --test integration fuzz:: -- --ignored"]
        fn $long() {
            Target { name: stringify!($short), seeds: $seeds, words: WORDS, read: $read }.survives(Budget::Time);
        }
    )+ };
}
fuzz_tests! {
    events_parquet, events_parquet_for_long: 2_000, parquet_events, read_events;
    events_arrow, events_arrow_for_long: 2_000, arrow_events, read_events;
    images_hdf5, images_hdf5_for_long: 2_000, |folder| images(folder, ImageFormat::Hdf5), read_images;
    images_arrow, images_arrow_for_long: 2_000, |folder| images(folder, ImageFormat::Arrow), read_images;
    images_arrow_of_others, images_arrow_of_others_for_long: 2_000, arrow_of_others, read_images;
}

fn provenance() -> Provenance {
    Provenance::new("c0ffee".to_owned(), 42, GeneratorCard::default())
}

fn events(n: usize) -> EventBatch {
    let column = |low: f32, scale: f32| (0..n).map(|i| low + scale * (i as f32 + 0.5) / n as f32).collect();
    EventBatch {
        q2: column(0.1, 19.0),
        cos_theta_l: column(0.0, 1.0),
        cos_theta_k: column(0.0, -1.0),
        chi: column(0.0, 3.1),
        m_kpi: column(0.7, 0.9),
    }
}

fn written_events(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = ["few", "none", "weighted"].map(|name| folder.join(format!("{name}.{ending}")));
    for (path, n) in paths.iter().zip([40, 0, 300]) {
        let weighted = path.ends_with(format!("weighted.{ending}"));
        let extra = if weighted { vec!["weight".to_owned(), "score_re_c9".to_owned()] } else { Vec::new() };
        let mut writer = EventWriter::create_with(path, &provenance(), &extra).unwrap();
        writer.write_with(&events(n), &vec![vec![1.0; n]; extra.len()]).unwrap();
        writer.finish().unwrap();
    }
    paths.to_vec()
}

/// A table as other programs write it: other types, another order, columns of their own, repeated values.
fn foreign_table() -> RecordBatch {
    let column = |scale: f64| (0..60_i32).map(move |i| scale * f64::from(1 + i % 7));
    let f64s = |scale| Arc::new(Float64Array::from_iter_values(column(scale))) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("chi", f64s(0.4), true),
        ("event", Arc::new(Int64Array::from_iter_values(0..60)) as ArrayRef, false),
        ("q2", f64s(2.0), true),
        ("cos_theta_k", f64s(0.1), false),
        (
            "cos_theta_l",
            Arc::new(Float32Array::from_iter_values(column(-0.1).map(|x| x as f32))) as ArrayRef,
            true,
        ),
        ("m_kpi", f64s(0.65), true),
    ])
    .unwrap()
}

fn parquet_events(folder: &Path) -> Vec<PathBuf> {
    let table = foreign_table();
    let mut paths = written_events(folder, "parquet");
    let gzip = Compression::GZIP(GzipLevel::default());
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let codecs = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW, gzip, zstd];
    for (i, codec) in codecs.into_iter().enumerate() {
        let version = if i % 2 == 0 { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_max_row_group_row_count(Some(25))
            .build();
        paths.push(folder.join(format!("foreign{i}.parquet")));
        let file = File::create(paths.last().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
    }
    paths
}

fn arrow_events(folder: &Path) -> Vec<PathBuf> {
    let table = foreign_table();
    let mut paths = written_events(folder, "arrow");
    for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
        paths.push(folder.join(format!("foreign{}.arrow", paths.len())));
        let file = File::create(paths.last().unwrap()).unwrap();
        let mut writer = FileWriter::try_new_with_options(file, &table.schema(), options).unwrap();
        for start in [0, 20, 40] {
            writer.write(&table.slice(start, 20)).unwrap();
        }
        writer.finish().unwrap();
    }
    paths
}

fn images(folder: &Path, format: ImageFormat) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for layout in ImageLayout::ALL {
        for (bins, gzip, n) in [(2, 0, 5), (3, 4, 3), (6, 1, 9)] {
            let path = folder.join(format!("{layout}{bins}.{}", format.extension()));
            let card = ImagesCard { events: 100, bins, format, layout, gzip, ..ImagesCard::default() };
            let mut writer = ImageWriter::create(&path, &card, n, &provenance()).unwrap();
            for i in 0..n {
                // So many that some cells have more than fit into a byte.
                let image = CompactImage::of(events(20 + 400 * i).angles(), bins).unwrap();
                writer.push_compact(&[image], &[i as f64 / 8.0 - 2.0]).unwrap();
            }
            writer.finish().unwrap();
            paths.push(path);
        }
    }
    paths
}

/// Compressed, and among other columns.
fn arrow_of_others(folder: &Path) -> Vec<PathBuf> {
    let codecs = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
    codecs
        .map(|codec| {
            let numbers = Float32Array::from_iter_values((0..9 * 27_u16).map(|i| f32::from(i % 40)));
            let item = Arc::new(Field::new_list_field(DataType::Float32, true));
            let images = FixedSizeListArray::new(item, 27, Arc::new(numbers), None);
            let columns: [(_, ArrayRef); 3] = [
                ("run", Arc::new(Int64Array::from_iter_values(0..9))),
                (
                    "delta_c9",
                    Arc::new(Float64Array::from_iter_values((0..9).map(|i| f64::from(i) / 8.0 - 1.0))),
                ),
                ("images", Arc::new(images)),
            ];
            let table = RecordBatch::try_from_iter(columns).unwrap();
            let path = folder.join(format!("{codec:?}.arrow"));
            let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
            let file = File::create(&path).unwrap();
            let mut writer = FileWriter::try_new_with_options(file, &table.schema(), options).unwrap();
            for start in [0, 4, 8] {
                writer.write(&table.slice(start, (9 - start).min(4))).unwrap();
            }
            writer.finish().unwrap();
            path
        })
        .to_vec()
}

#[test]
#[ignore = "finds crashes of the HDF5 library 1.10.8, one in some 6000 files: its older format has no checksums"]
fn images_hdf5_of_others() {
    let seeds = hdf5_of_others;
    Target { name: "images_hdf5_of_others", seeds, words: WORDS, read: read_images }.survives(Budget::Time);
}

/// The older format of HDF5, which has no checksums, in layouts that h5py users choose.
fn hdf5_of_others(folder: &Path) -> Vec<PathBuf> {
    let values: Vec<f64> = (0..4 * 27).map(f64::from).collect();
    let paths = ["plain", "chunked", "gzip", "shuffled"].map(|name| folder.join(format!("{name}.h5")));
    for (i, path) in paths.iter().enumerate() {
        let file = hdf5::File::create(path).unwrap();
        let view = ndarray::ArrayView4::from_shape((4, 3, 3, 3), &values).unwrap();
        let images = file.new_dataset_builder();
        match i {
            0 => images.with_data(&view.mapv(|x| x as f32)).create("images").unwrap(),
            1 => images.with_data(&view).chunk((2, 3, 2, 3)).create("images").unwrap(),
            2 => images
                .with_data(&view.mapv(|x| x as f32))
                .chunk((1, 3, 3, 3))
                .deflate(4)
                .create("images")
                .unwrap(),
            _ => images.with_data(&view).chunk((1, 3, 3, 3)).shuffle().deflate(1).create("images").unwrap(),
        };
        let labels = file.create_group("labels").unwrap();
        labels.new_dataset_builder().with_data(&[-1.0, -0.5, 0.0, 0.5]).create("delta_c9").unwrap();
        file.close().unwrap();
    }
    paths.to_vec()
}

fn read_events(path: &Path) -> bool {
    let tables = [EventReader::open(path), EventReader::open_for_images(path)];
    tables.map(|table| table.and_then(read_table).map_err(|e| one_line(&e)).is_ok()).contains(&true)
}

fn read_table(table: EventReader) -> Result<(), PipelineError> {
    let (len, mut read) = (table.len(), 0);
    for batch in table {
        let batch = batch?;
        for column in batch.columns().into_iter().filter(|c| !c.is_empty()) {
            assert_eq!(column.len(), batch.len());
            assert!(column.iter().all(|x| x.is_finite()));
        }
        read += batch.len();
    }
    assert_eq!(read, len);
    Ok(())
}

fn read_images(path: &Path) -> bool {
    let whole = ImageReader::open(path).and_then(|reader| {
        let (n, mut image) = (reader.len(), vec![0.0; reader.bins().pow(3)]);
        assert!(n > 0 && reader.labels().iter().all(|x| !x.is_infinite()));
        for i in (0..n.min(20)).chain([n - 1]) {
            reader.read(i, &mut image)?;
            assert!(image.iter().all(|x| x.is_finite()));
            if reader.layout() == ImageLayout::Compact {
                let mut compact = CompactImage::new(reader.bins())?;
                reader.read_compact(i, &mut compact)?;
                compact.to_dense(&mut image)?;
                assert_eq!(reader.events().map(|events| events[i]), Some(compact.events()));
                reader.read_counts(i, &mut image)?;
            }
        }
        Ok(())
    });
    whole.map_err(|e| one_line(&e)).is_ok()
}

fn one_line(error: &PipelineError) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        assert_eq!(e.to_string().lines().count(), 1, "not one line: {e}");
        cause = e.source();
    }
}
