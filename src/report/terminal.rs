//! An image in the characters of a terminal: two cells in each, one above the other.

use humboldt_schemas::voxels::Axis;

use super::colour_map::viridis;
use super::style::Colour;

/// Characters from dark to light, for terminals without colours.
const SHADES: [char; 10] = ['.', ':', '-', '=', '+', '*', 'o', '%', '#', '@'];

/// The mean q2 of the occupied cells behind each point of two axes.
#[derive(Debug, Clone)]
pub struct Projected {
    along: Axis,
    bins: usize,
    /// Rows from top to bottom; `None` without occupied cells.
    values: Vec<Option<f32>>,
    low: f32,
    high: f32,
}

impl Projected {
    /// Looks at an image along an axis: at one layer of it, or at the mean over all.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`, mean q2 (GeV^2), 0 where empty; `bins`^3 values.
    pub fn new(image: &[f32], bins: usize, along: Axis, layer: Option<usize>) -> Self {
        let layers = layer.map_or(0..bins, |n| n..(n + 1).min(bins));
        let at = |across: usize, up: usize| {
            let cell = |n: usize| {
                let [l, k, chi] = match along {
                    Axis::CosThetaL => [n, across, up],
                    Axis::CosThetaK => [across, n, up],
                    Axis::Chi => [across, up, n],
                };
                image.get((l * bins + k) * bins + chi).copied().unwrap_or_default()
            };
            let occupied: Vec<f32> = layers.clone().map(cell).filter(|q2| *q2 != 0.0).collect();
            (!occupied.is_empty()).then(|| occupied.iter().sum::<f32>() / occupied.len() as f32)
        };
        let rows = (0..bins).rev();
        let values: Vec<Option<f32>> =
            rows.flat_map(|up| (0..bins).map(move |across| (across, up))).map(|(a, u)| at(a, u)).collect();
        let known = || values.iter().flatten().copied();
        let (low, high) = (known().fold(f32::INFINITY, f32::min), known().fold(f32::NEG_INFINITY, f32::max));
        Self { along, bins, values, low, high }
    }

    /// The axes to the right and upwards.
    fn axes(&self) -> [Axis; 2] {
        match self.along {
            Axis::CosThetaL => [Axis::CosThetaK, Axis::Chi],
            Axis::CosThetaK => [Axis::CosThetaL, Axis::Chi],
            Axis::Chi => [Axis::CosThetaL, Axis::CosThetaK],
        }
    }

    /// The picture line by line, in 24-bit colours or in characters, and below it what is shown.
    pub fn lines(&self, colour: bool) -> Vec<String> {
        let rows: Vec<&[Option<f32>]> = self.values.chunks(self.bins).collect();
        let mut lines: Vec<String> = if colour {
            rows.chunks(2).map(|pair| self.coloured(pair[0], pair.get(1).copied())).collect()
        } else {
            // A character is twice as high as wide.
            let line = |row: &&[Option<f32>]| row.iter().flat_map(|value| [self.shade(*value); 2]).collect();
            rows.iter().map(line).collect()
        };
        let [across, up] = self.axes();
        lines.push(format!(
            "{} to the right, {} upwards, along {}",
            across.name(),
            up.name(),
            self.along.name()
        ));
        if self.low <= self.high {
            lines.push(format!("mean q2 from {:.2} (dark) to {:.2} GeV^2 (light)", self.low, self.high));
        }
        lines
    }

    fn fraction(&self, value: f32) -> f64 {
        let range = f64::from(self.high - self.low).max(f64::MIN_POSITIVE);
        f64::from(value - self.low) / range
    }

    fn shade(&self, value: Option<f32>) -> char {
        let place = |value| (self.fraction(value) * SHADES.len() as f64) as usize;
        value.map_or(' ', |value| SHADES[place(value).min(SHADES.len() - 1)])
    }

    /// An upper half block in the colour of one cell on the colour of the other.
    fn coloured(&self, above: &[Option<f32>], below: Option<&[Option<f32>]>) -> String {
        let code = |kind: u8, value: Option<f32>| {
            value.map(|value| {
                let Colour(r, g, b) = viridis(self.fraction(value));
                format!("\u{1b}[{kind};2;{r};{g};{b}m")
            })
        };
        let mut line = String::new();
        for (i, top) in above.iter().enumerate() {
            let bottom = below.and_then(|row| row[i]);
            line.push_str("\u{1b}[0m");
            match (code(38, *top), code(48, bottom)) {
                (None, None) => line.push(' '),
                (Some(top), below) => {
                    line.push_str(&top);
                    line.push_str(&below.unwrap_or_default());
                    line.push('▀');
                }
                (None, Some(_)) => {
                    line.push_str(&code(38, bottom).unwrap_or_default());
                    line.push('▄');
                }
            }
        }
        line.push_str("\u{1b}[0m");
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cell at high cos_theta_l and low cos_theta_k, one layer only.
    #[test]
    fn a_cell_stands_where_its_axes_say() {
        let bins = 4;
        let mut image = vec![0.0; 64];
        image[(3 * bins) * bins + 2] = 5.0;
        image[0] = 1.0;
        let lines = Projected::new(&image, bins, Axis::Chi, None).lines(false);
        assert_eq!(lines[..4], ["        ", "        ", "        ", "..    @@"]);
        assert!(lines[4].starts_with("cos_theta_l to the right, cos_theta_k upwards"));
        assert!(lines[5].contains("1.00 (dark) to 5.00"));
        let layer = Projected::new(&image, bins, Axis::Chi, Some(0)).lines(false);
        assert_eq!(layer[3], "..      ");
        let side = Projected::new(&image, bins, Axis::CosThetaK, None).lines(false);
        assert_eq!(side[1], "      @@");
        let colours = Projected::new(&image, bins, Axis::Chi, None).lines(true);
        assert_eq!(colours.len(), 4);
        assert!(colours[1].contains("\u{1b}[38;2;253;231;37m") && colours[1].contains('▄'));
    }

    #[test]
    fn an_empty_image_has_no_scale() {
        let lines = Projected::new(&[0.0; 8], 2, Axis::CosThetaL, None).lines(false);
        assert_eq!(lines.len(), 3);
    }
}
