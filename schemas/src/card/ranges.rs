//! Ranges of numbers, which a table's type states once: they are checked here, and its JSON schema shows them.
//!
//! `#[schemars(range(min = 2, max = 256))]` on a field includes both ends, `#[schemars(extend("exclusiveMaximum" = 1))]` excludes one.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::error::Invalid;

/// Checks the numbers of a table of a card; `name` is the table's.
pub(super) fn check<T: Serialize + JsonSchema>(table: &T, name: &str) -> Result<(), Invalid> {
    let schema = schemars::schema_for!(T).to_value();
    let numbers = toml::Table::try_from(table)
        .map_err(|error| Invalid::new(name, error.to_string(), "numbers that TOML can write"))?;
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (key, property) in properties {
        let (number, got) = match numbers.get(key) {
            Some(toml::Value::Integer(number)) => (*number as f64, number.to_string()),
            Some(toml::Value::Float(number)) => (*number, number.to_string()),
            _ => continue,
        };
        let range = Range::of(property);
        Invalid::unless(range.holds(number), &format!("{name}.{key}"), got, range.in_words())?;
    }
    Ok(())
}

/// Ends of a range, as a JSON schema has them.
struct Range {
    least: Option<f64>,
    most: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
}

impl Range {
    fn of(property: &Value) -> Self {
        let end = |name| property.get(name).and_then(Value::as_f64);
        Self {
            least: end("minimum"),
            most: end("maximum"),
            above: end("exclusiveMinimum"),
            below: end("exclusiveMaximum"),
        }
    }

    /// Whether a finite number lies in it.
    fn holds(&self, x: f64) -> bool {
        x.is_finite()
            && self.least.is_none_or(|end| x >= end)
            && self.most.is_none_or(|end| x <= end)
            && self.above.is_none_or(|end| x > end)
            && self.below.is_none_or(|end| x < end)
    }

    /// As in `0 to below 1`.
    fn in_words(&self) -> String {
        let low = self.least.map(|end| end.to_string()).or(self.above.map(|end| format!("above {end}")));
        let high = self.most.map(|end| end.to_string()).or(self.below.map(|end| format!("below {end}")));
        match (low, high) {
            (None, None) => "a finite number".to_owned(),
            (Some(_), None) if self.above == Some(0.0) => "a positive number".to_owned(),
            (Some(low), None) if self.above.is_some() => low,
            (Some(low), None) => format!("{low} or more"),
            (None, Some(high)) if self.below.is_some() => high,
            (None, Some(high)) => format!("{high} or less"),
            (Some(low), Some(high)) => format!("{low} to {high}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_hold_their_ends_and_say_what_they_are() {
        for (schema, inside, outside, words) in [
            (json!({ "minimum": 2, "maximum": 256 }), [2.0, 256.0], [1.0, 257.0], "2 to 256"),
            (json!({ "minimum": 0, "exclusiveMaximum": 1 }), [0.0, 0.999], [-0.1, 1.0], "0 to below 1"),
            (json!({ "exclusiveMinimum": 0 }), [1e-9, 1e9], [0.0, f64::INFINITY], "a positive number"),
            (json!({ "minimum": 1 }), [1.0, 1e9], [0.9, f64::NAN], "1 or more"),
            (json!({}), [-1.0, 1.0], [f64::NAN, f64::INFINITY], "a finite number"),
        ] {
            let range = Range::of(&schema);
            assert!(inside.into_iter().all(|x| range.holds(x)), "{schema}");
            assert!(!outside.into_iter().any(|x| range.holds(x)), "{schema}");
            assert_eq!(range.in_words(), words);
        }
    }
}
