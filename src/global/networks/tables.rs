//! Results as text, and as CSV.

use humboldt_schemas::experiment::{ExperimentResult, PointRow};

/// The tables as they are printed.
pub fn text(result: &ExperimentResult) -> String {
    let beside = if result.points.iter().any(|row| row.study.is_some()) {
        format!("   {:>9}{:>9}{:>10}", "study: c9", "c10", "chi2")
    } else {
        String::new()
    };
    let mut lines = vec![format!("{:<36}{:>9}{:>9}{:>10}{beside}", result.name, "c9", "c10", "chi2")];
    for row in &result.points {
        let study = row.study.map_or_else(String::new, |study| {
            format!("   {:>9.2}{:>9.2}{:>10.2}", study.c9, study.c10, study.chi2)
        });
        lines.push(format!("{:<36}{:>9.3}{:>9.3}{:>10.2}{study}", row.what, row.c9, row.c10, row.chi2));
    }
    for row in result.points.iter().filter(|row| !row.coefficients.is_empty()) {
        lines.push(String::new());
        lines.extend(coefficients(row));
    }
    if !result.spreads.is_empty() {
        lines.push(String::new());
        lines.push(format!("{:<32}{:>11}{:>11}{:>11}{:>11}", "mean and width", "expected", "", "found", ""));
        for row in &result.spreads {
            let numbers = [row.expected.mean, row.expected.sigma, row.found.mean, row.found.sigma];
            lines.push(format!("{:<32}{}", row.name, columns(numbers)));
        }
    }
    lines.push(String::new());
    lines.extend(result.numbers.iter().map(|row| format!("{:<72}{:>11}", row.what, rounded(row.value))));
    lines.join("\n")
}

/// Coefficients of a point, an observable a line.
fn coefficients(row: &PointRow) -> Vec<String> {
    let mut lines = vec![format!("{:<32}{:>11}{:>11}{:>11}", row.what, "a0", "a1", "a2")];
    let mut names: Vec<&str> = row.coefficients.iter().map(|(name, _)| observable(name)).collect();
    names.dedup();
    for name in names {
        let own = row.coefficients.iter().filter(|(other, _)| observable(other) == name);
        let numbers = columns(own.map(|(_, value)| *value));
        lines.push(format!("{:<32}{numbers}", if name.is_empty() { "all" } else { name }));
    }
    lines
}

fn columns(numbers: impl IntoIterator<Item = f64>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|x| format!("{:>11}", rounded(x))).collect();
    numbers.concat()
}

/// The observable of a coefficient's name, as in `a0[P1]`; empty where all share it.
fn observable(name: &str) -> &str {
    name.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'))
}

/// Four digits.
fn rounded(x: f64) -> String {
    let size = x.abs();
    if x.fract() == 0.0 && size < 1e9 {
        format!("{x:.0}")
    } else if (1e-3..1e5).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).clamp(1, 6) as usize;
        format!("{x:.decimals$}")
    } else {
        format!("{x:.2e}")
    }
}

/// The points: `what,c9,c10,chi2,study_c9,study_c10,study_chi2`.
pub(super) fn points_csv(result: &ExperimentResult) -> String {
    let header = "what,c9,c10,chi2,study_c9,study_c10,study_chi2".to_owned();
    let row = |row: &PointRow| {
        let study = row.study.map_or_else(|| ",,".to_owned(), |s| format!("{},{},{}", s.c9, s.c10, s.chi2));
        format!("{},{},{},{},{study}", plain(&row.what), row.c9, row.c10, row.chi2)
    };
    file([header].into_iter().chain(result.points.iter().map(row)))
}

/// All numbers: `what,value`.
pub(super) fn numbers_csv(result: &ExperimentResult) -> String {
    let numbers = result.numbers.iter().map(|row| format!("{},{}", plain(&row.what), row.value));
    let spreads = result.spreads.iter().flat_map(|row| {
        let values = [
            ("mean expected", row.expected.mean),
            ("width expected", row.expected.sigma),
            ("mean found", row.found.mean),
            ("width found", row.found.sigma),
        ];
        values.map(|(what, value)| format!("{} {what},{value}", plain(&row.name)))
    });
    file(["what,value".to_owned()].into_iter().chain(numbers).chain(spreads))
}

fn file(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

/// Words without commas.
fn plain(words: &str) -> String {
    words.replace(',', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        for (x, expected) in [
            (3.0, "3"),
            (30.674_5, "30.67"),
            (-0.012_345_6, "-0.01235"),
            (0.000_012_3, "1.23e-5"),
            (123_456.5, "1.23e5"),
            (0.68, "0.6800"),
        ] {
            assert_eq!(rounded(x), expected);
        }
    }

    #[test]
    fn coefficients_stand_by_observable() {
        let coefficient = |name: &str, value: f64| (name.to_owned(), value);
        let row = PointRow {
            what: "lowest".to_owned(),
            c9: 0.0,
            c10: 0.0,
            chi2: 1.0,
            coefficients: vec![
                coefficient("a0[P1]", 0.5),
                coefficient("a1[P1]", 0.25),
                coefficient("a0[R_K]", 0.125),
            ],
            study: None,
        };
        let lines = coefficients(&row);
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("P1") && lines[1].ends_with("0.2500"), "{}", lines[1]);
        assert!(lines[2].starts_with("R_K") && lines[2].ends_with("0.1250"));
    }
}
