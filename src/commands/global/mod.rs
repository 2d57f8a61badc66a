//! `humboldt global`: measured observables against predictions, and fits of Wilson coefficients to them.

mod compare;
mod fit;
mod import;
mod network;
mod plot;
mod point;
mod sample;
mod scan;
mod setup;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Compare measured observables of B -> K(*) l l with predictions, and fit Wilson coefficients to them
#[derive(Debug, Args)]
pub(super) struct GlobalArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::ImportArguments),
    Predict(point::Predict),
    Chi2(point::Chi2),
    Fit(fit::Fit),
    Compare(compare::CompareArguments),
    Scan(scan::ScanArguments),
    Sample(sample::SampleArguments),
    Nn(network::NnArguments),
    Gan(network::GanArguments),
    Plot(plot::PlotArguments),
}

impl GlobalArguments {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Import(arguments) => arguments.run(),
            Command::Predict(arguments) => arguments.run(),
            Command::Chi2(arguments) => arguments.run(),
            Command::Fit(arguments) => arguments.run(),
            Command::Compare(arguments) => arguments.run(),
            Command::Scan(arguments) => arguments.run(),
            Command::Sample(arguments) => arguments.run(),
            Command::Nn(arguments) => arguments.run(),
            Command::Gan(arguments) => arguments.run(),
            Command::Plot(arguments) => arguments.run(),
        }
    }
}
