//! Tables and the template that all is put into, as HTML.

use super::Table;
use crate::markup::{escaped, html};

pub(super) fn section(table: &Table) -> String {
    let Table { id, title, words, head, rows } = table;
    format!(
        "<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{}</p>\n{}\n</section>",
        html(words),
        html_table(head, rows)
    )
}

/// A table; all but the first column are numbers.
pub(super) fn html_table(head: &[String], rows: &[Vec<String>]) -> String {
    let cell = |i: usize, text: &str, of_head: bool| {
        let (text, n) = (escaped(text), if i == 0 { "" } else { " class=\"n\"" });
        match (of_head, i) {
            (true, _) => format!("<th scope=\"col\"{n}>{text}</th>"),
            (false, 0) => format!("<th scope=\"row\">{text}</th>"),
            (false, _) => format!("<td{n}>{text}</td>"),
        }
    };
    let row = |row: &[String], of_head: bool| {
        let cells = row.iter().enumerate().map(|(i, text)| cell(i, text, of_head));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: Vec<String> = rows.iter().map(|cells| row(cells, false)).collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead>{}</thead>\n<tbody>\n{}\n</tbody>\n</table></div>",
        row(head, true),
        body.join("\n")
    )
}

/// A template with its `{{name}}` replaced, in one pass: what is put in is not looked at again.
pub(super) fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut page =
        String::with_capacity(template.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut pieces = template.split("{{");
    page.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        if let Some((_, text)) = parts.iter().find(|(known, _)| *known == name) {
            page.push_str(text);
        }
        page.push_str(rest);
    }
    page
}

pub(super) fn rows(pairs: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(name), escaped(value))
    };
    pairs.iter().map(row).collect::<Vec<_>>().join("\n")
}
