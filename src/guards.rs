//! Signs that a sample is not at truth level, in words: what was seen, what it does, what to do.

use std::path::Path;

use humboldt_pipeline::PipelineError;
use humboldt_pipeline::layout::Signs;
use humboldt_pipeline::store::EventReader;
use humboldt_schemas::layout::Layout;

/// Squared masses of the resonances (GeV^2): J/psi 3.0969 GeV, psi(2S) 3.6861 GeV.
///
/// # Source
/// PDG 2024.
const RESONANCES: [(&str, f64); 2] = [("J/psi", 9.5908), ("psi(2S)", 13.5874)];

/// Half of the width of a peak that is looked for, in GeV^2: wider than the resolution of any experiment.
const HALF_WIDTH: f64 = 0.25;

/// Standard deviations above the neighbourhood, and times its height, from which on there is a peak.
const PEAK: (f64, f64) = (6.0, 1.8);

/// Page that tells a user what to do.
const SEE: &str = "docs/ntuples.md";

/// Reasons to doubt that the events of a file are what they are taken for; `q2` in GeV^2.
pub(crate) fn doubts(
    reader: &EventReader,
    path: &Path,
    layout: Option<&Layout>,
    q2: &[f32],
) -> Result<Vec<String>, PipelineError> {
    let resonant = reader.provenance().is_some_and(|made| made.generator.charmonium.is_some());
    // What a file of ours says of its flavour needs no column.
    let said = if reader.provenance().is_some() { &[] } else { reader.notes() };
    let mut doubts = said.to_vec();
    doubts.extend(of_signs(&humboldt_pipeline::layout::signs(path, layout)?));
    if !resonant {
        doubts.extend(of_resonances(q2));
    }
    Ok(doubts)
}

/// Doubts that the first rows of a file give.
pub(crate) fn of_signs(signs: &Signs) -> Vec<String> {
    let rows = format!("of the first {} rows", signs.rows);
    let mut found = Vec::new();
    if !signs.unused_weights.is_empty() {
        found.push(format!(
            "columns that look like weights are not used: {}; name the right one as `weight` of a layout ({SEE})",
            signs.unused_weights.join(", ")
        ));
    }
    if let Some((n, column)) = &signs.candidates {
        found.push(format!(
            "{n} {rows} belong to events with several candidates (`{column}`), which count as so many events; choose one by [keep] of a layout ({SEE})"
        ));
    }
    if signs.smeared > 0 {
        found.push(format!(
            "measured values of {} {rows} are not the true ones: these events went through a detector, and results are those of truth only without one; `fit --simulation` knows acceptance, and true columns can be read by a layout of their own ({SEE})",
            signs.smeared
        ));
    }
    if signs.wrong_tags > 0 {
        found.push(format!(
            "{} {rows} have the wrong tag, and with it K and pi exchanged: they follow another density; flavour.wrong_tags of a layout leaves them out ({SEE})",
            signs.wrong_tags
        ));
    }
    if signs.chi_of_two_ranges {
        found.push(format!(
            "chi lies below 0 and above pi: two ranges in one column, as of files of two layouts; chi_range of a layout refuses one of them ({SEE})"
        ));
    }
    if signs.chi_in_radians {
        found.push(format!(
            "chi never exceeds 6.3 degrees: is it in radians (units.chi of the layout, {SEE})?"
        ));
    }
    found
}

/// Peaks of q2 (GeV^2) where the resonances are.
pub(crate) fn of_resonances(q2: &[f32]) -> Vec<String> {
    let between =
        |low: f64, high: f64| q2.iter().filter(|q2| (low..high).contains(&f64::from(**q2))).count() as f64;
    let peak = |(name, at): &(&str, f64)| {
        let n = between(at - HALF_WIDTH, at + HALF_WIDTH);
        let beside =
            between(at - 3.0 * HALF_WIDTH, at - HALF_WIDTH) + between(at + HALF_WIDTH, at + 3.0 * HALF_WIDTH);
        let expected = 0.5 * beside;
        let (sigma, times) = PEAK;
        let is_peak = n > times * expected && n - expected > sigma * expected.max(1.0).sqrt();
        is_peak.then(|| {
            format!(
                "{n:.0} events at q2 = {:.2} to {:.2} GeV^2, where the neighbourhood has {expected:.0}: a peak of the {name}, which the densities here do not hold; leave it out by --veto ({SEE})",
                at - HALF_WIDTH,
                at + HALF_WIDTH
            )
        })
    };
    RESONANCES.iter().filter_map(peak).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_told_from_a_spectrum_and_its_ends() {
        let flat =
            |low: f32, high: f32, n: usize| (0..n).map(move |i| low + (high - low) * i as f32 / n as f32);
        let spectrum: Vec<f32> = flat(0.1, 19.0, 20_000).collect();
        assert!(of_resonances(&spectrum).is_empty());
        // The end of a window at the resonance, and a veto around it.
        assert!(of_resonances(&flat(0.1, 9.6, 20_000).collect::<Vec<_>>()).is_empty());
        assert!(
            of_resonances(&flat(0.1, 8.0, 9000).chain(flat(11.0, 12.5, 2000)).collect::<Vec<_>>()).is_empty()
        );
        let with: Vec<f32> = spectrum.iter().copied().chain(flat(9.5, 9.7, 2000)).collect();
        let [found] = &of_resonances(&with)[..] else { panic!() };
        assert!(found.contains("a peak of the J/psi") && found.contains("--veto"), "{found}");
        // Nothing but the resonance.
        assert_eq!(of_resonances(&flat(13.4, 13.8, 500).collect::<Vec<_>>()).len(), 1);
        assert!(of_resonances(&[9.5; 5]).is_empty());
    }
}
