//! Measured values with errors and correlations, in one list.

use std::path::Path;
use std::str::FromStr;

use humboldt_physics::channel::process_name;
use humboldt_physics::{MeasurementSet, Quantity};
use humboldt_schemas::Invalid;
use humboldt_schemas::correlation::Correlation;
use humboldt_schemas::global::LeftOut;
use humboldt_schemas::measurements::{Measurement, MeasurementFile};
use nalgebra::DMatrix;
use statrs::distribution::{ContinuousCDF, Normal};

use super::GlobalError;
use super::selection::{Selection, summary};

/// One measured number, LHCb convention.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Measured quantity.
    pub quantity: Quantity,
    /// Its value, of a likelihood the best; rates in GeV^-2.
    pub value: f64,
    /// Upward error.
    pub error_plus: f64,
    /// Downward error.
    pub error_minus: f64,
    /// Its source.
    pub source: String,
    /// Errors that are one and the same wherever their name occurs, by name, the mean of both sides with the sign of the
    /// factor between conventions.
    common: Vec<(String, f64)>,
    /// Of a likelihood: values, and the signed root of twice the loss of ln L; it rises.
    profile: Vec<(f64, f64)>,
}

impl Datum {
    fn new(measurement: &Measurement, file: &MeasurementFile) -> Result<Self, Invalid> {
        let quantity = measurement.quantity()?;
        let factor = file.convention()?.factor(quantity.observable);
        let mut profile: Vec<(f64, f64)> = Vec::new();
        let (value, mut errors) = if let Some(table) = &measurement.likelihood {
            let best = table.iter().find(|pair| pair[1] == 0.0).map_or(f64::NAN, |pair| pair[0]);
            let signed = |[x, loss]: [f64; 2]| {
                (x / factor, (2.0 * loss).sqrt() * (x - best).signum() * factor.signum())
            };
            profile = table.iter().map(|pair| signed(*pair)).collect();
            profile.sort_by(|a, b| a.0.total_cmp(&b.0));
            (best, [0.0; 2])
        } else if let Some([limit, level]) = measurement.limit {
            // Half a normal density above 0, of which the confidence level lies below the limit.
            (0.0, [limit / Normal::standard().inverse_cdf(0.5 * (1.0 + level)); 2])
        } else {
            (measurement.value.unwrap_or(f64::NAN), measurement.total_errors())
        };
        errors = errors.map(|error| error / factor.abs());
        if factor < 0.0 {
            errors.reverse();
        }
        let named =
            file.sources.iter().zip(&measurement.errors).filter(|(name, _)| file.common.contains(name));
        let common = named.map(|(name, [up, down])| (name.clone(), 0.5 * (up + down) / factor)).collect();
        let [error_plus, error_minus] = errors;
        let source = file.source.clone();
        let mut datum =
            Self { quantity, value: value / factor, error_plus, error_minus, source, common, profile };
        if !datum.profile.is_empty() {
            let [up, down] = [1.0, -1.0].map(|z| (datum.value_at(z) - datum.value).abs());
            (datum.error_plus, datum.error_minus) = (up, down);
        }
        Ok(datum)
    }

    /// The error on the side of a prediction; of a likelihood the one that gives its loss there.
    pub fn error_towards(&self, prediction: f64) -> f64 {
        let side = if prediction > self.value { self.error_plus } else { self.error_minus };
        if self.profile.is_empty() {
            return side;
        }
        let (distance, z) = ((prediction - self.value).abs(), along(&self.profile, prediction).abs());
        if z > 1e-6 { distance / z } else { side }
    }

    /// The value at a number of standard deviations of a likelihood.
    fn value_at(&self, z: f64) -> f64 {
        let turned: Vec<(f64, f64)> = self.profile.iter().map(|(x, z)| (*z, *x)).collect();
        along(&turned, z)
    }

    /// The mean of both errors.
    pub fn mean_error(&self) -> f64 {
        0.5 * (self.error_plus + self.error_minus)
    }

    /// The process as files name it.
    pub fn process(&self) -> String {
        process_name(self.quantity.flavour, self.quantity.hadron, self.quantity.lepton)
    }

    /// Observable and process, without the bin: `P5p`, `R_K`, `dBR_dq2(B0->K0mumu)`, `P5p(B+->K*+mumu)`.
    pub fn label(&self) -> String {
        let quantity = &self.quantity;
        let usual = quantity.observable.compares_leptons() || self.process() == "B0->K*0mumu";
        if quantity.observable.unit() == "1" && usual {
            quantity.observable.name().to_owned()
        } else {
            format!("{}({})", quantity.observable, self.process())
        }
    }

    /// Itself as one that does not count.
    fn left_out(&self, reason: &str) -> LeftOut {
        LeftOut {
            process: self.process(),
            observable: self.quantity.observable.name().to_owned(),
            q2_min: self.quantity.q2_min,
            q2_max: self.quantity.q2_max,
            measured: self.value,
            error_plus: self.error_plus,
            error_minus: self.error_minus,
            reason: reason.to_owned(),
            source: self.source.clone(),
        }
    }

    /// Whether both measure one observable of one process.
    fn same_observable(&self, other: &Self) -> bool {
        let (a, b) = (&self.quantity, &other.quantity);
        let leptons = a.observable.compares_leptons() || a.lepton == b.lepton;
        leptons && (a.observable, a.hadron, a.flavour) == (b.observable, b.hadron, b.flavour)
    }

    /// Observable, hadron, meson, bin: the order of a list.
    fn precedes(&self, other: &Self) -> std::cmp::Ordering {
        let key = |datum: &Self| {
            let quantity = &datum.quantity;
            (quantity.observable, quantity.hadron as u8, quantity.flavour as u8, quantity.lepton as u8)
        };
        let bins =
            |a: &Quantity, b: &Quantity| a.q2_min.total_cmp(&b.q2_min).then(a.q2_max.total_cmp(&b.q2_max));
        key(self).cmp(&key(other)).then_with(|| bins(&self.quantity, &other.quantity))
    }
}

/// The straight lines through points whose first numbers rise, at x; the outermost go on.
fn along(points: &[(f64, f64)], x: f64) -> f64 {
    let upper = points.partition_point(|(known, _)| *known < x).clamp(1, points.len() - 1);
    let ((x0, y0), (x1, y1)) = (points[upper - 1], points[upper]);
    y0 + (y1 - y0) * (x - x0) / (x1 - x0)
}

/// Measurements and the correlations of their errors.
#[derive(Debug, Clone)]
pub struct Data {
    measurements: Vec<Datum>,
    correlation: DMatrix<f64>,
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
}

impl Data {
    /// The measurements of sets by name, or of files `.toml`, put together; `field` is where the names come from.
    ///
    /// # Errors
    /// When a name is neither, a file is refused, or as [`Self::selected`].
    pub fn named(names: &[String], field: &str, selection: &Selection) -> Result<Self, GlobalError> {
        let mut files: Vec<MeasurementFile> = Vec::new();
        for (place, name) in names.iter().enumerate() {
            Invalid::unless(!names[..place].contains(name), field, format!("{name} twice"), "each once")?;
            match MeasurementSet::from_str(name) {
                Ok(set) => files.extend(MeasurementFile::built_in(set)?),
                Err(_) if Path::new(name).extension().is_some_and(|e| e == "toml") => {
                    files.push(MeasurementFile::read(Path::new(name))?);
                }
                Err(_) => {
                    let sets = MeasurementSet::ALL.map(MeasurementSet::name).join(", ");
                    return Err(Invalid::new(field, name, format!("{sets}, or a file .toml")).into());
                }
            }
        }
        Self::selected(&files, selection)
    }

    /// All measurements of some files that have a prediction and are counted once, as [`Selection::default`] has them.
    ///
    /// # Errors
    /// As [`Self::selected`].
    pub fn new(files: &[MeasurementFile]) -> Result<Self, GlobalError> {
        Self::selected(files, &Selection::default())
    }

    /// The measurements of some files that are asked for, sorted by observable, hadron, meson and bin. What has no
    /// prediction is free in every fit, which leaves the errors and correlations of all others as they are.
    ///
    /// # Errors
    /// Without measurements, when events would be counted twice, a name or bin of the selection is in no file, or a file is
    /// not valid.
    pub fn selected(files: &[MeasurementFile], selection: &Selection) -> Result<Self, GlobalError> {
        selection.check(files)?;
        let mut unsorted: Vec<Datum> = Vec::new();
        let mut owner: Vec<usize> = Vec::new();
        let (mut left_out, mut blocks, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for (number, file) in files.iter().enumerate() {
            file.validate()?;
            let asked = selection.of(file);
            for (g, group) in file.groups.iter().enumerate() {
                let (first, mut inside) = (unsorted.len(), Vec::new());
                for (_, i, reason) in asked.iter().filter(|(of, ..)| *of == g) {
                    let mut datum = Datum::new(&group.measurements[*i], file)?;
                    if let Some(reason) = reason {
                        left_out.push(datum.left_out(reason));
                        continue;
                    }
                    if selection.symmetric {
                        let mean = datum.mean_error();
                        (datum.error_plus, datum.error_minus) = (mean, mean);
                    }
                    inside.push(*i);
                    unsorted.push(datum);
                    owner.push(number);
                }
                blocks.push((first, inside, file, group));
            }
        }
        if unsorted.is_empty() {
            let narrowed =
                !(selection.bins.is_empty() && selection.only.is_empty() && selection.exclude.is_empty());
            let refused = if narrowed {
                Invalid::new("--only, --exclude, --bins", "no measurements", "at least one that is left")
            } else if left_out.is_empty() {
                Invalid::new("data", "no measurements", "at least one")
            } else {
                Invalid::new("data", "only measurements that are left out", summary(&left_out).join("; "))
            };
            return Err(refused.into());
        }
        once(files, &unsorted, &owner, &mut notes)?;

        let mut order: Vec<usize> = (0..unsorted.len()).collect();
        order.sort_by(|a, b| unsorted[*a].precedes(&unsorted[*b]));
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        let mut correlation = DMatrix::identity(order.len(), order.len());
        for (i, a) in unsorted.iter().enumerate() {
            for (j, b) in unsorted.iter().enumerate().filter(|(j, _)| *j != i) {
                let shared = a.common.iter().flat_map(|(name, x)| {
                    b.common.iter().filter(move |(other, _)| other == name).map(move |(_, y)| x * y)
                });
                correlation[(place[i], place[j])] = shared.sum::<f64>() / (a.mean_error() * b.mean_error());
            }
        }
        for (first, inside, file, group) in blocks {
            let Some(Correlation(rows)) = &group.correlation else { continue };
            let convention = file.convention()?;
            let sign = |i: usize| convention.factor(unsorted[first + i].quantity.observable).signum();
            for (i, row) in inside.iter().enumerate() {
                for (j, column) in inside.iter().enumerate() {
                    let entry = rows[*row][*column];
                    correlation[(place[first + i], place[first + j])] = entry * sign(i) * sign(j);
                }
            }
        }
        let measurements = order.into_iter().map(|old| unsorted[old].clone()).collect();
        Ok(Self { measurements, correlation, left_out, notes })
    }

    /// Measurements that the files hold and that do not count.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Notes on the measurements for the user, a line each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        summary(&self.left_out).into_iter().chain(self.notes.iter().cloned())
    }

    /// The measurements, in order.
    pub fn measurements(&self) -> &[Datum] {
        &self.measurements
    }

    /// Their number.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.measurements.len()
    }

    /// Measured quantities, in order.
    pub fn quantities(&self) -> Vec<Quantity> {
        self.measurements.iter().map(|datum| datum.quantity).collect()
    }

    /// Correlation of the measured errors.
    ///
    /// # Shapes
    /// [measurement, measurement]
    pub fn correlation(&self) -> &DMatrix<f64> {
        &self.correlation
    }
}

/// No event may count twice: files of the same events, and overlapping bins of one observable in files of one experiment,
/// are refused; the same bin in files that do not say whose they are is noted.
fn once(
    files: &[MeasurementFile],
    measurements: &[Datum],
    owner: &[usize],
    notes: &mut Vec<String>,
) -> Result<(), Invalid> {
    let counted: Vec<usize> = (0..files.len()).filter(|file| owner.contains(file)).collect();
    for (i, a) in counted.iter().enumerate() {
        for b in &counted[..i] {
            let (a, b) = (&files[*a], &files[*b]);
            if let Some(events) = a.events.iter().find(|events| b.events.contains(events)) {
                let got = format!("{} and {}, both of the events {events}", b.source, a.source);
                return Err(Invalid::new("--data", got, "one of them"));
            }
        }
    }
    for (i, a) in measurements.iter().enumerate() {
        for (j, b) in measurements[..i].iter().enumerate().filter(|(j, _)| owner[*j] != owner[i]) {
            if !a.same_observable(b) {
                continue;
            }
            let (p, q) = (&a.quantity, &b.quantity);
            let equal = (p.q2_min - q.q2_min).abs() < 1e-9 && (p.q2_max - q.q2_max).abs() < 1e-9;
            let overlap = p.q2_min < q.q2_max - 1e-9 && q.q2_min < p.q2_max - 1e-9;
            let name = |d: &Datum| {
                let q = &d.quantity;
                format!("{} of {} in [{}, {}]", q.observable, d.process(), q.q2_min, q.q2_max)
            };
            let [first, second] = [&files[owner[j]], &files[owner[i]]];
            let one = first.experiment.is_some() && first.experiment == second.experiment;
            if (overlap && one) || (equal && a.source == b.source) {
                let got = format!("{} from {} and {} from {}", name(b), b.source, name(a), a.source);
                return Err(Invalid::new(
                    "--data",
                    got,
                    "events that are counted once; --exclude leaves out one",
                ));
            }
            if equal && (first.experiment.is_none() || second.experiment.is_none()) {
                notes.push(format!("{} counts twice, from {} and from {}", name(a), b.source, a.source));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use humboldt_physics::Observable;

    use super::*;

    fn file(convention: &str, correlation: f64) -> MeasurementFile {
        let text = format!(
            r#"source = "a paper"
convention = "{convention}"
[[groups]]
correlation = [[1.0, {correlation}], [{correlation}, 1.0]]
measurements = [
  {{ process = "B0->K*0mumu", observable = "P5p", q2_min = 4.0, q2_max = 6.0, value = -0.4, errors = [[0.1, 0.2]] }},
  {{ process = "B0->K*0mumu", observable = "P4p", q2_min = 4.0, q2_max = 6.0, value = 1.0, errors = [[0.2, 0.4]] }},
]"#
        );
        MeasurementFile::parse(&text, "file.toml").unwrap()
    }

    #[test]
    fn theory_convention_turns_values_errors_and_correlations() {
        let data = Data::new(&[file("theory", 0.3)]).unwrap();
        let p4 = &data.measurements()[0];
        assert_eq!(p4.quantity.observable, Observable::P4p);
        assert!((p4.value + 0.5).abs() < 1e-15);
        assert!((p4.error_plus - 0.2).abs() < 1e-15 && (p4.error_minus - 0.1).abs() < 1e-15);
        assert!((data.correlation()[(0, 1)] + 0.3).abs() < 1e-15);
        let plain = Data::new(&[file("lhcb", 0.3)]).unwrap();
        assert!((plain.correlation()[(1, 0)] - 0.3).abs() < 1e-15);
    }

    #[test]
    fn errors_are_taken_towards_the_prediction() {
        let data = Data::new(&[file("lhcb", 0.0)]).unwrap();
        let p5 = &data.measurements()[1];
        assert!((p5.error_towards(0.0) - 0.1).abs() < 1e-15 && (p5.error_towards(-1.0) - 0.2).abs() < 1e-15);
    }

    #[test]
    fn the_same_measurement_twice_is_refused() {
        let error = Data::new(&[file("lhcb", 0.0), file("lhcb", 0.0)]).unwrap_err().to_string();
        assert!(error.contains("P5p of B0->K*0mumu in [4, 6] from a paper and P5p of"), "{error}");
        assert!(Data::new(&[]).unwrap_err().to_string().contains("no measurements"));
    }

    #[test]
    fn correlations_of_the_built_in_set_stay_within_bins() {
        let files = MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap();
        let quoted = files
            .iter()
            .flat_map(|f| &f.groups)
            .flat_map(|g| g.correlation.iter().flat_map(|c| &c.0).flatten());
        let quoted: f64 = quoted.map(|x| x * x).sum();
        let data = Data::new(&files).unwrap();
        assert_eq!(data.len(), 37);
        let mut kept = 0.0;
        for (i, a) in data.measurements().iter().enumerate() {
            for (j, b) in data.measurements().iter().enumerate() {
                let same_bin = a.quantity.q2_min.to_bits() == b.quantity.q2_min.to_bits();
                let entry = data.correlation()[(i, j)];
                assert!(same_bin || entry == 0.0, "{} and {}", a.label(), b.label());
                kept += entry * entry;
            }
        }
        // The angular analysis alone comes with correlations; the other 13 measurements are alone.
        assert!((kept - 13.0 - quoted).abs() < 1e-12, "{kept} and {quoted}");
    }
}
