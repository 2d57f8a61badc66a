//! Images as NumPy arrays: of events, of files, and of the generator.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use humboldt::binning::Source;
use humboldt::campaign::live::LiveImages;
use humboldt::commands::refusal::Refusal;
use humboldt::learn::ImageSource;
use humboldt::learn::source::shuffled;
use humboldt::progress::note;
use humboldt_pipeline::store::ImageReader;
use humboldt_pipeline::voxels::voxelise_many;
use humboldt_pipeline::{EventBatch, effects};
use humboldt_schemas::card::{Q2Range, RunCard};
use humboldt_schemas::layout::Layout;
use humboldt_schemas::voxels::label;
use numpy::ndarray::{Array2, Array3, Array4};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyArray4};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::calls::{Argument, Place, refused, work};

/// Arrays [image, cos_theta_l, cos_theta_k, chi] and [image, coefficient].
type LabelledImages<'py> = (Bound<'py, PyArray4<f32>>, Bound<'py, PyArray2<f32>>);

/// Arrays [image, event, column] and [image, coefficient].
type LabelledEvents<'py> = (Bound<'py, PyArray3<f32>>, Bound<'py, PyArray2<f32>>);

/// Images of `bins`^3 cells from values in their order.
fn images_of(values: Vec<f32>, bins: usize) -> Result<Array4<f32>> {
    let images = values.len() / bins.pow(3);
    Ok(Array4::from_shape_vec((images, bins, bins, bins), values)?)
}

/// Rows of so many numbers.
fn rows_of(values: Vec<f32>, columns: usize) -> Result<Array2<f32>> {
    Ok(Array2::from_shape_vec((values.len() / columns, columns), values)?)
}

/// Windows in q2, as typed.
fn windows(name: &str, typed: Option<&str>) -> Result<Vec<Q2Range>> {
    let read = |one: &str| one.parse().map_err(|error| anyhow!("{name}: {error}"));
    typed.map_or_else(|| Ok(Vec::new()), |typed| typed.split(',').map(read).collect())
}

/// Bins the events of a table or a file into images, [image, cos_theta_l, cos_theta_k, chi], with notes of what was left out.
#[pyfunction]
#[pyo3(signature = (events, *, events_per_image, bins, layout=None, q2=None, veto=None))]
pub(crate) fn voxelize<'py>(
    py: Python<'py>,
    events: Argument<'py>,
    events_per_image: usize,
    bins: usize,
    layout: Option<String>,
    q2: Option<String>,
    veto: Option<String>,
) -> PyResult<(Bound<'py, PyArray4<f32>>, Vec<String>)> {
    let place = Place::from(events);
    let images = move |file: &Path| -> Result<Array4<f32>> {
        let layout = layout.as_deref().map(Layout::find).transpose()?;
        let (q2, veto) = (windows("q2", q2.as_deref())?, windows("veto", veto.as_deref())?);
        let source = Source { file, layout: layout.as_ref(), q2: &q2, veto: &veto, events_per_image };
        let chosen = source.choose()?;
        ensure!((2..=256).contains(&bins), "bins = {bins} is not allowed; allowed: 2 to 256");
        chosen.notes.iter().for_each(note);
        let mut values = vec![0.0; chosen.images * bins.pow(3)];
        let mut events = EventBatch::default();
        for batch in chosen.batches() {
            events.append(&batch?);
        }
        let dropped = voxelise_many(events.angles(), events_per_image, bins, &mut values)
            .with_context(|| file.display().to_string())?;
        if dropped > 0 {
            note(format!("dropped the last {dropped} events, less than an image"));
        }
        images_of(values, bins)
    };
    let (images, notes) = work(py, None, move |_| place.refusing(images(place.path())))?;
    Ok((images.into_pyarray(py), notes))
}

/// A file of images with labels.
#[pyclass(frozen, module = "humboldt._core")]
#[derive(Debug)]
pub(crate) struct ImageFile(Arc<ImageReader>);

#[pymethods]
impl ImageFile {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        ImageReader::open(&path).map(|reader| Self(Arc::new(reader))).map_err(refused)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Bins of each axis.
    #[getter]
    fn bins(&self) -> usize {
        self.0.bins()
    }

    /// Names of the coefficients that images are labelled by, as in `delta_c9`.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.0.directions().iter().map(|direction| label(*direction)).collect()
    }

    /// Some images and their labels.
    fn read<'py>(&self, py: Python<'py>, numbers: Vec<usize>) -> PyResult<LabelledImages<'py>> {
        let reader = Arc::clone(&self.0);
        let read = move || -> Result<_> {
            let (cells, bins) = (reader.bins().pow(3), reader.bins());
            let mut values = vec![0.0; numbers.len() * cells];
            let each = numbers.par_iter().zip(values.par_chunks_exact_mut(cells));
            each.try_for_each(|(number, image)| reader.read(*number, image))?;
            let labels = numbers.iter().flat_map(|number| reader.label(*number)).map(|x| *x as f32);
            Ok((images_of(values, bins)?, rows_of(labels.collect(), reader.directions().len())?))
        };
        let ((images, labels), _) = work(py, None, move |_| read().map_err(Refusal::from))?;
        Ok((images.into_pyarray(py), labels.into_pyarray(py)))
    }
}

/// Images and events that the generator makes when they are asked for, as a training with a card's live images sees them:
/// epoch by epoch, each in an order of its own.
#[pyclass(frozen, module = "humboldt._core")]
pub(crate) struct LiveSource(Arc<Live>);

struct Live {
    card: RunCard,
    /// The images of the last epoch that was asked for, and their order.
    epoch: Mutex<Option<Arc<Epoch>>>,
}

struct Epoch {
    number: usize,
    images: LiveImages<'static>,
    order: Vec<usize>,
}

impl Live {
    /// The images of an epoch, from 1.
    ///
    /// They are made without the lock: a thread of the pool that waits for parts of them may take another call meanwhile, which
    /// would wait for the lock that its own thread holds. Two that ask at once make the same.
    fn epoch(&self, number: usize) -> Result<Arc<Epoch>> {
        let held = || self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        let last = held().clone();
        let images = match last {
            Some(epoch) if epoch.number == number => return Ok(epoch),
            Some(epoch) => epoch.images.epoch(number)?,
            None => LiveImages::of_training(&self.card.data(), &self.card.training, number)?.into_owned(),
        };
        let order = shuffled(images.len(), self.card.seed, number);
        let epoch = Arc::new(Epoch { number, images, order });
        *held() = Some(Arc::clone(&epoch));
        Ok(epoch)
    }
}

impl Epoch {
    /// The numbers of some images in the order of the epoch.
    fn numbers(&self, first: usize, count: usize) -> &[usize] {
        let end = self.order.len();
        &self.order[first.min(end)..(first + count).min(end)]
    }

    fn labels(&self, numbers: &[usize]) -> Result<Array2<f32>> {
        let labels = numbers.iter().map(|number| self.images.labels(*number)).collect::<Vec<_>>();
        let columns = labels.first().map_or(1, Vec::len);
        rows_of(labels.into_iter().flatten().map(|x| x as f32).collect(), columns)
    }
}

#[pymethods]
impl LiveSource {
    /// Of a card's text; `name` is what errors call it.
    #[new]
    fn new(card: &str, name: &str) -> PyResult<Self> {
        let card = RunCard::parse(card, name).map_err(refused)?;
        Ok(Self(Arc::new(Live { card, epoch: Mutex::new(None) })))
    }

    /// Images of an epoch.
    fn __len__(&self) -> usize {
        self.0.card.data().count(humboldt_schemas::card::Split::Train)
    }

    /// Bins of each axis.
    #[getter]
    fn bins(&self) -> usize {
        self.0.card.images.bins
    }

    /// Events of an image.
    #[getter]
    fn events_per_image(&self) -> usize {
        self.0.card.images.events
    }

    /// Names of the coefficients in the order of labels, as in `delta_c9`.
    #[getter]
    fn labels(&self) -> PyResult<Vec<String>> {
        let axes = self.0.card.axes().map_err(refused)?;
        Ok(axes.directions().into_iter().map(label).collect())
    }

    /// Images `first` and following ones of an epoch, from 1, in its order, and their labels.
    fn images<'py>(
        &self,
        py: Python<'py>,
        epoch: usize,
        first: usize,
        count: usize,
    ) -> PyResult<LabelledImages<'py>> {
        let live = Arc::clone(&self.0);
        let make = move || -> Result<_> {
            let epoch = live.epoch(epoch)?;
            let numbers = epoch.numbers(first, count);
            let (cells, bins) = (epoch.images.bins().pow(3), epoch.images.bins());
            let mut values = vec![0.0; numbers.len() * cells];
            let each = numbers.par_iter().zip(values.par_chunks_exact_mut(cells));
            each.try_for_each(|(number, image)| epoch.images.read(*number, image))?;
            Ok((images_of(values, bins)?, epoch.labels(numbers)?))
        };
        let ((images, labels), _) = work(py, None, move |_| make().map_err(Refusal::from))?;
        Ok((images.into_pyarray(py), labels.into_pyarray(py)))
    }

    /// The events of the same images, [image, event, column]: q2, cos_theta_l, cos_theta_k, chi, m_kpi; and their labels.
    fn events<'py>(
        &self,
        py: Python<'py>,
        epoch: usize,
        first: usize,
        count: usize,
    ) -> PyResult<LabelledEvents<'py>> {
        const COLUMNS: usize = 5;
        let live = Arc::clone(&self.0);
        let make = move || -> Result<_> {
            let epoch = live.epoch(epoch)?;
            let numbers = epoch.numbers(first, count);
            let events = live.card.images.events;
            let mut values = vec![0.0; numbers.len() * events * COLUMNS];
            let each = numbers.par_iter().zip(values.par_chunks_exact_mut(events * COLUMNS));
            each.try_for_each_init(effects::MeasuredEvents::default, |batch, (number, rows)| {
                epoch.images.events(*number, events, batch)?;
                for (column, values) in batch.events.columns().into_iter().enumerate() {
                    for (row, value) in rows.chunks_exact_mut(COLUMNS).zip(values) {
                        row[column] = *value;
                    }
                }
                anyhow::Ok(())
            })?;
            let values = Array3::from_shape_vec((numbers.len(), events, COLUMNS), values)?;
            Ok((values, epoch.labels(numbers)?))
        };
        let ((events, labels), _) = work(py, None, move |_| make().map_err(Refusal::from))?;
        Ok((events.into_pyarray(py), labels.into_pyarray(py)))
    }
}
