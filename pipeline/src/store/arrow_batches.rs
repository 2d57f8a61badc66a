//! Some columns of an Arrow IPC file, batch by batch.
//!
//! The library reserves as much memory for a compressed column as the file says that it needs: each batch is checked
//! before the library sees it. Dictionaries are not read; columns of numbers have none.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::MutableBuffer;
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::reader::FileDecoder;
use arrow::ipc::{self, Block, MetadataVersion};

use super::arrow_file::header;
use super::bytes::read_at;
use super::metadata::first_line;
use crate::PipelineError;

/// Most bytes that a byte of a compressed column becomes: zstd repeats one byte 2^17 times with four.
const RATIO: u64 = 1 << 15;

/// Some columns: of numbers, or of lists of numbers of one size.
pub(super) struct Columns {
    path: PathBuf,
    file: File,
    blocks: Vec<Block>,
    /// The batch that the iterator gives next.
    next: usize,
    decoder: FileDecoder,
    /// The buffers of each column, where they can be counted, and its bytes a row.
    buffers: Vec<(Range<usize>, u64)>,
}

impl Columns {
    /// `blocks` are those of the footer, which lie in the file.
    pub(super) fn new(
        path: &Path,
        file: File,
        schema: &Schema,
        blocks: Vec<Block>,
        chosen: Vec<usize>,
    ) -> Self {
        let buffers = chosen.iter().filter_map(|&column| {
            let (first, data_type) = (first_buffer(schema, column)?, schema.field(column).data_type());
            Some((first..first + buffers(data_type)?, row(data_type)?))
        });
        let buffers = buffers.collect();
        // Version 1 stands for the version of each batch.
        let decoder = FileDecoder::new(Arc::new(schema.clone()), MetadataVersion::V1).with_projection(chosen);
        Self { path: path.to_owned(), file, blocks, next: 0, decoder, buffers }
    }

    /// Reads batch `i` of the file.
    pub(super) fn batch(&self, i: usize) -> Result<RecordBatch, PipelineError> {
        let damaged =
            |what: String| PipelineError::corrupt(&self.path, format!("Arrow record batch: {what}"));
        let block = self.blocks.get(i).ok_or_else(|| damaged("missing".to_owned()))?;
        // `footer` has checked that the block lies in the file.
        let mut bytes =
            MutableBuffer::from_len_zeroed((i64::from(block.metaDataLength()) + block.bodyLength()) as usize);
        read_at(&self.path, &self.file, block.offset() as u64, bytes.as_slice_mut())?;
        let mut message = Vec::new();
        let batch = header(&self.path, &self.file, block, &mut message)?;
        self.check(&batch, &bytes[block.metaDataLength() as usize..]).map_err(damaged)?;
        let batch = self.decoder.read_record_batch(block, &bytes.into());
        batch.map_err(|e| damaged(first_line(&e)))?.ok_or_else(|| damaged("no header".to_owned()))
    }

    /// Compares what a batch says of its columns with what can be, or says what is wrong.
    fn check(&self, batch: &ipc::RecordBatch, body: &[u8]) -> Result<(), String> {
        for (i, buffer) in batch.buffers().into_iter().flatten().enumerate() {
            let end = buffer.offset().checked_add(buffer.length());
            let range =
                end.and_then(|end| Some(usize::try_from(buffer.offset()).ok()?..usize::try_from(end).ok()?));
            let column = range.and_then(|range| body.get(range)).ok_or("a column lies outside of it")?;
            if batch.compression().is_none() || column.is_empty() {
                continue;
            }
            let (size, column) = column.split_first_chunk().ok_or("a compressed column without its size")?;
            let limit = RATIO * column.len() as u64;
            // Twice what its rows take, and what a writer may add.
            let rows = |row: u64| (batch.length() as u64).saturating_mul(2 * row).saturating_add(4096);
            let row = self.buffers.iter().find(|(buffers, _)| buffers.contains(&i)).map(|(_, row)| *row);
            let limit = row.map_or(limit, |row| limit.min(rows(row)));
            match i64::from_le_bytes(*size) {
                // Left as it was.
                -1 => {}
                size if u64::try_from(size).is_ok_and(|size| size <= limit) => {}
                size => return Err(format!("a compressed column of {} bytes for {size}", column.len())),
            }
        }
        Ok(())
    }
}

impl Iterator for Columns {
    type Item = Result<RecordBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next += 1;
        (self.next <= self.blocks.len()).then(|| self.batch(self.next - 1))
    }
}

/// The first buffer of a column, where those before it can be counted.
///
/// Source: Arrow columnar format 1.5, table of buffer layouts.
fn first_buffer(schema: &Schema, column: usize) -> Option<usize> {
    schema.fields().iter().take(column).map(|field| buffers(field.data_type())).sum()
}

/// Bytes of a row of a column of numbers, or of lists of them.
fn row(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::FixedSizeList(item, size) => {
            Some(item.data_type().primitive_width()? as u64 * u64::try_from(*size).ok()?)
        }
        number => Some(number.primitive_width()? as u64),
    }
}

/// Buffers of a column, where its type says how many.
fn buffers(data_type: &DataType) -> Option<usize> {
    use DataType::{
        Binary, BinaryView, FixedSizeList, LargeBinary, LargeList, LargeListView, LargeUtf8, List, ListView,
        Map, Null, RunEndEncoded, Struct, Union, Utf8, Utf8View,
    };
    match data_type {
        Null => Some(0),
        Binary | LargeBinary | Utf8 | LargeUtf8 => Some(3),
        FixedSizeList(item, _) => Some(1 + buffers(item.data_type())?),
        List(item) | LargeList(item) | Map(item, _) => Some(2 + buffers(item.data_type())?),
        ListView(item) | LargeListView(item) => Some(3 + buffers(item.data_type())?),
        Struct(fields) => Some(1 + fields.iter().map(|f| buffers(f.data_type())).sum::<Option<usize>>()?),
        // As many as each batch says, or as its version.
        BinaryView | Utf8View | Union(..) | RunEndEncoded(..) => None,
        // Validity and values.
        _ => Some(2),
    }
}
