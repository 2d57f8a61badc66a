//! `humboldt background`: the density of a background, smoothed from a sample of it.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::store::write_json;
use humboldt_schemas::background::HIGHEST_ORDER;
use humboldt_schemas::experiment::{CurveLine, CurvePanel};
use humboldt_schemas::inference::{AgreementOfBackground, DescribedBackground};

use super::arguments::{ForceArgument, as_options, count};
use super::layout::LayoutArguments;
use super::sample::SelectionArguments;
use super::smear::{TITLES, draw_curves};
use crate::assumptions::print_warnings;
use crate::error::Place;
use crate::infer::background::{Agreement, Background};
use crate::measured::{MeasuredSample, disagreement};
use crate::progress::{note, outln};
use crate::sampling;

/// Describe the density of a background, smoothed from a sample of it, as a sideband, for the background of a card
#[derive(Debug, Args)]
pub(super) struct BackgroundArguments {
    /// Events of background, .parquet, .arrow or .root (FILE.root:TREE), with columns q2, cos_theta_l, cos_theta_k, chi and, for a line
    /// shape, m_kpi
    events: PathBuf,
    #[command(flatten)]
    layout: LayoutArguments,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Highest order of the polynomials, 1 to 6; by default what the sample bears, at most 3
    #[arg(long, value_name = "N", value_parser = count::<u8>(1..=HIGHEST_ORDER as u64), allow_negative_numbers = true)]
    order: Option<u8>,
    /// File to write, .json, which a card takes as background.density
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Folder for a figure of the events and of the density
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl BackgroundArguments {
    pub(super) fn run(self) -> Result<()> {
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let name = || self.events.display().to_string();
        // A density of background has no coefficients; the decay says where phase space ends.
        let any = [WilsonDirection::real(WilsonCoefficient::C9)];
        let settings = self.selection.settings(self.layout.read()?);
        let sample = MeasuredSample::read(&self.events, &settings, &any, true).map_err(as_options)?;
        self.selection.note_left_out(&sample);
        let family = sample.family(&sample.decay, &any)?;
        let outside = family.holds(&sample.events).iter().filter(|inside| !**inside).count();
        ensure!(
            outside == 0,
            "{}: {outside} of {} events lie outside the windows, q2 = {}, or phase space; --select leaves those outside the windows out",
            name(),
            sample.events.len(),
            sampling::in_words(&sample.windows)
        );
        let weights = sample.weights.as_ref();
        let order = self.order.map(usize::from);
        let density = Background::new(&family, &sample.events, weights, &[], order).place(name)?;
        let effective = weights.map_or(sample.events.len() as f64, |own| own.counted().effective);
        let file = density.file(&sample.windows, effective).place(name)?;
        write_json(&self.out, &file)?;
        note(format!("wrote {}", self.out.display()));
        let mut warnings = sample.warnings.clone();
        if let Some(Agreement { variables, .. }) = disagreement(&density) {
            warnings.push(format!(
                "the density is not that of its sample, least of all in {variables}: a higher order, or a larger sample, may help"
            ));
        }
        let agreement = |one: &Agreement| {
            let Agreement { variables, chi2, dof, p_value, .. } = one.clone();
            AgreementOfBackground { variables, chi2, dof, p_value }
        };
        let agreement = density.agreement().iter().map(agreement).collect();
        let described = DescribedBackground { density: file, agreement, warnings };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&described)?);
        } else {
            print(&described);
        }
        self.figures.as_ref().map_or(Ok(()), |folder| draw(folder, &sample, &density))
    }
}

fn print(described: &DescribedBackground) {
    let DescribedBackground { density, agreement, warnings } = described;
    let [events, effective] = density.events;
    let equal = if effective < events {
        format!(", as good as {effective:.1} without weights")
    } else {
        String::new()
    };
    let masses = match density.m_kpi {
        Some([low, high]) => format!("K pi mass in {low:.4}:{high:.4} GeV"),
        None => "one K pi mass".to_owned(),
    };
    let windows: Vec<(f64, f64)> = density.windows.iter().map(|[low, high]| (*low, *high)).collect();
    let (windows, order) = (sampling::in_words(&windows), density.order);
    outln!("{events} events{equal}, q2 in {windows} GeV^2, {masses}, smoothed to order {order}");
    for AgreementOfBackground { variables, chi2, dof, p_value } in agreement {
        outln!("  {variables:<28} chi2 {chi2:>7.1} for {dof:>3} degrees of freedom, p = {p_value:.4}");
    }
    print_warnings(warnings);
}

/// Draws the parts of sample and density in bins of each variable, over those of equal bins.
fn draw(folder: &Path, sample: &MeasuredSample, density: &Background) -> Result<()> {
    let (low, high) = density.q2();
    let axes = [
        ("q2", TITLES[0], (low, high)),
        ("cos_theta_l", TITLES[1], (-1.0, 1.0)),
        ("cos_theta_k", TITLES[2], (-1.0, 1.0)),
        ("chi", TITLES[3], (-PI, PI)),
        ("m_kpi", "*m*_{*Kπ*} [GeV]", sample.m_kpi),
    ];
    let panel = |(name, title, (low, high)): (&str, &str, (f64, f64))| {
        let parts = &density.agreement().iter().find(|one| one.variables == name)?.parts;
        let bins = parts.len() as f64;
        let of = |which: usize| {
            let point = |(bin, part): (usize, &[f64; 2])| {
                (low + (high - low) * (bin as f64 + 0.5) / bins, part[which] * bins)
            };
            parts.iter().enumerate().map(point).collect::<Vec<_>>()
        };
        let line = |name: &str, points| CurveLine { name: name.to_owned(), points };
        Some(CurvePanel {
            x: title.to_owned(),
            y: "density over its mean".to_owned(),
            logarithmic: false,
            lines: vec![line("sample", of(0)), line("density", of(1))],
        })
    };
    let panels: Vec<CurvePanel> = axes.into_iter().filter_map(panel).collect();
    let print = format!("{} events, order {}", density.events(), density.order());
    draw_curves(folder, "background", print, &panels)
}
