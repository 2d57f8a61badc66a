//! Viridis (van der Walt and Smith, matplotlib, CC0): colours that look evenly spaced, in grey too.

use super::canvas::{Align, Canvas, Font, Stroke, corners};
use super::panel::Rect;
use super::style::{BLACK, Colour, NUMBER_PT, TICKS, TITLE_PT};
use super::ticks::Scale;

/// Every eighth of matplotlib's 256 colours.
const VIRIDIS: [[u8; 3]; 33] = [
    [68, 1, 84],
    [71, 13, 96],
    [72, 24, 106],
    [72, 35, 116],
    [71, 45, 123],
    [69, 55, 129],
    [66, 64, 134],
    [62, 73, 137],
    [59, 82, 139],
    [55, 91, 141],
    [51, 99, 141],
    [47, 107, 142],
    [44, 114, 142],
    [41, 122, 142],
    [38, 130, 142],
    [35, 137, 142],
    [33, 145, 140],
    [31, 151, 139],
    [31, 159, 136],
    [33, 166, 133],
    [39, 173, 129],
    [49, 181, 123],
    [61, 188, 116],
    [76, 194, 108],
    [92, 200, 99],
    [110, 206, 88],
    [129, 211, 77],
    [149, 216, 64],
    [170, 220, 50],
    [192, 223, 37],
    [213, 226, 26],
    [234, 229, 26],
    [253, 231, 37],
];

/// Colour of a fraction of the scale, in steps of 1/256; fractions outside 0 to 1 take the end's colour.
pub(super) fn viridis(fraction: f64) -> Colour {
    let place = (fraction.clamp(0.0, 1.0) * 256.0).round() / 256.0 * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    let [a, b] = [VIRIDIS[below], VIRIDIS[below + 1]].map(|colour| colour.map(f64::from));
    let mix = |i: usize| (a[i] + (b[i] - a[i]) * (place - below as f64)).round() as u8;
    Colour(mix(0), mix(1), mix(2))
}

/// A darker shade of a colour.
pub(super) fn shaded(Colour(r, g, b): Colour, brightness: f64) -> Colour {
    let dim = |c: u8| (f64::from(c) * brightness).round() as u8;
    Colour(dim(r), dim(g), dim(b))
}

/// The scale's colours as a bar with numbers and a title at its right.
pub(super) fn colour_bar(canvas: &Canvas, bar: Rect, scale: Scale, title: &str) {
    const STEPS: u32 = 128;
    let y = |fraction: f64| bar.bottom() - bar.height * fraction;
    for i in 0..STEPS {
        let (low, high) =
            (f64::from(i) / f64::from(STEPS), f64::from(i + 2).min(f64::from(STEPS)) / f64::from(STEPS));
        canvas.rectangle((bar.left, y(low)), (bar.right(), y(high)), viridis(low), 1.0);
    }
    let stroke = Stroke::frame(BLACK);
    let number = Font::new(NUMBER_PT);
    let ticks = scale.ticks((bar.height / 6.0) as usize);
    for (value, text) in &ticks.major {
        let y = y(scale.fraction(*value));
        canvas.line(&[(bar.right() - TICKS.1, y), (bar.right(), y)], stroke);
        canvas.text(text, (bar.right() + 1.2, y + number.cap_height() / 2.0), number, Align::Left);
    }
    canvas.outline(&corners((bar.left, bar.top), (bar.right(), bar.bottom())), stroke);
    let widest = ticks.major.iter().map(|(_, text)| number.width(text)).fold(0.0, f64::max);
    let title_at = (bar.right() + 1.2 + widest + 4.6, bar.top + bar.height / 2.0);
    canvas.text_upwards(title, title_at, Font::new(TITLE_PT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle_are_those_of_viridis() {
        assert_eq!(viridis(-1.0), Colour(0x44, 0x01, 0x54));
        assert_eq!(viridis(0.5), Colour(0x21, 0x91, 0x8c));
        assert_eq!(viridis(2.0), Colour(0xfd, 0xe7, 0x25));
    }
}
