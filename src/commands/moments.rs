//! `humboldt moments`: angular observables from events, and Wilson coefficients from them.

use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::Args;
use humboldt_physics::{AngularCoefficients, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::card::Q2Range;
use humboldt_schemas::inference::{MomentsBin, MomentsResult};

use super::arguments::as_options;
use super::fit::print as print_fit;
use super::measured::{SimulationArguments, unsaid};
use super::sample::SampleArguments;
use crate::assumptions::{emptiness, print_warnings, sentence};
use crate::infer::density::EventFamily;
use crate::infer::moments::{BinMoments, MomentPredictions, asymmetries, fit, weighted_moments};
use crate::infer::unfold::unfolded;
use crate::measured::{MeasuredSample, Rows, fit_result, sum_of_weights};
use crate::progress::{out, outln};

/// Print F_L, A_FB and S_i in bins of q2 from events, by the method of moments (CP averages and A_i of a file of both
/// flavours); fit coefficients to them by chi-square
#[derive(Debug, Args)]
pub(super) struct MomentsArguments {
    #[command(flatten)]
    sample: SampleArguments,
    /// Bins in q2 [GeV^2], as in 1.1:2.5,4:6
    #[arg(long, value_name = "MIN:MAX,...", value_delimiter = ',', required = true, value_parser = Q2Range::from_str)]
    bins: Vec<Q2Range>,
    /// Coefficients to fit, as in c9,c10
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = WilsonDirection::from_str)]
    free: Vec<WilsonDirection>,
    #[command(flatten)]
    simulation: SimulationArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MomentsArguments {
    pub(super) fn run(self) -> Result<()> {
        let open = self.bins.iter().any(|bin| bin.min.is_none() || bin.max.is_none());
        let mut sample = self.sample.read(&self.free, open || !self.free.is_empty())?;
        let told = [
            (false, "`fit --s-wave` takes it into account"),
            (self.simulation.are_given(), "--simulation"),
            (false, "`fit --background`, or sWeights"),
        ];
        sample.warnings.extend(unsaid(&sample, "the moments know", told));
        let bins = self.bins(&sample)?;
        let weights = sample.weights.as_ref();
        let measured = weighted_moments(&sample.events, weights, &bins)?;
        let measured = self.unfolded(&sample, &bins, measured)?;
        let asymmetries = match &sample.flavours {
            Some(flavours) => {
                asymmetries(&sample.events, flavours, weights, &bins)?.into_iter().map(Some).collect()
            }
            None => vec![None; measured.len()],
        };
        let fit = if self.free.is_empty() {
            None
        } else {
            let (families, of_flavours) = self.by_flavour(&sample, &bins, &measured)?;
            let mut predictions = MomentPredictions::new(&families[0], &bins)?;
            for family in &families[1..] {
                predictions = predictions.and(MomentPredictions::new(family, &bins)?);
            }
            let (fitted, goodness) = fit(&predictions, &of_flavours)?;
            let count = measured.iter().map(|bin| bin.events).sum();
            let rows = Rows { first: 0, count, fits: 1 };
            let mut fit = fit_result(&self.free, &fitted, None, goodness, &rows, sample.assumed.clone());
            let plain = sample.weights.is_none();
            let empty =
                if plain { emptiness(&families[0], &sample.events, &fitted.values) } else { Vec::new() };
            let strange = sample.warnings.iter().cloned().chain(sample.outside()).chain(empty);
            fit.warnings.splice(0..0, strange);
            Some(fit)
        };
        let weighted = sample.weights.is_some();
        let bins = measured.iter().zip(&asymmetries);
        let bins = bins.map(|(bin, asymmetry)| printed(bin, asymmetry.as_ref(), weighted)).collect();
        // Those of a fit hold them already.
        let warnings = if fit.is_none() { sample.warnings } else { Vec::new() };
        let result = MomentsResult { bins, fit, warnings };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }

    /// The moments before acceptance, where there is a simulation.
    fn unfolded(
        &self,
        sample: &MeasuredSample,
        bins: &[(f64, f64)],
        measured: Vec<BinMoments>,
    ) -> Result<Vec<BinMoments>> {
        let Some(simulation) = self.simulation.given() else { return Ok(measured) };
        ensure!(
            sample.decays.len() == 1,
            "--simulation with {} is not allowed; allowed: --flavour B0 or --flavour B0bar, each by itself",
            sample.assumed.flavour
        );
        // The simulation's own density does not depend on what is fitted.
        let free = [WilsonDirection::real(WilsonCoefficient::C9)];
        let simulated = simulation.read(sample, bins, &free, None).map_err(as_options)?;
        let truth = simulated[0].truth().map_err(as_options)?;
        Ok(unfolded(&measured, &truth)?)
    }

    /// The densities of a sample's flavours, and the moments of each: bins of one behind those of the other.
    fn by_flavour(
        &self,
        sample: &MeasuredSample,
        bins: &[(f64, f64)],
        measured: &[BinMoments],
    ) -> Result<(Vec<EventFamily>, Vec<BinMoments>)> {
        let family = |decay| sample.family(decay, &self.free);
        let families = sample.decays.iter().map(family).collect::<Result<Vec<_>, _>>()?;
        if families.len() == 1 {
            return Ok((families, measured.to_vec()));
        }
        let mut moments = Vec::new();
        for place in 0..families.len() {
            let own: Vec<bool> = (0..sample.events.len()).map(|row| sample.which(row) == place).collect();
            let weights = sample.weights.as_ref().map(|weights| weights.filtered(&own)).transpose()?;
            moments.extend(weighted_moments(&sample.events.filtered(&own), weights.as_ref(), bins)?);
        }
        Ok((families, moments))
    }

    /// Open ends reach to those of the windows; bins must not share events.
    fn bins(&self, sample: &MeasuredSample) -> Result<Vec<(f64, f64)>> {
        let low = sample.windows.first().map_or(0.0, |window| window.0);
        let high = sample.windows.last().map_or(f64::INFINITY, |window| window.1);
        let mut bins: Vec<(f64, f64)> =
            self.bins.iter().map(|bin| (bin.min.unwrap_or(low), bin.max.unwrap_or(high))).collect();
        bins.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in bins.windows(2) {
            if pair[1].0 < pair[0].1 {
                bail!(
                    "--bins = {}:{} is not allowed; allowed: bins without overlap, {}:{} is another",
                    pair[1].0,
                    pair[1].1,
                    pair[0].0,
                    pair[0].1
                );
            }
        }
        Ok(bins)
    }
}

/// The S_i, which are CP averages where there are asymmetries too.
fn printed(bin: &BinMoments, asymmetries: Option<&BinMoments>, weighted: bool) -> MomentsBin {
    let mut observables: Vec<(String, f64, f64)> = Vec::new();
    let mut add = |name: &str, (value, sigma): (f64, f64)| observables.push((name.to_owned(), value, sigma));
    add("F_L", bin.f_l());
    add("A_FB", bin.a_fb());
    let one = |i: usize| std::array::from_fn(|j| f64::from(u8::from(i == j)));
    for (i, name) in AngularCoefficients::ORDER.iter().enumerate() {
        add(&format!("S{name}"), bin.combination(&one(i)));
    }
    if let Some(asymmetries) = asymmetries {
        add("A_CP", asymmetries.rate());
        for (i, name) in AngularCoefficients::ORDER.iter().enumerate() {
            add(&format!("A{name}"), asymmetries.combination(&one(i)));
        }
    }
    let weights = weighted.then(|| sum_of_weights(bin.counted));
    MomentsBin { q2_min: bin.q2.0, q2_max: bin.q2.1, events: bin.events, weights, observables }
}

fn print(result: &MomentsResult) {
    out!("{:<12}", "q2 [GeV^2]");
    for bin in &result.bins {
        out!("{:>24}", format!("[{:.4}, {:.4}]", bin.q2_min, bin.q2_max));
    }
    outln!();
    out!("{:<12}", "events");
    for bin in &result.bins {
        out!("{:>24}", bin.events);
    }
    outln!();
    if result.bins.iter().any(|bin| bin.weights.is_some()) {
        out!("{:<12}", "weights");
        for weights in result.bins.iter().filter_map(|bin| bin.weights) {
            out!("{:>24}", format!("{:.1}, as {:.1}", weights.sum, weights.effective_events));
        }
        outln!();
    }
    for i in 0..result.bins.first().map_or(0, |bin| bin.observables.len()) {
        out!("{:<12}", result.bins[0].observables[i].0);
        for (_, value, sigma) in result.bins.iter().map(|bin| &bin.observables[i]) {
            out!("{:>24}", format!("{value:.5} +- {sigma:.5}"));
        }
        outln!();
    }
    if let Some(fit) = &result.fit {
        outln!("assumed: {}", sentence(&fit.assumed));
        print_fit(fit, &[]);
    }
    print_warnings(&result.warnings);
}
