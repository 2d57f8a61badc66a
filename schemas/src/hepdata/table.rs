//! One table of a record: values in bins of q2, or a correlation matrix.

use serde_json::Value;

use super::names::range;
use crate::error::Invalid;

/// A value with its errors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) value: f64,
    /// Label, upward, downward.
    pub(super) errors: Vec<(String, [f64; 2])>,
}

/// The values of one observable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) units: String,
    pub(super) reactions: Vec<String>,
    /// One for each bin; `None` where nothing was measured.
    pub(super) entries: Vec<Option<Entry>>,
}

/// Kind of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Table {
    /// Columns of values in bins of q2 [GeV^2].
    Values { bins: Vec<[f64; 2]>, columns: Vec<Column> },
    /// Correlations of labels; in one bin where the record says so, else the labels name the bin.
    Matrix { labels: Vec<String>, rows: Vec<Vec<f64>>, bin: Option<[f64; 2]> },
    /// Neither, and what it lacks.
    Other(&'static str),
}

/// The table that a value describes; `name` is its name in messages.
pub(super) fn table(value: &Value, name: &str) -> Result<Table, Invalid> {
    if let (Some(labels), Some(rows)) = (value["columns"].as_array(), value["data"].as_array()) {
        return table_of_rows(labels, rows, name);
    }
    if let (Some(headers), Some(rows)) = (value["headers"].as_array(), value["values"].as_array()) {
        return record_json(headers, rows, &value["qualifiers"], name);
    }
    match (&value["independent_variables"], &value["dependent_variables"]) {
        (Value::Array(independent), Value::Array(dependent)) => submission(independent, dependent, name),
        (Value::Object(_), Value::Object(dependent)) => {
            let bins = bins_of(&value["independent_variables"]["values"], name)?;
            let columns = dependent.iter().map(|(observable, column)| {
                let field = format!("{name}: {observable}");
                let units = text(&column["units"]);
                let entries = list(&column["values"], &field)?.iter().map(|e| pandas_entry(e, &field));
                let entries = entries.collect::<Result<_, _>>()?;
                Ok(Column { name: observable.clone(), units, reactions: Vec::new(), entries })
            });
            let columns = columns.collect::<Result<_, Invalid>>()?;
            checked(bins, columns, name)
        }
        _ => nested(value, name),
    }
}

/// `{label: {label: number}}`, as pandas writes a frame.
fn nested(value: &Value, name: &str) -> Result<Table, Invalid> {
    const OTHER: Table = Table::Other("neither values nor correlations");
    let Some(frame) = value.as_object().filter(|frame| frame.values().all(Value::is_object)) else {
        return Ok(OTHER);
    };
    if frame.is_empty() {
        return Ok(OTHER);
    }
    let labels: Vec<String> = frame.keys().cloned().collect();
    let row = |of: &Value| labels.iter().map(|label| number(&of[label], name)).collect();
    let rows = frame.values().map(row).collect::<Result<_, _>>()?;
    Ok(Table::Matrix { labels, rows, bin: None })
}

fn table_of_rows(labels: &[Value], rows: &[Value], name: &str) -> Result<Table, Invalid> {
    let labels: Vec<String> = labels.iter().map(text).collect();
    let row = |row: &Value| -> Result<Vec<f64>, Invalid> {
        let entries = list(row, name)?.iter();
        entries.map(|x| number(x, name)).collect()
    };
    let rows: Vec<Vec<f64>> = rows.iter().map(row).collect::<Result<_, _>>()?;
    let n = labels.len();
    let square = rows.len() == n && rows.iter().all(|row| row.len() == n);
    Invalid::unless(square, name, "a matrix of another shape", format!("{n} rows of {n} numbers"))?;
    Ok(Table::Matrix { labels, rows, bin: None })
}

/// A table of a submission: lists of independent and dependent variables.
fn submission(independent: &[Value], dependent: &[Value], name: &str) -> Result<Table, Invalid> {
    if let ([first, second], [correlation]) = (independent, dependent)
        && first["values"][0]["value"].is_string()
        && second["values"][0]["value"].is_string()
    {
        let words = |of: &Value| -> Result<Vec<String>, Invalid> {
            Ok(list(&of["values"], name)?.iter().map(|v| text(&v["value"])).collect())
        };
        let entries = list(&correlation["values"], name)?.iter().map(|v| number(&v["value"], name));
        let entries: Vec<f64> = entries.collect::<Result<_, _>>()?;
        let bin = array(&correlation["qualifiers"])
            .iter()
            .filter(|q| text(&q["name"]).to_lowercase().replace(['^', '$', '*'], "").contains("q2"))
            .find_map(|q| range(&text(&q["value"])));
        return pairs(&words(first)?, &words(second)?, &entries, bin, name);
    }
    let mut with_bins = independent.iter().filter(|v| v["values"][0]["low"].is_number());
    let (Some(q2), None) = (with_bins.next(), with_bins.next()) else {
        return Ok(Table::Other("no bins of q2"));
    };
    let header = text(&q2["header"]["name"]).to_lowercase().replace(['^', '$', '*', '{', '}', '_'], "");
    if independent.len() > 1 && !header.contains("q2") {
        return Ok(Table::Other("no bins of q2 alone"));
    }
    let units = text(&q2["header"]["units"]).to_lowercase();
    let gev = units.is_empty() || units.contains("gev");
    Invalid::unless(gev, &format!("{name}: q2"), format!("in {units}"), "bins in GeV^2")?;
    let bins = bins_of(&q2["values"], name)?;
    let columns = dependent.iter().map(|column| {
        let header = &column["header"];
        let field = format!("{name}: {}", text(&header["name"]));
        let reactions = array(&column["qualifiers"])
            .iter()
            .filter(|qualifier| text(&qualifier["name"]).eq_ignore_ascii_case("re"))
            .map(|qualifier| text(&qualifier["value"]))
            .collect();
        let entries = list(&column["values"], &field)?.iter().map(|e| entry(e, &field));
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Column { name: text(&header["name"]), units: text(&header["units"]), reactions, entries })
    });
    let columns = columns.collect::<Result<_, Invalid>>()?;
    checked(bins, columns, name)
}

/// A table as HEPData's own JSON has it: rows of x and y.
fn record_json(headers: &[Value], rows: &[Value], qualifiers: &Value, name: &str) -> Result<Table, Invalid> {
    let ys = |row: &Value| array(&row["y"]).to_vec();
    let count = rows.first().map_or(0, |row| ys(row).len());
    let first = headers.len().saturating_sub(count);
    if first == 2 && count == 1 && rows[0]["x"][0]["value"].is_string() {
        let words =
            |k: usize| -> Vec<String> { rows.iter().map(|row| text(&row["x"][k]["value"])).collect() };
        let entries = rows.iter().map(|row| number(&row["y"][0]["value"], name));
        let entries: Vec<f64> = entries.collect::<Result<_, _>>()?;
        let bin = qualifiers.as_object().into_iter().flatten().find_map(|(key, value)| {
            let q2 = key.to_lowercase().replace(['^', '$', '*'], "").contains("q2");
            range(&text(&value[0]["value"])).filter(|_| q2)
        });
        return pairs(&words(0), &words(1), &entries, bin, name);
    }
    let xs = Value::Array(rows.iter().map(|row| row["x"][0].clone()).collect());
    let bins = bins_of(&xs, name)?;
    let reactions: Vec<String> = array(&qualifiers["RE"]).iter().map(|q| text(&q["value"])).collect();
    let column = |k: usize| {
        let header = text(&headers[first + k]["name"]);
        let field = format!("{name}: {header}");
        let (title, units) = match header.split_once('[') {
            Some((title, units)) => (title.trim().to_owned(), units.trim_end_matches(']').to_owned()),
            None => (header, String::new()),
        };
        let entries = rows.iter().map(|row| entry(&row["y"][k], &field)).collect::<Result<_, _>>()?;
        Ok(Column { name: title, units, reactions: reactions.clone(), entries })
    };
    let columns = (0..count).map(column).collect::<Result<_, Invalid>>()?;
    checked(bins, columns, name)
}

fn checked(bins: Vec<[f64; 2]>, columns: Vec<Column>, name: &str) -> Result<Table, Invalid> {
    for column in &columns {
        let got = format!("{} values", column.entries.len());
        let field = format!("{name}: {}", column.name);
        Invalid::unless(
            column.entries.len() == bins.len(),
            &field,
            got,
            format!("{}, one a bin", bins.len()),
        )?;
    }
    Ok(Table::Values { bins, columns })
}

/// A matrix from its entries in any order.
fn pairs(
    first: &[String],
    second: &[String],
    entries: &[f64],
    bin: Option<[f64; 2]>,
    name: &str,
) -> Result<Table, Invalid> {
    let mut labels: Vec<String> = Vec::new();
    for label in first {
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    let n = labels.len();
    let whole = first.len() == n * n && second.len() == n * n && entries.len() == n * n;
    let got = format!("{} entries of {n} labels", entries.len());
    Invalid::unless(whole, name, got, "the square of the number of labels")?;
    let mut rows = vec![vec![f64::NAN; n]; n];
    for ((a, b), entry) in first.iter().zip(second).zip(entries) {
        let place = |label: &String| labels.iter().position(|known| known == label);
        if let (Some(i), Some(j)) = (place(a), place(b)) {
            rows[i][j] = *entry;
        }
    }
    let complete = rows.iter().flatten().all(|x| x.is_finite());
    Invalid::unless(complete, name, "a matrix with gaps", "every pair of labels once")?;
    Ok(Table::Matrix { labels, rows, bin })
}

fn bins_of(values: &Value, name: &str) -> Result<Vec<[f64; 2]>, Invalid> {
    let bins = list(values, name)?.iter().map(|bin| {
        let ends = match bin {
            Value::Array(ends) => [ends.first(), ends.get(1)],
            other => [other.get("low"), other.get("high")],
        };
        let [low, high] = ends.map(|end| end.map_or(Ok(f64::NAN), |end| number(end, name)));
        let (low, high) = (low?, high?);
        let field = format!("{name}: q2");
        Invalid::unless(low < high, &field, format!("[{low}, {high}]"), "bins from low to high in GeV^2")?;
        Ok([low, high])
    });
    bins.collect()
}

/// `{value, errors: [{label, symerror | asymerror}]}`; a value that is no number is a gap.
fn entry(value: &Value, field: &str) -> Result<Option<Entry>, Invalid> {
    let measured = match &value["value"] {
        Value::Number(_) => number(&value["value"], field)?,
        Value::String(word) => match word.trim().parse::<f64>() {
            Ok(measured) if measured.is_finite() => measured,
            Ok(_) => return Err(Invalid::new(field, word, "a finite number")),
            Err(_) if word.chars().any(|c| c.is_ascii_digit()) => {
                return Err(Invalid::new(field, format!("`{word}`"), "a number, or nothing"));
            }
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut errors = Vec::new();
    for error in array(&value["errors"]) {
        let label = text(&error["label"]);
        let size = |value: &Value| match value.as_str().and_then(|word| word.trim().strip_suffix('%')) {
            Some(percent) => {
                let parsed = percent.trim().parse::<f64>();
                parsed
                    .map(|p| 0.01 * p * measured.abs())
                    .map_err(|_| Invalid::new(field, percent, "a number"))
            }
            None => number(value, field),
        };
        let pair = if error["asymerror"].is_object() {
            [size(&error["asymerror"]["plus"])?, size(&error["asymerror"]["minus"])?]
        } else {
            [size(&error["symerror"])?; 2]
        };
        let [plus, minus] = pair;
        let got = format!("errors {plus} and {minus}");
        // A lower error is written with its sign, a symmetric one without.
        let signs = if error["asymerror"].is_null() { plus >= 0.0 } else { plus * minus <= 0.0 };
        Invalid::unless(signs, field, got, "one up, one down; a symmetric one without a sign")?;
        errors.push((label, pair.map(f64::abs)));
    }
    Ok(Some(Entry { value: measured, errors }))
}

/// `{val, hi_total_err, lo_total_err, ...}`.
fn pandas_entry(value: &Value, field: &str) -> Result<Option<Entry>, Invalid> {
    let Some(measured) = value["val"].as_f64() else { return Ok(None) };
    let mut errors = Vec::new();
    for label in ["stat", "syst", "total"] {
        let (plus, minus) = (&value[format!("hi_{label}_err")], &value[format!("lo_{label}_err")]);
        if plus.is_number() || minus.is_number() {
            errors.push((label.to_owned(), [number(plus, field)?.abs(), number(minus, field)?.abs()]));
        }
    }
    Ok(Some(Entry { value: measured, errors }))
}

fn number(value: &Value, field: &str) -> Result<f64, Invalid> {
    let parsed = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => word.trim().parse().ok(),
        _ => None,
    };
    parsed.filter(|x| x.is_finite()).ok_or_else(|| Invalid::new(field, value, "a finite number"))
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, Invalid> {
    value.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
        Invalid::new(field, if value.is_array() { "an empty list" } else { "no list" }, "a list of values")
    })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Text of a value, numbers as written.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
