//! Events and whatever stands beside them, in one batch of Arrow.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchIterator,
    RecordBatchReader,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Schema, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use humboldt::commands::refusal::Refusal;
use humboldt_pipeline::store::{EventFormat, EventReader, EventWriter, MemoryPath, MemoryTable, More};
use humboldt_schemas::layout::Layout;
use numpy::ndarray::ArrayView1;
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::{PyFileExistsError, PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};

use crate::calls::{refused, work};

/// Rows of a table in one batch, whose columns NumPy and Arrow share without a copy.
#[pyclass(frozen, module = "humboldt._core")]
#[derive(Debug)]
pub(crate) struct Table(RecordBatch);

impl Table {
    pub(crate) fn new(table: MemoryTable) -> Result<Self, ArrowError> {
        let MemoryTable { schema, batches } = table;
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(Self(RecordBatch::try_new(schema, batch.columns().to_vec())?)),
            Err(batches) => Ok(Self(concat_batches(&schema, &batches)?)),
        }
    }

    /// The table for readers of files.
    pub(crate) fn held(&self) -> MemoryTable {
        MemoryTable { schema: self.0.schema(), batches: vec![self.0.clone()] }
    }

    fn array(&self, name: &str) -> PyResult<&ArrayRef> {
        self.0.column_by_name(name).ok_or_else(|| {
            PyKeyError::new_err(format!(
                "column = {name} is not allowed; allowed: {}",
                self.columns().join(", ")
            ))
        })
    }
}

fn arrow_error(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("Arrow: {error}"))
}

/// The stream of a capsule, of which this is the only reader.
#[expect(unsafe_code, reason = "Arrow's C stream interface is a pointer")]
fn reader_of(capsule: &Bound<PyCapsule>) -> PyResult<RecordBatchStreamReader> {
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds an ArrowArrayStream, which is moved out of it: what stays is marked as released.
    unsafe { RecordBatchStreamReader::from_raw(pointer.as_ptr().cast::<FFI_ArrowArrayStream>()) }
        .map_err(arrow_error)
}

/// A read-only array over the values of a column; it keeps the table alive.
#[expect(unsafe_code, reason = "NumPy's array points into Arrow's memory")]
fn view<'py, T: ArrowPrimitiveType>(table: &Bound<'py, Table>, array: &ArrayRef) -> Bound<'py, PyAny>
where
    T::Native: Element,
{
    let values: &[T::Native] = array.as_primitive::<T>().values();
    let values = ArrayView1::from(values);
    // SAFETY: the values belong to the table, which the array holds and nothing changes.
    let array = unsafe { PyArray1::borrow_from_array(&values, table.clone().into_any()) };
    array.readwrite().make_nonwriteable();
    array.into_any()
}

/// A copy of an array of numbers.
fn copied(name: &str, values: &Bound<PyAny>) -> PyResult<ArrayRef> {
    fn of<T: ArrowPrimitiveType>(values: &Bound<PyAny>) -> Option<ArrayRef>
    where
        T::Native: Element,
    {
        let array: PyReadonlyArray1<T::Native> = values.extract().ok()?;
        Some(Arc::new(PrimitiveArray::<T>::from_iter_values(array.as_array().iter().copied())))
    }
    let numpy = values.py().import("numpy")?;
    let values = numpy.call_method1("asarray", (values,))?;
    of::<Float32Type>(&values)
        .or_else(|| of::<Float64Type>(&values))
        .or_else(|| of::<Int8Type>(&values))
        .or_else(|| of::<Int32Type>(&values))
        .or_else(|| of::<Int64Type>(&values))
        .ok_or_else(|| {
            let (kind, shape) = (values.getattr("dtype"), values.getattr("shape"));
            let shown = |what: PyResult<Bound<PyAny>>| what.map_or_else(|e| e.to_string(), |what| what.to_string());
            PyTypeError::new_err(format!(
                "column {name} = {} {} is not allowed; allowed: one axis of float32, float64, int8, int32, int64",
                shown(kind),
                shown(shape)
            ))
        })
}

#[pymethods]
impl Table {
    /// The table of an object with `__arrow_c_stream__`; `provenance` (JSON) takes the place of what it says of itself.
    #[staticmethod]
    #[pyo3(signature = (data))]
    fn from_stream(data: &Bound<PyAny>) -> PyResult<Self> {
        let capsule = data.call_method0("__arrow_c_stream__")?;
        let capsule = capsule.cast_into::<PyCapsule>().map_err(|_| {
            PyTypeError::new_err("events: __arrow_c_stream__ gives no capsule; allowed: an Arrow stream")
        })?;
        let reader = reader_of(&capsule)?;
        let schema = reader.schema();
        // Its producer may be Python, which is called from here: the GIL stays.
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
        Self::new(MemoryTable { schema, batches }).map_err(arrow_error)
    }

    /// The table of NumPy arrays by name, which are copied.
    #[staticmethod]
    fn from_columns(columns: &Bound<PyDict>) -> PyResult<Self> {
        let columns: Vec<(String, ArrayRef)> = columns
            .iter()
            .map(|(name, values)| {
                let name: String = name.extract()?;
                let array = copied(&name, &values)?;
                Ok((name, array))
            })
            .collect::<PyResult<_>>()?;
        if let Some((name, first)) = columns.first()
            && let Some((other, array)) = columns.iter().find(|(_, array)| array.len() != first.len())
        {
            return Err(PyValueError::new_err(format!(
                "length of {other} = {} is not allowed; allowed: {}, as of {name}",
                array.len(),
                first.len()
            )));
        }
        RecordBatch::try_from_iter(columns).map(Self).map_err(arrow_error)
    }

    /// All columns of a file of events, or those of a layout.
    #[staticmethod]
    #[pyo3(signature = (path, layout=None, progress=None))]
    fn read(
        py: Python,
        path: PathBuf,
        layout: Option<String>,
        progress: Option<Bound<PyAny>>,
    ) -> PyResult<Self> {
        let read = move || -> anyhow::Result<Self> {
            let layout = layout.as_deref().map(Layout::find).transpose()?;
            let mut reader = EventReader::open_as(&path, layout.as_ref(), More::EverythingThereIs)?;
            let target = MemoryPath::to_write();
            let (format, schema) = (EventFormat::Arrow, Arc::clone(reader.schema()));
            let plain = Arc::new(Schema::new(schema.fields().clone()));
            let mut writer = match reader.provenance() {
                Some(made) => EventWriter::create_table(format, target.path(), made, plain)?,
                None => EventWriter::create_silent(format, target.path(), plain)?,
            };
            while let Some(sample) = reader.next_sample() {
                writer.write_table(sample?.table())?;
            }
            writer.finish()?;
            let table = target.take().unwrap_or(MemoryTable { schema, batches: Vec::new() });
            Ok(Self::new(table)?)
        };
        Ok(work(py, progress.as_ref(), move |_| read().map_err(Refusal::from))?.0)
    }

    /// Writes the table, Parquet, Arrow IPC or ROOT by the ending of its name.
    #[pyo3(signature = (path, *, force=false))]
    fn write(&self, py: Python, path: PathBuf, force: bool) -> PyResult<()> {
        let format = EventFormat::of(&path).ok_or_else(|| {
            let path = path.display();
            PyValueError::new_err(format!(
                "path = {path} is not allowed; allowed: a name ending in .parquet, .arrow, .root"
            ))
        })?;
        if path.exists() && !force {
            let path = path.display();
            return Err(PyFileExistsError::new_err(format!(
                "path = {path} is there already; allowed: a new name, or force=True to replace the file"
            )));
        }
        let batch = self.0.clone();
        let write = move || -> anyhow::Result<()> {
            let plain = Arc::new(Schema::new(batch.schema().fields().clone()));
            let made = MemoryTable { schema: batch.schema(), batches: Vec::new() }.provenance()?;
            let mut writer = match made {
                Some(made) => EventWriter::create_table(format, &path, &made, plain)?,
                None => EventWriter::create_silent(format, &path, plain)?,
            };
            writer.write_table(&batch)?;
            Ok(writer.finish()?)
        };
        work(py, None, move |_| write().map_err(Refusal::from))?;
        Ok(())
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.0.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Provenance that the table holds, as JSON.
    #[getter]
    fn provenance(&self) -> PyResult<Option<String>> {
        let provenance = self.held().provenance().map_err(refused)?;
        provenance.map(|made| serde_json::to_string(&made)).transpose().map_err(refused)
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    /// A column as a read-only NumPy array.
    fn column<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let array = slf.get().array(name)?;
        if array.null_count() > 0 {
            let nulls = array.null_count();
            return Err(PyValueError::new_err(format!(
                "column `{name}` has {nulls} nulls; allowed: a value in every row, or to_arrow()"
            )));
        }
        Ok(match array.data_type() {
            DataType::Float32 => view::<Float32Type>(slf, array),
            DataType::Float64 => view::<Float64Type>(slf, array),
            DataType::Int8 => view::<Int8Type>(slf, array),
            DataType::Int16 => view::<Int16Type>(slf, array),
            DataType::Int32 => view::<Int32Type>(slf, array),
            DataType::Int64 => view::<Int64Type>(slf, array),
            DataType::UInt8 => view::<UInt8Type>(slf, array),
            DataType::UInt16 => view::<UInt16Type>(slf, array),
            DataType::UInt32 => view::<UInt32Type>(slf, array),
            DataType::UInt64 => view::<UInt64Type>(slf, array),
            DataType::Boolean => {
                let bits: Vec<bool> = array.as_boolean().values().iter().collect();
                let array = bits.into_pyarray(slf.py());
                array.readwrite().make_nonwriteable();
                array.into_any()
            }
            other => {
                return Err(PyTypeError::new_err(format!(
                    "column `{name}` holds {other}, which is no number; allowed: to_arrow()"
                )));
            }
        })
    }

    /// Rows from `start` on, without a copy.
    fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.0.num_rows());
        Self(self.0.slice(start, rows.min(self.0.num_rows() - start)))
    }

    /// The rows whose entry is true.
    fn filter(&self, keep: Vec<bool>) -> PyResult<Self> {
        if keep.len() != self.0.num_rows() {
            let (got, rows) = (keep.len(), self.0.num_rows());
            return Err(PyValueError::new_err(format!(
                "length of the selection = {got} is not allowed; allowed: {rows}, as of the events"
            )));
        }
        filter_record_batch(&self.0, &BooleanArray::from(keep)).map(Self).map_err(arrow_error)
    }

    /// A new stream of Arrow from the start, as PyArrow, pandas, polars and DuckDB ask for it.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol allows to give the table's own schema in the place of another.
        drop(requested_schema);
        let reader: Box<dyn RecordBatchReader + Send> =
            Box::new(RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema()));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.schema().as_ref()).map_err(arrow_error)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The table as bytes of Arrow IPC, for pickle.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let write = || {
            let mut writer = StreamWriter::try_new(Vec::new(), &self.0.schema())?;
            writer.write(&self.0)?;
            writer.into_inner()
        };
        let bytes = py.detach(write).map_err(arrow_error)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The table of such bytes.
    #[staticmethod]
    fn from_bytes(py: Python, bytes: &[u8]) -> PyResult<Self> {
        let read = || {
            let reader = StreamReader::try_new(bytes, None)?;
            let schema = reader.schema();
            Self::new(MemoryTable { schema, batches: reader.collect::<Result<_, _>>()? })
        };
        py.detach(read).map_err(arrow_error)
    }
}
