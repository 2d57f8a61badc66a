//! Networks on a global fit: the study's experiments, and what its networks were missing.
//!
//! The study trains on exact predictions: networks that see no errors learn the inverse of the theory, not a fit, and its
//! generative networks reproduce the spread of the training set, which is far wider than the neighbourhood of the minimum.
//! [`posterior`] learns from observables smeared by the errors that chi-square has, [`flow`] from points that are
//! distributed as fits are.
//!
//! - [`dataset`]: points of parameter space with observables and chi-square
//! - [`regression`]: a dense network from observables to parameters (the study's 4.1)
//! - [`gan`]: generative adversarial networks (4.2)
//! - [`likelihood`]: pseudo-data, smeared as chi-square says
//! - [`exact`]: the posterior density on a grid
//! - [`posterior`]: a mixture density network for the posterior
//! - [`flow`]: a conditional flow that samples fits
//! - [`experiment`]: from a card to a result, [`built_in`]: the cards that come with the program
//! - [`tables`]: results as text, [`folder`]: and in files

mod adversarial;
pub mod built_in;
pub mod dataset;
pub mod exact;
pub mod experiment;
pub mod flow;
pub mod folder;
pub mod gan;
mod inference;
mod layers;
pub mod likelihood;
mod mixture;
pub mod posterior;
pub mod regression;
pub mod tables;

use humboldt_schemas::experiment::Method;

use self::experiment::{Experiment, Outcome};
use super::GlobalError;
use crate::learn::Compute;

/// Report of a training while it goes on: steps done, of how many, and its loss.
pub type Watch<'a> = &'a dyn Fn(usize, usize, f64);

/// Trains the networks of an experiment and compares them with the exact fit.
///
/// # Errors
/// When a training diverges or a fit fails.
pub fn run(experiment: &Experiment, compute: &Compute, watch: Watch) -> Result<Outcome, GlobalError> {
    match experiment.card.method()? {
        Method::Regression(card) => experiment.regression(card, compute, watch),
        Method::Gan(card) => adversarial::run(experiment, card, compute, watch),
        Method::Posterior(card) => inference::posterior(experiment, card, compute, watch),
        Method::Flow(card) => inference::flow(experiment, card, compute, watch),
    }
}
