//! `humboldt background`: the density of a background, smoothed from a sample of it.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::{Flavour, Lepton, LineShape, WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::store::write_json;
use humboldt_schemas::background::HIGHEST_ORDER;
use humboldt_schemas::card::Q2Range;
use humboldt_schemas::experiment::{CurveLine, CurvePanel};
use humboldt_schemas::inference::{AgreementOfBackground, DescribedBackground};

use super::arguments::{ForceArgument, as_options, count};
use super::layout::LayoutArguments;
use super::sample::mass_window;
use super::smear::TITLES;
use crate::assumptions::print_warnings;
use crate::error::Place;
use crate::infer::background::{Agreement, Background};
use crate::measured::{MeasuredSample, Settings, disagreement};
use crate::progress::{note, outln};
use crate::report::{Sheet, curves};
use crate::sampling;

/// Describe the density of a background, smoothed from a sample of it, as a sideband, for the background of a card
#[derive(Debug, Args)]
pub(super) struct BackgroundArguments {
    /// Events of background, .parquet, .arrow or .root (FILE.root:TREE), with columns q2, cos_theta_l, cos_theta_k, chi and, for a line
    /// shape, m_kpi
    events: PathBuf,
    #[command(flatten)]
    layout: LayoutArguments,
    /// Decaying meson that they are taken for: B0bar, B0, B-, B+; by default as the file says, else B0bar. Of a file of both flavours
    /// only those are taken
    #[arg(long, value_parser = Flavour::from_str)]
    flavour: Option<Flavour>,
    /// Lepton: mu, e; by default as the file says, else mu
    #[arg(long, value_parser = Lepton::from_str)]
    lepton: Option<Lepton>,
    /// K pi mass: breit-wigner, or narrow for the pole; by default as the file says, else breit-wigner where there is a
    /// column m_kpi whose values differ
    #[arg(long, value_parser = LineShape::from_str)]
    line_shape: Option<LineShape>,
    /// Window in q2 [GeV^2] that the events were selected in, as in 0.1:8; by default as the file says, required where it
    /// does not
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
    /// Window in q2 [GeV^2] that was left out, as in 8:11
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    veto: Vec<Q2Range>,
    /// Window in the K pi mass [GeV] that the events were selected in, as in 0.796:0.996; all masses of the line shape by default
    #[arg(long, value_name = "MIN:MAX", value_parser = mass_window)]
    m_kpi: Option<(f64, f64)>,
    /// Leave out events outside the windows; without it they are refused
    #[arg(long)]
    select: bool,
    /// Count each event once, although the file has a column `weight`
    #[arg(long)]
    unweighted: bool,
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
        let settings = Settings {
            layout: self.layout.read()?,
            flavour: self.flavour,
            lepton: self.lepton,
            line_shape: self.line_shape,
            q2: self.q2.clone(),
            veto: self.veto.clone(),
            m_kpi: self.m_kpi,
            select: self.select,
            unweighted: self.unweighted,
            ..Settings::default()
        };
        let sample = MeasuredSample::read(&self.events, &settings, &any, true).map_err(as_options)?;
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
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let panels: Vec<CurvePanel> = axes.into_iter().filter_map(panel).collect();
    let print = format!("{} events, order {}", density.events(), density.order());
    for path in curves(&Sheet::new(folder.join("background"), &[print]), &panels, false)? {
        if path.extension().is_some_and(|end| end == "png") {
            note(format!("wrote {}", path.display()));
        }
    }
    Ok(())
}
