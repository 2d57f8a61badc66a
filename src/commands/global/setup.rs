//! Arguments that the subcommands of `global` share, and what they mean.

use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use humboldt_physics::uncertainty::Spread;
use humboldt_physics::{
    Lepton, MeasurementSet, ModelName, Parameters, Plan, Quantity, Theory, WilsonCoefficient, WilsonDirection,
};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::global::Contribution;

use crate::assumptions::{charmonium_caution, note_cautions, note_idle};
use crate::commands::arguments::{InputArguments, LeptonShift, count, finite, lepton_shift, set_shifts};
use crate::global::data::Data;
use crate::global::polynomials::{Polynomials, Sharing};
use crate::global::statistic::{ChiSquare, Errors, spread};
use crate::progress::outln;

/// What is compared with what.
#[derive(Debug, Args)]
pub(super) struct Comparison {
    /// Measurements: lhcb-2021, lhcb-modern, or a file as `humboldt schema measurements` describes it; several are put
    /// together
    #[arg(long, value_name = "NAME|FILE,...", value_delimiter = ',', default_value = MeasurementSet::default().name())]
    data: Vec<String>,
    /// Amplitude model: npr, bare, nnlo, full
    #[arg(long, default_value = ModelName::Full.name(), value_parser = ModelName::from_str)]
    model: ModelName,
    #[command(flatten)]
    inputs: InputArguments,
    /// Add theory errors, from draws of all inputs: in chi-square those at delta C9 = -1, in predictions their own
    #[arg(long)]
    theory_errors: bool,
    /// Number of draws, at least 2
    #[arg(long, value_name = "N", default_value_t = 2000, allow_negative_numbers = true, value_parser = count::<u32>(2..=10_000_000))]
    draws: u32,
    /// Count correlations: the measured ones, and with --theory-errors those of theory
    #[arg(long)]
    correlations: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    pub(super) seed: u64,
}

/// A point in the space of Wilson coefficients; values that are not given are those of the Standard Model.
#[derive(Debug, Args)]
pub(super) struct FixedShifts {
    /// Shift of C9 of muons; short for --wc c9=X
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = finite)]
    c9: Option<f64>,
    /// Shift of C10 of muons; short for --wc c10=X
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = finite)]
    c10: Option<f64>,
    /// Shifts of c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p of muons, with _e of electrons; complex values allowed
    #[arg(long = "wc", value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = lepton_shift)]
    wilson: Vec<LeptonShift>,
}

impl FixedShifts {
    /// All of them, `--c9` and `--c10` first.
    fn all(&self) -> Vec<LeptonShift> {
        let short = [(WilsonCoefficient::C9, self.c9), (WilsonCoefficient::C10, self.c10)];
        let short = short.into_iter().filter_map(|(coefficient, value)| {
            value.map(|value| LeptonShift { lepton: Lepton::Muon, coefficient, value: value.into() })
        });
        short.chain(self.wilson.iter().copied()).collect()
    }
}

/// What may move in a fit.
#[derive(Debug, Args)]
pub(super) struct FreeParameters {
    /// Shifts of muons that are free: c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p, with _im for imaginary parts
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "c9,c10", value_parser = WilsonDirection::from_str)]
    pub(super) free: Vec<WilsonDirection>,
    /// Add a0 + a1 q2 + a2 q2^2, free too, to observables: independent for each, or shared by all
    #[arg(long, value_name = "SHARING", value_parser = Sharing::from_str)]
    polynomials: Option<Sharing>,
    #[command(flatten)]
    fixed: FixedShifts,
}

/// Inputs and data, from which theories borrow.
pub(super) struct Setup {
    pub(super) parameters: Parameters,
    pub(super) data: Data,
}

impl Comparison {
    pub(super) fn setup(&self) -> Result<Setup> {
        let setup = Setup { parameters: self.inputs.parameters()?, data: Data::named(&self.data, "--data")? };
        let quantities = setup.data.quantities();
        let cautions: Vec<String> = quantities.iter().filter_map(|quantity| self.caution(quantity)).collect();
        note_cautions(&cautions);
        note_idle(&Plan::new(&quantities), &self.standard_model(&setup)?, &self.inputs.values)?;
        Ok(setup)
    }

    /// What is wrong with the prediction of a quantity, where something is.
    pub(super) fn caution(&self, quantity: &Quantity) -> Option<String> {
        match self.inputs.charmonium {
            None => charmonium_caution(quantity.q2_min, quantity.q2_max),
            Some(_) => None,
        }
    }

    /// The theory at a point.
    pub(super) fn theory<'a>(&self, setup: &'a Setup, shifts: &FixedShifts) -> Result<Theory<'a>> {
        let mut theory = self.standard_model(setup)?;
        set_shifts(&mut theory, &shifts.all())?;
        Ok(theory)
    }

    pub(super) fn standard_model<'a>(&self, setup: &'a Setup) -> Result<Theory<'a>> {
        let mut theory = Theory::new(self.model, &setup.parameters);
        theory.charmonium = self.inputs.charmonium(&setup.parameters)?;
        Ok(theory)
    }

    /// Theory errors at a point, where they are asked for.
    pub(super) fn spread(&self, theory: &Theory, data: &Data) -> Result<Option<Spread>> {
        Ok(spread(theory, data, self.theory_draws())?)
    }

    fn theory_draws(&self) -> Option<(u32, u64)> {
        self.theory_errors.then_some((self.draws, self.seed))
    }

    /// Errors of a chi-square: the same wherever it is taken.
    pub(super) fn errors(&self, setup: &Setup) -> Result<Errors> {
        let standard_model = self.standard_model(setup)?;
        Ok(Errors::of(&standard_model, &setup.data, self.theory_draws(), self.correlations)?)
    }

    /// The chi-square as a function of what is free.
    pub(super) fn statistic(&self, setup: &Setup, free: &FreeParameters) -> Result<ChiSquare> {
        let theory = self.theory(setup, &free.fixed)?;
        for direction in &free.free {
            let fixed = free
                .fixed
                .all()
                .into_iter()
                .find(|s| s.lepton == Lepton::Muon && s.coefficient == direction.coefficient);
            if let Some(fixed) = fixed {
                let name = direction.coefficient;
                let value = ComplexValue(fixed.value);
                bail!("{name} = {value} is not allowed; allowed: coefficients that are not in --free");
            }
        }
        let data = &setup.data;
        let polynomials = free
            .polynomials
            .map_or_else(Polynomials::default, |sharing| Polynomials::determined(sharing, data));
        let count = free.free.len() + polynomials.coefficients().len();
        if count >= data.len() {
            bail!(
                "--free = {count} parameters is not allowed; allowed: fewer than the {} measurements",
                data.len()
            );
        }
        Ok(ChiSquare::new(&theory, data.clone(), &free.free, polynomials, &self.errors(setup)?)?)
    }
}

pub(super) fn print_contributions(contributions: &[Contribution]) {
    outln!(
        "{:<14}{:<13}{:>13}{:>10} {:>9} {:>9}{:>11}{:>10}{:>7}{:>8}",
        "process",
        "observable",
        "q2 [GeV^2]",
        "measured",
        "+",
        "-",
        "predicted",
        "+-",
        "pull",
        "chi2"
    );
    for c in contributions {
        let scale = if c.observable.starts_with("dBR") { 1e8 } else { 1.0 };
        let name = if scale > 1.0 { format!("{} 1e8", c.observable) } else { c.observable.clone() };
        let [measured, plus, minus, prediction, theory] =
            [c.measured, c.error_plus, c.error_minus, c.prediction, c.theory_error].map(|x| scale * x);
        let bin = format!("[{}, {}]", c.q2_min, c.q2_max);
        outln!(
            "{:<14}{name:<13}{bin:>13}{measured:>10.4} {plus:>9.4} {minus:>9.4}{prediction:>11.4}{theory:>10.4}{:>7.2}{:>8.2}",
            c.process,
            c.pull,
            c.contribution
        );
    }
}
