//! Trained networks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use humboldt::commands::refusal::Refusal;
use humboldt::inference::{Question, by_network};
use humboldt::learn::{Compute, DeviceName, Event, ImageSource, LearnError, Model, built_in};
use humboldt::progress::Progress;
use humboldt_schemas::layout::Layout;
use numpy::{PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::calls::{Argument, Place, refused, run_network, work};

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

    /// Description of the network as JSON: its input, its labels, its training.
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

    /// The coefficients of measured events, as `humboldt infer --json` prints them.
    #[pyo3(signature = (events, *, layout=None, select=false))]
    fn events(&self, py: Python, events: Argument, layout: Option<String>, select: bool) -> PyResult<String> {
        run_network()?;
        let (model, place) = (Arc::clone(&self.0), Place::from(events));
        let find = move |place: &Place| -> Result<String> {
            let layout = layout.as_deref().map(Layout::find).transpose()?;
            let question = Question { file: place.path(), layout: layout.as_ref(), select };
            Ok(serde_json::to_string(&by_network(&model, question)?.inferred)?)
        };
        Ok(work(py, None, move |_| place.refusing(find(&place)))?.0)
    }
}
