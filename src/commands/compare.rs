//! `humboldt compare`: all estimators of a run on the same samples.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::Args;
use humboldt_physics::ModelName;
use humboldt_schemas::comparison::{Comparison, EstimatorValue, ONE_SIGMA, SystematicShift, WrongShift};

use super::arguments::{DeviceArgument, InputArguments, as_options, count, finite};
use super::model::of_ratios_alone;
use crate::assumptions::sentence;
use crate::learn::model::model_folder;
use crate::progress::{note, outln};
use crate::ratio;
use crate::ratio::worlds::Wrong;
use crate::report::estimator_words;
use crate::run::compare::{ComparisonPlan, compare, note_failures, values_between};
use crate::run::{RunFolder, compared, estimators, systematics};

/// Samples at each value where no number is given.
const IMAGES: u32 = 200;

/// A name of what is wrong; nothing of `none`.
fn wrong(text: &str) -> Result<Option<Wrong>, String> {
    if text == "none" { Ok(None) } else { Wrong::from_str(text).map(Some) }
}

/// Run the network, the unbinned fit, the template fit and angular moments on the same fresh samples: bias, width over
/// the information bound, coverage of intervals, pulls, time; of learned ratios on the same measured events, and on such that
/// differ from the simulation; goes on where it was broken off
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// Folder of a trained run
    run: PathBuf,
    /// Samples at each delta C9; 200 by default, of learned ratios as many as their card tests
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u32>(2..=10_000_000))]
    images: Option<u32>,
    /// Samples at each training value that the intervals are calibrated with; as many as --images by default
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u32>(20..=10_000_000))]
    calibration_images: Option<u32>,
    /// delta C9 of the samples, inside the range of the training; by default ten between the training values, of learned ratios the
    /// points that their card tests
    #[arg(long, value_name = "X,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = finite)]
    values: Vec<f64>,
    /// Which of network, unbinned, template, moments; of learned ratios, of ratio, unbinned, moments; by default all
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    estimators: Vec<String>,
    /// Of learned ratios: other networks, RUN or RUN/model, that learned from events of the same measurements
    #[arg(long, value_name = "FOLDER,...", value_delimiter = ',')]
    networks: Vec<PathBuf>,
    /// Of learned ratios: what samples have that the simulation has not: resolution (20 % worse), background (20 % more), s_wave
    /// (where none was simulated, none where one was); by default all that the card's events can have, none for none
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = wrong)]
    wrong: Option<Vec<Option<Wrong>>>,
    /// Draw the samples from another amplitude model than the run's: npr, bare, nnlo, full
    #[arg(long, value_name = "NAME", value_parser = ModelName::from_str)]
    test_model: Option<ModelName>,
    /// Draw the samples with form factors moved by N standard deviations, in the direction that matters most
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = finite)]
    test_form_factors: Option<f64>,
    /// Draw the samples with other physical inputs, as in v_cb=0.041
    #[arg(long, value_name = "NAME=VALUE,...", value_delimiter = ',', value_parser = InputArguments::value)]
    test_inputs: Vec<(String, f64)>,
    /// Folder for tables and figures; RUN/results/compare by default, with what is tested behind it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl CompareArguments {
    pub(super) fn run(self) -> Result<()> {
        let run = if self.out.is_some() { RunFolder::read(&self.run)? } else { RunFolder::open(&self.run)? };
        if run.learns_ratios() {
            return self.ratios(&run);
        }
        of_ratios_alone(
            &[(self.wrong.is_some(), "--wrong"), (!self.networks.is_empty(), "--networks")],
            "this run",
        )?;
        self.check_estimators(&estimators::NAMES)?;
        let mut names = self.estimators.clone();
        if names.is_empty() {
            names.extend(estimators::NAMES.map(str::to_owned));
        }
        let mut values =
            if self.values.is_empty() { values_between(run.card())? } else { self.values.clone() };
        values.sort_by(f64::total_cmp);
        values.dedup();
        let test = self.test(&run, values[values.len() / 2])?;
        let compute = self.device.open()?;
        let images = self.images.unwrap_or(IMAGES) as usize;
        let plan = ComparisonPlan {
            estimators: names,
            values,
            images,
            calibration_images: self.calibration_images.map_or(images.max(20), |n| n as usize),
            test,
        };
        let folder = self.out.clone().unwrap_or_else(|| run.results().join(self.folder_name()));
        let result = compare(&run, &plan, &compute, &folder.join("parts")).map_err(as_options)?;
        compared::write(&folder, &result, &run.card().generator)?;
        result.parts.remove()?;
        note_failures(&result.comparison);
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result.comparison)?);
        } else {
            print(&result.comparison);
        }
        note(format!("tables and figures in {}", folder.display()));
        Ok(())
    }

    /// Of learned ratios.
    fn ratios(&self, run: &RunFolder) -> Result<()> {
        ensure!(
            self.calibration_images.is_none(),
            "--calibration-images is not allowed with learned ratios; allowed: without, intervals are the estimators' own"
        );
        self.check_estimators(&ratio::estimators::NAMES)?;
        let (mut values, ranges) = (self.values.clone(), run.card().axes()?);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let centre = ranges.centre().values();
        let middle = values.get(values.len() / 2).or(centre.first()).copied().unwrap_or_default();
        let plan = ratio::compare::RatioComparisonPlan {
            estimators: self.estimators.clone(),
            networks: self.networks.iter().map(|folder| model_folder(folder)).collect(),
            values,
            images: self.images.map(|images| images as usize),
            wrong: self.wrong.as_ref().map(|all| all.iter().flatten().copied().collect()),
            test: self.test(run, middle)?,
        };
        let folder = self.out.clone().unwrap_or_else(|| run.results().join("compare"));
        let compared = ratio::compare::compare(run, &plan, &self.device.open()?, &folder.join("parts"));
        let compared = compared.map_err(as_options)?;
        ratio::compare::write(&folder, &compared, run)?;
        compared.parts.remove()?;
        compared.comparisons.iter().for_each(note_failures);
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&compared.comparisons)?);
        } else {
            compared.comparisons.iter().for_each(print_measured);
        }
        note(format!("tables and figures in {}", folder.display()));
        Ok(())
    }

    /// Refuses names of estimators that there are not, or twice.
    fn check_estimators(&self, known: &[&str]) -> Result<()> {
        for (i, name) in self.estimators.iter().enumerate() {
            ensure!(
                known.contains(&name.as_str()) && !self.estimators[..i].contains(name),
                "--estimators = {name} is not allowed; allowed: {}, each once",
                known.join(", ")
            );
        }
        Ok(())
    }

    /// Source of the samples in place of the card's generator.
    fn test(&self, run: &RunFolder, middle: f64) -> Result<Option<SystematicShift>> {
        let mut generator = run.card().generator.clone();
        let mut words = Vec::new();
        if let Some(model) = self.test_model {
            generator.model = model;
            words.push(format!("model {}", model.name()));
        }
        for (name, value) in &self.test_inputs {
            generator.inputs.insert(name.clone(), *value);
            words.push(format!("{name} = {value}"));
        }
        let mut expected_bias = None;
        if let Some(by) = self.test_form_factors {
            let moved = systematics::with_form_factors_moved(&generator, middle, by).map_err(as_options)?;
            words.push(moved.description);
            (generator, expected_bias) = (moved.generator, moved.expected_bias);
        }
        if words.is_empty() {
            return Ok(None);
        }
        // The card's own words for what it refuses.
        generator.own_decay()?;
        if generator == run.card().generator {
            bail!(
                "--test-model = {} is not allowed; allowed: what the run was not trained on",
                generator.model
            );
        }
        let expected_at = expected_bias.map(|_| middle);
        Ok(Some(SystematicShift { description: words.join(", "), generator, expected_bias, expected_at }))
    }

    fn folder_name(&self) -> String {
        let model = self.test_model.map(|model| format!("_{}", model.name())).unwrap_or_default();
        let form_factors = if self.test_form_factors.is_some() { "_form_factors" } else { "" };
        let inputs = if self.test_inputs.is_empty() { "" } else { "_inputs" };
        format!("compare{model}{form_factors}{inputs}")
    }
}

fn print(comparison: &Comparison) {
    let Comparison { events, images, calibration_images, .. } = comparison;
    outln!(
        "{images} samples of {events} events at each delta C9, calibrated with {calibration_images} at each training value"
    );
    if let Some(assumed) = &comparison.assumed {
        outln!("assumed: {}", sentence(assumed));
    }
    let error = |part: f64| {
        let n = 1.0 / *images as f64 + 1.0 / (*calibration_images + 2) as f64;
        100.0 * (part * (1.0 - part) * n).sqrt()
    };
    outln!(
        "statistical errors of a coverage: {:.1} % of 68.3 %, {:.1} % of 95 %",
        error(ONE_SIGMA),
        error(0.95)
    );
    if let Some(test) = &comparison.test {
        outln!("samples of another world than the estimators assume: {}", test.description);
        if let (Some(bias), Some(at)) = (test.expected_bias, test.expected_at) {
            outln!(
                "bias to expect from the information matrix: {bias:+.4}, to first order at delta C9 = {at}"
            );
        }
    }
    print_estimators(comparison);
}

/// Of measured events.
fn print_measured(comparison: &Comparison) {
    let background =
        comparison.background.map_or_else(String::new, |fraction| format!(", {fraction} of them background"));
    outln!(
        "at most {} pseudo-experiments of {} measured events at each {}{background}",
        comparison.images,
        comparison.events,
        words(&comparison.coefficient)
    );
    if let Some(assumed) = &comparison.assumed {
        outln!("assumed: {}", sentence(assumed));
    }
    print_estimators(comparison);
    let Some(first) = comparison.wrong.first() else { return };
    outln!();
    let names = first.shifts.iter().map(|shift| format!("{:>32}", estimator_words(&shift.estimator)));
    outln!("{:<36}{}", "what was wrong", names.collect::<Vec<_>>().concat());
    for wrong in &comparison.wrong {
        let of = |shift: &WrongShift| {
            let [least, most] = shift.extremes();
            format!("{:>32}", format!("{:+.2} +- {:.2}, {least:+.2} to {most:+.2}", shift.shift, shift.error))
        };
        outln!("{:<36}{}", wrong.what, wrong.shifts.iter().map(of).collect::<Vec<_>>().concat());
    }
    outln!("shifts in widths: mean over the values, and from the least to the most of them");
}

/// A coefficient as tables name its shift.
fn words(coefficient: &str) -> &str {
    if coefficient == "c9" { "delta C9" } else { coefficient }
}

fn print_estimators(comparison: &Comparison) {
    for e in &comparison.estimators {
        let pulls = if e.own_errors { "own errors" } else { "calibrated" };
        outln!();
        outln!(
            "{}: slope {:.3} in [{}, {}], width/slope {:.3} of the bound, covers {:.1} % and {:.1} %, {:.1} ms",
            e.name,
            e.slope,
            e.range[0],
            e.range[1],
            e.ratio_to_bound,
            100.0 * e.coverage_68,
            100.0 * e.coverage_95,
            e.milliseconds
        );
        outln!(
            "{:>9} {:>8} {:>8} {:>8} {:>7} {:>9} {:>8} {:>6} {:>7} {:>7}   pulls, {pulls}",
            words(&comparison.coefficient),
            "bias",
            "sigma_L",
            "sigma_R",
            "slope",
            "w/slope",
            "bound",
            "ratio",
            "68.3 %",
            "95 %"
        );
        for v in &e.values {
            let failed = if v.failed > 0 { format!("  {} failed", v.failed) } else { String::new() };
            outln!(
                "{:>9.4} {:>+8.4} {:>8.4} {:>8.4} {:>7.3} {:>9.4} {:>8.4} {:>6.3} {:>7.1} {:>7.1}   {}{failed}",
                v.truth,
                v.bias,
                v.sigma_left,
                v.sigma_right,
                v.slope,
                v.width_over_slope,
                v.bound,
                v.ratio_to_bound,
                100.0 * v.coverage_68,
                100.0 * v.coverage_95,
                pulls_of(v)
            );
        }
    }
}

/// Mean and width of the pulls, as far as they are known.
fn pulls_of(v: &EstimatorValue) -> String {
    match (v.pull_mean, v.pull_width) {
        (Some(mean), Some(width)) => format!("{mean:+.2} +- {width:.2}"),
        (Some(mean), None) => format!("{mean:+.2} +- ?"),
        (None, _) => "unknown".to_owned(),
    }
}
