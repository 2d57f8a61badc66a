//! Assumptions of commands about a sample, in words; and what makes their answers doubtful.

use std::collections::{BTreeMap, BTreeSet};

use humboldt_physics::{LineShape, Parameters, Plan, Theory, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::phase_space::covers;
use humboldt_schemas::card::GeneratorCard;
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::Assumed;

use crate::Error;
use crate::infer::closure::STRANGE;
use crate::infer::density::EventFamily;
use crate::infer::goodness::{empty_masses, empty_stretches};
use crate::progress::{note, outln};
use crate::sampling;

/// The density that a card describes, shifts along `free` not being part of it.
pub(crate) fn assumed(card: &GeneratorCard, free: &[WilsonDirection]) -> Result<Assumed, Error> {
    let shifts = without(card, free)?;
    let windows = sampling::resolved_windows(card)?;
    Ok(Assumed {
        model: card.model.to_string(),
        flavour: card.flavour.to_string(),
        lepton: card.lepton.to_string(),
        line_shape: card.line_shape.to_string(),
        q2: windows.into_iter().map(|(low, high)| [low, high]).collect(),
        fixed: shifts,
        m_kpi: None,
        inputs: card.inputs.clone(),
        charmonium: card.charmonium.clone(),
        by_default: Vec::new(),
    })
}

/// A card's shifts without those along `free`, and without those that vanish.
fn without(card: &GeneratorCard, free: &[WilsonDirection]) -> Result<BTreeMap<String, ComplexValue>, Error> {
    let shifts = free
        .iter()
        .fold(card.shifts()?, |shifts, direction| shifts.moved(*direction, -shifts.part(*direction)));
    let named =
        shifts.iter().map(|(coefficient, value)| (coefficient.name().to_owned(), ComplexValue(value)));
    Ok(named.filter(|(_, value)| value.0.norm() > 0.0).collect())
}

/// In one line.
pub(crate) fn sentence(assumed: &Assumed) -> String {
    let mass = if assumed.line_shape == LineShape::Narrow.name() {
        "K* at its pole".to_owned()
    } else {
        let window = assumed.m_kpi.map(|[low, high]| format!(" in {}:{} GeV", short(low), short(high)));
        format!("K pi mass {}{}", assumed.line_shape, window.unwrap_or_default())
    };
    let mut parts = vec![
        format!("model {}", assumed.model),
        assumed.flavour.clone(),
        assumed.lepton.clone(),
        mass,
        format!("q2 in {} GeV^2", ranges(&assumed.q2)),
    ];
    parts.extend(assumed.inputs.iter().map(|(name, value)| format!("{name} = {value}")));
    if let Some(resonances) = &assumed.charmonium {
        let names: Vec<&str> = resonances.keys().map(String::as_str).collect();
        parts.push(format!("charmonium {}", names.join(" ")).trim_end().to_owned());
    }
    let fixed: Vec<String> = assumed.fixed.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let fixed = if fixed.is_empty() { "nothing".to_owned() } else { fixed.join(", ") };
    let defaults = if assumed.by_default.is_empty() {
        String::new()
    } else {
        format!("; not said by the file: {}", assumed.by_default.join(", "))
    };
    format!("{}; fixed: {fixed}{defaults}", parts.join(", "))
}

/// As `0.1:8, 11:19.2`.
pub(crate) fn ranges(windows: &[[f64; 2]]) -> String {
    let text: Vec<String> =
        windows.iter().map(|[low, high]| format!("{}:{}", short(*low), short(*high))).collect();
    text.join(", ")
}

fn short(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Metadata of a file that are not what is assumed of it, shifts along `free` and windows wider than the assumed
/// ones excepted.
pub(crate) fn differences(
    file: &GeneratorCard,
    assumed: &GeneratorCard,
    free: &[WilsonDirection],
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut say = |what: &str, own: String, other: String| {
        if own != other {
            found.push(format!("the file says {what} {own}, {other} is assumed"));
        }
    };
    say("model", file.model.to_string(), assumed.model.to_string());
    say("flavour", file.flavour.to_string(), assumed.flavour.to_string());
    say("lepton", file.lepton.to_string(), assumed.lepton.to_string());
    say("line_shape", file.line_shape.to_string(), assumed.line_shape.to_string());
    let (own, other) = (sampling::resolved_windows(file)?, sampling::resolved_windows(assumed)?);
    if !other.iter().all(|window| covers(&own, *window)) {
        let text = |windows: &[(f64, f64)]| {
            ranges(&windows.iter().map(|(low, high)| [*low, *high]).collect::<Vec<_>>())
        };
        say("q2", text(&own), text(&other));
    }
    let (own, other) = (without(file, free)?, without(assumed, free)?);
    let zero = ComplexValue::default();
    for name in own.keys().chain(other.keys().filter(|name| !own.contains_key(*name))) {
        let of = |all: &BTreeMap<String, ComplexValue>| all.get(name).unwrap_or(&zero).to_string();
        say(name, of(&own), of(&other));
    }
    let parameters = (file.parameters()?, assumed.parameters()?);
    for name in
        file.inputs.keys().chain(assumed.inputs.keys().filter(|name| !file.inputs.contains_key(*name)))
    {
        say(name, parameters.0.value(name)?.to_string(), parameters.1.value(name)?.to_string());
    }
    let resonances = |card: &GeneratorCard| {
        card.charmonium.as_ref().map_or_else(|| "off".to_owned(), |all| format!("{all:?}"))
    };
    say("charmonium", resonances(file), resonances(assumed));
    let effects = |card: &GeneratorCard| card.effects.names().unwrap_or_else(|| "none".to_owned());
    if file.effects != assumed.effects {
        say("effects", effects(file), effects(assumed));
    }
    Ok(found)
}

/// Says which inputs of a card change nothing.
pub(crate) fn note_idle_inputs(card: &GeneratorCard) -> Result<(), Error> {
    sampling::idle_inputs(card)?.iter().for_each(note);
    Ok(())
}

/// Says which inputs of the command line change none of a list of predictions.
pub(crate) fn note_idle(plan: &Plan, theory: &Theory, inputs: &[(String, f64)]) -> Result<(), Error> {
    if inputs.is_empty() {
        return Ok(());
    }
    let own = plan.values(theory)?;
    for (name, value) in inputs {
        let standard = Parameters::standard().value(name)?;
        let parameters = theory.parameters.clone().with_value(name, standard)?;
        let other = plan.values(&Theory { parameters: &parameters, ..theory.clone() });
        // What is refused without it depends on it.
        let same = other.is_ok_and(|other| other.iter().zip(&own).all(|(a, b)| a.to_bits() == b.to_bits()));
        if same && standard.to_bits() != value.to_bits() {
            note(format!(
                "input {name} = {value} changes nothing: model {} does not use it here",
                theory.model
            ));
        }
    }
    Ok(())
}

/// Stretches of q2 (GeV^2) around the J/psi and the psi(2S) that measurements leave out.
const CHARMONIUM: [(f64, f64); 2] = [(8.0, 11.0), (12.5, 15.0)];

/// Fault of a prediction in a bin (GeV^2) that reaches into the charmonium region, without the resonances.
pub(crate) fn charmonium_caution(q2_min: f64, q2_max: f64) -> Option<String> {
    let (low, high) = CHARMONIUM.into_iter().find(|(low, high)| q2_min < *high && q2_max > *low)?;
    Some(format!(
        "[{q2_min:.4}, {q2_max:.4}] GeV^2 reaches into the charmonium region [{low}, {high}], which the amplitudes do not describe and measurements leave out"
    ))
}

/// Notes each caution once.
pub(crate) fn note_cautions<'a>(cautions: impl IntoIterator<Item = &'a String>) {
    let distinct: BTreeSet<&String> = cautions.into_iter().collect();
    distinct.into_iter().for_each(note);
}

/// That a probability is small, of the smallest of so many.
pub(crate) fn small_p_value(p_value: f64, of: usize) -> Option<String> {
    (p_value < STRANGE / of.max(1) as f64).then(|| {
        let number = if p_value < 1e-300 { "below 1e-300".to_owned() } else { format!("{p_value:.1e}") };
        format!(
            "p-value {number}: the data do not follow what is assumed of them, and the numbers mean little"
        )
    })
}

/// Stretches of the windows in q2 and of K pi masses that should hold events and hold none.
pub(crate) fn emptiness(family: &EventFamily, events: &EventBatch, shifts: &[f64]) -> Vec<String> {
    let sentence = |stretch: &crate::infer::goodness::EmptyStretch| {
        format!(
            "no event in q2 from {:.4} to {:.4} GeV^2, where {:.0} are expected: were they selected in another window than {}?",
            stretch.low,
            stretch.high,
            stretch.expected,
            ranges(&family.windows().iter().map(|(low, high)| [*low, *high]).collect::<Vec<_>>())
        )
    };
    let of_masses = |stretch: &crate::infer::goodness::EmptyStretch| {
        format!(
            "no event with a K pi mass from {:.4} to {:.4} GeV, where {:.0} are expected: were they selected in another window?",
            stretch.low, stretch.high, stretch.expected
        )
    };
    let in_q2 = empty_stretches(family, &events.q2, shifts).iter().map(sentence).collect::<Vec<_>>();
    let in_mass = empty_masses(family, &events.m_kpi, shifts);
    in_q2.into_iter().chain(in_mass.iter().map(of_masses)).collect()
}

/// Prints them behind a result.
pub(crate) fn print_warnings(warnings: &[String]) {
    for warning in warnings {
        outln!("WARNING: {warning}");
    }
}
