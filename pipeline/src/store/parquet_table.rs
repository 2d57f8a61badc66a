//! Writes a Parquet table whose columns are encoded side by side, on all threads of the current pool.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions,
    compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::atomic::PartFile;

/// Row groups of a fixed number of rows; the bytes do not depend on the number of threads.
pub(super) struct ParquetTable {
    file: SerializedFileWriter<PartFile>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    rows_of_group: usize,
    /// The columns of the group that is being filled, and its rows so far.
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl ParquetTable {
    /// A table of any columns.
    pub(super) fn new(
        file: PartFile,
        schema: &SchemaRef,
        options: ArrowWriterOptions,
        rows_of_group: usize,
    ) -> Result<Self, ParquetError> {
        let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)?;
        let (file, factory) = writer.into_serialized_writer()?;
        let columns = factory.create_column_writers(0)?;
        Ok(Self { file, factory, schema: schema.clone(), rows_of_group, columns, rows: 0 })
    }

    /// Adds rows; what is full goes to the file.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(self.rows_of_group - self.rows);
            self.encode(&batch.slice(start, rows))?;
            start += rows;
            self.rows += rows;
            if self.rows == self.rows_of_group {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left and the footer.
    pub(super) fn finish(mut self) -> Result<PartFile, ParquetError> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.file.into_inner()
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let leaves: Vec<_> =
            columns.map(|(field, array)| compute_leaves(field, array)).collect::<Result<_, _>>()?;
        self.columns
            .par_iter_mut()
            .zip(leaves.into_iter().flatten().collect::<Vec<_>>())
            .try_for_each(|(column, leaf)| column.write(&leaf))
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let next = self.factory.create_column_writers(self.file.flushed_row_groups().len() + 1)?;
        let columns = std::mem::replace(&mut self.columns, next);
        let chunks: Vec<ArrowColumnChunk> =
            columns.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}
