//! Measured values with errors and correlations, in one list.

use std::path::Path;
use std::str::FromStr;

use humboldt_physics::channel::process_name;
use humboldt_physics::{Convention, MeasurementSet, Quantity};
use humboldt_schemas::Invalid;
use humboldt_schemas::measurements::{Measurement, MeasurementFile, MeasurementGroup};
use nalgebra::DMatrix;

use super::GlobalError;

/// One measured number, LHCb convention.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// What was measured.
    pub quantity: Quantity,
    /// Its value; rates in GeV^-2.
    pub value: f64,
    /// Upward error.
    pub error_plus: f64,
    /// Downward error.
    pub error_minus: f64,
    /// Where it comes from.
    pub source: String,
}

impl Datum {
    fn new(measurement: &Measurement, convention: Convention, source: &str) -> Result<Self, Invalid> {
        let quantity = measurement.quantity()?;
        let factor = factor(convention, &quantity);
        let mut errors = measurement.total_errors().map(|error| error / factor.abs());
        if factor < 0.0 {
            errors.reverse();
        }
        let [error_plus, error_minus] = errors;
        let value = measurement.value / factor;
        Ok(Self { quantity, value, error_plus, error_minus, source: source.to_owned() })
    }

    /// The error on the side of a prediction.
    pub fn error_towards(&self, prediction: f64) -> f64 {
        if prediction > self.value { self.error_plus } else { self.error_minus }
    }

    /// The mean of both errors.
    pub fn mean_error(&self) -> f64 {
        0.5 * (self.error_plus + self.error_minus)
    }

    /// The process as files name it.
    pub fn process(&self) -> String {
        process_name(self.quantity.flavour, self.quantity.hadron, self.quantity.lepton)
    }

    /// Observable and process, without the bin: `P5p`, `R_K`, `dBR_dq2(B0->K0mumu)`.
    pub fn label(&self) -> String {
        let quantity = &self.quantity;
        if quantity.observable.unit() == "1" {
            quantity.observable.name().to_owned()
        } else {
            format!("{}({})", quantity.observable, self.process())
        }
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

/// Measurements and the correlations of their errors.
#[derive(Debug, Clone)]
pub struct Data {
    measurements: Vec<Datum>,
    correlation: DMatrix<f64>,
}

impl Data {
    /// The measurements of sets by name, or of files `.toml`, put together; `field` is where the names come from.
    ///
    /// # Errors
    /// When a name is neither, a file is refused, or as [`Self::new`].
    pub fn named(names: &[String], field: &str) -> Result<Self, GlobalError> {
        let mut files = Vec::new();
        for name in names {
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
        Self::new(&files)
    }

    /// All measurements of some files, sorted by observable, hadron, meson and bin.
    ///
    /// # Errors
    /// Without measurements, when a source gives one quantity twice, or a file is not valid.
    pub fn new(files: &[MeasurementFile]) -> Result<Self, GlobalError> {
        let mut unsorted: Vec<Datum> = Vec::new();
        let mut blocks: Vec<(usize, Convention, &MeasurementGroup)> = Vec::new();
        for file in files {
            file.validate()?;
            let convention = file.convention()?;
            for group in &file.groups {
                blocks.push((unsorted.len(), convention, group));
                for measurement in &group.measurements {
                    let datum = Datum::new(measurement, convention, &file.source)?;
                    let twice =
                        unsorted.iter().any(|d| d.quantity == datum.quantity && d.source == datum.source);
                    let name = format!(
                        "{} of {} in [{}, {}]",
                        measurement.observable, measurement.process, measurement.q2_min, measurement.q2_max
                    );
                    Invalid::unless(
                        !twice,
                        "data",
                        format!("{name} twice from {}", file.source),
                        "each once",
                    )?;
                    unsorted.push(datum);
                }
            }
        }
        Invalid::unless(!unsorted.is_empty(), "data", "no measurements", "at least one")?;

        let mut order: Vec<usize> = (0..unsorted.len()).collect();
        order.sort_by(|a, b| unsorted[*a].precedes(&unsorted[*b]));
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        let mut correlation = DMatrix::identity(order.len(), order.len());
        for (first, convention, group) in blocks {
            let sign = |i: usize| factor(convention, &unsorted[first + i].quantity).signum();
            for (i, row) in group.correlation.iter().flatten().enumerate() {
                for (j, entry) in row.iter().enumerate() {
                    correlation[(place[first + i], place[first + j])] = entry * sign(i) * sign(j);
                }
            }
        }
        let measurements = order.into_iter().map(|old| unsorted[old].clone()).collect();
        Ok(Self { measurements, correlation })
    }

    /// The measurements, in order.
    pub fn measurements(&self) -> &[Datum] {
        &self.measurements
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.measurements.len()
    }

    /// What was measured, in order.
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

/// What a value of the LHCb convention is multiplied with to give it in another.
fn factor(convention: Convention, quantity: &Quantity) -> f64 {
    match convention {
        Convention::Lhcb => 1.0,
        Convention::Theory => quantity.observable.dhmv_factor(),
    }
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
        assert!(error.contains("P5p of B0->K*0mumu in [4, 6] twice from a paper"), "{error}");
        assert!(Data::new(&[]).unwrap_err().to_string().contains("no measurements"));
    }

    #[test]
    fn correlations_of_the_built_in_set_stay_within_bins() {
        let files = MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap();
        let quoted =
            files.iter().flat_map(|f| &f.groups).flat_map(|g| g.correlation.iter().flatten().flatten());
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
