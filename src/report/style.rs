//! The one place that says how figures look: lengths in mm on paper, font sizes in points.
//!
//! Colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any common colour
//! blindness tell apart; the series also differ by marker or dash.

use std::fmt;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

/// Families in the order in which a viewer of the SVG should try them; the first is the embedded one.
pub(super) const FONT_FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// Resolution of the PNG [dots per inch].
pub(super) const PNG_DPI: f32 = 300.0;

/// Titles of axes [pt].
pub(super) const TITLE_PT: f64 = 10.0;
/// Numbers at the ticks [pt].
pub(super) const NUMBER_PT: f64 = 9.0;
/// Legends [pt].
pub(super) const LEGEND_PT: f64 = 8.5;
/// Small multiples and remarks [pt].
pub(super) const SMALL_PT: f64 = 7.0;
/// mm of one point.
pub(super) const MM_PER_PT: f64 = 25.4 / 72.0;

/// Frame of a panel [mm].
pub(super) const FRAME_WIDTH: f64 = 0.28;
/// Curves and steps [mm].
pub(super) const CURVE_WIDTH: f64 = 0.4;
/// Error bars, reference lines [mm].
pub(super) const THIN_WIDTH: f64 = 0.26;
/// Long and short ticks, inward [mm].
pub(super) const TICKS: (f64, f64) = (1.9, 1.0);
/// Dash and gap of a dashed line [mm].
pub(super) const DASH: (f64, f64) = (1.6, 1.0);
/// Radius of a marker [mm].
pub(super) const MARKER_RADIUS: f64 = 0.95;

/// Text, frames.
pub(super) const BLACK: Colour = Colour(0, 0, 0);
/// Reference lines.
pub(super) const GREY: Colour = Colour(110, 110, 110);
/// Background.
pub(super) const WHITE: Colour = Colour(255, 255, 255);
/// First series.
pub(super) const BLUE: Colour = Colour(0, 114, 178);
/// Second series.
pub(super) const VERMILION: Colour = Colour(213, 94, 0);
/// Third series.
pub(super) const GREEN: Colour = Colour(0, 158, 115);
/// Fourth series.
pub(super) const PURPLE: Colour = Colour(204, 121, 167);
/// Fifth series.
pub(super) const ORANGE: Colour = Colour(230, 159, 0);
/// Bands, fills of histograms.
pub(super) const SKY: Colour = Colour(86, 180, 233);

/// Series in their order.
pub(super) const SERIES: [Colour; 5] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE];

/// Axis titles, in the markup of [`super::markup`].
pub(super) const DELTA_C9: &str = "δ*C*_{9}";
/// Axis title of q2.
pub(super) const Q2: &str = "*q*^{2} [GeV^{2}]";
/// Axis title of the lepton helicity angle.
pub(super) const COS_THETA_L: &str = "cos *θ*_{*ℓ*}";
/// Axis title of the K* helicity angle.
pub(super) const COS_THETA_K: &str = "cos *θ*_{*K*}";
/// Axis title of the decay-plane angle.
pub(super) const CHI: &str = "*χ* [rad]";
/// The symbol of a coefficient's shift: of `delta_c9`, or of a name such as `c10`, `c7_prime` or `c9_im`.
pub fn shift_symbol(name: &str) -> String {
    let name = name.trim_start_matches("delta_");
    let (name, part) = name.strip_suffix("_im").map_or((name, ""), |name| (name, "Im "));
    let (name, prime) = name.strip_suffix("_prime").map_or((name, ""), |name| (name, "′"));
    let index = name.trim_start_matches("c_").trim_start_matches('c').to_uppercase();
    format!("{part}δ*C*_{{{index}}}{prime}")
}

/// Axis title of what is measured, without saying whether it is true or predicted.
pub(super) const WIDTH_OVER_BOUND: &str = "(*σ* / slope) / information bound";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_have_their_symbols() {
        assert_eq!(shift_symbol("delta_c9"), DELTA_C9);
        assert_eq!(shift_symbol("c10"), "δ*C*_{10}");
        assert_eq!(shift_symbol("c7_prime_im"), "Im δ*C*_{7}′");
        assert_eq!(shift_symbol("c_s"), "δ*C*_{S}");
    }
}
