//! `humboldt check`: whether events follow the density that they are said to.

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::phase_space::PhaseSpace;
use humboldt_pipeline::sample::Role;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::GeneratorCard;
use humboldt_schemas::inference::{Closure, Deviation, FittedCoefficient};

use super::sample::SampleArguments;
use crate::assumptions::{assumed, ranges, sentence};
use crate::infer::closure::{self, STRANGE};
use crate::measured::at_one_mass;
use crate::progress::outln;
use crate::sampling;

/// Compare events, or the truth of simulated ones, with the density they are said to follow, and name what is off
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    sample: SampleArguments,
    /// Take the columns of the truth (`true_q2`, ..) where the file has them, in place of what was measured
    #[arg(long)]
    truth: bool,
    /// Print {follows, p_value, events, assumed, deviations}
    #[arg(long)]
    json: bool,
}

impl CheckArguments {
    pub(super) fn run(self) -> Result<()> {
        let closure = self.closure()?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&closure)?);
            return Ok(());
        }
        outln!("assumed: {}", sentence(&closure.assumed));
        let answer = if closure.follows { "follow" } else { "do not follow" };
        let p_value = match closure.p_value {
            small if small < STRANGE => format!("{small:.1e}"),
            p_value => format!("{p_value:.3}"),
        };
        outln!("{} events {answer} this density, p = {p_value}", closure.events);
        for Deviation { kind, words, coefficients, .. } in &closure.deviations {
            outln!("  {kind}: {words}");
            for c in coefficients {
                let sigma = c.sigma.map_or_else(|| "?".to_owned(), |sigma| format!("{sigma:.4}"));
                outln!("    {:<12}{:>9.4} +- {sigma}", c.name, c.value);
            }
        }
        Ok(())
    }

    fn closure(&self) -> Result<Closure> {
        let file = self.sample.events.display();
        let (mut events, made) = self.read()?;
        let mut deviations: Vec<Deviation> = units(&mut events).into_iter().collect();
        let card = self.sample.settings()?.card(made, at_one_mass(&events.m_kpi));
        let decay = card.own_decay()?;
        let role = if self.truth { Role::Truth } else { Role::Feature };
        PhaseSpace::of(&decay).admit(&mut events, role, 0).with_context(|| file.to_string())?;
        let line_shape = card.line_shape;
        let windows = sampling::windows(&card)?.of(&decay, line_shape)?;
        let found =
            closure::closure(&decay, line_shape, &windows, &events).with_context(|| file.to_string())?;
        deviations.extend(
            found
                .deviations
                .iter()
                .map(|deviation| in_words(deviation, &card))
                .collect::<Result<Vec<_>>>()?,
        );
        let p_value = if deviations.iter().any(|d| d.kind == "units") { 0.0 } else { found.p_value };
        Ok(Closure {
            follows: deviations.is_empty() && p_value >= STRANGE,
            p_value,
            events: found.events,
            assumed: assumed(&card, &[])?,
            deviations,
        })
    }

    /// The events, in whatever units they are, and what their file says of itself.
    fn read(&self) -> Result<(EventBatch, Option<GeneratorCard>)> {
        let path = &self.sample.events;
        let layout = self.sample.layout.read()?;
        let mut reader = EventReader::open_as(path, layout.as_ref(), More::EverythingThereIs)?.unchecked();
        ensure!(
            self.sample.unweighted() || !reader.is_weighted(),
            "{}: has a column `weight`; allowed: events that each count once, which alone follow a density (--unweighted)",
            path.display()
        );
        let made = reader.provenance().map(|provenance| provenance.generator.clone());
        let mut events = EventBatch::default();
        while events.len() < closure::MOST_EVENTS
            && let Some(sample) = reader.next_sample()
        {
            let sample = sample?;
            let truth = self.truth.then(|| sample.truth().clone());
            events.append(&truth.unwrap_or_else(|| sample.into_features()));
        }
        Ok((events, made))
    }
}

/// Takes numbers to GeV^2, GeV and radians where they are obviously in MeV or degrees, and says so.
fn units(events: &mut EventBatch) -> Option<Deviation> {
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let columns = [
        ("q2", "MeV^2", &mut events.q2, 30.0, 1e-6),
        ("m_kpi", "MeV", &mut events.m_kpi, 10.0, 1e-3),
        ("chi", "degrees", &mut events.chi, 7.0, 1.0_f64.to_radians()),
    ];
    let mut off = Vec::new();
    for (name, unit, column, most, factor) in columns {
        if largest(column) > most {
            for x in column.iter_mut() {
                *x = (f64::from(*x) * factor) as f32;
            }
            off.push(format!("{name} in {unit}"));
        }
    }
    (!off.is_empty()).then(|| {
        let words =
            format!("{}; allowed: GeV^2, GeV and radians (a layout's [units] converts)", off.join(", "));
        deviation("units", words)
    })
}

fn deviation(kind: &str, words: String) -> Deviation {
    Deviation { kind: kind.to_owned(), words, q2: Vec::new(), coefficients: Vec::new() }
}

fn in_words(found: &closure::Deviation, card: &GeneratorCard) -> Result<Deviation> {
    Ok(match found {
        closure::Deviation::Angles(mistake) => deviation(mistake.name(), mistake.words().to_owned()),
        closure::Deviation::Window(seen) => {
            let q2: Vec<[f64; 2]> = seen.iter().map(|(low, high)| [*low, *high]).collect();
            let words = format!("the events lie in q2 = {} GeV^2: say so by --q2 and --veto", ranges(&q2));
            Deviation { q2, ..deviation("window", words) }
        }
        closure::Deviation::Coefficients(shifts) => {
            let claimed = card.shifts()?;
            let coefficients = shifts
                .iter()
                .map(|(direction, shift, sigma)| FittedCoefficient {
                    name: direction.to_string(),
                    value: claimed.part(*direction) + shift,
                    sigma: Some(*sigma).filter(|sigma| sigma.is_finite()),
                    minus: None,
                    plus: None,
                })
                .collect();
            let words = "the events follow other Wilson coefficients:".to_owned();
            Deviation { coefficients, ..deviation("coefficients", words) }
        }
        closure::Deviation::Other => deviation(
            "other",
            "neither angles, flavour, window nor C9, C10 and C7 explain it: another model, form factors or lepton; or events that \
             a detector has accepted, whose truth does not follow the density of all"
                .to_owned(),
        ),
    })
}
