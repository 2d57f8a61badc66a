//! `humboldt infer`: delta C9 of a user's own events, by a trained network.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_schemas::inference::Inferred;

use super::arguments::DeviceArgument;
use super::layout::LayoutArguments;
use super::learned_bound::ranges;
use super::measured::background_fraction;
use super::model::{ModelArgument, card_of, of_ratios_alone};
use crate::assumptions::sentence;
use crate::infer::mixture::Fraction;
use crate::infer::nuisances::Nuisance;
use crate::inference::{Answer, Question, by_network, by_ratios};
use crate::progress::{note, outln};
use crate::sampling::{in_words, resolved_windows};

/// delta C9 of events, by a trained network: value and interval in seconds
#[derive(Debug, Args)]
pub(super) struct InferArguments {
    /// Events, .parquet, .arrow or .root (FILE.root:TREE), with columns q2, cos_theta_l, cos_theta_k and chi
    events: PathBuf,
    #[command(flatten)]
    layout: LayoutArguments,
    #[command(flatten)]
    model: ModelArgument,
    /// Leave out events outside the windows in q2 that the network learned from; without it they are refused
    #[arg(long)]
    select: bool,
    /// Of learned ratios: background's part of the events, a number, free, or as in 0.44+-0.02; by default as their card says
    #[arg(long, value_name = "X|free|X+-E", value_parser = background_fraction, allow_negative_numbers = true)]
    background_fraction: Option<Fraction>,
    /// Of learned ratios: parameters that are not known and profiled with their uncertainty: form-factors, charm
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Nuisance::from_str)]
    nuisances: Vec<Nuisance>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl InferArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = self.device.open()?;
        let layout = self.layout.read()?;
        let question = Question { file: &self.events, layout: layout.as_ref(), select: self.select };
        let (card, answer) = if let Some(ratios) = self.model.ratios(&compute)? {
            let answer = by_ratios(&ratios, question, self.background_fraction, &self.nuisances)?;
            (ratios.card, answer)
        } else {
            of_ratios_alone(
                &[
                    (self.background_fraction.is_some(), "--background-fraction"),
                    (!self.nuisances.is_empty(), "--nuisances"),
                ],
                "this network",
            )?;
            let model = self.model.open(&compute)?;
            (card_of(model.info())?, by_network(&model, question)?)
        };
        let Answer { inferred, all, left_out } = answer;
        if left_out > 0 {
            let windows = in_words(&resolved_windows(&card.generator)?);
            note(format!("{left_out} of {all} events left out, outside q2 = {windows}"));
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&inferred)?);
        } else {
            print(&inferred, &ranges(&card.axes()?));
        }
        Ok(())
    }
}

fn print(inferred: &Inferred, ranges: &str) {
    outln!("network of {ranges}: {}", sentence(&inferred.assumed));
    outln!("of another model or window it would be off by many times its error");
    let side = |x: Option<f64>| x.map_or_else(|| "?".to_owned(), |x| format!("{x:.4}"));
    for (i, found) in inferred.parameters.iter().enumerate() {
        let name = if found.name == "c9" { "C9" } else { &found.name };
        let (minus, plus) = (side(found.minus), side(found.plus));
        let from = if i == 0 { format!(" (68 %) from {} events", inferred.events) } else { String::new() };
        outln!("delta {name} = {:.4} -{minus} +{plus}{from}", found.value);
    }
    for (i, row) in inferred.correlation.iter().enumerate() {
        for (j, correlation) in row.iter().enumerate().take(i) {
            let (a, b) = (&inferred.parameters[j].name, &inferred.parameters[i].name);
            outln!("correlation of {a} and {b}: {correlation:.3}");
        }
    }
    if let Some(background) = &inferred.background {
        let sigma = background.sigma.map_or_else(|| " (fixed)".to_owned(), |sigma| format!(" +- {sigma:.4}"));
        outln!("background {:.4}{sigma} of the events", background.fraction);
    }
    if !inferred.nuisances.is_empty() {
        outln!("profiled over {}", inferred.nuisances.join(", "));
    }
    if let Some(simulated) = inferred.simulated_events {
        outln!("calibrated by effectively {simulated:.0} simulated events there");
    }
    if let Some(p) = inferred.p_value {
        outln!("p-value of the network's statistics {p:.3}");
    }
    if let Some(warning) = &inferred.warning {
        outln!("WARNING: {warning}");
    }
}
