//! Errors between images and a trained network.

use std::path::{Path, PathBuf};

use humboldt_pipeline::PipelineError;
use thiserror::Error;

/// A device, a file or a training that cannot go on; each message is one line.
#[derive(Debug, Error)]
pub enum LearnError {
    /// A device name that is not one.
    #[error("device = {got} is not allowed; allowed: auto, cpu, cuda:N, vulkan:N, metal")]
    UnknownDevice {
        /// The name as given.
        got: String,
    },
    /// A device that this program was built without.
    #[error(
        "device {device} was not compiled in; compiled in: {available} (build with --features {feature})"
    )]
    DeviceNotCompiled {
        /// The device.
        device: String,
        /// The devices that were.
        available: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// A device that does not answer.
    #[error("device {device} does not work here: {reason}")]
    DeviceFailed {
        /// The device.
        device: String,
        /// Message of the driver.
        reason: String,
    },
    /// Devices that cannot share a batch.
    #[error(
        "device = {first},{other} is not allowed; allowed: several devices of one kind, as in cuda:0,cuda:1"
    )]
    MixedDevices {
        /// The first.
        first: String,
        /// One of another kind.
        other: String,
    },
    /// A precision that a device does not have.
    #[error("training.precision = {precision} is not allowed on {device}; allowed: {allowed}")]
    Precision {
        /// The device.
        device: String,
        /// The precision.
        precision: &'static str,
        /// Precisions that the device has.
        allowed: &'static str,
    },
    /// A file or folder that cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Message of the system.
        source: std::io::Error,
    },
    /// A small file that cannot be written.
    #[error(transparent)]
    Store(#[from] PipelineError),
    /// A file that is not what its name says.
    #[error("{path}: {what}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Fault of it, in words.
        what: String,
    },
    /// Images that cannot be read.
    #[error("image {index}: {reason}")]
    Image {
        /// Number of the image in its source, from 0.
        index: usize,
        /// Message of the source.
        reason: String,
    },
    /// A name of no network.
    #[error(
        "{field} = {name} is not allowed; allowed: builtin, {built_in}, a run's folder, or a folder with a network.json, as RUN/model"
    )]
    NoNetwork {
        /// Field or option that named it.
        field: &'static str,
        /// The name.
        name: PathBuf,
        /// Names of the networks that come with the program.
        built_in: String,
    },
    /// A number of events that a network does not know.
    #[error("{got} events are not allowed; allowed: {allowed}")]
    Events {
        /// Number of events.
        got: usize,
        /// Those that it knows.
        allowed: String,
    },
    /// First guesses of coefficients that do not fit the networks.
    #[error(
        "{got} first guesses of coefficients are not allowed; allowed: {expected}, as the networks were trained"
    )]
    Guesses {
        /// Their number.
        got: usize,
        /// The number that the networks take.
        expected: usize,
    },
    /// Images that do not fit the network.
    #[error("images have {got} bins an axis, the network takes {expected}")]
    Bins {
        /// Bins of the images.
        got: usize,
        /// Bins that the network was made for.
        expected: usize,
    },
    /// Too few images to begin.
    #[error("{got} {split} images; at least {least} are needed")]
    TooFewImages {
        /// `training` or `validation`.
        split: &'static str,
        /// Their number.
        got: usize,
        /// The number that there must be.
        least: usize,
    },
    /// Events for a network that takes images.
    #[error("this network takes images, not events; allowed: one with network.elements = \"events\"")]
    NotOverEvents,
    /// Events without the K pi mass that a network is told.
    #[error("events have no column `m_kpi`; allowed: with one, as this network has it in network.variables")]
    NoMass,
    /// A network that learns scores or single events without a calibration: imported, or its training was not ended.
    #[error("this network was not calibrated: it was imported, or its training did not end")]
    NotCalibrated,
    /// Statistics of images that do not tell values apart.
    #[error("what the network learned cannot be calibrated: its mean does not vary from image to image")]
    Calibration,
    /// Weights of another network than a card describes.
    #[error("{path}: is of another network than the card's: {field} differs")]
    OtherNetwork {
        /// The file or folder.
        path: PathBuf,
        /// Field of the card.
        field: &'static str,
    },
    /// A folder with the checkpoints of a training with other settings.
    #[error(
        "{path}: holds the training of another card or other images; remove the folder or choose another"
    )]
    OtherTraining {
        /// The folder.
        path: PathBuf,
    },
    /// A loss that is no number any more.
    #[error(
        "training diverged in epoch {epoch}, batch {batch}: the loss is {loss}; \
         lower training.learning_rate or set training.clip_gradient{kept}"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// The loss.
        loss: f32,
        /// ` (the checkpoint of epoch N is kept)`, or empty.
        kept: String,
    },
    /// A batch that cannot be computed on.
    #[error("device {device} failed: {reason}")]
    Compute {
        /// The device.
        device: String,
        /// Its message.
        reason: String,
    },
}

impl LearnError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: one_line(&what.into()) }
    }
}

/// The text in one line: other libraries' messages may have several.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
