//! `humboldt campaign`: the images of a card in a folder of shards, on this machine or on a cluster.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::ImageWriter;
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::card::{DataCard, Split};
use humboldt_schemas::provenance::Provenance;
use serde::Serialize;

use super::arguments::{ForceArgument, as_options, count};
use crate::campaign::make::ImageMaker;
use crate::campaign::slurm::{self, Request};
use crate::campaign::{Campaign, Task, plan};
use crate::progress::{note, number, outln, seconds};
use crate::sampling;

/// Make, check and merge the images of a card in a folder of shards; any interruption costs the shards in flight only
#[derive(Debug, Args)]
pub(super) struct CampaignArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print how many shards, images, events, bytes and minutes a card's images take; writes nothing
    Plan(Plan),
    /// Make the shards that are not there yet
    Run(Run),
    /// Print how far a campaign is
    Status(Status),
    /// Read every byte of every shard again
    Verify(Verify),
    /// Close a campaign of which all shards are there, or write a split into one file
    Merge(Merge),
    /// Write and submit the job scripts of a cluster: an array of tasks and a merge behind it
    Submit(Submit),
}

#[derive(Debug, Args)]
struct Plan {
    /// Card, as in cards/paper.toml
    card: PathBuf,
    /// Print {shards, images, events, bytes, core_seconds, seconds}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Run {
    /// Card; may be left out where the campaign was begun already
    card: Option<PathBuf>,
    /// The campaign's folder, made if it does not exist
    #[arg(long, value_name = "CAMPAIGN")]
    out: PathBuf,
    /// Only the shards of this task of an array of tasks, as in 3/5
    #[arg(long, value_name = "I/N")]
    task: Option<Task>,
}

#[derive(Debug, Args)]
struct Status {
    /// The campaign's folder
    campaign: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Verify {
    /// The campaign's folder
    campaign: PathBuf,
    /// Remove damaged shards, so that `campaign run` makes them again
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Args)]
struct Merge {
    /// The campaign's folder
    campaign: PathBuf,
    /// Write the images of --split into this file, .h5 or .arrow as the card says
    #[arg(long, value_name = "FILE", requires = "split")]
    out: Option<PathBuf>,
    /// train, validation or test
    #[arg(long, requires = "out", value_parser = split)]
    split: Option<Split>,
    #[command(flatten)]
    force: ForceArgument,
}

#[derive(Debug, Args)]
struct Submit {
    /// Card
    card: PathBuf,
    /// The campaign's folder, on a file system that all nodes see
    #[arg(long, value_name = "CAMPAIGN")]
    out: PathBuf,
    /// The cluster's engine; the only one that is submitted to (see docs/campaigns.md for others)
    #[arg(long, required = true)]
    slurm: bool,
    /// Tasks of the array, at most as many as the campaign has shards; 10 by default, or fewer where there are fewer shards
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<usize>(1..=100_000))]
    tasks: Option<usize>,
    /// Cores of a task
    #[arg(long, default_value_t = 2, allow_negative_numbers = true, value_parser = count::<usize>(1..=1024))]
    cpus: usize,
    /// Partition
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Time limit of a task
    #[arg(long, value_name = "TIME", default_value = "02:00:00")]
    time: String,
    /// Memory of a task
    #[arg(long, value_name = "MEMORY", default_value = "2G")]
    memory: String,
    /// Environment modules that the tasks load
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    modules: Vec<String>,
    /// Another option of sbatch, as in --sbatch=--account=flavour; may be given several times
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    sbatch: Vec<String>,
    /// Write the scripts and do not submit them
    #[arg(long)]
    dry_run: bool,
}

impl CampaignArguments {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Plan(arguments) => arguments.run(),
            Command::Run(arguments) => arguments.run(),
            Command::Status(arguments) => arguments.run(),
            Command::Verify(arguments) => arguments.run(),
            Command::Merge(arguments) => arguments.run(),
            Command::Submit(arguments) => arguments.run(),
        }
    }
}

/// Tasks of an array, where nothing is said.
const TASKS: usize = 10;

/// Cost of a campaign.
#[derive(Debug, Serialize)]
struct Cost {
    shards: usize,
    images: usize,
    events: u64,
    bytes: u64,
    core_seconds: f64,
    /// On all cores of this machine.
    seconds: f64,
}

impl Plan {
    fn run(self) -> Result<()> {
        let data = data(&self.card)?;
        let points = data.points()?;
        let campaign_shards: usize =
            Split::ALL.iter().map(|split| plan::shards(&data, &points, *split).len()).sum();
        let images: usize = Split::ALL.iter().map(|split| data.count(*split)).sum();
        let (seconds_each, bytes_each) = measure(&data)?;
        let core_seconds = seconds_each * images as f64;
        let cost = Cost {
            shards: campaign_shards,
            images,
            events: (images * data.images.events) as u64,
            bytes: bytes_each * images as u64,
            core_seconds,
            seconds: core_seconds / rayon::current_num_threads() as f64,
        };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&cost)?);
            return Ok(());
        }
        outln!("shards       {}", cost.shards);
        outln!("images       {}", cost.images);
        outln!("events       {}", number(cost.events as f64));
        outln!("bytes        {}B", number(cost.bytes as f64));
        outln!("core time    {}", seconds(cost.core_seconds));
        outln!("here         {} on {} cores", seconds(cost.seconds), rayon::current_num_threads());
        Ok(())
    }
}

/// Core seconds and bytes of an image, measured on a few.
fn measure(data: &DataCard) -> Result<(f64, u64)> {
    const IMAGES: usize = 16;
    let folder = tempfile::tempdir().context("a folder for a trial")?;
    let shifts = &data.points()?[0].shifts;
    let sampler = sampling::sampler_at(&data.generator, &data.axes()?.point(shifts)?)?;
    let path = folder.path().join(format!("trial.{}", data.images.format.extension()));
    let provenance = Provenance::new(data.hash(), data.seed, data.generator.clone());
    let mut maker = ImageMaker::new(data.images.bins)?;
    let mut images = vec![CompactImage::new(data.images.bins)?];
    let start = Instant::now();
    let directions = data.axes()?.directions();
    let mut writer = ImageWriter::create_labelled(&path, &data.images, IMAGES, &directions, &provenance)?;
    for i in 0..IMAGES as u64 {
        let stream = StreamKey::new(data.seed).child("plan", i);
        maker.compact(&sampler, stream, data.images.events, &mut images[0])?;
        writer.push_compact(&images, shifts)?;
    }
    writer.finish()?;
    let seconds = start.elapsed().as_secs_f64() / IMAGES as f64;
    let bytes = std::fs::metadata(&path).with_context(|| path.display().to_string())?.len();
    Ok((seconds, bytes / IMAGES as u64))
}

impl Run {
    fn run(self) -> Result<()> {
        let campaign = match &self.card {
            Some(card) => Campaign::for_card(&self.out, &data(card)?)?,
            None => Campaign::open(&self.out)?,
        };
        let task = self.task.unwrap_or(Task::ALL);
        let shards = campaign.shards(&Split::ALL).len();
        if task.count() > shards {
            note(format!("{} tasks share {shards} shards: tasks above {shards} have none", task.count()));
        }
        let made = campaign.make(&Split::ALL, task)?;
        if made.shards == 0 && (0..shards).any(|shard| task.has(shard)) {
            note("every shard is there already");
        }
        if self.task.is_none() {
            campaign.merge()?;
        }
        Ok(())
    }
}

impl Status {
    fn run(self) -> Result<()> {
        let campaign = Campaign::open(&self.campaign)?;
        let status = campaign.status()?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&status)?);
            return Ok(());
        }
        outln!("shards     {} of {}", status.finished, status.shards);
        outln!("images     {} of {}", status.images_finished, status.images);
        outln!("bytes      {}B", number(status.bytes as f64));
        outln!("closed     {}", if status.merged { "yes, by manifest.json" } else { "not yet" });
        for shard in &status.in_flight {
            outln!("in flight  {shard}");
        }
        for job in campaign.queue().unwrap_or_default().lines() {
            outln!("job        {job}");
        }
        Ok(())
    }
}

impl Verify {
    fn run(self) -> Result<()> {
        let campaign = Campaign::open(&self.campaign)?;
        let status = campaign.status()?;
        let damaged = campaign.verify()?;
        if damaged.is_empty() {
            outln!("{} of {} shards are there, and whole", status.finished, status.shards);
            return Ok(());
        }
        for (shard, what) in &damaged {
            note(what);
            if self.remove {
                campaign.remove(shard)?;
            }
        }
        let names: Vec<String> =
            damaged.iter().map(|(shard, _)| campaign.path(shard).display().to_string()).collect();
        if self.remove {
            outln!("removed {}; `humboldt campaign run` makes them again", names.join(", "));
            return Ok(());
        }
        bail!(
            "damaged: {}; --remove removes them, so that `humboldt campaign run` makes them again",
            names.join(", ")
        )
    }
}

impl Merge {
    fn run(self) -> Result<()> {
        let campaign = Campaign::open(&self.campaign)?;
        if let (Some(out), Some(split)) = (&self.out, self.split) {
            let ending = campaign.data().images.format.extension();
            ensure!(
                out.extension().is_some_and(|e| e == ending),
                "--out = {} is not allowed; allowed: a name ending in .{ending}, the format of the card",
                out.display()
            );
            let shards: Vec<PathBuf> =
                campaign.shards(&[split]).iter().map(|shard| campaign.path(shard)).collect();
            self.force.allow(out, &shards)?;
            // A campaign that cannot be closed here, as another user's, can be read.
            campaign.merge().or_else(|_| campaign.complete())?;
            campaign.write_split(split, out)?;
            note(format!("wrote {}", out.display()));
            return Ok(());
        }
        let manifest = campaign.merge()?;
        outln!(
            "{} shards, {} images, {} events, {}B",
            manifest.shards.len(),
            manifest.images,
            number(manifest.events as f64),
            number(manifest.bytes as f64)
        );
        Ok(())
    }
}

impl Submit {
    fn run(self) -> Result<()> {
        let data = data(&self.card)?;
        let points = data.points()?;
        let shards = Split::ALL.iter().map(|split| plan::shards(&data, &points, *split).len()).sum();
        let tasks = self.tasks.unwrap_or(TASKS.min(shards));
        slurm::check_tasks(tasks, shards).map_err(as_options)?;
        let campaign = Campaign::for_card(&self.out, &data)?;
        if let Some(jobs) = campaign.queue().filter(|jobs| !jobs.is_empty() && !self.dry_run) {
            bail!(
                "{}: jobs of this campaign are in the queue already ({}); wait for them, or take them back by \
                 `scancel --name={}`",
                self.out.display(),
                jobs.lines().map(str::trim).collect::<Vec<_>>().join("; "),
                campaign.job_name()
            );
        }
        let request = Request {
            tasks,
            cpus: self.cpus,
            partition: self.partition,
            time: self.time,
            memory: self.memory,
            modules: self.modules,
            options: self.sbatch,
        };
        let scripts = campaign.write_scripts(&request)?;
        if self.dry_run {
            outln!("{}\n{}", scripts.array.display(), scripts.merge.display());
            return Ok(());
        }
        let (array, merge) = scripts.submit()?;
        outln!("array {array}, merge {merge}");
        note(format!("`humboldt campaign status {}` says how far it is", self.out.display()));
        Ok(())
    }
}

/// Images as a card asks for them, after everything in it was checked.
fn data(card: &std::path::Path) -> Result<DataCard> {
    Ok(super::run::checked(card)?.data())
}

fn split(text: &str) -> Result<Split, String> {
    let known = Split::ALL.into_iter().find(|split| split.name() == text);
    known.ok_or_else(|| format!("allowed: {}", Split::ALL.map(Split::name).join(", ")))
}
