//! Errors of the library: of events, and of the folders that work on them is kept in.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io, iter};

use humboldt_physics::PhysicsError;
use humboldt_pipeline::PipelineError;
use humboldt_schemas::{Invalid, SchemaError};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::campaign::slurm::SlurmError;
use crate::infer::InferError;
use crate::learn::LearnError;
use crate::report::ReportError;

/// Input that cannot be used, or work that failed; each message is one line, and names settings as the library does.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting that is needed.
    #[error("{setting} is missing; allowed: {allowed}")]
    Missing {
        /// The setting, as in `simulation_wc`.
        setting: &'static str,
        /// Allowed values, in words.
        allowed: String,
    },
    /// A setting that does not fit the events.
    #[error("{setting} = {got} is not allowed; allowed: {allowed}")]
    Setting {
        /// The setting, as in `line_shape`.
        setting: &'static str,
        /// The value as given.
        got: String,
        /// Allowed values, in words.
        allowed: String,
    },
    /// A file of events that cannot be used as it is.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Found and allowed values, in words.
        what: String,
    },
    /// A file of events with weights, where each must count as one.
    #[error(
        "{}: has a column `{column}` of weights, which means of q2 and a network's calibration do not know; allowed: unweighted events",
        path.display()
    )]
    Weighted {
        /// The file.
        path: PathBuf,
        /// Its column of weights, or several that may be it.
        column: String,
    },
    /// Events outside the windows in q2 that a network learned.
    #[error("{}: {outside} events lie outside q2 = {ranges}; allowed: events inside, or select to leave others out", path.display())]
    Outside {
        /// The file.
        path: PathBuf,
        /// Number of such events.
        outside: usize,
        /// The windows, in words.
        ranges: String,
    },
    /// A file or folder that the system does not give.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of this program's own that is not as it was written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first fault.
        source: serde_json::Error,
    },
    /// A folder that belongs to another card.
    #[error("{}: this folder holds {} of another card{}", folder.display(), work.content(), in_brackets(differs))]
    OtherCard {
        /// The folder.
        folder: PathBuf,
        /// Work that it holds.
        work: Work,
        /// Tables of the cards that differ, in words; empty where that is not told.
        differs: String,
    },
    /// A folder that is wanted for new work and holds something.
    #[error("{}: is not empty and not {work}'s folder", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// Work that it is wanted for.
        work: Work,
    },
    /// A folder without the work that is looked for.
    #[error("{}: is not {work}'s folder (no {missing} in it)", folder.display())]
    NoWork {
        /// The folder.
        folder: PathBuf,
        /// Work that is looked for.
        work: Work,
        /// File that would tell.
        missing: &'static str,
    },
    /// A shard of a campaign that cannot be read.
    #[error("a shard cannot be read")]
    Shard(#[source] PipelineError),
    /// Jobs that Slurm does not take.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// A card of learned ratios where images are needed.
    #[error("network.preset = ratio is not allowed here; allowed: cards whose networks learn from images")]
    Ratio,
    /// A setting that does not go with another.
    #[error("{setting} is not allowed with {with}; allowed: with {allowed}")]
    With {
        /// The setting, as in `values`.
        setting: &'static str,
        /// The other.
        with: String,
        /// Others that it goes with, in words.
        allowed: &'static str,
    },
    /// A card of too many coefficients.
    #[error("parameters {} are not allowed here; allowed: {allowed}", names.join(", "))]
    Parameters {
        /// Coefficients that are learned.
        names: Vec<String>,
        /// Allowed cards, in words.
        allowed: &'static str,
    },
    /// Images of other windows in q2 than a network's.
    #[error("windows in q2 = {got} are not allowed; allowed: {allowed}, of which the network's images were")]
    Windows {
        /// Windows of the images.
        got: String,
        /// Windows of the network.
        allowed: String,
    },
    /// A card with too few training values for intervals.
    #[error("{who} need {least} values with training images for their intervals, this card has {got}")]
    TrainingValues {
        /// Work that needs them.
        who: &'static str,
        /// Values that are needed.
        least: usize,
        /// Values of the card.
        got: usize,
    },
    /// A card with too few test images for intervals.
    #[error(
        "`predict` needs {least} test images at each training value for its intervals, this card has {got}; `humboldt compare RUN` \
         makes its own"
    )]
    TestImages {
        /// Images that are needed.
        least: usize,
        /// Images of the card.
        got: usize,
    },
    /// An estimator that gives the same for all shifts.
    #[error(
        "estimator {estimator}: its estimates are the same for all shifts around {truth}; train it longer, or leave it out"
    )]
    Flat {
        /// The estimator.
        estimator: String,
        /// Shift that they are the same around.
        truth: f64,
    },
    /// Samples of which too few have an estimate.
    #[error("{got} of {samples} samples at a shift of {truth} have an estimate; at least 2 are needed")]
    Estimates {
        /// Those that have one.
        got: usize,
        /// All of them.
        samples: usize,
        /// Their shift.
        truth: f64,
    },
    /// An estimator that answers too few pseudo-experiments.
    #[error("estimator {estimator}: fewer than two pseudo-experiments at each value have an answer")]
    Answers {
        /// The estimator.
        estimator: String,
    },
    /// A simulation that is too small to be parted.
    #[error(
        "{signal} simulated events and {} of background in a part are not allowed; allowed: at least {least} in each of three",
        background.map_or_else(|| "none".to_owned(), |n| n.to_string())
    )]
    FewSimulated {
        /// Events of signal in a part.
        signal: usize,
        /// Events of background in it, where there is any.
        background: Option<usize>,
        /// Events that are needed of each.
        least: usize,
    },
    /// Simulated events that cannot be drawn by their weights.
    #[error("events of negative weight cannot be drawn")]
    NegativeWeights,
    /// A training that the user stopped.
    #[error("train: stopped with a checkpoint; the same command goes on from it")]
    Stopped,
    /// Threads that the system does not give.
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A figure or table that cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Generated events that do not follow their density.
    #[error(
        "the sample does not follow its density: {outside} of {trials} candidates outside the sampler's bounds"
    )]
    Bounds {
        /// Candidates outside the bounds.
        outside: u64,
        /// All candidates.
        trials: u64,
    },
    /// A network that does not say by which card it was trained.
    #[error("the network does not say by which card it was trained")]
    NoCard(#[source] serde_json::Error),
    /// An error about some events of many, or about one of several files.
    #[error("{place}")]
    At {
        /// The rows or the file.
        place: String,
        /// The error.
        source: Box<Error>,
    },
    /// A card or a layout that is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A value of a card that is refused.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An input that the physics refuses.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
    /// Events that cannot be made or read.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Events from which nothing can be inferred.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A network that cannot be used.
    #[error(transparent)]
    Learn(#[from] LearnError),
}

impl Error {
    /// A setting that does not fit the events.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and format! results")]
    pub(crate) fn setting(setting: &'static str, got: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting { setting, got: got.to_string(), allowed: allowed.into() }
    }

    /// A file of events that cannot be used as it is.
    pub(crate) fn file(path: &Path, what: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), what: what.into() }
    }
}

fn in_brackets(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

/// Work that has a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Images in shards.
    Campaign,
    /// Images, network, results.
    Run,
    /// A network on a global fit.
    Experiment,
}

impl Work {
    /// Its content, as in `a run of another card`.
    const fn content(self) -> &'static str {
        match self {
            Self::Campaign => "the images",
            Self::Run => "a run",
            Self::Experiment => "an experiment",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Campaign => "a campaign",
            Self::Run => "a run",
            Self::Experiment => "an experiment",
        })
    }
}

/// An error and its reasons in one line.
pub(crate) fn with_reasons(error: &dyn std::error::Error) -> String {
    let reasons = iter::successors(error.source(), |reason| reason.source());
    iter::once(error.to_string()).chain(reasons.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// Errors with the file or folder that they are about.
pub(crate) trait AtPath<T> {
    /// The result with the path in its error.
    fn at(self, path: &Path) -> Result<T, Error>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { path: path.to_owned(), source })
    }
}

impl<T> AtPath<T> for serde_json::Result<T> {
    fn at(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Damaged { path: path.to_owned(), source })
    }
}

/// Reads a JSON file of this program's own.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&fs::read_to_string(path).at(path)?).at(path)
}

/// Errors with the place that they are about.
pub(crate) trait Place<T> {
    /// The result with the place in its error.
    fn place(self, place: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Place<T> for Result<T, E> {
    fn place(self, place: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::At { place: place(), source: Box::new(error.into()) })
    }
}
