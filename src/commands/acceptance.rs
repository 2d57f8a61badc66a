//! `humboldt acceptance`: the efficiency of accepted events as a sum of Legendre polynomials.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::acceptance::AcceptanceMoments;
use humboldt_pipeline::store::write_json;
use humboldt_schemas::acceptance::{HIGHEST_ORDER, LegendreAcceptance};
use humboldt_schemas::card::Effects;
use humboldt_schemas::experiment::{CurveLine, CurvePanel};

use super::arguments::{ForceArgument, count};
use super::sample::SourceArguments;
use super::smear::{TITLES, draw_curves};
use crate::progress::{Progress, note};
use crate::sampling;

/// Bins of the figure.
const BINS: usize = 24;

/// Describe the efficiency of accepted events by Legendre polynomials in q2 and the angles, from their moments
#[derive(Debug, Args)]
pub(super) struct AcceptanceArguments {
    /// Accepted simulated events with their truth, as of `smear`; .parquet, .arrow or .root (FILE.root:TREE)
    events: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Highest orders in cos_theta_l, cos_theta_k, chi and q2
    #[arg(long, value_name = "N,N,N,N", value_delimiter = ',', default_value = "4,5,6,5", value_parser = count::<usize>(0..=HIGHEST_ORDER as u64))]
    orders: Vec<usize>,
    /// File to write, .json, which a card takes as acceptance.file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Folder for a figure of the events and of the polynomials
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
}

impl AcceptanceArguments {
    pub(super) fn run(self) -> Result<()> {
        let orders: [usize; 4] = self.orders.as_slice().try_into().ok().with_context(|| {
            format!("--orders = {:?} is not allowed; allowed: four numbers, as in 4,5,6,5", self.orders)
        })?;
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let (open, source) = self.source.read(&self.events, true)?;
        let (mut reader, file) = (open()?, self.events.display());
        let card = &source.generator;
        let other = Effects { acceptance: None, detector: None, ..card.effects.clone() };
        if let Some(effect) = other.first() {
            anyhow::bail!("{file}: its truth is that of [{effect}] too; allowed: events of K* alone");
        }
        let windows = sampling::resolved_windows(card)?;
        ensure!(
            windows.len() == 1,
            "{file}: generated in q2 of {}; allowed: one window, between whose ends polynomials are orthogonal",
            sampling::in_words(&windows)
        );
        let decay = card.own_decay()?;
        let mut moments = AcceptanceMoments::new(&decay, card.line_shape, windows[0], orders)?;
        let mut bins = Projections::new(windows[0]);
        let progress = Progress::new("acceptance", reader.len() as u64, "events");
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let weights = moments.add(sample.truth());
            bins.add(sample.truth(), &weights);
            progress.advance(sample.len() as u64, "");
        }
        progress.finish();
        let acceptance = moments.file();
        let [events, effective] = acceptance.events;
        ensure!(
            effective >= 100.0,
            "{file}: {effective:.0} events' worth of statistics; allowed: 100 and more"
        );
        write_json(&self.out, &acceptance)?;
        note(format!("wrote {}", self.out.display()));
        note(format!(
            "{} coefficients from {events} events, which have the statistics of {effective:.0} of equal weight",
            acceptance.coefficients.len()
        ));
        let (negative, lowest) = acceptance.negative();
        if negative > 0.0 {
            note(format!(
                "the sum is negative in {:.2} % of phase space, down to {lowest:.3} of its mean; there it counts as 0: lower \
                 orders or more events help",
                100.0 * negative
            ));
        }
        self.figures.as_ref().map_or(Ok(()), |folder| bins.draw(folder, &acceptance))
    }
}

/// Weighted events by variable.
struct Projections {
    ranges: [(f64, f64); 4],
    sums: [[f64; BINS]; 4],
    whole: f64,
}

impl Projections {
    const fn new(q2: (f64, f64)) -> Self {
        Self { ranges: [q2, (-1.0, 1.0), (-1.0, 1.0), (-PI, PI)], sums: [[0.0; BINS]; 4], whole: 0.0 }
    }

    fn add(&mut self, truth: &EventBatch, weights: &[f64]) {
        for ((sums, column), (low, high)) in self.sums.iter_mut().zip(truth.columns()).zip(self.ranges) {
            for (x, weight) in column.iter().zip(weights) {
                let place = (f64::from(*x) - low) / (high - low) * BINS as f64;
                sums[(place as usize).min(BINS - 1)] += weight;
            }
        }
        self.whole += weights.iter().sum::<f64>();
    }

    /// Draws the events' part of each bin over that of phase space, and the polynomials' mean.
    fn draw(&self, folder: &Path, acceptance: &LegendreAcceptance) -> Result<()> {
        let [_, k, chi, q2] = acceptance.orders.map(|order| order + 1);
        // The mean over all other variables leaves their order 0.
        let strides = [1, k * chi * q2, chi * q2, q2];
        let orders = [acceptance.orders[3], acceptance.orders[0], acceptance.orders[1], acceptance.orders[2]];
        let panel = |i: usize| {
            let (low, high) = self.ranges[i];
            let middle = |bin: usize| low + (high - low) * (bin as f64 + 0.5) / BINS as f64;
            let events = (0..BINS).map(|bin| (middle(bin), self.sums[i][bin] / self.whole * BINS as f64));
            let curve = |bin: usize| {
                let x = 2.0 * (bin as f64 + 0.5) / BINS as f64 - 1.0;
                let values = humboldt_schemas::acceptance::legendre(orders[i], x);
                values
                    .iter()
                    .enumerate()
                    .map(|(n, p)| p * acceptance.coefficients[n * strides[i]])
                    .sum::<f64>()
            };
            let line = |name: &str, points: Vec<(f64, f64)>| CurveLine { name: name.to_owned(), points };
            CurvePanel {
                x: format!("true {}", TITLES[i]),
                y: "efficiency over its mean".to_owned(),
                logarithmic: false,
                lines: vec![
                    line("events", events.collect()),
                    line("polynomials", (0..BINS).map(|bin| (middle(bin), curve(bin))).collect()),
                ],
            }
        };
        let panels: Vec<CurvePanel> = (0..4).map(panel).collect();
        draw_curves(folder, "acceptance", format!("{:.0} events", acceptance.events[0]), &panels)
    }
}
