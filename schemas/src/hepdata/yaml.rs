//! YAML and JSON as one kind of value.

use serde_json::{Map, Number, Value};
use yaml_rust2::Event;
use yaml_rust2::parser::{EventReceiver, Parser};
use yaml_rust2::scanner::TScalarStyle;

/// Values that the documents of a file may hold together, those that aliases repeat counted each time.
const LARGEST: usize = 4_000_000;

/// The documents of a YAML file, or the one of a JSON file.
///
/// # Errors
/// Message of the parser, in one line.
pub(super) fn documents(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are not text".to_owned())?;
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(vec![value]);
    }
    let mut builder = Builder::default();
    Parser::new_from_str(text)
        .load(&mut builder, true)
        .map_err(|error| format!("no YAML: {}", error.to_string().replace('\n', " ")))?;
    match builder.wrong {
        Some(wrong) => Err(wrong),
        None => Ok(builder.documents),
    }
}

/// A list or a table that is not complete yet, and its anchor.
struct Open {
    value: Value,
    key: Option<String>,
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Value>,
    open: Vec<Open>,
    anchors: std::collections::BTreeMap<usize, (Value, usize)>,
    count: usize,
    wrong: Option<String>,
}

impl Builder {
    fn add(&mut self, value: Value, size: usize, anchor: usize) {
        self.count += size;
        if self.count > LARGEST {
            self.wrong = Some(format!("more than {LARGEST} values"));
        }
        if self.wrong.is_some() {
            return;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), size));
        }
        match self.open.last_mut() {
            None => self.documents.push(value),
            Some(Open { value: Value::Array(list), .. }) => list.push(value),
            Some(Open { value: Value::Object(table), key, .. }) => match key.take() {
                Some(key) => {
                    if table.insert(key.clone(), value).is_some() {
                        self.wrong = Some(format!("the key `{key}` twice"));
                    }
                }
                None => *key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            },
            Some(_) => {}
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            let size = if open.anchor > 0 { size(&open.value) } else { 1 };
            self.add(open.value, size, open.anchor);
        }
    }
}

impl EventReceiver for Builder {
    fn on_event(&mut self, event: Event) {
        match event {
            Event::SequenceStart(anchor, _) => {
                self.open.push(Open { value: Value::Array(Vec::new()), key: None, anchor });
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(Open { value: Value::Object(Map::new()), key: None, anchor });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Scalar(text, style, anchor, _) => {
                let value = if style == TScalarStyle::Plain { plain(&text) } else { Value::String(text) };
                self.add(value, 1, anchor);
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((value, size)) if self.count + size <= LARGEST => self.add(value, size, 0),
                Some(_) => self.wrong = Some(format!("more than {LARGEST} values")),
                None => self.wrong = Some("an alias of itself".to_owned()),
            },
            _ => {}
        }
    }
}

/// Number of values that a value holds, itself included.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(table) => table.values().map(size).sum(),
        _ => 0,
    }
}

/// A scalar without quotes: nothing, a boolean, a number, or text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        ".nan" | ".NaN" | ".inf" | "-.inf" => return Value::String(text.to_owned()),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Number(number.into());
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    match text.parse::<f64>().ok().filter(|_| numeric).and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_lists_tables_aliases_and_several_documents() {
        let text = "a: &x [1, -2.5, '3', word, 1e-3]\nb: *x\n---\n{c: null, d: true}\n";
        let documents = documents(text.as_bytes()).unwrap();
        assert_eq!(documents[0]["a"], serde_json::json!([1, -2.5, "3", "word", 1e-3]));
        assert_eq!(documents[0]["b"], documents[0]["a"]);
        assert_eq!(documents[1], serde_json::json!({"c": null, "d": true}));
        assert_eq!(super::documents(b"{\"a\": 1}").unwrap(), [serde_json::json!({"a": 1})]);
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let (list, names) = (vec!["0"; 2500].join(", "), vec!["*list"; 2000].join(", "));
        let text = format!("list: &list [{list}]\nall: [{names}]\n");
        assert!(documents(text.as_bytes()).unwrap_err().contains("more than"));
        assert!(documents(b"a: [1, 2").unwrap_err().starts_with("no YAML"));
        assert!(documents(&[0xff, 0xfe, 0x00]).unwrap_err().contains("not text"));
        assert!(documents(b"a: 1\na: 2\n").is_err());
    }
}
