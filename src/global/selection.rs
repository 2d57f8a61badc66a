//! Which measurements count: asked for by name or bin, and left out where nothing would be learned or counted twice.

use std::str::FromStr;

use humboldt_physics::channel::process;
use humboldt_physics::{Observable, PhysicsError};
use humboldt_schemas::Invalid;
use humboldt_schemas::global::LeftOut;
use humboldt_schemas::measurements::{Measurement, MeasurementFile};

/// Region of q2 [GeV^2] around J/psi and psi(2S) where no calculation of charm loops holds: perturbation theory ends below
/// the first resonance, the operator product expansion begins above the second.
pub const NEAR_CHARMONIA: [f64; 2] = [8.0, 14.18];

/// Measurements by name: an observable, a process, or both, and a bin, as in `P5p`, `B+->K+mumu`, `P5p(B+->K*+mumu)`,
/// `S5@4:6`.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    text: String,
    observable: Option<Observable>,
    process: Option<String>,
    bin: Option<Bin>,
}

/// A bin of q2 as typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end in GeV^2.
    pub low: f64,
    /// Upper end in GeV^2.
    pub high: f64,
}

impl Bin {
    fn is_of(self, measurement: &Measurement) -> bool {
        (self.low - measurement.q2_min).abs() < 1e-9 && (self.high - measurement.q2_max).abs() < 1e-9
    }
}

impl FromStr for Bin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once(':').map(|(low, high)| (low.trim().parse(), high.trim().parse()));
        match ends {
            Some((Ok(low), Ok(high))) if 0.0 <= low && low < high && f64::is_finite(high) => {
                Ok(Self { low, high })
            }
            _ => Err("allowed: MIN:MAX in GeV^2, as in 1.1:2.5".to_owned()),
        }
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, bin) = match text.split_once('@') {
            Some((name, bin)) => (name.trim(), Some(bin.parse()?)),
            None => (text.trim(), None),
        };
        let (observable, of) = match name.split_once('(') {
            Some((observable, rest)) => (observable, rest.strip_suffix(')')),
            None if name.contains("->") => ("", Some(name)),
            None => (name, None),
        };
        let said = |error: PhysicsError| error.to_string();
        if let Some(of) = of {
            process(of).map_err(said)?;
        }
        let observable = if observable.is_empty() { None } else { Some(observable.parse().map_err(said)?) };
        if observable.is_none() && of.is_none() {
            return Err("allowed: an observable or a process, as in P5p, B+->K+mumu, P5p@4:6".to_owned());
        }
        Ok(Self { text: text.to_owned(), observable, process: of.map(str::to_owned), bin })
    }
}

impl Name {
    fn is_of(&self, measurement: &Measurement) -> bool {
        let observable = self.observable.is_none_or(|observable| observable.name() == measurement.observable);
        let process = self.process.as_ref().is_none_or(|process| *process == measurement.process);
        observable && process && self.bin.is_none_or(|bin| bin.is_of(measurement))
    }
}

/// Measurements that are asked for; by default all that have a prediction and are counted once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Only these, where any are named.
    pub only: Vec<Name>,
    /// Not these.
    pub exclude: Vec<Name>,
    /// Only these bins, where any are named; near charmonia too.
    pub bins: Vec<Bin>,
    /// Whether upward and downward errors are replaced by their mean.
    pub symmetric: bool,
}

impl Selection {
    /// Whether a measurement of a file is asked for.
    fn asked(&self, measurement: &Measurement) -> bool {
        let named = |names: &[Name]| names.iter().any(|name| name.is_of(measurement));
        (self.only.is_empty() || named(&self.only))
            && !named(&self.exclude)
            && (self.bins.is_empty() || self.bins.iter().any(|bin| bin.is_of(measurement)))
    }

    /// Why a measurement that is asked for does not count, where it does not.
    fn reason(&self, measurement: &Measurement, file: &MeasurementFile) -> Option<String> {
        let chosen = !self.bins.is_empty()
            || self.only.iter().any(|name| name.bin.is_some() && name.is_of(measurement));
        if chosen {
            return None;
        }
        let (low, high) = (measurement.q2_min, measurement.q2_max);
        let compares = measurement.observable.parse().is_ok_and(Observable::compares_leptons);
        let [near, far] = NEAR_CHARMONIA;
        if !compares && low < far && high > near {
            return Some("near the charmonia, where no calculation holds".to_owned());
        }
        let same = |other: &&Measurement| {
            other.observable == measurement.observable && other.process == measurement.process
        };
        let mut others = file.groups.iter().flat_map(|group| &group.measurements).filter(same);
        let inside = others.any(|o| o.q2_min >= low && o.q2_max <= high && o.q2_max - o.q2_min < high - low);
        inside.then(|| "its events are in narrower bins".to_owned())
    }

    /// Group and index of the measurements of a file that are asked for, and why they do not count, where they do not.
    pub(super) fn of(&self, file: &MeasurementFile) -> Vec<(usize, usize, Option<String>)> {
        let mut found = Vec::new();
        for (g, group) in file.groups.iter().enumerate() {
            for (i, measurement) in group.measurements.iter().enumerate() {
                if !measurement.nuisance && self.asked(measurement) {
                    found.push((g, i, self.reason(measurement, file)));
                }
            }
        }
        found
    }

    /// Every name and bin must be that of a measurement.
    pub(super) fn check(&self, files: &[MeasurementFile]) -> Result<(), Invalid> {
        let all =
            || files.iter().flat_map(|f| &f.groups).flat_map(|g| &g.measurements).filter(|m| !m.nuisance);
        for (argument, names) in [("--only", &self.only), ("--exclude", &self.exclude)] {
            for name in names {
                let mut known: Vec<&str> = all().map(|m| m.observable.as_str()).collect();
                known.sort_unstable();
                known.dedup();
                let allowed = format!("what the data hold: {}", known.join(", "));
                Invalid::unless(all().any(|m| name.is_of(m)), argument, &name.text, allowed)?;
            }
        }
        for bin in &self.bins {
            let mut known: Vec<[f64; 2]> = all().map(|m| [m.q2_min, m.q2_max]).collect();
            known.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
            known.dedup();
            let known: Vec<String> = known.iter().map(|[low, high]| format!("{low}:{high}")).collect();
            let got = format!("{}:{}", bin.low, bin.high);
            Invalid::unless(all().any(|m| bin.is_of(m)), "--bins", got, known.join(", "))?;
        }
        for (i, a) in self.bins.iter().enumerate() {
            for b in &self.bins[..i] {
                let overlap = a.low < b.high && b.low < a.high;
                let got = format!("{}:{} and {}:{}", b.low, b.high, a.low, a.high);
                Invalid::unless(!overlap, "--bins", got, "bins that hold no events in common")?;
            }
        }
        Ok(())
    }
}

/// Measurements that are left out, in a few lines: how many, in which bins, and why.
pub fn summary(left_out: &[LeftOut]) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>, usize)> = Vec::new();
    for one in left_out {
        let bin = format!("[{}, {}]", one.q2_min, one.q2_max);
        match lines.iter_mut().find(|(reason, ..)| *reason == one.reason) {
            Some((_, bins, count)) => {
                *count += 1;
                if !bins.contains(&bin) {
                    bins.push(bin);
                }
            }
            None => lines.push((one.reason.clone(), vec![bin], 1)),
        }
    }
    lines
        .into_iter()
        .map(|(reason, bins, count)| {
            format!("{count} measurements are left out: {reason}: {} (--bins takes them)", bins.join(", "))
        })
        .collect()
}
