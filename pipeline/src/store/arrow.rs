//! Images in an Arrow IPC file: column `images`, an `arrow.fixed_shape_tensor` of f32, and a column f64 for each label
//! (`delta_c9`, `c10`, ..).
//!
//! Not compressed, so that pyarrow maps the file into memory and this program reads any image with one read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::ipc::Block;
use arrow::ipc::writer::FileWriter;
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{Axis, IMAGES};
use serde_json::json;

use super::arrow_batches::Columns;
use super::arrow_file::{self, BATCH_BYTES, header, io_error};
use super::atomic::PartFile;
use super::bytes::read_at;
use super::index::{Decode, Index, Source};
use super::labels::Labels;
use super::metadata;
use crate::PipelineError;

const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
const TENSOR: &str = "arrow.fixed_shape_tensor";

pub(super) struct Writer {
    file: FileWriter<PartFile>,
    item: Arc<Field>,
    cells: i32,
    rows: usize,
    images: Vec<f32>,
    labels: Labels,
    /// Images that are written.
    written: usize,
}

impl Writer {
    pub(super) fn create(
        part: PartFile,
        bins: usize,
        labels: Labels,
        provenance: Option<&Provenance>,
    ) -> Result<Self, PipelineError> {
        let path = part.path().to_owned();
        // At most 256^3.
        let cells = i32::try_from(bins.pow(3)).unwrap_or(i32::MAX);
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let shape = json!({ "shape": [bins, bins, bins], "dim_names": Axis::ALL.map(Axis::name) });
        let extension = [(EXTENSION_NAME, TENSOR.to_owned()), (EXTENSION_METADATA, shape.to_string())];
        let images = Field::new(IMAGES, DataType::FixedSizeList(Arc::clone(&item), cells), false)
            .with_metadata(extension.map(|(key, value)| (key.to_owned(), value)));
        let columns = labels.names().into_iter().map(|name| Field::new(name, DataType::Float64, false));
        let schema = Schema::new_with_metadata(
            [images].into_iter().chain(columns).collect::<Vec<_>>(),
            BTreeMap::from_iter(metadata::known_entries(&path, provenance)?),
        );
        let file = FileWriter::try_new(part, &schema).map_err(|e| io_error(&path, e))?;
        let rows = (BATCH_BYTES / (4 * cells as usize)).max(1);
        Ok(Self { file, item, cells, rows, images: Vec::new(), labels, written: 0 })
    }

    pub(super) fn push_many(
        &mut self,
        path: &Path,
        images: &[f32],
        labels: &[f64],
    ) -> Result<(), PipelineError> {
        let width = self.labels.width();
        for (image, labels) in images.chunks_exact(self.cells as usize).zip(labels.chunks_exact(width)) {
            self.images.extend_from_slice(image);
            self.labels.extend(labels);
            if self.labels.len() == self.written + self.rows {
                self.write_batch().map_err(|e| io_error(path, e))?;
            }
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), ArrowError> {
        let values = Arc::new(Float32Array::from(std::mem::take(&mut self.images)));
        let images = FixedSizeListArray::try_new(Arc::clone(&self.item), self.cells, values, None)?;
        let column =
            |number| Arc::new(Float64Array::from(self.labels.column(number, self.written))) as ArrayRef;
        let images: ArrayRef = Arc::new(images);
        let columns = [images].into_iter().chain((0..self.labels.width()).map(column)).collect();
        self.file.write(&RecordBatch::try_new(Arc::clone(self.file.schema()), columns)?)?;
        self.written = self.labels.len();
        Ok(())
    }

    pub(super) fn finish(mut self, path: &Path) -> Result<(), PipelineError> {
        let mut close = || {
            if self.labels.len() > self.written {
                self.write_batch()?;
            }
            self.file.finish()
        };
        close().map_err(|e| io_error(path, e))?;
        self.file.into_inner().map_err(|e| io_error(path, e))?.commit()
    }
}

/// Finds dense images, labels and provenance in an Arrow IPC file of this schema and these record batches.
pub(super) fn index(
    path: &Path,
    file: &File,
    schema: &Schema,
    blocks: &[Block],
) -> Result<Index, PipelineError> {
    let (at, images) = arrow_file::column(path, schema, IMAGES)?;
    let mut labels = Labels::named(schema.fields().iter().map(|field| field.name().as_str()));
    let names = labels.names();
    let columns = names.iter().map(|name| arrow_file::column(path, schema, name));
    let (places, columns): (Vec<usize>, Vec<&Field>) =
        columns.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let said = metadata::of_images(arrow_file::said(schema, columns.iter().copied().chain([images])));
    let provenance = metadata::provenance(path, &said)?;
    let bins = bins(path, images)?;
    let number = |column: &&Field| matches!(column.data_type(), DataType::Float32 | DataType::Float64);
    if let Some(other) = columns.iter().find(|column| !number(column)) {
        let what =
            format!("column `{}` holds {}, wanted Float64 or Float32", other.name(), other.data_type());
        return Err(PipelineError::refused(path, what));
    }
    let own = at == 0
        && places.iter().copied().eq(1..schema.fields().len())
        && columns.iter().all(|column| column.data_type() == &DataType::Float64);
    if own && let Some(offsets) = dense(path, file, blocks, bins, &mut labels)? {
        return Ok(Index { source: Source::Dense(offsets), bins, labels, provenance });
    }
    let decoder = Batches::open(path, schema, blocks, at, &places, &mut labels)?;
    Ok(Index { source: Source::Library(Box::new(decoder)), bins, labels, provenance })
}

/// Bins of the axes, from the column's type and, where it has one, its tensor shape.
fn bins(path: &Path, images: &Field) -> Result<usize, PipelineError> {
    let wrong = |what: String| Err(PipelineError::refused(path, format!("column `{IMAGES}`: {what}")));
    let cells = match images.data_type() {
        DataType::FixedSizeList(item, cells) if item.data_type() == &DataType::Float32 => *cells as usize,
        other => return wrong(format!("{other}, wanted lists of Float32 of one size")),
    };
    let Some(bins) = (2..=256_usize).find(|b| b.pow(3) == cells) else {
        return wrong(format!("{cells} cells, wanted bins^3 with 2 to 256 bins"));
    };
    let text = images.metadata().get(EXTENSION_METADATA).map(ToString::to_string).unwrap_or_default();
    let extension: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let shape = extension.get("shape");
    if shape.is_some_and(|s| *s != json!([bins, bins, bins])) {
        return wrong(format!("shape {}, wanted three equal axes", shape.unwrap_or_default()));
    }
    let axes = extension.get("dim_names").filter(|names| !names.is_null());
    if axes.is_some_and(|names| *names != json!(Axis::ALL.map(Axis::name))) {
        return wrong(format!("axes {}, wanted {:?}", axes.unwrap_or_default(), Axis::ALL.map(Axis::name)));
    }
    let order = extension.get("permutation").filter(|order| !order.is_null() && **order != json!([0, 1, 2]));
    if let Some(order) = order {
        let wanted = "axes in their order, as numpy.ascontiguousarray leaves them";
        return wrong(format!("permutation {order}, wanted {wanted}"));
    }
    Ok(bins)
}

/// Places of the images, if the batches are neither compressed nor have nulls; adds their labels.
fn dense(
    path: &Path,
    file: &File,
    blocks: &[Block],
    bins: usize,
    labels: &mut Labels,
) -> Result<Option<Vec<u64>>, PipelineError> {
    let damaged = |what| PipelineError::corrupt(path, format!("Arrow record batch: {what}"));
    let size = 4 * bins.pow(3) as u64;
    let (mut offsets, mut columns, mut message) = (Vec::new(), vec![Vec::new(); labels.width()], Vec::new());
    for block in blocks {
        let batch = header(path, file, block, &mut message)?;
        let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
            return Err(damaged("no columns"));
        };
        // Validity of images, of their items, the items; validity of labels, the labels.
        let whole = buffers.len() == 3 + 2 * columns.len();
        if batch.compression().is_some() || nodes.iter().any(|n| n.null_count() != 0) || !whole {
            return Ok(None);
        }
        let rows = batch.length() as u64;
        let body = block.offset() as u64 + block.metaDataLength() as u64;
        let place = |buffer: usize, row_size: u64| {
            let (at, length) = (buffers.get(buffer).offset() as u64, buffers.get(buffer).length() as u64);
            let whole = rows.checked_mul(row_size).is_some_and(|bytes| bytes <= length);
            let inside = at.checked_add(length).is_some_and(|end| end <= block.bodyLength() as u64);
            if whole && inside { Ok(body + at) } else { Err(damaged("a column lies outside of it")) }
        };
        let images_at = place(2, size)?;
        offsets.extend((0..rows).map(|i| images_at + i * size));
        for (number, column) in columns.iter_mut().enumerate() {
            let at = place(4 + 2 * number, 8)?;
            let mut bytes = vec![0; 8 * rows as usize];
            read_at(path, file, at, &mut bytes)?;
            column.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)));
        }
    }
    labels.extend_columns(&columns);
    Ok(Some(offsets))
}

/// Images that only the library can decode: compressed, or between other columns. Keeps the last batch.
struct Batches {
    path: PathBuf,
    /// First image of each batch.
    starts: Vec<usize>,
    columns: Columns,
    last: Mutex<Last>,
}

/// The batch read last, and its number.
type Last = Option<(usize, FixedSizeListArray)>;

impl Batches {
    /// `images` and `places` are places of the columns of images and of labels, which are added.
    fn open(
        path: &Path,
        schema: &Schema,
        blocks: &[Block],
        images: usize,
        places: &[usize],
        labels: &mut Labels,
    ) -> Result<Self, PipelineError> {
        let open = |column| {
            let file = File::open(path).map_err(PipelineError::io(path));
            file.map(|file| Columns::new(path, file, schema, blocks.to_vec(), vec![column]))
        };
        let (mut starts, mut columns) = (Vec::new(), Vec::new());
        for &place in places {
            let mut values = Vec::new();
            starts.clear();
            for batch in open(place)? {
                let batch = batch?;
                let column = batch.column(0);
                if column.null_count() > 0 {
                    let name = schema.field(place).name();
                    let what = format!("column `{name}` has nulls; allowed: NaN where it is not known");
                    return Err(PipelineError::refused(path, what));
                }
                starts.push(values.len());
                if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
                    values.extend_from_slice(doubles.values());
                } else {
                    let singles = column.as_primitive::<Float32Type>().values();
                    values.extend(singles.iter().map(|&x| f64::from(x)));
                }
            }
            columns.push(values);
        }
        labels.extend_columns(&columns);
        Ok(Self { path: path.to_owned(), starts, columns: open(images)?, last: Mutex::new(None) })
    }
}

impl Decode for Batches {
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError> {
        let corrupt = |what: String| PipelineError::corrupt(&self.path, format!("image {i}: {what}"));
        let batch = self.starts.partition_point(|&start| start <= i) - 1;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(at, _)| *at != batch) {
            let images = self.columns.batch(batch)?.column(0).as_fixed_size_list().clone();
            *last = Some((batch, images));
        }
        let column = last.as_ref().map(|(_, column)| column).filter(|c| i - self.starts[batch] < c.len());
        let row = column
            .map(|column| (column.is_valid(i - self.starts[batch]), column.value(i - self.starts[batch])));
        match row {
            Some((true, values)) if values.null_count() == 0 => {
                image.copy_from_slice(values.as_primitive::<Float32Type>().values());
                Ok(())
            }
            _ => Err(corrupt("null".to_owned())),
        }
    }
}
