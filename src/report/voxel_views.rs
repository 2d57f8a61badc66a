//! Voxel images as a network gets them (the paper's Fig. 3): all occupied cells, and the three slices in the middle.

use std::path::PathBuf;

use humboldt_schemas::voxels::Axis;

use super::canvas::{Align, Canvas, Font};
use super::colour_map::{colour_bar, viridis};
use super::panel::{Panel, Rect};
use super::style::{CHI, COS_THETA_K, COS_THETA_L, NUMBER_PT, SMALL_PT, TITLE_PT};
use super::ticks::{Scale, Ticks, count, short};
use super::{ReportError, Sheet, projection};

const FIGURE: &str = "voxel image";

/// An image of mean q2, or the mean of many images.
#[derive(Debug, Clone, Copy)]
pub struct VoxelImage<'a> {
    /// Shift of C9; NaN where it is not known.
    pub truth: f64,
    /// Number of images that the values are the mean of.
    pub images: usize,
    /// Cells along each axis.
    pub bins: usize,
    /// Mean q2 of the cells [GeV^2], 0 where empty; `bins^3` values with axes (`cos_theta_l`, `cos_theta_k`, `chi`).
    pub values: &'a [f32],
}

/// Mean over images, cell by cell, of those in which the cell is occupied; `None` without images or when they differ
/// in length.
pub fn mean_image<'a>(images: impl IntoIterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let mut images = images.into_iter().peekable();
    let cells = images.peek()?.len();
    let mut sums = vec![(0.0_f64, 0_u32); cells];
    for image in images {
        if image.len() != cells {
            return None;
        }
        for (sum, &value) in sums.iter_mut().zip(image).filter(|(_, value)| **value != 0.0) {
            *sum = (sum.0 + f64::from(value), sum.1 + 1);
        }
    }
    Some(sums.iter().map(|&(sum, n)| if n == 0 { 0.0 } else { (sum / f64::from(n)) as f32 }).collect())
}

/// Height of an image's row, and of what is above and below all rows [mm].
const ROW: f64 = 70.0;
const TOP: f64 = 2.0;
/// Left edge and side of the slices [mm].
const SLICES: ([f64; 3], f64) = ([93.0, 147.0, 201.0], 36.0);

/// Draws `stem.svg`, `stem.png` and `stem.csv` (the occupied cells of the slices), a row for each image, all with
/// the same colours.
///
/// # Errors
/// Without images or occupied cells, when an image does not have `bins^3` values, with numbers that are not finite,
/// or when a file cannot be written.
pub fn voxel_views(sheet: &Sheet, images: &[VoxelImage]) -> Result<Vec<PathBuf>, ReportError> {
    for image in images {
        let (got, expected) = (image.values.len(), image.bins.pow(3));
        if got != expected {
            return Err(ReportError::Length { figure: FIGURE, what: "an image", got, expected });
        }
        ReportError::unless_finite(FIGURE, "mean q2", image.values.iter().map(|&x| f64::from(x)))?;
    }
    let scale = colour_scale(images).ok_or(ReportError::NoData { figure: FIGURE, what: "occupied cells" })?;
    let size = (262.0, TOP + ROW * images.len() as f64);
    let draw = |canvas: &Canvas| {
        for (row, image) in images.iter().enumerate() {
            image.draw(canvas, TOP + row as f64 * ROW, scale, sheet.symbol());
        }
        let bar = Rect::new(243.0, TOP + 14.0, 4.0, ROW * images.len() as f64 - 34.0);
        colour_bar(canvas, bar, scale, "mean *q*^{2} [GeV^{2}]");
    };
    let rows = images.iter().flat_map(|image| {
        let cells = Axis::ALL.into_iter().flat_map(|axis| image.slice(axis));
        cells.map(|cell| {
            let [l, k, chi] = image.centre(cell.place);
            format!("{},{},{l},{k},{chi},{}", image.truth, cell.across.name(), cell.value)
        })
    });
    let header = format!("{},slice_across,cos_theta_l,cos_theta_k,chi,mean_q2", sheet.label());
    let sheet = sheet.with("colours from the first to the last hundredth of the cells");
    sheet.write("Voxel images of mean q2", size, draw, (header, rows))
}

/// Between the first and last hundredth of all occupied cells.
fn colour_scale(images: &[VoxelImage]) -> Option<Scale> {
    let mut values: Vec<f32> = images.iter().flat_map(|i| i.values).copied().filter(|&x| x != 0.0).collect();
    values.sort_by(f32::total_cmp);
    let quantile =
        |fraction: f64| values.get((fraction * (values.len().max(1) - 1) as f64) as usize).copied();
    Some(Scale::linear(quantile(0.01)?.into(), quantile(0.99)?.into()))
}

/// An occupied cell of a slice.
struct Cell {
    across: Axis,
    place: [usize; 3],
    value: f32,
}

fn title(axis: Axis) -> &'static str {
    match axis {
        Axis::CosThetaL => COS_THETA_L,
        Axis::CosThetaK => COS_THETA_K,
        Axis::Chi => CHI,
    }
}

fn position(axis: Axis) -> usize {
    match axis {
        Axis::CosThetaL => 0,
        Axis::CosThetaK => 1,
        Axis::Chi => 2,
    }
}

impl VoxelImage<'_> {
    fn edge(&self, axis: Axis, i: usize) -> f64 {
        let (low, high) = axis.range();
        low + (high - low) * i as f64 / self.bins as f64
    }

    fn centre(&self, place: [usize; 3]) -> [f64; 3] {
        Axis::ALL.map(|axis| {
            let i = place[position(axis)];
            0.5 * (self.edge(axis, i) + self.edge(axis, i + 1))
        })
    }

    /// The occupied cells in the middle of an axis.
    fn slice(&self, across: Axis) -> impl Iterator<Item = Cell> {
        let bins = self.bins;
        (0..bins * bins).filter_map(move |i| {
            let (a, b, middle) = (i / bins, i % bins, bins / 2);
            let place = match across {
                Axis::CosThetaL => [middle, a, b],
                Axis::CosThetaK => [a, middle, b],
                Axis::Chi => [a, b, middle],
            };
            let value = self.values[(place[0] * bins + place[1]) * bins + place[2]];
            (value != 0.0).then_some(Cell { across, place, value })
        })
    }

    fn draw(&self, canvas: &Canvas, top: f64, scale: Scale, symbol: &str) {
        let bold = Font::new(TITLE_PT).bold();
        let label = match self.truth {
            known if known.is_finite() => format!("{symbol} = {}", short(known, 3)),
            _ => format!("{symbol} unknown"),
        };
        canvas.text(&label, (8.0, top + 7.0), bold, Align::Left);
        let occupied = self.values.iter().filter(|x| **x != 0.0).count();
        let share = short(100.0 * occupied as f64 / self.values.len() as f64, 1);
        let what = if self.images == 1 {
            "one image".into()
        } else {
            format!("mean of {} images", count(self.images))
        };
        let words = format!("{what}, {share} % of {}^{{3}} cells occupied", self.bins);
        canvas.text(&words, (8.0, top + 11.5), Font::new(SMALL_PT + 1.0), Align::Left);

        let colour = |value: f32| viridis(scale.fraction(value.into()));
        let cells: Vec<_> = self.values.iter().map(|&x| (x != 0.0).then(|| colour(x))).collect();
        projection::draw(canvas, Rect::new(18.0, top + 14.0, 60.0, 47.0), self.bins, &cells);

        let planes = [
            (Axis::CosThetaL, Axis::CosThetaK, Axis::Chi),
            (Axis::CosThetaK, Axis::CosThetaL, Axis::Chi),
            (Axis::Chi, Axis::CosThetaL, Axis::CosThetaK),
        ];
        for (left, (across, x, y)) in SLICES.0.into_iter().zip(planes) {
            let frame = Rect::new(left, top + 14.0, SLICES.1, SLICES.1);
            let scale_of = |axis: Axis| Scale::linear(axis.range().0, axis.range().1);
            let panel = Panel::new(canvas, frame, scale_of(x), scale_of(y));
            for cell in self.slice(across) {
                let at = |step: usize| {
                    let edge = |axis| self.edge(axis, cell.place[position(axis)] + step);
                    panel.at(edge(x), edge(y))
                };
                let (a, b) = (at(0), at(1));
                // A little overlap, so that no light shines through between neighbours.
                let b = (b.0 + 0.02, b.1 - 0.02);
                canvas.rectangle(a, b, colour(cell.value), 1.0);
            }
            let ticks = |axis| if axis == Axis::Chi { Ticks::of_chi() } else { scale_of(axis).ticks(2) };
            let mut axes = panel.axes(Some(title(x)), Some(title(y)));
            (axes.x_ticks, axes.y_ticks) = (ticks(x), ticks(y));
            axes.y_title_gap = 8.5;
            panel.draw_axes(&axes);
            let [low, high] = [0, 1].map(|i| short(self.edge(across, self.bins / 2 + i), 3));
            let name = title(across).trim_end_matches(" [rad]");
            let above = (left + SLICES.1 / 2.0, frame.top - 1.6);
            canvas.text(&format!("{low} ≤ {name} < {high}"), above, Font::new(NUMBER_PT), Align::Centre);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    const BINS: usize = 8;

    /// Every third cell occupied.
    fn image() -> Vec<f32> {
        (0..BINS.pow(3)).map(|i| if i % 3 == 0 { 1.0 + (i % 17) as f32 } else { 0.0 }).collect()
    }

    #[test]
    fn one_and_two_images() {
        let values = image();
        let one = VoxelImage { truth: -0.5, images: 1, bins: BINS, values: &values };
        let mean = VoxelImage { truth: 0.0, images: 40, ..one };
        checks::figure("voxels", |sheet| voxel_views(sheet, &[one]));
        let svg = checks::figure("voxels", |sheet| voxel_views(sheet, &[one, mean]));
        assert!(svg.contains("one image, 33.4 %") && svg.contains("mean of 40 images"));
    }

    #[test]
    fn slices_hold_the_occupied_cells_of_the_middle_layer() {
        let values = image();
        let image = VoxelImage { truth: 0.0, images: 1, bins: BINS, values: &values };
        for axis in Axis::ALL {
            let cells: Vec<Cell> = image.slice(axis).collect();
            let layer = (0..BINS.pow(3)).filter(|i| {
                let place = [i / (BINS * BINS), i / BINS % BINS, i % BINS];
                place[position(axis)] == BINS / 2 && i % 3 == 0
            });
            assert_eq!(cells.len(), layer.count());
            assert!(cells.iter().all(|c| c.place[position(axis)] == BINS / 2 && c.value > 0.0));
        }
    }

    #[test]
    fn a_mean_image_ignores_empty_cells() {
        let mean = mean_image([&[0.0_f32, 2.0, 4.0][..], &[0.0, 0.0, 8.0]]).unwrap();
        assert_eq!(mean, [0.0, 2.0, 6.0]);
        assert_eq!(mean_image([&[0.0_f32][..], &[0.0, 0.0]]), None);
        assert_eq!(mean_image(std::iter::empty::<&[f32]>()), None);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        let empty = [0.0_f32; 8];
        let image = VoxelImage { truth: 0.0, images: 1, bins: 2, values: &empty };
        assert!(matches!(voxel_views(sheet, &[]), Err(ReportError::NoData { .. })));
        assert!(matches!(voxel_views(sheet, &[image]), Err(ReportError::NoData { .. })));
        let wrong = VoxelImage { bins: 3, ..image };
        assert!(matches!(voxel_views(sheet, &[wrong]), Err(ReportError::Length { .. })));
    }
}
