//! A file of measurements (TOML), strictly read; humboldt's own are `physics/data/measurements/*.toml`.

use std::path::Path;

use humboldt_physics::channel::process;
use humboldt_physics::measurements::MeasurementText;
use humboldt_physics::{Convention, MeasurementSet, Observable, PhysicsError, Quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::strict;
use crate::error::{Invalid, SchemaError};

/// The measurements of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasurementFile {
    /// Where the numbers come from.
    pub source: String,
    /// Signs and factors of all values: `lhcb` or `theory` (`humboldt observe --convention`).
    #[serde(default = "default_convention")]
    pub convention: String,
    /// Measurements that are correlated with each other stand in one group; groups are independent.
    pub groups: Vec<MeasurementGroup>,
}

/// Measurements and their correlation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasurementGroup {
    /// Correlation of each pair of the measurements, in their order; independent where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<Vec<f64>>>,
    /// The measurements.
    pub measurements: Vec<Measurement>,
}

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The process as `observe --json` names it, such as `B0->K*0mumu`; for `R_K` and `R_Kstar` that of either lepton.
    pub process: String,
    /// The observable, such as `P5p`, `dBR_dq2` (GeV^-2), `R_K`.
    pub observable: String,
    /// Lower end of the bin [GeV^2].
    pub q2_min: f64,
    /// Upper end of the bin [GeV^2].
    pub q2_max: f64,
    /// The value, in a bin its average.
    pub value: f64,
    /// Upward and downward error of each kind (statistical, systematic, ...), both positive; added in quadrature.
    pub errors: Vec<[f64; 2]>,
}

fn default_convention() -> String {
    Convention::default().name().to_owned()
}

impl MeasurementFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or a value outside its range; the error names
    /// file, line, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        strict::read(path, Self::validate)
    }

    /// Parses and checks a file; `file` is its name in error messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        strict::checked(text, file, Self::validate)
    }

    /// The files of a set that comes with humboldt.
    ///
    /// # Errors
    /// When one is broken, which is a bug.
    pub fn built_in(set: MeasurementSet) -> Result<Vec<Self>, SchemaError> {
        set.files().iter().map(|(file, text): &MeasurementText| Self::parse(text, file)).collect()
    }

    /// The convention of the values.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn convention(&self) -> Result<Convention, Invalid> {
        self.convention.parse().map_err(|e| unknown("convention", &self.convention, &e))
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless(!self.source.trim().is_empty(), "source", "``", "where the numbers come from")?;
        self.convention()?;
        let count: usize = self.groups.iter().map(|group| group.measurements.len()).sum();
        Invalid::unless(count > 0, "groups", "no measurements", "at least one")?;
        self.groups
            .iter()
            .zip(1..)
            .try_for_each(|(group, place)| group.validate(&format!("groups[{place}]")))?;
        self.check_twice()
    }

    /// No quantity may stand in the file twice.
    fn check_twice(&self) -> Result<(), Invalid> {
        let all = self.groups.iter().zip(1..).flat_map(|(group, i)| {
            group
                .measurements
                .iter()
                .zip(1..)
                .map(move |(m, j)| (format!("groups[{i}].measurements[{j}]"), m))
        });
        let mut known: Vec<(String, Quantity)> = Vec::new();
        for (field, measurement) in all {
            let quantity = measurement.quantity()?;
            if let Some((first, _)) = known.iter().find(|(_, other)| *other == quantity) {
                let Measurement { observable, process, q2_min, q2_max, .. } = measurement;
                let got =
                    format!("{observable} of {process} in [{q2_min}, {q2_max}] twice, first as {first}");
                return Err(Invalid::new(&field, got, "each quantity once"));
            }
            known.push((field, quantity));
        }
        Ok(())
    }
}

impl MeasurementGroup {
    /// `field` is the group's name in messages.
    fn validate(&self, field: &str) -> Result<(), Invalid> {
        for (measurement, place) in self.measurements.iter().zip(1..) {
            measurement.validate().map_err(|invalid| Invalid {
                field: format!("{field}.measurements[{place}].{}", invalid.field),
                ..invalid
            })?;
        }
        let Some(correlation) = &self.correlation else { return Ok(()) };
        let field = format!("{field}.correlation");
        let n = self.measurements.len();
        let square = correlation.len() == n && correlation.iter().all(|row| row.len() == n);
        Invalid::unless(square, &field, "another shape", format!("{n} rows of {n} numbers"))?;
        for (i, row) in correlation.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                let mirrored = entry.to_bits() == correlation[j][i].to_bits();
                let in_range = if i == j { (entry - 1.0).abs() < 1e-12 } else { entry.abs() < 1.0 };
                let got = format!("{entry} in row {}, column {}", i + 1, j + 1);
                let allowed = "1 on the diagonal, else symmetric and inside -1 to 1";
                Invalid::unless(mirrored && in_range, &field, got, allowed)?;
            }
        }
        let got = format!("that of {n} measurements");
        Invalid::unless(positive_definite(correlation), &field, got, "a positive definite matrix")
    }
}

/// Whether a symmetric matrix has a Cholesky root.
fn positive_definite(matrix: &[Vec<f64>]) -> bool {
    let mut root: Vec<Vec<f64>> = Vec::with_capacity(matrix.len());
    for (i, row) in matrix.iter().enumerate() {
        let mut new = vec![0.0; i + 1];
        for j in 0..=i {
            let before = if j < i { &root[j][..] } else { &new[..] };
            let rest = row[j] - new.iter().zip(before).take(j).map(|(a, b)| a * b).sum::<f64>();
            if j < i {
                new[j] = rest / root[j][j];
            } else if rest > 0.0 {
                new[i] = rest.sqrt();
            } else {
                return false;
            }
        }
        root.push(new);
    }
    true
}

impl Measurement {
    /// What was measured.
    ///
    /// # Errors
    /// When process or observable are unknown, or the process does not have the observable.
    pub fn quantity(&self) -> Result<Quantity, Invalid> {
        let (flavour, hadron, lepton) =
            process(&self.process).map_err(|e| unknown("process", &self.process, &e))?;
        let observable: Observable =
            self.observable.parse().map_err(|e| unknown("observable", &self.observable, &e))?;
        Invalid::unless(
            observable.describes(hadron),
            "observable",
            format!("{observable} of {}", self.process),
            Observable::ALL
                .into_iter()
                .filter(|o| o.describes(hadron))
                .map(Observable::name)
                .collect::<Vec<_>>()
                .join(", "),
        )?;
        Ok(Quantity { flavour, hadron, lepton, observable, q2_min: self.q2_min, q2_max: self.q2_max })
    }

    /// Upward and downward error, all kinds together.
    pub fn total_errors(&self) -> [f64; 2] {
        [0, 1].map(|side| self.errors.iter().map(|error| error[side].powi(2)).sum::<f64>().sqrt())
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.quantity()?;
        let bin = (0.0..f64::INFINITY).contains(&self.q2_min)
            && self.q2_min < self.q2_max
            && self.q2_max.is_finite();
        let got = format!("[{}, {}]", self.q2_min, self.q2_max);
        Invalid::unless(bin, "q2_min", got, "0 <= q2_min < q2_max in GeV^2")?;
        Invalid::unless(self.value.is_finite(), "value", self.value, "a finite number")?;
        let sensible = self.errors.iter().flatten().all(|error| error.is_finite() && *error >= 0.0)
            && self.total_errors().iter().all(|total| *total > 0.0);
        let got = format!("{:?}", self.errors);
        Invalid::unless(sensible, "errors", got, "pairs of finite numbers, not all 0 upwards or downwards")
    }
}

fn unknown(field: &str, got: &str, error: &PhysicsError) -> Invalid {
    match error {
        PhysicsError::Unknown { allowed, .. } => Invalid::new(field, format!("`{got}`"), allowed),
        PhysicsError::OutOfRange { .. } => Invalid::new(field, format!("`{got}`"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"source = "a paper"
[[groups]]
correlation = [[1.0, 0.5], [0.5, 1.0]]
[[groups.measurements]]
process = "B0->K*0mumu"
observable = "P5p"
q2_min = 4.0
q2_max = 6.0
value = -0.4
errors = [[0.3, 0.6], [0.4, 0.8]]
[[groups.measurements]]
process = "B+->K+mumu"
observable = "R_K"
q2_min = 1.1
q2_max = 6.0
value = 0.9
errors = [[0.1, 0.1]]
"#;

    #[test]
    fn built_in_sets_hold_37_values() {
        for set in MeasurementSet::ALL {
            let files = MeasurementFile::built_in(set).unwrap();
            let count: usize = files.iter().flat_map(|f| &f.groups).map(|g| g.measurements.len()).sum();
            assert_eq!(count, 37, "{set}");
        }
    }

    #[test]
    fn a_correlation_that_no_errors_can_have_is_refused() {
        let matrix = |off: f64| vec![vec![1.0, 0.9, 0.9], vec![0.9, 1.0, off], vec![0.9, off, 1.0]];
        assert!(positive_definite(&matrix(0.7)) && !positive_definite(&matrix(0.5)));
        let mut file = MeasurementFile::parse(ONE, "one.toml").unwrap();
        let mut third = file.groups[0].measurements[0].clone();
        third.q2_max = 7.0;
        file.groups[0].measurements.push(third);
        file.groups[0].correlation = Some(matrix(0.7));
        file.validate().unwrap();
        file.groups[0].correlation = Some(matrix(0.5));
        let error = file.validate().unwrap_err().to_string();
        assert!(error.starts_with("groups[1].correlation = that of 3 measurements"), "{error}");
        assert!(error.contains("positive definite"), "{error}");
    }

    #[test]
    fn errors_add_in_quadrature_side_by_side() {
        let file = MeasurementFile::parse(ONE, "one.toml").unwrap();
        let [up, down] = file.groups[0].measurements[0].total_errors();
        assert!((up - 0.5).abs() < 1e-15 && (down - 1.0).abs() < 1e-15);
        assert_eq!(file.convention().unwrap(), Convention::Lhcb);
    }

    #[test]
    fn wrong_files_are_refused_by_line_field_and_value() {
        let cases: [(&str, &str, &[&str]); 14] = [
            ("P5p", "P9", &["one.toml:6", "groups[1].measurements[1].observable", "`P9`", "P5p"]),
            ("\"P5p\"", "\"R_K\"", &["one.toml:6", "R_K of B0->K*0mumu", "R_Kstar"]),
            ("B+->K+mumu", "B+->K", &["one.toml:12", "measurements[2].process", "`B+->K`", "B+->K+mumu"]),
            ("q2_max = 6.0\nvalue = -0.4", "q2_max = 3.0\nvalue = -0.4", &["q2_min", "[4, 3]"]),
            ("-0.4", "nan", &["value", "NaN", "finite"]),
            ("[[0.1, 0.1]]", "[[0.0, 0.1]]", &["errors", "[[0.0, 0.1]]"]),
            ("[[0.1, 0.1]]", "[[-0.1, 0.1]]", &["errors", "-0.1"]),
            ("[0.5, 1.0]]", "[0.4, 1.0]]", &["one.toml:3", "correlation", "0.5 in row 1"]),
            ("[0.5, 1.0]]", "[0.5]]", &["correlation", "2 rows of 2"]),
            ("errors = [[0.1, 0.1]]", "", &["one.toml:11", "missing", "errors"]),
            (
                "errors = [[0.1, 0.1]]",
                "errors = []",
                &["one.toml:17", "measurements[2].errors", "[]", "not all 0"],
            ),
            (
                "process = \"B+->K+mumu\"\nobservable = \"R_K\"\nq2_min = 1.1",
                "process = \"B0->K*0mumu\"\nobservable = \"P5p\"\nq2_min = 4.0",
                &["one.toml:11", "P5p of B0->K*0mumu in [4, 6] twice", "groups[1].measurements[1]", "once"],
            ),
            (
                "correlation = [[1.0, 0.5], [0.5, 1.0]]",
                "correlation = [[1.0, 0.999999999999999999], [0.999999999999999999, 1.0]]",
                &["one.toml:3", "groups[1].correlation"],
            ),
            ("value = 0.9", "valeu = 0.9", &["one.toml:16", "valeu", "did you mean `value`"]),
        ];
        for (from, to, words) in cases {
            let text = ONE.replacen(from, to, 1);
            assert_ne!(text, ONE, "{from}");
            let error = MeasurementFile::parse(&text, "one.toml").unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{from} -> {to}: `{word}` is not in: {error}");
            }
        }
    }
}
