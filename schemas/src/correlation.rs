//! Correlation matrices in files: rows of numbers, or the lower triangle as text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A correlation matrix, full in memory.
///
/// In a file it is rows of numbers, `[[1.0, 0.5], [0.5, 1.0]]`, or text whose line i holds the first i numbers of row i.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Correlation(pub Vec<Vec<f64>>);

/// The two forms in a file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Form {
    /// All rows.
    Rows(Vec<Vec<f64>>),
    /// The lower triangle with its diagonal, a row a line.
    Triangle(String),
}

impl JsonSchema for Correlation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Correlation".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Form::json_schema(generator)
    }
}

impl From<Correlation> for Form {
    fn from(correlation: Correlation) -> Self {
        Self::Triangle(correlation.triangle())
    }
}

impl TryFrom<Form> for Correlation {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let text = match form {
            Form::Rows(rows) => return Ok(Self(rows)),
            Form::Triangle(text) => text,
        };
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (line, n) in text.lines().filter(|line| !line.trim().is_empty()).zip(1..) {
            let numbers = line.split_whitespace().map(|word| {
                word.parse::<f64>()
                    .map_err(|_| format!("correlation: row {n} holds `{word}`; allowed: numbers"))
            });
            let row: Vec<f64> = numbers.collect::<Result<_, _>>()?;
            if row.len() != n {
                return Err(format!("correlation: row {n} holds {} numbers; allowed: {n}", row.len()));
            }
            rows.push(row);
        }
        for i in 0..rows.len() {
            for j in i + 1..rows.len() {
                let mirrored = rows[j][i];
                rows[i].push(mirrored);
            }
        }
        Ok(Self(rows))
    }
}

impl Correlation {
    /// The lower triangle as text.
    fn triangle(&self) -> String {
        let mut text = String::new();
        for (i, row) in self.0.iter().enumerate() {
            // A zero has no sign.
            let words: Vec<String> = row.iter().take(i + 1).map(|x| (x + 0.0).to_string()).collect();
            text += &words.join(" ");
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_the_same_matrix() {
        let full = Correlation(vec![vec![1.0, 0.5, -0.02], vec![0.5, 1.0, 0.0], vec![-0.02, 0.0, 1.0]]);
        let text = full.triangle();
        assert_eq!(text, "1\n0.5 1\n-0.02 0 1\n");
        assert_eq!(Correlation::try_from(Form::Triangle(text)).unwrap(), full);
        for (text, said) in [("1\n0.5", "row 2 holds 1 numbers"), ("1\n0.5 one", "row 2 holds `one`")] {
            let error = Correlation::try_from(Form::Triangle(text.to_owned())).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
