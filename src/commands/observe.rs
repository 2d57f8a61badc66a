//! `humboldt observe`: predictions of angular observables and rates in bins of q2.

use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_physics::observables::{Observable, Predictions};
use humboldt_physics::{Flavour, Lepton, ModelName, PhysicsError, WilsonShifts};
use humboldt_schemas::card::Q2Range;
use humboldt_schemas::results::ObservableValue;

use super::arguments::ShiftArguments;

/// Print F_L, A_FB, S_i, P_i, P_i' (LHCb convention, CP-averaged) and rates in bins of q2, from the amplitudes
#[derive(Debug, Args)]
pub(super) struct ObserveArguments {
    #[command(flatten)]
    shifts: ShiftArguments,
    /// Amplitude model: npr
    #[arg(long, default_value = ModelName::default().name(), value_parser = ModelName::from_str)]
    model: ModelName,
    /// Decaying meson, averaged with its antiparticle: B0 or B+
    #[arg(long, default_value = Flavour::B0.name(), value_parser = Flavour::from_str)]
    flavour: Flavour,
    /// Lepton: mu, e. Shifts belong to muons; electrons stay at the Standard Model
    #[arg(long, default_value = Lepton::default().name(), value_parser = Lepton::from_str)]
    lepton: Lepton,
    /// Bins in q2 [GeV^2], as in 1.1:2.5,4:6; an end may be open
    #[arg(long, value_name = "MIN:MAX,...", value_delimiter = ',', required = true, value_parser = Q2Range::from_str)]
    bins: Vec<Q2Range>,
    /// Only these observables, as in F_L,P5p; all by default
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Observable::from_str)]
    observables: Vec<Observable>,
    /// Print a JSON array of {process, observable, q2_min, q2_max, value}
    #[arg(long)]
    json: bool,
}

impl ObserveArguments {
    pub(super) fn run(self) -> Result<()> {
        let values = self.values()?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&values)?);
        } else {
            print_table(&values);
        }
        Ok(())
    }

    fn values(&self) -> Result<Vec<ObservableValue>> {
        let predictions = Predictions::new(
            self.model,
            self.flavour,
            &self.shifts.shifts()?,
            &WilsonShifts::STANDARD_MODEL,
        )?;
        let observables: Vec<Observable> =
            if self.observables.is_empty() { Observable::ALL.to_vec() } else { self.observables.clone() };
        let (low, high) = predictions.q2_range(self.lepton);
        let per_bin = self.bins.iter().map(|bin| {
            let (q2_min, q2_max) = (bin.min.unwrap_or(low), bin.max.unwrap_or(high));
            let values = predictions.binned(self.lepton, &observables, q2_min, q2_max)?;
            Ok(observables.iter().zip(values).map(move |(observable, value)| ObservableValue {
                process: predictions.process_name(self.lepton),
                observable: observable.name().to_owned(),
                q2_min,
                q2_max,
                value,
                uncertainty: None,
            }))
        });
        Ok(per_bin.collect::<Result<Vec<_>, PhysicsError>>()?.into_iter().flatten().collect())
    }
}

fn print_table(values: &[ObservableValue]) {
    let mut bins: Vec<(f64, f64)> = values.iter().map(|v| (v.q2_min, v.q2_max)).collect();
    bins.dedup();
    if let Some(first) = values.first() {
        println!("{}", first.process);
    }
    print!("{:<12}", "q2 [GeV^2]");
    for (low, high) in &bins {
        print!("{:>16}", format!("[{low:.4}, {high:.4}]"));
    }
    println!();
    let count = values.len() / bins.len().max(1);
    for (i, value) in values.iter().take(count).enumerate() {
        print!("{:<12}", value.observable);
        for bin in 0..bins.len() {
            let x = values[bin * count + i].value;
            print!("{:>16}", if x != 0.0 && x.abs() < 1e-4 { format!("{x:.5e}") } else { format!("{x:.5}") });
        }
        println!();
    }
}
