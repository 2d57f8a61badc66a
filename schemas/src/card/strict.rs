//! Reading TOML strictly: errors name the line and the field, and an unknown key its nearest known one.

use std::ops::Range;
use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::error::{Invalid, SchemaError};

/// Reads a file, and checks what it says.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    validate: impl Fn(&T) -> Result<(), Invalid>,
) -> Result<T, SchemaError> {
    checked(&text(path)?, &path.display().to_string(), validate)
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, SchemaError> {
    std::fs::read_to_string(path).map_err(|source| SchemaError::Io { path: path.to_owned(), source })
}

/// Parses `text` as a `T`, and checks what it says; `file` is its name in messages.
pub(crate) fn checked<T: DeserializeOwned + JsonSchema>(
    text: &str,
    file: &str,
    validate: impl Fn(&T) -> Result<(), Invalid>,
) -> Result<T, SchemaError> {
    let value: T = parse(text, file)?;
    validate(&value).map_err(|invalid| SchemaError::InvalidCard {
        file: file.to_owned(),
        line: line_of(text, &invalid.field),
        invalid,
    })?;
    Ok(value)
}

/// Parses `text` as a `T`; `file` is its name in messages.
fn parse<T: DeserializeOwned + JsonSchema>(text: &str, file: &str) -> Result<T, SchemaError> {
    let syntax = |text: &str, error: &toml::de::Error, field: String| SchemaError::Syntax {
        file: file.to_owned(),
        line: line_at(text, error.span().map_or(0, |s| s.start)),
        field,
        message: error.message().replace('\n', ", "),
    };
    let table = DeTable::parse(text).map_err(|e| syntax(text, &e, String::new()))?;
    let schema = schemars::schema_for!(T).to_value();
    check_keys(table.get_ref(), &schema, &schema, &mut Vec::new(), &mut |key, path, known| {
        let name = key.1;
        let nearest = known
            .iter()
            .map(|k| (strsim::damerau_levenshtein(k, name), k))
            .min()
            .filter(|(distance, _)| *distance <= 1 + name.len() / 3)
            .map_or_else(String::new, |(_, k)| format!(" (did you mean `{k}`?)"));
        Err(SchemaError::UnknownKey {
            file: file.to_owned(),
            line: line_at(text, key.0.start),
            key: dotted(path, name),
            hint: nearest,
            allowed: known.join(", "),
        })
    })?;
    let text = &with_whole_counts(text, table.get_ref(), &schema);
    let table = DeTable::parse(text).map_err(|e| syntax(text, &e, String::new()))?;
    toml::from_str(text).map_err(|e| {
        let field = e.span().and_then(|span| path_at(table.get_ref(), &span)).unwrap_or_default();
        let form = schema_of(&field, &schema).map(|inner| form(&field, inner, &schema)).unwrap_or_default();
        let mut error = syntax(text, &e, if field.is_empty() { field } else { format!("{field}: ") });
        // Other messages say themselves what is allowed.
        if let SchemaError::Syntax { message, .. } = &mut error
            && !form.is_empty()
            && ["invalid type", "invalid length"].iter().any(|words| message.starts_with(words))
        {
            message.push_str("; allowed: ");
            message.push_str(&form);
        }
        error
    })
}

/// The text with whole numbers in the places of counts that are written as in `1e5`, which TOML calls a float.
fn with_whole_counts(text: &str, table: &DeTable<'_>, schema: &Value) -> String {
    let mut counts = Vec::new();
    find_counts(table, schema, schema, &mut counts);
    counts.sort_unstable_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, count) in counts {
        text.replace_range(span, &count.to_string());
    }
    text
}

fn find_counts(table: &DeTable<'_>, schema: &Value, root: &Value, found: &mut Vec<(Range<usize>, u64)>) {
    let properties = resolve(schema, root).get("properties").and_then(Value::as_object);
    for (key, value) in table {
        let Some(schema) = properties.and_then(|all| all.get(key.get_ref().as_ref())) else { continue };
        find_count(value, schema, root, found);
    }
}

fn find_count(
    value: &toml::Spanned<DeValue<'_>>,
    schema: &Value,
    root: &Value,
    found: &mut Vec<(Range<usize>, u64)>,
) {
    /// Above, f64 leave out whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let schema = resolve(schema, root);
    match value.get_ref() {
        DeValue::Table(table) => find_counts(table, schema, root, found),
        DeValue::Array(items) => {
            let each =
                |i: usize| schema.get("prefixItems").and_then(|all| all.get(i)).or(schema.get("items"));
            for (i, item) in items.iter().enumerate() {
                if let Some(schema) = each(i) {
                    find_count(item, schema, root, found);
                }
            }
        }
        DeValue::Float(float) if is_integer(schema) => {
            let number = float.as_str().replace('_', "").parse::<f64>();
            if let Some(number) = number.ok().filter(|x| (0.0..=EXACT).contains(x) && x.fract() == 0.0) {
                found.push((value.span(), number as u64));
            }
        }
        _ => {}
    }
}

fn is_integer(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "integer",
        Some(Value::Array(names)) => {
            names.iter().any(|name| name == "integer") && !names.iter().any(|name| name == "number")
        }
        _ => false,
    }
}

/// The schema of a dotted field.
fn schema_of<'a>(field: &str, root: &'a Value) -> Option<&'a Value> {
    let inner = |schema: Option<&'a Value>, name: &str| {
        let schema = resolve(schema?, root);
        let schema = schema.get("items").map_or(schema, |items| resolve(items, root));
        let named = schema.get("properties").and_then(|properties| properties.get(name));
        named.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
    };
    if field.is_empty() { None } else { field.split('.').fold(Some(root), inner) }
}

/// The form that a field's value must have, in words and by an example.
fn form(field: &str, schema: &Value, root: &Value) -> String {
    let schema = resolve(schema, root);
    let names = names(schema);
    if !names.is_empty() {
        return names.join(", ");
    }
    let example = example(0, schema, root);
    match kind(schema) {
        "integer" => format!("a whole number, as in {example}"),
        "number" => format!("a number, as in {example}"),
        "boolean" => "true or false".to_owned(),
        "string" => format!("a text in quotes, as in {example}"),
        "array" if example.is_empty() => format!("tables, each under [[{field}]]"),
        "array" => format!("a list, as in {example}"),
        "object" if example.is_empty() => format!("a table, as in [{field}]"),
        "object" => format!("a table, as in {example}"),
        _ => String::new(),
    }
}

/// A value as a schema wants it, the nth of several; empty for a table with fixed keys, and for a list of such.
fn example(nth: usize, schema: &Value, root: &Value) -> String {
    let schema = resolve(schema, root);
    if let Some(name) = names(schema).get(nth) {
        return name.clone();
    }
    if let Some(example) = schema.pointer("/examples/0") {
        return example.to_string();
    }
    match kind(schema) {
        "integer" => {
            let least = schema.get("minimum").and_then(Value::as_u64).unwrap_or(0);
            (nth as u64 + 1).max(least).to_string()
        }
        "number" => format!("{:?}", nth as f64 + 0.5),
        "boolean" => "true".to_owned(),
        "string" => "\"name\"".to_owned(),
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
            let item = |i: u64| example(i as usize, &schema["items"], root);
            let items: Vec<String> = (0..least).map(item).filter(|item| !item.is_empty()).collect();
            if items.is_empty() { String::new() } else { format!("[{}]", items.join(", ")) }
        }
        "object" => {
            let any = schema.get("additionalProperties").filter(|any| any.is_object());
            any.map_or_else(String::new, |any| format!("{{ name = {} }}", example(0, any, root)))
        }
        _ => String::new(),
    }
}

/// The type that a schema wants, `null` aside.
fn kind(schema: &Value) -> &str {
    let kind = schema.get("type");
    let first = || kind?.as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
    kind.and_then(Value::as_str).or_else(first).unwrap_or_default()
}

/// The texts that a schema allows, in quotes, where it allows few.
fn names(schema: &Value) -> Vec<String> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let choices = choices.filter_map(|choice| choice.get("const"));
    listed.chain(choices).filter(|name| name.is_string()).map(Value::to_string).collect()
}

/// Line (from 1) of the deepest part of a dotted field that the text has; 1 where it has none. `groups[2]` is the second
/// of an array of tables.
fn line_of(text: &str, field: &str) -> usize {
    let Ok(table) = DeTable::parse(text) else { return 1 };
    let mut tables = vec![table.get_ref()];
    let mut start = 0;
    for part in field.split('.') {
        let (part, place) = part
            .strip_suffix(']')
            .and_then(|part| part.split_once('['))
            .map_or((part, None), |(name, place)| (name, place.parse::<usize>().ok()));
        let found = tables.iter().find_map(|t| t.iter().find(|(k, _)| k.get_ref() == part));
        let Some((key, value)) = found else { break };
        start = key.span().start;
        tables = inner_tables(value.get_ref());
        if let (Some(place), Some(items)) = (place, value.get_ref().as_array()) {
            let Some(item) = items.get(place.wrapping_sub(1)) else { break };
            start = item.span().start;
            tables = inner_tables(item.get_ref());
        }
    }
    line_at(text, start)
}

type Key<'a> = (Range<usize>, &'a str);

fn check_keys(
    table: &DeTable<'_>,
    schema: &Value,
    root: &Value,
    path: &mut Vec<String>,
    unknown: &mut impl FnMut(Key<'_>, &[String], &[&str]) -> Result<(), SchemaError>,
) -> Result<(), SchemaError> {
    let schema = resolve(schema, root);
    // A table without fixed keys (a map) takes any name; its values are checked where they are used.
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    for (key, value) in table {
        let name: &str = key.get_ref();
        let Some(property) = properties.get(name) else {
            return unknown((key.span(), name), path, &known);
        };
        let property = resolve(property, root);
        let item = property.get("items").map_or(property, |items| resolve(items, root));
        path.push(name.to_owned());
        for inner in inner_tables(value.get_ref()) {
            check_keys(inner, item, root, path, unknown)?;
        }
        path.pop();
    }
    Ok(())
}

fn inner_tables<'a, 'i>(value: &'a DeValue<'i>) -> Vec<&'a DeTable<'i>> {
    match value {
        DeValue::Table(table) => vec![table],
        DeValue::Array(array) => array.iter().filter_map(|v| v.get_ref().as_table()).collect(),
        _ => Vec::new(),
    }
}

fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    // A table that may be left out is "it or null".
    let schema = schema.get("anyOf").and_then(|choices| choices.get(0)).unwrap_or(schema);
    let named = schema.get("$ref").and_then(Value::as_str);
    match named.and_then(|name| root.pointer(name.trim_start_matches('#'))) {
        Some(inner) => resolve(inner, root),
        None => schema,
    }
}

fn path_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = inner_tables(value.get_ref()).into_iter().find_map(|t| path_at(t, span));
        let name = key.get_ref().to_string();
        if let Some(inner) = inner {
            return Some(format!("{name}.{inner}"));
        }
        let within = value.span();
        (within.start <= span.start && span.end <= within.end).then_some(name)
    })
}

fn dotted(path: &[String], name: &str) -> String {
    path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
}

fn line_at(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|&&b| b == b'\n').count()
}
