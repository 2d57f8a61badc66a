//! Arguments that the subcommands of `global` share, and what they mean.

use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_physics::{Lepton, MeasurementSet, ModelName, Plan, WilsonCoefficient};
use humboldt_schemas::global::Contribution;

use crate::assumptions::{note_cautions, note_idle};
use crate::commands::arguments::{InputArguments, count, finite};
use crate::global::data::Data;
use crate::global::figures::small_print;
use crate::global::polynomials::Sharing;
use crate::global::selection::{Bin, Name, Selection};
use crate::global::setup::{Free, Setup};
use crate::global::shift::{FixedShift, Shift};
use crate::global::statistic::{ChiSquare, TheoryErrors};
use crate::progress::{note, outln};

/// Data and model that are compared.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "options as they are typed")]
pub(super) struct Comparison {
    /// Measurements: default, lhcb-2025-s, lhcb-2025-p, lhcb-2025-s-massive, lhcb-2025-s-massless, lhcb-2025-p-massless,
    /// lhcb-2025-half-bins, cms-2024, lhcb-2020-kstar-plus, ratios, kaon-rates, kstar-plus-rates, lhcb-2021, lhcb-modern, or a
    /// file as `humboldt schema measurements` describes it; several are put together
    #[arg(long, value_name = "NAME|FILE,...", value_delimiter = ',', default_value = MeasurementSet::default().name())]
    data: Vec<String>,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Amplitude model: npr, bare, nnlo, full
    #[arg(long, default_value = ModelName::Full.name(), value_parser = ModelName::from_str)]
    model: ModelName,
    #[command(flatten)]
    inputs: InputArguments,
    /// Add theory errors, from all inputs: in chi-square those at delta C9 = -1, in predictions their own; with
    /// --data default they are added without a word
    #[arg(long)]
    theory_errors: bool,
    /// Leave theory errors out of --data default
    #[arg(long, conflicts_with = "theory_errors")]
    no_theory_errors: bool,
    /// Draws of all inputs behind theory errors, at least 2; without it each input is moved up and down by its error
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u32>(2..=10_000_000))]
    draws: Option<u32>,
    /// Count correlations: the measured ones, and with theory errors those of theory; with --data default they count without
    /// a word
    #[arg(long)]
    correlations: bool,
    /// Leave correlations out of --data default
    #[arg(long, conflicts_with = "correlations")]
    no_correlations: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    pub(super) seed: u64,
}

/// Which measurements count.
#[derive(Debug, Args)]
struct SelectionArguments {
    /// Only these observables, processes or both, each in one bin or all: P5p, B+->K+mumu, P5p(B+->K*+mumu), S5@4:6
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Name::from_str)]
    only: Vec<Name>,
    /// Not these, named likewise
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Name::from_str)]
    exclude: Vec<Name>,
    /// Only these bins of q2 in GeV^2; without it bins near the charmonia and bins that hold narrower ones are left out
    #[arg(long, value_name = "MIN:MAX,...", value_delimiter = ',', value_parser = Bin::from_str)]
    bins: Vec<Bin>,
    /// Replace upward and downward errors by their mean
    #[arg(long)]
    symmetric_errors: bool,
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
    #[arg(long = "wc", value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = FixedShift::from_str)]
    wilson: Vec<FixedShift>,
}

impl FixedShifts {
    /// All of them, `--c9` and `--c10` first.
    pub(super) fn all(&self) -> Vec<FixedShift> {
        let short = [(WilsonCoefficient::C9, self.c9), (WilsonCoefficient::C10, self.c10)];
        let short = short.into_iter().filter_map(|(coefficient, value)| {
            value.map(|value| FixedShift { lepton: Lepton::Muon, coefficient, value: value.into() })
        });
        short.chain(self.wilson.iter().copied()).collect()
    }
}

/// Parameters that may move in a fit.
#[derive(Debug, Args)]
pub(super) struct FreeParameters {
    /// Shifts that are free: c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p of muons, with _e of electrons, with _u of
    /// both; then _im for imaginary parts; c9@1.1:6 in a range of q2 [GeV^2]; charm_1, charm_2: powers of q2 added to C9 of
    /// both leptons
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "c9,c10", value_parser = Shift::from_str)]
    pub(super) free: Vec<Shift>,
    /// A shift that has a value of its own in each of several ranges of q2, in place of --free: c9, or with the ends of the
    /// ranges in GeV^2, c9=1.1:2.5:4:6
    #[arg(long, value_name = "NAME[=Q2:Q2:...]", conflicts_with = "free", value_parser = ByBin::from_str)]
    pub(super) by_bin: Option<ByBin>,
    /// Add a0 + a1 q2 + a2 q2^2, free too, to observables: independent for each, or shared by all
    #[arg(long, value_name = "SHARING", value_parser = Sharing::from_str)]
    polynomials: Option<Sharing>,
    #[command(flatten)]
    fixed: FixedShifts,
}

/// A shift by ranges of q2, as typed.
#[derive(Debug, Clone)]
pub(super) struct ByBin {
    pub(super) shift: Shift,
    edges: Vec<f64>,
}

/// Ends of the ranges of q2 [GeV^2] that LHCb's bins fill.
const EDGES: [f64; 9] = [0.0, 1.1, 2.5, 4.0, 6.0, 8.0, 14.0, 17.0, 23.0];

impl FromStr for ByBin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, edges) = match text.split_once('=') {
            Some((name, edges)) => {
                (name, edges.split(':').map(|x| finite(x.trim())).collect::<Result<_, _>>()?)
            }
            None => (text, EDGES.to_vec()),
        };
        let shift: Shift = name.trim().parse()?;
        if shift.bin.is_some() || edges.len() < 3 || !edges.windows(2).all(|w| 0.0 <= w[0] && w[0] < w[1]) {
            return Err("allowed: a shift without a range, and at least three rising ends, as in c9=1.1:4:6"
                .to_owned());
        }
        Ok(Self { shift, edges })
    }
}

impl FreeParameters {
    /// The shifts that are free with these data.
    pub(super) fn shifts(&self, data: &Data) -> Vec<Shift> {
        match &self.by_bin {
            Some(ByBin { shift, edges }) => shift.in_ranges(edges, data),
            None => self.free.clone(),
        }
    }

    /// The chi-square as a function of what is free.
    pub(super) fn statistic(&self, setup: &Setup) -> Result<ChiSquare> {
        let free = self.with_shifts(self.shifts(&setup.data));
        Ok(setup.statistic(&free, &setup.errors()?)?)
    }

    /// Parameters of a fit with these shifts free.
    pub(super) fn with_shifts(&self, shifts: Vec<Shift>) -> Free {
        Free { shifts, polynomials: self.polynomials, fixed: self.fixed.all() }
    }
}

impl Comparison {
    pub(super) fn setup(&self) -> Result<Setup> {
        self.setup_of(&self.data)
    }

    /// Says what does not count, and what is doubtful.
    pub(super) fn say(&self, setup: &Setup) -> Result<()> {
        let quantities = setup.data.quantities();
        let cautions: Vec<String> =
            quantities.iter().filter_map(|quantity| setup.caution(quantity)).collect();
        note_cautions(&cautions);
        note_idle(&Plan::new(&quantities), &setup.standard_model(), &self.inputs.values)?;
        setup.data.notes().for_each(note);
        if setup.theory_errors == TheoryErrors::None {
            note("theory errors are left out: --theory-errors adds them");
        }
        Ok(())
    }

    /// The names of the data.
    pub(super) fn data(&self) -> &[String] {
        &self.data
    }

    /// With other data.
    pub(super) fn setup_of(&self, data: &[String]) -> Result<Setup> {
        let SelectionArguments { only, exclude, bins, symmetric_errors } = &self.selection;
        let selection = Selection {
            only: only.clone(),
            exclude: exclude.clone(),
            bins: bins.clone(),
            symmetric: *symmetric_errors,
        };
        let data = Data::named(data, "--data", &selection)?;
        let parameters = self.inputs.parameters()?;
        Ok(Setup {
            data,
            model: self.model,
            charmonium: self.inputs.charmonium(&parameters)?,
            parameters,
            theory_errors: self.theory_from(),
            correlations: self.correlations || (self.recommended() && !self.no_correlations),
        })
    }

    /// Whether the data are those that come with all errors.
    fn recommended(&self) -> bool {
        self.data == [MeasurementSet::Recommended.name()]
    }

    /// Small print of figures.
    pub(super) fn small_print(&self, setup: &Setup) -> Vec<String> {
        let errors = [setup.theory_errors != TheoryErrors::None, setup.correlations];
        small_print(self.model.name(), &self.data, Some(setup.data.len()), errors)
    }

    fn theory_from(&self) -> TheoryErrors {
        match self.draws {
            _ if !(self.theory_errors || (self.recommended() && !self.no_theory_errors)) => {
                TheoryErrors::None
            }
            None => TheoryErrors::Linear,
            Some(draws) => TheoryErrors::Draws(draws, self.seed),
        }
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
