//! Text with italics, subscripts and superscripts, `*q*^{2}` or `δ*C*_{9}`, as SVG and as HTML.
//!
//! `*` switches italics, `\\*` is a star, `_{` and `^{` open a script that `}` closes; a combining macron puts a bar over
//! the letter before it.

use std::fmt::Write as _;

/// Size of a sub- or superscript relative to its text.
const SCRIPT_SIZE: f64 = 0.7;
const MACRON: char = '\u{304}';
/// Shifts of the baseline downwards, in sizes of the text around: of a subscript, of a superscript.
const SHIFTS: (f64, f64) = (0.182, -0.35);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Sub,
    Sup,
}

/// Characters of one face.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    text: String,
    italic: bool,
    /// Whether a bar is over it.
    bar: bool,
    /// Scripts that it lies in, from the outermost.
    scripts: Vec<Script>,
}

fn runs(markup: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut italic, mut scripts) = (false, Vec::new());
    let mut rest = markup.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match (c, next) {
            ('*', _) => italic = !italic,
            ('_' | '^', Some('{')) => {
                rest.next();
                scripts.push(if c == '_' { Script::Sub } else { Script::Sup });
            }
            ('}', _) if !scripts.is_empty() => drop(scripts.pop()),
            _ => {
                let shown = if (c, next) == ('\\', Some('*')) { rest.next().unwrap_or(c) } else { c };
                let bar = rest.next_if_eq(&MACRON).is_some();
                match runs
                    .last_mut()
                    .filter(|run| !bar && !run.bar && run.italic == italic && run.scripts == scripts)
                {
                    Some(run) => run.text.push(shown),
                    None => runs.push(Run { text: shown.into(), italic, bar, scripts: scripts.clone() }),
                }
            }
        }
    }
    runs
}

/// Markup as the content of an SVG text of a font size, in the units of both.
pub(super) fn tspans(markup: &str, size: i64) -> String {
    let mut out = String::new();
    let mut baseline = 0;
    for Run { text, italic, bar, scripts } in runs(markup) {
        let (mut own, mut below) = (size as f64, 0.0);
        for script in &scripts {
            below += own * if *script == Script::Sub { SHIFTS.0 } else { SHIFTS.1 };
            own *= SCRIPT_SIZE;
        }
        let mut attributes = String::new();
        if italic {
            attributes.push_str(" font-style=\"oblique\"");
        }
        if bar {
            attributes.push_str(" text-decoration=\"overline\"");
        }
        if !scripts.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(attributes, " font-size=\"{}\"", own.round());
        }
        let moved = below.round() as i64 - std::mem::replace(&mut baseline, below.round() as i64);
        if moved != 0 {
            let _ = write!(attributes, " dy=\"{moved}\"");
        }
        let text = escaped(&text);
        if attributes.is_empty() {
            out.push_str(&text);
        } else {
            let _ = write!(out, "<tspan{attributes}>{text}</tspan>");
        }
    }
    out
}

/// Markup as HTML.
pub(super) fn html(markup: &str) -> String {
    let one = |Run { text, italic, bar, scripts }: &Run| {
        let text = if *bar { format!("{}{MACRON}", escaped(text)) } else { escaped(text) };
        let inner = if *italic { format!("<i>{text}</i>") } else { text };
        scripts.iter().rev().fold(inner, |inner, script| match script {
            Script::Sub => format!("<sub>{inner}</sub>"),
            Script::Sup => format!("<sup>{inner}</sup>"),
        })
    };
    runs(markup).iter().map(one).collect()
}

/// Markup as plain text, with Unicode's digits below the line.
pub(super) fn plain(markup: &str) -> String {
    let below = |c: char| c.to_digit(10).and_then(|d| char::from_u32(0x2080 + d)).unwrap_or(c);
    let text = |run: Run| match run.scripts[..] {
        [Script::Sub] => run.text.chars().map(below).collect(),
        _ => run.text,
    };
    runs(markup).into_iter().map(text).collect()
}

/// Text as it stands in SVG and HTML; characters that XML forbids are left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Plain text as markup: its stars are stars.
pub fn literal(text: &str) -> String {
    text.replace('*', r"\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_tspans() {
        assert_eq!(
            tspans("*q*^{2} < δC_{9}", 100),
            "<tspan font-style=\"oblique\">q</tspan><tspan font-size=\"70\" dy=\"-35\">2</tspan><tspan dy=\"35\"> &lt; \
             δC</tspan><tspan font-size=\"70\" dy=\"18\">9</tspan>"
        );
        assert_eq!(tspans("*R*_{*K*^{0}}", 100).matches("dy=").count(), 2);
        // No embedded font has the combining macron.
        assert_eq!(
            tspans("*B\u{304}*", 100),
            "<tspan font-style=\"oblique\" text-decoration=\"overline\">B</tspan>"
        );
    }

    #[test]
    fn markup_becomes_html() {
        assert_eq!(
            html("cos *θ*_{*ℓ*} & *q*^{2}"),
            "cos <i>θ</i><sub><i>ℓ</i></sub> &amp; <i>q</i><sup>2</sup>"
        );
        assert_eq!(html(&literal("a*b <c>\u{1}")), "a*b &lt;c&gt;");
        assert_eq!(plain("δ*C*_{9} & *q*^{2}"), "δC₉ & q2");
    }

    #[test]
    fn text_without_markup_stays() {
        assert_eq!(tspans("a_b ^ } 10", 30), "a_b ^ } 10");
        assert_eq!(tspans(r"K\*", 30), "K*");
    }
}
