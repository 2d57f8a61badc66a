//! A file of measurements (TOML), strictly read; humboldt's own are `physics/data/measurements/*.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use humboldt_physics::channel::process;
use humboldt_physics::measurements::MeasurementText;
use humboldt_physics::{MeasurementSet, Observable, PhysicsError, Quantity, ValueConvention};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::strict;
use crate::correlation::Correlation;
use crate::error::{Invalid, SchemaError};

/// The measurements of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasurementFile {
    /// Source of the numbers.
    pub source: String,
    /// The experiment: overlapping bins of one observable in two files of one experiment are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// Names of the events behind the numbers: two files of the same events are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Signs and factors of all values: `lhcb`, `cms`, `belle` or `theory`.
    #[serde(default = "default_convention")]
    pub convention: String,
    /// Kinds of the pairs of `errors`, in their order: `["stat", "syst"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Those of `sources` that are one and the same error wherever their name occurs, in other groups and files too: fully
    /// correlated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common: Vec<String>,
    /// Measurements that are correlated with each other stand in one group; groups are independent.
    pub groups: Vec<MeasurementGroup>,
}

/// Measurements and their correlation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasurementGroup {
    /// Correlation of each pair of the measurements, in their order, as rows or as text of the lower triangle; independent
    /// where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Correlation>,
    /// The measurements.
    pub measurements: Vec<Measurement>,
}

/// One measured number: a value with errors, a likelihood, or an upper limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Upward and downward error of each kind (statistical, systematic, ...), both positive; added in quadrature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<[f64; 2]>,
    /// Upward and downward error of all kinds together as published, where it is not their sum in quadrature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<[f64; 2]>,
    /// In place of value and errors: pairs of a value and ln L(best) - ln L(value), from 0 up on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<Vec<[f64; 2]>>,
    /// In place of value and errors: an upper limit, and its confidence level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<[f64; 2]>,
    /// Whether the fit that measured it left out the mass of the lepton.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub massless: bool,
    /// Whether it has no prediction here (S-wave, and what an experiment defines for itself): any name is allowed, and its
    /// true value is free in every fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nuisance: bool,
}

fn default_convention() -> String {
    ValueConvention::default().name().to_owned()
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
    pub fn convention(&self) -> Result<ValueConvention, Invalid> {
        self.convention.parse().map_err(|e| unknown("convention", &self.convention, &e))
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless(!self.source.trim().is_empty(), "source", "``", "where the numbers come from")?;
        self.convention()?;
        for name in &self.common {
            let allowed = format!("names in sources: {}", self.sources.join(", "));
            Invalid::unless(self.sources.contains(name), "common", format!("`{name}`"), allowed)?;
        }
        let count: usize = self.groups.iter().map(|group| group.measurements.len()).sum();
        Invalid::unless(count > 0, "groups", "no measurements", "at least one")?;
        for (group, place) in self.groups.iter().zip(1..) {
            group.validate(&format!("groups[{place}]"), &self.sources)?;
        }
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
        let mut known = BTreeMap::new();
        for (field, measurement) in all {
            let Measurement { observable, process, q2_min, q2_max, .. } = measurement;
            let key = (process, observable, q2_min.to_bits(), q2_max.to_bits());
            if let Some(first) = known.get(&key) {
                let got =
                    format!("{observable} of {process} in [{q2_min}, {q2_max}] twice, first as {first}");
                return Err(Invalid::new(&field, got, "each quantity once"));
            }
            known.insert(key, field);
        }
        Ok(())
    }
}

impl MeasurementGroup {
    /// `field` is the group's name in messages.
    fn validate(&self, field: &str, sources: &[String]) -> Result<(), Invalid> {
        for (measurement, place) in self.measurements.iter().zip(1..) {
            measurement.validate(sources).map_err(|invalid| Invalid {
                field: format!("{field}.measurements[{place}].{}", invalid.field),
                ..invalid
            })?;
        }
        let Some(Correlation(correlation)) = &self.correlation else { return Ok(()) };
        let field = format!("{field}.correlation");
        let n = self.measurements.len();
        let square = correlation.len() == n && correlation.iter().all(|row| row.len() == n);
        Invalid::unless(square, &field, "another shape", format!("{n} rows of {n} numbers"))?;
        for (i, row) in correlation.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                let mirrored = entry.to_bits() == correlation[j][i].to_bits();
                // What has no prediction may repeat another: a rate, and the same rate relative to its reference.
                let apart = !(self.measurements[i].nuisance || self.measurements[j].nuisance);
                let in_range = if i == j {
                    (entry - 1.0).abs() < 1e-12
                } else {
                    entry.abs() < 1.0 || (!apart && entry.abs() <= 1.0)
                };
                if !(mirrored && in_range) {
                    let got = format!("{entry} in row {}, column {}", i + 1, j + 1);
                    let allowed = "1 on the diagonal, else symmetric and inside -1 to 1";
                    return Err(Invalid::new(&field, got, allowed));
                }
            }
        }
        let predicted: Vec<usize> = (0..n).filter(|i| !self.measurements[*i].nuisance).collect();
        let among: Vec<Vec<f64>> =
            predicted.iter().map(|i| predicted.iter().map(|j| correlation[*i][*j]).collect()).collect();
        let got = format!("that of {} measurements", among.len());
        Invalid::unless(positive_definite(&among), &field, got, "a positive definite matrix")
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
    /// Measured quantity.
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
        let (q2_min, q2_max, massless) = (self.q2_min, self.q2_max, self.massless);
        Ok(Quantity { flavour, hadron, lepton, observable, q2_min, q2_max, massless })
    }

    /// Upward and downward error, all kinds together; 0 for a likelihood or a limit.
    pub fn total_errors(&self) -> [f64; 2] {
        self.total.unwrap_or_else(|| {
            [0, 1].map(|side| self.errors.iter().map(|error| error[side].powi(2)).sum::<f64>().sqrt())
        })
    }

    fn validate(&self, sources: &[String]) -> Result<(), Invalid> {
        if self.nuisance {
            process(&self.process).map_err(|e| unknown("process", &self.process, &e))?;
            Invalid::unless(!self.observable.trim().is_empty(), "observable", "``", "a name")?;
        } else {
            self.quantity()?;
        }
        let bin = (0.0..f64::INFINITY).contains(&self.q2_min)
            && self.q2_min < self.q2_max
            && self.q2_max.is_finite();
        let got = format!("[{}, {}]", self.q2_min, self.q2_max);
        Invalid::unless(bin, "q2_min", got, "0 <= q2_min < q2_max in GeV^2")?;
        match (self.value, &self.likelihood, self.limit) {
            (Some(value), None, None) => self.validate_value(value, sources),
            (None, Some(table), None) => {
                self.without_errors("likelihood")?;
                validate_likelihood(table)
            }
            (None, None, Some([limit, level])) => {
                self.without_errors("limit")?;
                let sensible = limit > 0.0 && limit.is_finite() && level > 0.0 && level < 1.0;
                let got = format!("[{limit}, {level}]");
                Invalid::unless(
                    sensible,
                    "limit",
                    got,
                    "a positive limit and a confidence level inside 0 to 1",
                )
            }
            (None, None, None) => Err(Invalid::new("value", "missing", "a number, a likelihood or a limit")),
            _ => Err(Invalid::new("value", "more than one kind", "one of value, likelihood, limit")),
        }
    }

    fn validate_value(&self, value: f64, sources: &[String]) -> Result<(), Invalid> {
        Invalid::unless(value.is_finite(), "value", value, "a finite number")?;
        let missing = self.errors.is_empty() && self.total.is_none();
        Invalid::unless(
            !missing,
            "errors",
            "missing or []",
            "pairs of finite numbers, not all 0 upwards or downwards",
        )?;
        let sensible = self.errors.iter().chain(&self.total).flatten().all(|e| e.is_finite() && *e >= 0.0)
            && self.total_errors().iter().all(|total| *total > 0.0);
        let got = format!("{:?}", self.errors);
        Invalid::unless(sensible, "errors", got, "pairs of finite numbers, not all 0 upwards or downwards")?;
        let named = sources.is_empty() || self.errors.is_empty() || self.errors.len() == sources.len();
        let allowed = format!("{} pairs, one for each of sources", sources.len());
        Invalid::unless(named, "errors", format!("{} pairs", self.errors.len()), allowed)
    }

    fn without_errors(&self, kind: &str) -> Result<(), Invalid> {
        let alone = self.errors.is_empty() && self.total.is_none();
        Invalid::unless(alone, kind, "with errors", "no errors beside it")
    }
}

/// Values rise, and the loss of likelihood falls to 0 and rises again.
fn validate_likelihood(table: &[[f64; 2]]) -> Result<(), Invalid> {
    let allowed =
        "at least three pairs, values rising, the second number 0 at the best value and rising on both sides";
    let lowest = table.iter().position(|pair| pair[1] == 0.0);
    let falling = |pairs: &[[f64; 2]]| pairs.windows(2).all(|w| w[0][1] > w[1][1]);
    let rising = |pairs: &[[f64; 2]]| pairs.windows(2).all(|w| w[0][1] < w[1][1]);
    let sensible = table.len() >= 3
        && table.iter().flatten().all(|x| x.is_finite())
        && table.windows(2).all(|w| w[0][0] < w[1][0])
        && lowest.is_some_and(|lowest| {
            0 < lowest && lowest < table.len() - 1 && falling(&table[..=lowest]) && rising(&table[lowest..])
        });
    Invalid::unless(sensible, "likelihood", format!("{} pairs", table.len()), allowed)
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
    fn built_in_sets_are_whole_and_the_list_of_2021_holds_37_values() {
        for set in MeasurementSet::ALL {
            let files = MeasurementFile::built_in(set).unwrap();
            let count: usize = files.iter().flat_map(|f| &f.groups).map(|g| g.measurements.len()).sum();
            let of_2021 = matches!(set, MeasurementSet::Lhcb2021 | MeasurementSet::LhcbModern);
            assert!(if of_2021 { count == 37 } else { count > 1 }, "{set}: {count}");
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
        file.groups[0].correlation = Some(Correlation(matrix(0.7)));
        file.validate().unwrap();
        file.groups[0].correlation = Some(Correlation(matrix(0.5)));
        let error = file.validate().unwrap_err().to_string();
        assert!(error.starts_with("groups[1].correlation = that of 3 measurements"), "{error}");
        assert!(error.contains("positive definite"), "{error}");
    }

    #[test]
    fn errors_add_in_quadrature_side_by_side() {
        let file = MeasurementFile::parse(ONE, "one.toml").unwrap();
        let [up, down] = file.groups[0].measurements[0].total_errors();
        assert!((up - 0.5).abs() < 1e-15 && (down - 1.0).abs() < 1e-15);
        assert_eq!(file.convention().unwrap(), ValueConvention::Lhcb);
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
            ("errors = [[0.1, 0.1]]", "", &["one.toml:11", "errors", "missing"]),
            ("errors = [[0.1, 0.1]]", "errors = []", &["measurements[2].errors", "[]", "not all 0"]),
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
