//! `humboldt global scan`: chi-square on a grid of two parameters, its contours, and the observables at the best fit.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use humboldt_physics::uncertainty::Spread;
use humboldt_physics::{Observable, Plan, WilsonDirection};

use super::setup::{Comparison, FreeParameters, Setup};
use crate::commands::arguments::finite;
use crate::global::fit::minimum;
use crate::global::scan::{Axis, Scan, rise};
use crate::global::statistic::ChiSquare;
use crate::progress::{note, outln};
use crate::report::{
    Contours, ObservableBin, ObservablePanel, Region, contours, observables, write_grid_csv,
};

/// Sizes of the regions in standard deviations.
const REGIONS: [f64; 3] = [1.0, 2.0, 3.0];

/// Write chi-square on a grid of two shifts, its contours of 1, 2 and 3 sigma, and figures; all other free parameters are
/// fitted at each point
#[derive(Debug, Args)]
pub(super) struct ScanArguments {
    /// First shift and its range
    #[arg(long, value_name = "NAME=MIN:MAX", default_value = "c9=-2:0.5", value_parser = Range::from_str)]
    x: Range,
    /// Second shift and its range
    #[arg(long, value_name = "NAME=MIN:MAX", default_value = "c10=-1:1", value_parser = Range::from_str)]
    y: Range,
    /// Points along each axis
    #[arg(long, value_name = "N", default_value_t = 101, value_parser = clap::value_parser!(u32).range(2..=2001))]
    points: u32,
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Folder to write to, made if it does not exist: scan.csv, contours.csv, .svg, .png, observables.csv, .svg, .png
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// An axis as typed.
#[derive(Debug, Clone, Copy)]
struct Range {
    direction: WilsonDirection,
    low: f64,
    high: f64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "allowed: NAME=MIN:MAX, as in c9=-2:0.5".to_owned();
        let (name, range) = text.split_once('=').ok_or_else(wrong)?;
        let (low, high) = range.split_once(':').ok_or_else(wrong)?;
        let direction = name.trim().parse().map_err(|e: humboldt_physics::PhysicsError| e.to_string())?;
        let (low, high) = (finite(low.trim())?, finite(high.trim())?);
        if low < high { Ok(Self { direction, low, high }) } else { Err("allowed: MIN below MAX".to_owned()) }
    }
}

impl ScanArguments {
    pub(super) fn run(mut self) -> Result<()> {
        if self.x.direction == self.y.direction {
            bail!("--y = {} is not allowed; allowed: another shift than that of --x", self.y.direction);
        }
        for axis in [self.x, self.y] {
            if !self.free.free.contains(&axis.direction) {
                self.free.free.push(axis.direction);
            }
        }
        let setup = self.comparison.setup()?;
        let statistic = self.comparison.statistic(&setup, &self.free)?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("--out {}", self.out.display()))?;

        let best = minimum(&statistic)?;
        let axis = |range: Range| -> Result<Axis> {
            let parameter = self.free.free.iter().position(|free| *free == range.direction);
            let parameter = parameter.context("an axis is a free parameter")?;
            Ok(Axis { parameter, low: range.low, high: range.high, points: self.points as usize })
        };
        let (x, y) = (axis(self.x)?, axis(self.y)?);
        let scan = Scan::new(&statistic, &best, x, y)?;
        let [x_name, y_name] = [self.x, self.y].map(|range| range.direction.to_string());
        let path = |name: &str| self.out.join(name);
        write_grid_csv(&path("scan.csv"), (&x_name, &x.values()), (&y_name, &y.values()), &scan.chi2)?;
        let regions =
            REGIONS.map(|sigmas| Region { sigmas, lines: scan.contour(best.chi2 + rise(sigmas, 2)) });
        let plot = Contours {
            x: (&x_name, [x.low, x.high]),
            y: (&y_name, [y.low, y.high]),
            regions: &regions,
            best: (best.values[x.parameter], best.values[y.parameter]),
        };
        contours(&path("contours"), &plot)?;
        self.draw_observables(&setup, &statistic, &best.values)?;
        outln!("best fit: chi2 {:.2}", best.chi2);
        for (parameter, value) in statistic.parameters().iter().zip(&best.values) {
            outln!("  {parameter} = {value:.4}");
        }
        note(format!("wrote {}", self.out.display()));
        Ok(())
    }

    /// Measured values with those of the Standard Model and of the best fit, each with its theory errors where asked for.
    fn draw_observables(&self, setup: &Setup, statistic: &ChiSquare, best: &[f64]) -> Result<()> {
        let standard_model =
            Plan::new(&setup.data.quantities()).values(&self.comparison.standard_model(setup)?)?;
        let spread = self.comparison.spread(&self.comparison.standard_model(setup)?, &setup.data)?;
        let error = |spread: Option<&Spread>, i: usize| spread.map_or(0.0, |spread| spread.sigma[i]);
        let fitted = statistic.predictions(best)?;
        let mut panels: Vec<ObservablePanel> = Vec::new();
        for (i, datum) in setup.data.measurements().iter().enumerate() {
            let (scale, title) = title(datum.quantity.observable, &datum.process());
            let bin = ObservableBin {
                q2_min: datum.quantity.q2_min,
                q2_max: datum.quantity.q2_max,
                measured: scale * datum.value,
                error_plus: scale * datum.error_plus,
                error_minus: scale * datum.error_minus,
                predictions: vec![
                    (scale * standard_model[i], scale * error(spread.as_ref(), i)),
                    (scale * fitted[i], scale * statistic.theory_errors()[i]),
                ],
            };
            match panels.last_mut().filter(|panel| panel.name == datum.label()) {
                Some(panel) => panel.bins.push(bin),
                None => panels.push(ObservablePanel { title, name: datum.label(), bins: vec![bin] }),
            }
        }
        observables(&self.out.join("observables"), &panels, &["Standard Model", "best fit"])?;
        Ok(())
    }
}

/// The factor by which an observable is shown, and its title in markup.
fn title(observable: Observable, process: &str) -> (f64, String) {
    let name = observable.name();
    match observable {
        Observable::DBrDq2 => {
            let hadron = if process.contains("K*") { r"*K*^{\*}" } else { "*K*" };
            (1e8, format!("10^{{8}} d*B*/d*q*^{{2}} ({hadron}) [GeV^{{−2}}]"))
        }
        Observable::DGammaDq2 => (1.0, "d*Γ*/d*q*^{2} [GeV^{−1}]".to_owned()),
        Observable::RK => (1.0, "*R*_{*K*}".to_owned()),
        Observable::RKstar => (1.0, r"*R*_{*K*\*}".to_owned()),
        _ => {
            let (name, prime) = name.strip_suffix('p').map_or((name, ""), |name| (name, "′"));
            let (letter, index) = name.split_at(1);
            (1.0, format!("*{letter}*_{{{}}}{prime}", index.trim_start_matches('_')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_those_of_the_literature() {
        assert_eq!(title(Observable::P5p, "B0->K*0mumu").1, "*P*_{5}′");
        assert_eq!(title(Observable::FL, "B0->K*0mumu").1, "*F*_{L}");
        assert_eq!(title(Observable::DBrDq2, "B0->K0mumu").1, "10^{8} d*B*/d*q*^{2} (*K*) [GeV^{−2}]");
    }
}
