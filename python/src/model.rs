//! Trained networks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use humboldt::learn::{Compute, DeviceName, Event, ImageSource, LearnError, Model, built_in};
use humboldt::progress::Progress;
use humboldt::refusal::Refusal;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{EventReader, MemoryPath, More};
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{AnyArchitecture, Elements};
use numpy::{PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::calls::{refused, run_network, work};
use crate::table::Table;

/// A trained network.
#[pyclass(frozen, module = "humboldt._core")]
pub(crate) struct Network(Arc<Model>);

/// Images in memory, whose coefficients nobody knows.
struct Given {
    images: Vec<f32>,
    bins: usize,
    events: Option<usize>,
}

impl ImageSource for Given {
    fn len(&self) -> usize {
        self.images.len() / self.bins.pow(3)
    }

    fn bins(&self) -> usize {
        self.bins
    }

    fn labels(&self, _: usize) -> Vec<f64> {
        vec![f64::NAN]
    }

    fn size(&self, _: usize) -> Option<usize> {
        self.events
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let cells = self.bins.pow(3);
        image.copy_from_slice(&self.images[index * cells..(index + 1) * cells]);
        Ok(())
    }
}

/// The network of a folder, of the folder of a run, or one that comes with humboldt.
fn open(path: &Path, device: &str) -> Result<Model> {
    let devices = device.split(',').map(DeviceName::from_str).collect::<Result<Vec<_>, _>>();
    let devices = devices.map_err(|e| anyhow::anyhow!("device = {device}: {e}"))?;
    Ok(built_in::open("folder", path, &Compute::open(&devices)?)?)
}

/// The image of events that a network over images or cells takes.
fn image_of(model: &Model, events: &EventBatch) -> Result<Given> {
    let info = model.info();
    let mut images = vec![0.0; info.bins.pow(3)];
    Voxeliser::new(info.bins)?.voxelise(events.angles(), &mut images)?;
    Ok(Given { images, bins: info.bins, events: Some(events.len()) })
}

fn estimates(model: &Model, source: &Given) -> Result<String> {
    let progress = Progress::new("predict", source.len() as u64, "images");
    let told = |event: Event| {
        if let Event::Predicted { done, .. } = event {
            progress.reach(done as u64, "");
        }
        ControlFlow::Continue(())
    };
    let estimates = model.estimates(source, &told)?.unwrap_or_default();
    Ok(serde_json::to_string(&estimates)?)
}

#[pymethods]
impl Network {
    #[staticmethod]
    fn load(py: Python, path: PathBuf, device: String) -> PyResult<Self> {
        run_network()?;
        let (model, _) = work(py, None, move |_| open(&path, &device).map_err(Refusal::from))?;
        Ok(Self(Arc::new(model)))
    }

    /// What the network takes, learns and was trained by, as JSON.
    fn info(&self) -> PyResult<String> {
        serde_json::to_string(self.0.info()).map_err(refused)
    }

    /// The coefficients of images [image, cos_theta_l, cos_theta_k, chi] with their intervals, as JSON.
    #[pyo3(signature = (images, *, events_per_image=None, progress=None))]
    fn images(
        &self,
        py: Python,
        images: PyReadonlyArray4<f32>,
        events_per_image: Option<usize>,
        progress: Option<Bound<PyAny>>,
    ) -> PyResult<String> {
        run_network()?;
        let (model, shape) = (Arc::clone(&self.0), images.shape().to_vec());
        let values: Vec<f32> = images.as_array().iter().copied().collect();
        let find = move || -> Result<String> {
            let bins = model.info().bins;
            ensure!(
                shape[1..] == [bins; 3],
                "shape of images = {shape:?} is not allowed; allowed: [n, {bins}, {bins}, {bins}], as the network was trained on"
            );
            let wrong = values.iter().position(|q2| !(q2.is_finite() && *q2 >= 0.0));
            ensure!(
                wrong.is_none(),
                "images: {} in a cell of image {} is not allowed; allowed: mean q2 in GeV^2, 0 in empty cells",
                wrong.map_or(0.0, |at| values[at]),
                wrong.unwrap_or_default() / bins.pow(3)
            );
            estimates(&model, &Given { images: values, bins, events: events_per_image })
        };
        Ok(work(py, progress.as_ref(), move |_| find().map_err(Refusal::from))?.0)
    }

    /// The coefficients of the events of a table, as JSON: an array of one.
    fn events(&self, py: Python, events: PyRef<Table>) -> PyResult<String> {
        run_network()?;
        let (model, table) = (Arc::clone(&self.0), MemoryPath::of(events.held()));
        let find = move || -> Result<String> {
            let events = EventReader::open_as(table.path(), None, More::MassIfThere)?.read_all()?;
            let info = model.info();
            info.check_events(events.len())?;
            match &info.architecture {
                AnyArchitecture::Set(set) if set.elements == Elements::Events => {
                    let estimate = model.estimate_events(&events).context("events")?;
                    Ok(serde_json::to_string(&[estimate])?)
                }
                _ => estimates(&model, &image_of(&model, &events)?),
            }
        };
        Ok(work(py, None, move |_| find().map_err(Refusal::from))?.0)
    }
}
