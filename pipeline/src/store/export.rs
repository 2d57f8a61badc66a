//! Some images of a file into another file.
//!
//! This divides a set of images into several files, and writes tensors for programs that know nothing else. It never
//! divides an image: its events are gone.

use std::ops::Range;
use std::path::Path;

use humboldt_schemas::card::ImageFormat;
use rayon::prelude::*;

use super::ImageReader;
use super::image_writer::{Form, ImageWriter};
use crate::PipelineError;
use crate::voxels::CompactImage;
use humboldt_schemas::card::ImageLayout as Layout;

/// Images are copied in groups of at most this size [bytes], and of this number.
const GROUP_BYTES: usize = 32 << 20;
const GROUP: usize = 64;

/// Account of what [`export`] made.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// HDF5: `images` (n, bins, bins, bins) f32 and `labels`; Arrow: `arrow.fixed_shape_tensor`, not compressed.
    pub format: ImageFormat,
    /// Compact only out of a compact file: means do not say their counts.
    pub layout: Layout,
    /// Gzip level of dense HDF5 images, 0 (none) to 9.
    pub gzip: u8,
}

/// Writes the images `chosen` of `reader`, with their labels and provenance, to the file `path`.
///
/// # Errors
/// As [`ImageReader::read`] and [`ImageWriter::create`]; a compact export of a dense file; `chosen` empty or out of
/// range; `path` the file that is read.
pub fn export(
    reader: &ImageReader,
    chosen: Range<usize>,
    path: &Path,
    to: Export,
) -> Result<(), PipelineError> {
    let allowed = format!("0..{} or a part of it", reader.len());
    if chosen.is_empty() || chosen.end > reader.len() {
        return Err(PipelineError::out_of_range("images to export", format!("{chosen:?}"), allowed));
    }
    if same_file(reader.path(), path) {
        return Err(PipelineError::out_of_range(
            "file to export to",
            path.display(),
            "another than the one read",
        ));
    }
    let form = Form { layout: to.layout, format: to.format, bins: reader.bins(), gzip: to.gzip };
    let cells = reader.bins().pow(3);
    let group = (GROUP_BYTES / (4 * cells)).clamp(1, GROUP).min(chosen.len());
    let mut writer = ImageWriter::start(path, form, chosen.len(), reader.directions(), reader.provenance())?;
    let (mut dense, mut compact) = (Vec::new(), Vec::new());
    for start in chosen.clone().step_by(group) {
        let some = start..chosen.end.min(start + group);
        let width = reader.directions().len();
        let labels = &reader.labels()[some.start * width..some.end * width];
        match to.layout {
            Layout::Dense => {
                dense.resize(some.len() * cells, 0.0);
                reader.read_range(some.start, some.len(), &mut dense)?;
                writer.push_many(&dense, labels)?;
            }
            Layout::Compact => {
                compact.resize_with(some.len(), || CompactImage::with_checked(2));
                let pairs = some.into_par_iter().zip(&mut compact);
                let read: Vec<_> = pairs.map(|(i, image)| reader.read_compact(i, image)).collect();
                read.into_iter().collect::<Result<(), _>>()?;
                writer.push_compact(&compact, labels)?;
            }
        }
    }
    writer.finish()
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
