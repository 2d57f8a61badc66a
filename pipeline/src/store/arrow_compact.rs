//! Compact images in an Arrow IPC file, a row each: columns `bitmap` (`fixed_size_binary`), `sums` (`list<f32>`),
//! `counts` (`list<u8>`), `overflow` (`list<u32>`), `events` (u64), a column f64 for each label (`delta_c9`, `c10`,
//! ..), `digests` (`fixed_size_binary(32)`).
//!
//! Not compressed, so that pyarrow maps the file into memory and this program reads any image by its place.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Float32Array, Float64Array, ListArray, RecordBatch, UInt8Array,
    UInt32Array, UInt64Array,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::Block;
use arrow::ipc::writer::FileWriter;
use bytemuck::Pod;
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{
    Axis, BINS_KEY, BITMAP, CHECKSUM_KEY, COUNTS, DIGESTS, EVENTS, OVERFLOW, SUMS,
};
use serde_json::json;

use super::arrow_file::{self, AXES_KEY, BATCH_BYTES, footer_metadata, header, io_error};
use super::atomic::PartFile;
use super::bytes::read_at;
use super::compact::{Compact, Digest, Encoded, Place, Tables};
use super::index::{Index, Source};
use super::labels::Labels;
use super::metadata;
use crate::PipelineError;
use crate::voxels::{CompactImage, bitmap_bytes};

/// Columns of images of `bins`^3 cells with labels of these names.
fn fields(bins: usize, labels: &[String]) -> Vec<Field> {
    let list = |item| DataType::List(Arc::new(Field::new("item", item, false)));
    let binary = |bytes: usize| DataType::FixedSizeBinary(i32::try_from(bytes).unwrap_or(i32::MAX));
    let before = [
        (BITMAP, binary(bitmap_bytes(bins))),
        (SUMS, list(DataType::Float32)),
        (COUNTS, list(DataType::UInt8)),
        (OVERFLOW, list(DataType::UInt32)),
        (EVENTS, DataType::UInt64),
    ];
    let labels = labels.iter().map(|name| (name.as_str(), DataType::Float64));
    let digests = (DIGESTS, binary(blake3::OUT_LEN));
    let columns = before.into_iter().chain(labels).chain([digests]);
    columns.map(|(name, data_type)| Field::new(name, data_type, false)).collect()
}

pub(super) struct Writer {
    file: FileWriter<PartFile>,
    bins: usize,
    batch: Batch,
    tables: Tables,
    texts: Vec<String>,
}

/// Rows that wait to be written.
#[derive(Default)]
struct Batch {
    bitmaps: Vec<u8>,
    sums: Vec<f32>,
    counts: Vec<u8>,
    overflow: Vec<u32>,
    /// Cells and numbers in `overflow` of each image.
    lengths: Vec<(usize, usize)>,
}

impl Writer {
    pub(super) fn create(
        part: PartFile,
        bins: usize,
        labels: Labels,
        provenance: Option<&Provenance>,
    ) -> Result<Self, PipelineError> {
        let path = part.path().to_owned();
        let entries = metadata::known_entries(&path, provenance)?;
        let texts = entries.iter().map(|(_, value)| value.clone()).collect();
        let axes = json!(Axis::ALL.map(Axis::name)).to_string();
        let layout = [(BINS_KEY.to_owned(), bins.to_string()), (AXES_KEY.to_owned(), axes)];
        let schema = Schema::new_with_metadata(
            fields(bins, &labels.names()),
            entries.into_iter().chain(layout).collect::<BTreeMap<_, _>>(),
        );
        let file = FileWriter::try_new(part, &schema).map_err(|e| io_error(&path, e))?;
        Ok(Self { file, bins, batch: Batch::default(), tables: Tables::new(labels), texts })
    }

    pub(super) fn push_many(
        &mut self,
        path: &Path,
        images: &[(&CompactImage, Encoded)],
        labels: &[f64],
    ) -> Result<(), PipelineError> {
        let width = self.tables.labels.width();
        for ((image, encoded), labels) in images.iter().zip(labels.chunks_exact(width)) {
            let batch = &mut self.batch;
            batch.bitmaps.extend_from_slice(image.bitmap());
            batch.sums.extend_from_slice(image.sums());
            batch.counts.extend_from_slice(&encoded.counts);
            batch.overflow.extend_from_slice(encoded.overflow.as_flattened());
            batch.lengths.push((encoded.counts.len(), 2 * encoded.overflow.len()));
            self.tables.push(encoded, labels);
            if batch.bitmaps.len() + 5 * batch.counts.len() >= BATCH_BYTES {
                self.write_batch().map_err(|e| io_error(path, e))?;
            }
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), ArrowError> {
        let Batch { bitmaps, sums, counts, overflow, lengths } = std::mem::take(&mut self.batch);
        let first = self.tables.labels.len() - lengths.len();
        let cells = OffsetBuffer::from_lengths(lengths.iter().map(|l| l.0));
        let pairs = OffsetBuffer::from_lengths(lengths.iter().map(|l| l.1));
        let list = |item, offsets: &OffsetBuffer<i32>, values: ArrayRef| {
            ListArray::try_new(Arc::new(Field::new("item", item, false)), offsets.clone(), values, None)
        };
        let binary = |bytes: usize, values: Vec<u8>| {
            FixedSizeBinaryArray::try_new(
                i32::try_from(bytes).unwrap_or(i32::MAX),
                Buffer::from_vec(values),
                None,
            )
        };
        let digests = self.tables.digests[first..].as_flattened().to_vec();
        let labels = &self.tables.labels;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(binary(bitmap_bytes(self.bins), bitmaps)?),
            Arc::new(list(DataType::Float32, &cells, Arc::new(Float32Array::from(sums)))?),
            Arc::new(list(DataType::UInt8, &cells, Arc::new(UInt8Array::from(counts)))?),
            Arc::new(list(DataType::UInt32, &pairs, Arc::new(UInt32Array::from(overflow)))?),
            Arc::new(UInt64Array::from(self.tables.events[first..].to_vec())),
        ];
        for number in 0..labels.width() {
            columns.push(Arc::new(Float64Array::from(labels.column(number, first))));
        }
        columns.push(Arc::new(binary(blake3::OUT_LEN, digests)?));
        self.file.write(&RecordBatch::try_new(Arc::clone(self.file.schema()), columns)?)
    }

    pub(super) fn finish(mut self, path: &Path) -> Result<(), PipelineError> {
        let mut close = || {
            if !self.batch.lengths.is_empty() {
                self.write_batch()?;
            }
            let checksum = self.tables.checksum(self.bins, &self.texts);
            self.file.write_metadata(CHECKSUM_KEY, blake3::Hash::from(checksum).to_hex().as_str());
            self.file.finish()
        };
        close().map_err(|e| io_error(path, e))?;
        self.file.into_inner().map_err(|e| io_error(path, e))?.commit()
    }
}

/// Finds compact images in an Arrow IPC file of `len` bytes, of this schema and these record batches.
pub(super) fn index(
    path: &Path,
    (file, len): (&File, u64),
    schema: &Schema,
    blocks: &[Block],
) -> Result<Index, PipelineError> {
    let refused = |what: String| PipelineError::refused(path, what);
    let metadata = |key: &str| schema.metadata.get(key).map(ToString::to_string);
    let (_, bitmap) = arrow_file::column(path, schema, BITMAP)?;
    let (_, sums) = arrow_file::column(path, schema, SUMS)?;
    let said = metadata::of_images(arrow_file::said(schema, [bitmap, sums]));
    let provenance = metadata::provenance(path, &said)?;
    let bins = metadata(BINS_KEY).and_then(|text| text.parse().ok()).filter(|bins| (2..=256).contains(bins));
    let bins = bins.ok_or_else(|| refused(format!("metadata `{BINS_KEY}`: wanted 2 to 256")))?;
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let labels = Labels::named(names);
    let wanted = fields(bins, &labels.names());
    for (i, wanted) in wanted.iter().enumerate() {
        let found = schema.fields().get(i).filter(|field| field.name() == wanted.name());
        let Some(found) = found else {
            return Err(refused(format!("column {i} is not `{}`", wanted.name())));
        };
        if !found.data_type().equals_datatype(wanted.data_type()) {
            let what = format!("holds {}, wanted {}", found.data_type(), wanted.data_type());
            return Err(refused(format!("column `{}` {what}", wanted.name())));
        }
    }
    if let Some(more) = schema.fields().get(wanted.len()) {
        return Err(refused(format!("has a column `{}` that compact images do not have", more.name())));
    }
    let (mut tables, mut places, mut message) = (Tables::new(labels), Vec::new(), Vec::new());
    for block in blocks {
        let body = Body::open(path, file, block, tables.labels.width(), &mut message)?;
        body.add(bitmap_bytes(bins) as u64, &mut tables, &mut places)?;
    }
    let checksum = footer_metadata(path, file, len, CHECKSUM_KEY)?;
    let checksum = checksum.and_then(|text| blake3::Hash::from_hex(text).ok());
    let checksum: Digest = checksum
        .ok_or_else(|| PipelineError::corrupt(path, format!("no `{CHECKSUM_KEY}` in its footer")))?
        .into();
    let texts = metadata::texts(&said);
    let (compact, labels) = Compact::new(path, len, bins, tables, places, &checksum, &texts)?;
    Ok(Index { source: Source::Compact(compact), bins, labels, provenance })
}

/// Buffers of a record batch, in the order of the columns; before each stands one for nulls. Behind the labels, each of them
/// two buffers more, come the digests.
#[derive(Clone, Copy)]
enum Part {
    Bitmap = 1,
    SumOffsets = 3,
    Sums = 5,
    CountOffsets = 7,
    Counts = 9,
    OverflowOffsets = 11,
    Overflow = 13,
    Events = 15,
    Labels = 17,
}

/// A record batch in the file.
struct Body<'a> {
    path: &'a Path,
    file: &'a File,
    rows: u64,
    /// Columns of labels.
    labels: usize,
    /// Start and length of each buffer.
    buffers: Vec<(u64, u64)>,
}

impl<'a> Body<'a> {
    fn open(
        path: &'a Path,
        file: &'a File,
        block: &Block,
        labels: usize,
        message: &mut Vec<u8>,
    ) -> Result<Self, PipelineError> {
        let damaged = |what| Err(PipelineError::corrupt(path, format!("Arrow record batch: {what}")));
        let batch = header(path, file, block, message)?;
        let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
            return damaged("no columns");
        };
        if batch.compression().is_some() || nodes.iter().any(|n| n.null_count() != 0) {
            return Err(PipelineError::refused(path, "compact images must be neither compressed nor null"));
        }
        let body = block.offset() as u64 + block.metaDataLength() as u64;
        let inside = |(at, length): (u64, u64)| {
            let end = at.checked_add(length).filter(|end| *end <= block.bodyLength() as u64);
            end.map(|_| (body + at, length))
        };
        let buffers = buffers.iter().map(|b| (b.offset() as u64, b.length() as u64)).map(inside);
        match buffers.collect::<Option<Vec<_>>>() {
            Some(buffers) if buffers.len() == Part::Labels as usize + 2 * labels + 1 => {
                Ok(Self { path, file, rows: batch.length() as u64, labels, buffers })
            }
            Some(_) => damaged("other columns than those of compact images"),
            None => damaged("a column lies outside of it"),
        }
    }

    /// Adds the images of the batch.
    fn add(&self, bitmap: u64, tables: &mut Tables, places: &mut Vec<Place>) -> Result<(), PipelineError> {
        if self.rows == 0 {
            return Ok(());
        }
        let (sums, counts) = (self.offsets(Part::SumOffsets)?, self.offsets(Part::CountOffsets)?);
        let pairs = self.offsets(Part::OverflowOffsets)?;
        let bitmaps = self.find(Part::Bitmap as usize, self.rows, bitmap)?;
        let sums_at = self.find(Part::Sums as usize, sums.last().copied().unwrap_or_default(), 4)?;
        let counts_at = self.find(Part::Counts as usize, counts.last().copied().unwrap_or_default(), 1)?;
        let overflow =
            self.read::<u32>(Part::Overflow as usize, pairs.last().copied().unwrap_or_default())?;
        for (i, ((sums, counts), pairs)) in
            sums.windows(2).zip(counts.windows(2)).zip(pairs.windows(2)).enumerate()
        {
            let cells = sums[1] - sums[0];
            if counts[1] - counts[0] != cells {
                return Err(self.damaged("sums and counts of different lengths"));
            }
            let start = tables.cells();
            let pairs = &overflow[pairs[0] as usize..pairs[1] as usize];
            let (pairs, rest) = pairs.as_chunks();
            if !rest.is_empty() || pairs.iter().any(|&[at, _]| u64::from(at) >= cells) {
                return Err(self.damaged("overflow that belongs to no cell"));
            }
            tables.overflow.extend(pairs.iter().map(|&[at, count]| [start + u64::from(at), count.into()]));
            tables.offsets.push(start + cells);
            places.push(Place {
                bitmap: bitmaps + i as u64 * bitmap,
                sums: sums_at + 4 * sums[0],
                counts: counts_at + counts[0],
            });
        }
        tables.events.extend(self.read::<u64>(Part::Events as usize, self.rows)?);
        let label = |number| self.read::<f64>(Part::Labels as usize + 2 * number, self.rows);
        tables.labels.extend_columns(&(0..self.labels).map(label).collect::<Result<Vec<_>, _>>()?);
        let digests = Part::Labels as usize + 2 * self.labels;
        tables.digests.extend(self.read::<Digest>(digests, self.rows)?);
        Ok(())
    }

    /// Starts and ends of the lists of a column, in order.
    fn offsets(&self, part: Part) -> Result<Vec<u64>, PipelineError> {
        let rows = self.rows.checked_add(1).ok_or_else(|| self.damaged("too many rows"))?;
        let offsets = self.read::<i32>(part as usize, rows)?;
        if !offsets.is_sorted() || offsets[0] < 0 {
            return Err(self.damaged("lists out of order"));
        }
        Ok(offsets.into_iter().map(|offset| offset as u64).collect())
    }

    /// Start of a buffer that must have at least `n` values.
    fn find(&self, buffer: usize, n: u64, size: u64) -> Result<u64, PipelineError> {
        let (at, length) = self.buffers[buffer];
        let whole = n.checked_mul(size).is_some_and(|bytes| bytes <= length);
        if whole { Ok(at) } else { Err(self.damaged("a column is too short")) }
    }

    /// The first `n` values of a buffer, which is known to be no larger than the file.
    fn read<T: Pod>(&self, buffer: usize, n: u64) -> Result<Vec<T>, PipelineError> {
        let at = self.find(buffer, n, size_of::<T>() as u64)?;
        let mut values = vec![T::zeroed(); n as usize];
        read_at(self.path, self.file, at, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }

    fn damaged(&self, what: &str) -> PipelineError {
        PipelineError::corrupt(self.path, format!("Arrow record batch: {what}"))
    }
}
