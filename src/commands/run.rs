//! `humboldt run`: from a card to a linearity plot.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_schemas::card::{Preset, RunCard};
use humboldt_schemas::results::RatioEvaluation;

use super::arguments::DeviceArgument;
use super::evaluate::print_all;
use crate::assumptions::note_idle_inputs;
use crate::campaign::{Campaign, Task};
use crate::learn::Compute;
use crate::progress::{note, outln};
use crate::ratio::page::COLUMNS;
use crate::run::{RunFolder, evaluation, figures, limits, page, refuse_ratio, timing, training};
use crate::{ratio, sampling};

/// Generate, voxelise, train, evaluate, plot and report; goes on where it stopped
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Card, as in cards/quickstart.toml
    card: PathBuf,
    /// Folder of the run, made if it does not exist
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Use the images of this campaign of the same card, in place of making them
    #[arg(long, value_name = "CAMPAIGN")]
    images: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
}

impl RunArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = self.device.open()?;
        let card = RunCard::read(&self.card)?;
        if card.network.preset == Preset::Ratio {
            ensure!(
                self.images.is_none(),
                "--images is not allowed with network.preset = ratio; allowed: without, there are no images"
            );
            return self.ratio(card, &compute);
        }
        let run = open(&self.card, &self.out, self.images.as_deref(), &compute)?;
        let splits = [training::stored_splits(run.card()), training::tested_splits(run.card())].concat();
        let start = Instant::now();
        let campaign = run.campaign()?;
        let made = campaign.make(&splits, Task::ALL)?;
        made.note_finished(&campaign, &splits);
        if made.shards > 0 {
            timing::record(run.root(), "images", start.elapsed(), None)?;
        }
        training::train(&run, &compute)?;
        let evaluation = evaluation::evaluate(&run, &compute)?;
        figures::draw(&run, &evaluation)?;
        let report = page::write(&run, &evaluation, None)?;
        print_all(&evaluation);
        note(format!("linearity plot: {}", run.results().join("linearity.png").display()));
        note(format!("report: {}", report.display()));
        Ok(())
    }
}

impl RunArguments {
    /// The run of a card of learned ratios.
    fn ratio(&self, card: RunCard, compute: &Compute) -> Result<()> {
        sampling::sampler_at(&card.generator, &card.axes()?.centre())?;
        note_idle_inputs(&card.generator)?;
        let (run, evaluated) = ratio::run::run(card, &self.out, compute)?;
        print_ratio(&evaluated.numbers);
        note(format!("results: {}", run.results().display()));
        note(format!("humboldt infer DATA --model {}", run.model().display()));
        Ok(())
    }
}

/// Pseudo-experiments as a table for each coefficient.
fn print_ratio(evaluation: &RatioEvaluation) {
    let names: Vec<&str> = evaluation
        .points
        .first()
        .map_or(Vec::new(), |p| p.coefficients.iter().map(|c| c.name.as_str()).collect());
    let four = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.4}"));
    let three = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"));
    let head = COLUMNS.iter().zip([5, 7, 9, 8, 8, 8, 7, 7, 6, 6]);
    let head: Vec<String> = head.map(|(column, width)| format!("{column:>width$}")).collect();
    for (i, name) in names.iter().enumerate() {
        outln!("{name:>10} {} {:>9}", head.join(" "), "simulated");
        for point in &evaluation.points {
            let c = &point.coefficients[i];
            outln!(
                "{:>10.4} {:>5} {:>7} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>6} {:>9.0}",
                c.truth,
                point.experiments,
                point.events,
                c.mean.map_or_else(|| "-".to_owned(), |mean| format!("{:+.4}", mean - c.truth)),
                four(c.sigma),
                four(c.expected),
                four(c.bound),
                three(c.pull_mean),
                three(c.pull_width),
                three(c.coverage),
                three(c.coverage_95),
                point.effective_events
            );
        }
    }
    if evaluation.fraction > 0.0 {
        outln!("background: {} of all events", evaluation.fraction);
    }
}

/// The folder of a card's run, after everything in the card was checked.
pub(super) fn open(card: &Path, out: &Path, images: Option<&Path>, compute: &Compute) -> Result<RunFolder> {
    let card = possible(RunCard::read_for_run(card)?)?;
    compute.check(card.training.precision)?;
    training::check_start(&card, compute)?;
    let used = [training::stored_splits(&card), training::tested_splits(&card)].concat();
    ensure!(
        images.is_none() || !used.is_empty(),
        "--images = {} is not allowed; allowed: cards whose images are stored, this one has all of its images live",
        images.unwrap_or(Path::new("")).display()
    );
    let campaign = images.map(|folder| campaign_of(&card, folder)).transpose()?;
    let limits = limits::limits(&card)?;
    let run = RunFolder::for_card(out, card)?;
    // Said once nothing is refused any more.
    limits.into_iter().for_each(note);
    if let Some(campaign) = campaign {
        run.use_images_of(campaign.folder())?;
    }
    Ok(run)
}

/// The campaign in a folder, if it is of this card.
fn campaign_of(card: &RunCard, folder: &Path) -> Result<Campaign> {
    let campaign = Campaign::open(folder)?;
    ensure!(
        *campaign.data() == card.data(),
        "--images = {} is not allowed; allowed: a campaign of the same seed, [generator], [images] and [dataset]",
        folder.display()
    );
    Ok(campaign)
}

/// A card, after everything in it was checked.
pub(super) fn checked(path: &Path) -> Result<RunCard> {
    possible(RunCard::read(path)?)
}

/// A card whose windows lie inside phase space, which is known to the decay only.
fn possible(card: RunCard) -> Result<RunCard> {
    refuse_ratio(&card)?;
    sampling::sampler_at(&card.generator, &card.axes()?.centre())?;
    note_idle_inputs(&card.generator)?;
    Ok(card)
}
