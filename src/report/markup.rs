//! Text with italics, subscripts and superscripts: `*q*^{2}`, `δ*C*_{9}`.
//!
//! The drawing library knows plain text only. Markup therefore travels through it as characters of Unicode's
//! private use area, one for each change of face, and becomes `<tspan>` elements in the finished SVG, where text stays
//! text.

use super::style::MM_PER_PT;
use plotters::style::{FontDesc, FontFamily, FontStyle};

const ITALIC: char = '\u{E000}';
const UPRIGHT: char = '\u{E001}';
const SUB: char = '\u{E002}';
const END_SUB: char = '\u{E003}';
const SUP: char = '\u{E004}';
const END_SUP: char = '\u{E005}';

/// Size of a sub- or superscript relative to its text.
const SCRIPT_SIZE: f64 = 0.7;

/// A script moves its baseline by `dy`; a zero-width space of full size after it moves back (0.7 x 0.26 = 0.182).
const TAGS: [(char, &str); 6] = [
    (ITALIC, "<tspan font-style=\"oblique\">"),
    (UPRIGHT, "</tspan>"),
    (SUB, "<tspan font-size=\"70%\" dy=\"0.26em\">"),
    (END_SUB, "</tspan><tspan dy=\"-0.182em\">\u{200B}</tspan>"),
    (SUP, "<tspan font-size=\"70%\" dy=\"-0.5em\">"),
    (END_SUP, "</tspan><tspan dy=\"0.35em\">\u{200B}</tspan>"),
];

/// Markup as text for the drawing library. `*` switches italics, `\\*` is a star, `_{` and `^{` open a script that `}`
/// closes.
pub(super) fn encode(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut italic = false;
    let mut open = Vec::new();
    let mut rest = markup.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.peek() == Some(&'*') => out.extend(rest.next()),
            '*' => {
                out.push(if italic { UPRIGHT } else { ITALIC });
                italic = !italic;
            }
            '_' | '^' if rest.peek() == Some(&'{') => {
                rest.next();
                out.push(if c == '_' { SUB } else { SUP });
                open.push(if c == '_' { END_SUB } else { END_SUP });
            }
            '}' => out.push(open.pop().unwrap_or('}')),
            other => out.push(other),
        }
    }
    out
}

/// The same SVG with tags in place of the characters of [`encode`].
pub(super) fn to_tspans(svg: &str) -> String {
    TAGS.iter().fold(svg.to_owned(), |svg, &(mark, tag)| svg.replace(mark, tag))
}

/// Width of text in markup [mm] at a size [pt].
pub(super) fn width(markup: &str, size_pt: f64, bold: bool) -> f64 {
    let (mut italic, mut script) = (false, false);
    let mut run = String::new();
    let mut total = 0.0;
    let mut finish = |run: &mut String, italic: bool, script: bool| {
        total += run_width(run, italic, bold) * if script { SCRIPT_SIZE } else { 1.0 };
        run.clear();
    };
    for c in encode(markup).chars() {
        if TAGS.iter().any(|&(mark, _)| mark == c) {
            finish(&mut run, italic, script);
            match c {
                ITALIC | UPRIGHT => italic = c == ITALIC,
                _ => script = c == SUB || c == SUP,
            }
        } else {
            run.push(c);
        }
    }
    finish(&mut run, italic, script);
    total * size_pt * MM_PER_PT
}

/// Width of plain text in em.
fn run_width(text: &str, italic: bool, bold: bool) -> f64 {
    // The library takes a size as the height from descent to ascent, in whole pixels: 1.164 em in DejaVu Sans.
    const PIXELS_PER_EM: f64 = 1000.0;
    const HEIGHT: f64 = 1.164_062_5;
    let style = match (bold, italic) {
        (true, _) => FontStyle::Bold,
        (false, true) => FontStyle::Oblique,
        (false, false) => FontStyle::Normal,
    };
    let font = FontDesc::new(FontFamily::Name(super::style::FONT_FAMILY), PIXELS_PER_EM * HEIGHT, style);
    // A font that is not there is reported when the text is drawn.
    font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) / PIXELS_PER_EM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_tspans() {
        let svg = to_tspans(&encode("*q*^{2} < δC_{9}"));
        assert_eq!(
            svg,
            "<tspan font-style=\"oblique\">q</tspan><tspan font-size=\"70%\" dy=\"-0.5em\">2</tspan><tspan dy=\"0.35em\">\u{200B}</tspan> < \
             δC<tspan font-size=\"70%\" dy=\"0.26em\">9</tspan><tspan dy=\"-0.182em\">\u{200B}</tspan>"
        );
    }

    /// The rasteriser lays text out by itself; its width must be the one that legends are sized by.
    #[test]
    fn width_is_that_of_the_rendered_text() {
        use crate::{canvas, raster, style};
        raster::register_fonts().unwrap();
        for (text, bold) in
            [("error bars: σ of single images", false), ("predicted δ*C*_{9} = −0.87 [GeV^{2}]", true)]
        {
            let svg = format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"90\"><text x=\"10\" y=\"40\" \
                 font-family=\"{}\" font-size=\"30\" font-weight=\"{}\">{}</text></svg>",
                style::FONT_FAMILY,
                if bold { "bold" } else { "normal" },
                to_tspans(&encode(text))
            );
            let tree = raster::parse(&svg, "text").unwrap();
            let rendered = f64::from(tree.root().children()[0].bounding_box().width());
            let font = canvas::Font { bold, ..canvas::Font::new(30.0 / MM_PER_PT) };
            let expected = font.width(text);
            assert!((rendered / expected - 1.0).abs() < 0.03, "{text}: {rendered} instead of {expected}");
        }
    }

    #[test]
    fn text_without_markup_stays() {
        assert_eq!(encode("a_b ^ } 10"), "a_b ^ } 10");
        assert_eq!(encode(r"K\*"), "K*");
    }
}
