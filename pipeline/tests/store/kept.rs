//! Files of format version 1, kept in `tests/reference/v1`: every later version must read them.
//!
//! Written by version 0.1.0 with `HUMBOLDT_WRITE_V1=1 cargo test -p humboldt-pipeline --test integration store::kept`; do not
//! write them again.

use std::path::PathBuf;

use humboldt_pipeline::store::{EventReader, EventWriter, ImageReader, ImageWriter, Layout};
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::card::{ImageFormat, ImagesCard};

use crate::store::compact::{self, FORMATS};
use crate::store::{TestResult, provenance, some_events, some_images, some_labels};

const IMAGES: usize = 3;
const BINS: usize = 5;
const EVENTS: usize = 40;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/reference/v1")
}

#[test]
fn version_1_images_and_events_are_read() -> TestResult {
    if std::env::var_os("HUMBOLDT_WRITE_V1").is_some() {
        write()?;
    }
    for name in ["images.h5", "images.arrow"] {
        let reader = ImageReader::open(&folder().join(name))?;
        assert_eq!((reader.bins(), reader.labels()), (BINS, &some_labels(IMAGES)[..]));
        let provenance = reader.provenance().ok_or("no provenance")?;
        assert_eq!(
            (provenance.format_version, provenance.seed, provenance.events_per_image),
            (1, 7, Some(100))
        );
        assert_eq!(provenance.generator, crate::store::provenance().generator);
        let mut images = vec![0.0; IMAGES * BINS.pow(3)];
        reader.read_range(0, IMAGES, &mut images)?;
        assert_eq!(images, some_images(IMAGES, BINS), "{name}");
    }
    let wanted = compact::images(IMAGES, BINS)?;
    for name in ["compact.h5", "compact.arrow"] {
        let reader = ImageReader::open(&folder().join(name))?;
        assert_eq!((reader.layout(), reader.labels()), (Layout::Compact, &some_labels(IMAGES)[..]));
        assert_eq!(reader.provenance(), Some(&crate::store::provenance()));
        let mut image = CompactImage::new(BINS)?;
        for (i, wanted) in wanted.iter().enumerate() {
            reader.read_compact(i, &mut image)?;
            assert_eq!(&image, wanted, "{name} {i}");
        }
    }
    for name in ["events.parquet", "events.arrow"] {
        let reader = EventReader::open(&folder().join(name))?;
        assert_eq!(reader.provenance().map(|p| (p.format_version, p.seed)), Some((1, 7)));
        assert_eq!(reader.read_all()?, some_events(EVENTS), "{name}");
    }
    Ok(())
}

fn write() -> TestResult {
    std::fs::create_dir_all(folder())?;
    for format in [ImageFormat::Hdf5, ImageFormat::Arrow] {
        let path = folder().join(format!("images.{}", format.extension()));
        let card = ImagesCard {
            events: 100,
            bins: BINS,
            format,
            gzip: 1,
            layout: Layout::Dense,
            ..ImagesCard::default()
        };
        let mut writer = ImageWriter::create(&path, &card, IMAGES, &provenance())?;
        writer.push_many(&some_images(IMAGES, BINS), &some_labels(IMAGES))?;
        writer.finish()?;
    }
    for format in FORMATS {
        let path = folder().join(format!("compact.{}", format.extension()));
        compact::write(&path, format, &compact::images(IMAGES, BINS)?)?;
    }
    for name in ["events.parquet", "events.arrow"] {
        let mut writer = EventWriter::create(&folder().join(name), &provenance())?;
        writer.write(&some_events(EVENTS))?;
        writer.finish()?;
    }
    Ok(())
}
