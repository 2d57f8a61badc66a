//! Arrow IPC files, whatever is in them: their footer, their record batches, their columns.

use std::fs::File;
use std::io;
use std::path::Path;

use arrow::datatypes::{Field, Metadata, Schema};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::{self, Block, Endianness, root_as_footer, root_as_message};

use super::bytes::read_at;
use super::metadata::{self, Entry, first_line, listed};
use crate::PipelineError;

/// The first and the last bytes of an Arrow IPC file.
pub(super) const MAGIC: &[u8] = b"ARROW1";

/// A record batch has at most so many bytes of images (but one image at least).
pub(super) const BATCH_BYTES: usize = 8 << 20;

/// Metadata that names the axes of compact images.
pub(super) const AXES_KEY: &str = "axes";

/// Begins the metadata of a schema that says why a column of the file is not among its fields; its name follows.
pub(super) const REFUSED: &str = "refused column ";

/// The footer of an Arrow IPC file, and where it begins.
fn footer_bytes(path: &Path, file: &File, len: u64) -> Result<(Vec<u8>, u64), PipelineError> {
    let truncated = || PipelineError::corrupt(path, "truncated: the end of an Arrow IPC file is missing");
    let mut end = [0_u8; 10];
    let end_at = len.checked_sub(10).ok_or_else(truncated)?;
    read_at(path, file, end_at, &mut end)?;
    if &end[4..] != MAGIC {
        return Err(truncated());
    }
    let size = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    let footer_at = end_at.checked_sub(size).ok_or_else(truncated)?;
    let mut bytes = vec![0; size as usize];
    read_at(path, file, footer_at, &mut bytes)?;
    Ok((bytes, footer_at))
}

/// The metadata `key` of the footer itself, which is written last.
pub(super) fn footer_metadata(
    path: &Path,
    file: &File,
    len: u64,
    key: &str,
) -> Result<Option<String>, PipelineError> {
    let (bytes, _) = footer_bytes(path, file, len)?;
    let footer = root_as_footer(&bytes)
        .map_err(|e| PipelineError::corrupt(path, format!("Arrow footer: {}", first_line(&e))))?;
    let mut entries = footer.custom_metadata().into_iter().flatten();
    Ok(entries.find(|entry| entry.key() == Some(key)).and_then(|entry| entry.value()).map(str::to_owned))
}

/// The schema of an Arrow IPC file and its record batches, which lie within the file.
pub(super) fn footer(path: &Path, file: &File, len: u64) -> Result<(Schema, Vec<Block>), PipelineError> {
    let damaged = |e: String| PipelineError::corrupt(path, format!("Arrow footer: {}", first_line(&e)));
    let (bytes, footer_at) = footer_bytes(path, file, len)?;
    let footer = root_as_footer(&bytes).map_err(|e| damaged(e.to_string()))?;
    let schema = footer.schema().ok_or_else(|| damaged("no schema".to_owned()))?;
    if schema.endianness() != Endianness::Little {
        return Err(PipelineError::refused(path, "big-endian Arrow; allowed: little-endian"));
    }
    let schema = try_fb_to_schema(schema).map_err(|e| damaged(e.to_string()))?;
    let batches: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    for block in batches.iter().chain(footer.dictionaries().iter().flatten()) {
        let end = [i64::from(block.metaDataLength()), block.bodyLength()]
            .iter()
            .try_fold(block.offset(), |sum, &n| if n < 0 { None } else { sum.checked_add(n) });
        if block.offset() < 0 || end.is_none_or(|end| end as u64 > footer_at) {
            return Err(damaged("a record batch lies outside the file".to_owned()));
        }
    }
    Ok((schema, batches))
}

/// Reads what stands before the columns of a record batch into `message`.
pub(super) fn header<'a>(
    path: &Path,
    file: &File,
    block: &Block,
    message: &'a mut Vec<u8>,
) -> Result<ipc::RecordBatch<'a>, PipelineError> {
    // `footer` has checked that these are not negative and lie in the file.
    message.resize(block.metaDataLength() as usize, 0);
    read_at(path, file, block.offset() as u64, message)?;
    let prefix = if message.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let damaged = |e: String| PipelineError::corrupt(path, format!("Arrow record batch: {}", first_line(&e)));
    let message =
        root_as_message(message.get(prefix..).unwrap_or_default()).map_err(|e| damaged(e.to_string()))?;
    message.header_as_record_batch().ok_or_else(|| damaged("no header".to_owned()))
}

/// Rows in the record batches of an Arrow IPC file.
pub(super) fn rows(path: &Path, file: &File, blocks: &[Block]) -> Result<usize, PipelineError> {
    let mut message = Vec::new();
    blocks.iter().try_fold(0_usize, |sum, block| {
        let rows = header(path, file, block, &mut message)?.length();
        let sum = usize::try_from(rows).ok().and_then(|rows| sum.checked_add(rows));
        sum.ok_or_else(|| PipelineError::corrupt(path, format!("Arrow record batch: {rows} rows")))
    })
}

/// The column of this name.
///
/// # Errors
/// When a table has two of them, or one that cannot be read.
pub(crate) fn find<'a>(
    path: &Path,
    schema: &'a Schema,
    name: &str,
) -> Result<Option<(usize, &'a Field)>, PipelineError> {
    let mut named = schema.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
    let first = named.next().map(|(at, field)| (at, field.as_ref()));
    if named.next().is_some() {
        let what = format!("has two columns `{name}`; allowed: one, for nothing says which is meant");
        return Err(PipelineError::refused(path, what));
    }
    if let (None, Some(why)) = (first, schema.metadata().get(&format!("{REFUSED}{name}"))) {
        let what = format!("column `{name}` holds {why}; allowed: one number a row");
        return Err(PipelineError::refused(path, what));
    }
    Ok(first)
}

/// The column of this name.
///
/// # Errors
/// When a table has none, or two of them.
pub(super) fn column<'a>(
    path: &Path,
    schema: &'a Schema,
    name: &str,
) -> Result<(usize, &'a Field), PipelineError> {
    find(path, schema, name)?.ok_or_else(|| missing(path, schema, name))
}

/// That a table has no column of this name.
pub(crate) fn missing(path: &Path, schema: &Schema, name: &str) -> PipelineError {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let what = format!("no column `{name}`; the file has {} (rename what is meant)", listed(&names));
    PipelineError::refused(path, what)
}

/// Metadata of a schema and of some of its columns.
pub(super) fn said<'a>(schema: &Schema, columns: impl IntoIterator<Item = &'a Field>) -> Vec<Entry> {
    let texts = |owner: &str, metadata: &Metadata| {
        metadata::of_texts(owner, metadata.iter().map(|(key, value)| (key.as_ref(), value.as_ref())))
    };
    let of_columns = columns.into_iter().flat_map(|column| texts(column.name(), column.metadata()));
    texts("", schema.metadata()).into_iter().chain(of_columns.collect::<Vec<_>>()).collect()
}

/// A message of the library in one line.
pub(super) fn one_line(error: &ArrowError) -> String {
    format!("Arrow: {}", first_line(error))
}

/// An error while writing: the system's own, where Arrow passes it on.
pub(super) fn io_error(path: &Path, error: ArrowError) -> PipelineError {
    PipelineError::io(path)(match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::other(other),
    })
}
