//! `humboldt global scan`: chi-square on a grid of two parameters, its contours, and the observables at the best fit.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use humboldt_physics::Plan;
use humboldt_schemas::global::Contribution;

use super::setup::{Comparison, FreeParameters};
use crate::commands::arguments::{ForceArgument, count, finite};
use crate::global::figures::{observable_panels, pull_rows};
use crate::global::fit::minimum;
use crate::global::scan::{Axis, Scan, rise};
use crate::global::setup::Setup;
use crate::global::shift::Shift;
use crate::global::statistic::ChiSquare;
use crate::progress::{note, outln};
use crate::report::{Contours, Region, Sheet, contours, observables, pulls as pulls_figure, write_grid_csv};

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
    #[arg(long, value_name = "N", default_value_t = 101, allow_negative_numbers = true, value_parser = count::<u32>(2..=2001))]
    points: u32,
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Folder to write to, made if it does not exist: scan.csv, and contours, observables and pulls, each as .csv, .svg, .png
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
}

/// An axis as typed.
#[derive(Debug, Clone, Copy)]
struct Range {
    shift: Shift,
    low: f64,
    high: f64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "allowed: NAME=MIN:MAX, as in c9=-2:0.5".to_owned();
        let (name, range) = text.split_once('=').ok_or_else(wrong)?;
        let (low, high) = range.split_once(':').ok_or_else(wrong)?;
        let shift = name.trim().parse()?;
        let (low, high) = (finite(low.trim())?, finite(high.trim())?);
        if low < high { Ok(Self { shift, low, high }) } else { Err("allowed: MIN below MAX".to_owned()) }
    }
}

impl ScanArguments {
    pub(super) fn run(mut self) -> Result<()> {
        if self.free.by_bin.is_some() {
            bail!("--by-bin is not allowed beside --x and --y; allowed: --free");
        }
        if self.x.shift == self.y.shift {
            bail!("--y = {} is not allowed; allowed: another shift than that of --x", self.y.shift);
        }
        for figure in ["contours", "observables", "pulls"] {
            for ending in ["csv", "svg", "png"] {
                self.force.allow(&self.out.join(format!("{figure}.{ending}")), &[])?;
            }
        }
        self.force.allow(&self.out.join("scan.csv"), &[])?;
        for axis in [self.x, self.y] {
            if !self.free.free.contains(&axis.shift) {
                self.free.free.push(axis.shift);
            }
        }
        let setup = self.comparison.setup()?;
        let statistic = self.free.statistic(&setup)?;
        self.comparison.say(&setup)?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("--out {}", self.out.display()))?;

        let best = minimum(&statistic)?;
        let axis = |range: Range| -> Result<Axis> {
            let parameter = self.free.free.iter().position(|free| *free == range.shift);
            let parameter = parameter.context("an axis is a free parameter")?;
            Ok(Axis { parameter, low: range.low, high: range.high, points: self.points as usize })
        };
        let (x, y) = (axis(self.x)?, axis(self.y)?);
        let scan = Scan::new(&statistic, &best, x, y)?;
        let [x_name, y_name] = [self.x, self.y].map(|range| range.shift.to_string());
        let print = self.comparison.small_print(&setup);
        write_grid_csv(
            &self.out.join("scan.csv"),
            (&x_name, &x.values()),
            (&y_name, &y.values()),
            &scan.chi2,
        )?;
        let regions =
            REGIONS.map(|sigmas| Region { sigmas, lines: scan.contour(best.chi2 + rise(sigmas, 2)) });
        let plot = Contours {
            x: (&x_name, [x.low, x.high]),
            y: (&y_name, [y.low, y.high]),
            regions: &regions,
            best: (best.values[x.parameter], best.values[y.parameter]),
        };
        contours(&Sheet::new(self.out.join("contours"), &print), &plot)?;
        self.draw_observables(&setup, &statistic, &best.values, &print)?;
        outln!("best fit: chi2 {:.2}", best.chi2);
        for (parameter, value) in statistic.parameters().iter().zip(&best.values) {
            outln!("  {parameter} = {value:.4}");
        }
        note(format!("wrote {}", self.out.display()));
        Ok(())
    }

    /// Measured values with those of the Standard Model and of the best fit, each with its theory errors where asked for,
    /// and the pulls of both.
    fn draw_observables(
        &self,
        setup: &Setup,
        statistic: &ChiSquare,
        best: &[f64],
        print: &[String],
    ) -> Result<()> {
        let theory = setup.standard_model();
        let predictions = Plan::new(&setup.data.quantities()).values(&theory)?;
        let spread = setup.spread(&theory)?;
        let pulls = statistic.pulls(&predictions);
        let contributions = statistic.contributions(&pulls);
        let fitted = statistic.compared(best)?;
        let standard_model: Vec<Contribution> = fitted
            .iter()
            .enumerate()
            .map(|(i, fitted)| Contribution {
                prediction: predictions[i],
                theory_error: spread.as_ref().map_or(0.0, |spread| spread.sigma[i]),
                pull: pulls[i],
                contribution: contributions[i],
                ..fitted.clone()
            })
            .collect();
        let (points, names) = ([&standard_model[..], &fitted[..]], ["Standard Model", "best fit"]);
        let sheet = |name: &str| Sheet::new(self.out.join(name), print);
        observables(&sheet("observables"), &observable_panels(&points, setup.data.left_out()), &names)?;
        pulls_figure(&sheet("pulls"), &pull_rows(&points), &names)?;
        Ok(())
    }
}
