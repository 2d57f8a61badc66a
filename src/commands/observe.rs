//! `humboldt observe`: predictions of angular observables and rates in bins of q2, with theory uncertainties.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_physics::channel::own_process_name;
use humboldt_physics::uncertainty::Spread;
use humboldt_physics::{
    Convention, Flavour, Hadron, Lepton, ModelName, Observable, Parameters, PhysicsError, Plan, Quantity,
    Theory, WilsonCoefficient,
};
use humboldt_schemas::card::Q2Range;
use humboldt_schemas::results::ObservableValue;

use super::arguments::{InputArguments, count, finite};
use crate::assumptions::{charmonium_caution, note_cautions, note_idle};
use crate::global::shift::FixedShift;
use crate::infer::variation::varied;
use crate::progress::{note, out, outln};

#[allow(clippy::doc_markdown, reason = "help texts")]
/// Print F_L, A_FB, S_i, A_i, P_i, P_i', Q_i, R_K and rates in bins of q2, from the amplitudes
#[derive(Debug, Args)]
pub(super) struct ObserveArguments {
    /// Shift of C9 of muons; short for --wc c9=X
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = finite)]
    delta_c9: Option<f64>,
    /// Shifts of Wilson coefficients: c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p of muons, with _e of electrons;
    /// complex values allowed, as in c9=-1,c9_e=-0.5,c10=0.5+0.1i
    #[arg(long = "wc", value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = FixedShift::from_str)]
    wilson: Vec<FixedShift>,
    /// Amplitude model: npr, bare, nnlo, full
    #[arg(long, default_value = ModelName::Full.name(), value_parser = ModelName::from_str)]
    model: ModelName,
    #[command(flatten)]
    inputs: InputArguments,
    /// Decaying meson, averaged with its antiparticle: B0bar, B0, B-, B+
    #[arg(long, default_value = Flavour::B0.name(), value_parser = Flavour::from_str)]
    flavour: Flavour,
    /// Strange meson of the final state: K*, K
    #[arg(long, default_value = Hadron::default().name(), value_parser = Hadron::from_str)]
    hadron: Hadron,
    /// Lepton: mu, e
    #[arg(long, default_value = Lepton::default().name(), value_parser = Lepton::from_str)]
    lepton: Lepton,
    /// Bins in q2 [GeV^2], as in 1.1:2.5,4:6; an end may be open
    #[arg(long, value_name = "MIN:MAX,...", value_delimiter = ',', required = true, value_parser = Q2Range::from_str)]
    bins: Vec<Q2Range>,
    /// Only these observables, as in F_L,P5p; all by default
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Observable::from_str)]
    observables: Vec<Observable>,
    /// Signs and factors: lhcb, or theory (Altmannshofer et al. for S_i, A_i, A_FB; DHMV for P_i, P_i', Q_i)
    #[arg(long, default_value = Convention::default().name(), value_parser = Convention::from_str)]
    convention: Convention,
    /// Theory uncertainties from this many draws of all inputs, at least 2
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u32>(2..=10_000_000))]
    uncertainty: Option<u32>,
    /// Seed of the draws
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Print a JSON array of {process, observable, q2_min, q2_max, value}, with uncertainty and correlation where asked for
    #[arg(long)]
    json: bool,
}

impl ObserveArguments {
    pub(super) fn run(self) -> Result<()> {
        let values = self.values()?;
        note_cautions(values.iter().filter_map(|value| value.caution.as_ref()));
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&values)?);
        } else {
            print_table(&values);
        }
        Ok(())
    }

    fn values(&self) -> Result<Vec<ObservableValue>> {
        let parameters = self.inputs.parameters()?;
        let theory = self.theory(&parameters)?;
        let plan = self.plan(&theory)?;
        let factors: Vec<f64> = plan
            .quantities()
            .iter()
            .map(|quantity| match self.convention {
                Convention::Lhcb => 1.0,
                Convention::Theory => quantity.observable.dhmv_factor(),
            })
            .collect();
        let of = |theory: &Theory| -> Result<Vec<f64>, PhysicsError> {
            Ok(plan.values(theory)?.into_iter().zip(&factors).map(|(value, factor)| value * factor).collect())
        };

        let values = of(&theory)?;
        let spread = match self.uncertainty {
            None => None,
            Some(draws) => Spread::of(&varied(&theory, draws, self.seed, of)?),
        };
        note_idle(&plan, &theory, &self.inputs.values)?;
        let name = |quantity: &Quantity| own_process_name(self.flavour, self.hadron, quantity.lepton);
        let caution = |quantity: &Quantity| match theory.charmonium {
            None => charmonium_caution(quantity.q2_min, quantity.q2_max),
            Some(_) => None,
        };
        let value = |(index, (quantity, value)): (usize, (&Quantity, f64))| ObservableValue {
            process: name(quantity),
            observable: quantity.observable.name().to_owned(),
            q2_min: quantity.q2_min,
            q2_max: quantity.q2_max,
            value,
            uncertainty: spread.as_ref().map(|spread| spread.sigma[index]),
            correlation: spread.as_ref().map(|spread| spread.correlation[index].clone()),
            caution: caution(quantity),
        };
        Ok(plan.quantities().iter().zip(values).enumerate().map(value).collect())
    }

    fn theory<'a>(&self, parameters: &'a Parameters) -> Result<Theory<'a>> {
        let mut theory = Theory::new(self.model, parameters);
        let c9 = self.delta_c9.map(|x| FixedShift {
            lepton: Lepton::Muon,
            coefficient: WilsonCoefficient::C9,
            value: x.into(),
        });
        let shifts: Vec<FixedShift> = c9.into_iter().chain(self.wilson.iter().copied()).collect();
        FixedShift::apply(&mut theory, &shifts)?;
        theory.charmonium = self.inputs.charmonium(parameters)?;
        Ok(theory)
    }

    /// Every observable in every bin.
    fn plan(&self, theory: &Theory) -> Result<Plan> {
        let observables: Vec<Observable> = if self.observables.is_empty() {
            Observable::ALL.into_iter().filter(|observable| observable.describes(self.hadron)).collect()
        } else {
            self.observables.clone()
        };
        let predictions = theory.predictions(self.flavour, self.hadron)?;
        let (low, high) = predictions.q2_range(self.lepton);
        let threshold = predictions.q2_range(Lepton::Muon).0;
        let mut quantities = Vec::new();
        let mut left_out = BTreeSet::new();
        for bin in &self.bins {
            let (q2_min, q2_max) = (bin.min.unwrap_or(low), bin.max.unwrap_or(high));
            for observable in &observables {
                let needs_muons = self.lepton == Lepton::Electron && observable.compares_leptons();
                if self.observables.is_empty() && needs_muons && q2_max <= threshold {
                    left_out.insert(observable.name());
                    continue;
                }
                let (flavour, hadron, lepton) = (self.flavour, self.hadron, self.lepton);
                let observable = *observable;
                quantities.push(Quantity {
                    flavour,
                    hadron,
                    lepton,
                    observable,
                    q2_min,
                    q2_max,
                    massless: false,
                });
            }
        }
        if !left_out.is_empty() {
            let names: Vec<&str> = left_out.into_iter().collect();
            note(format!(
                "below 4 m_mu^2 = {threshold:.4} GeV^2 without {}, which need muons",
                names.join(", ")
            ));
        }
        Ok(Plan::new(&quantities))
    }
}

fn print_table(values: &[ObservableValue]) {
    let mut bins: Vec<(f64, f64)> = values.iter().map(|v| (v.q2_min, v.q2_max)).collect();
    bins.dedup();
    if let Some(first) = values.first() {
        outln!("{}", first.process);
    }
    let width = if values.iter().any(|v| v.uncertainty.is_some()) { 26 } else { 20 };
    out!("{:<12}", "q2 [GeV^2]");
    for (low, high) in &bins {
        out!("{:>width$}", format!("[{low:.4}, {high:.4}]"));
    }
    outln!();
    let mut names: Vec<&str> = Vec::new();
    for value in values {
        if !names.contains(&value.observable.as_str()) {
            names.push(&value.observable);
        }
    }
    for name in names {
        out!("{name:<12}");
        for (low, high) in &bins {
            let own = |v: &&ObservableValue| {
                v.observable == name
                    && (v.q2_min.to_bits(), v.q2_max.to_bits()) == (low.to_bits(), high.to_bits())
            };
            out!("{:>width$}", values.iter().find(own).map_or_else(|| "-".to_owned(), text));
        }
        outln!();
    }
}

fn text(value: &ObservableValue) -> String {
    let small = value.value != 0.0 && value.value.abs() < 1e-4;
    let number = |x: f64| if small { format!("{x:.5e}") } else { format!("{x:.5}") };
    match value.uncertainty {
        None => number(value.value),
        Some(sigma) => format!(
            "{} +- {}",
            number(value.value),
            if small { format!("{sigma:.1e}") } else { format!("{sigma:.5}") }
        ),
    }
}
