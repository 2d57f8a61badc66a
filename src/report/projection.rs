//! The occupied cells of a voxel image as cubes, seen from outside in parallel projection.
//!
//! Only faces of which something can be seen are drawn, found on a fine raster from front to back: a tenth of all
//! faces for an image in which every sixth cell holds an event.

use super::canvas::{Align, Canvas, Font, Point, Stroke};
use super::colour_map::shaded;
use super::panel::Rect;
use super::style::{BLACK, CHI, COS_THETA_K, COS_THETA_L, Colour, GREY, NUMBER_PT, TITLE_PT};

/// Direction of the eye: 30 degrees to the left of -y, 24 degrees above.
const AZIMUTH: f64 = -60.0;
const ELEVATION: f64 = 24.0;
/// Width of a raster point [mm].
const RASTER: f64 = 0.08;

type Vector = [f64; 3];

/// Corner, directions of the two sides and brightness of the three faces of a unit cube that the eye sees.
const FACES: [(Vector, Vector, Vector, f64); 3] = [
    ([0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 1.0),
    ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], 0.92),
    ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], 0.82),
];

/// Unit cube to paper, centred in a rectangle.
struct View {
    across: Vector,
    up: Vector,
    towards: Vector,
    scale: f64,
    centre: Point,
}

impl View {
    fn new(frame: Rect) -> Self {
        let (sin_a, cos_a) = AZIMUTH.to_radians().sin_cos();
        let (sin_e, cos_e) = ELEVATION.to_radians().sin_cos();
        let across = [-sin_a, cos_a, 0.0];
        let up = [-sin_e * cos_a, -sin_e * sin_a, cos_e];
        let extent = |v: Vector| v.iter().map(|x| x.abs()).sum::<f64>();
        let scale = (frame.width / extent(across)).min(frame.height / extent(up));
        let centre = (frame.left + frame.width / 2.0, frame.top + frame.height / 2.0);
        Self { across, up, towards: [cos_e * cos_a, cos_e * sin_a, sin_e], scale, centre }
    }

    fn at(&self, p: Vector) -> Point {
        let q = p.map(|x| x - 0.5);
        (self.centre.0 + self.scale * dot(self.across, q), self.centre.1 - self.scale * dot(self.up, q))
    }
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn sum(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// Draws the cells with a colour, in memory order (`cos_theta_l`, `cos_theta_k`, `chi`), in a box with axes.
///
/// # Shapes
/// `cells`: `bins^3`.
pub(super) fn draw(canvas: &Canvas, frame: Rect, bins: usize, cells: &[Option<Colour>]) {
    let view = View::new(frame);
    // The three edges behind the cells meet in the corner away from the eye.
    let far = [0.0, 1.0, 0.0];
    for end in [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]] {
        canvas.line(&[view.at(far), view.at(end)], Stroke::thin(GREY));
    }
    for (corners, colour) in visible_faces(&view, frame, bins, cells) {
        canvas.polygon(&corners, colour, 1.0);
    }
    draw_axes(canvas, &view);
}

/// Faces from back to front.
fn visible_faces(
    view: &View,
    frame: Rect,
    bins: usize,
    cells: &[Option<Colour>],
) -> Vec<([Point; 4], Colour)> {
    let side = 1.0 / bins as f64;
    let place = |cell: usize| [cell / (bins * bins), cell / bins % bins, cell % bins].map(|i| i as f64);
    let mut order: Vec<(f64, usize)> =
        (0..cells.len()).filter(|&c| cells[c].is_some()).map(|c| (dot(view.towards, place(c)), c)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut raster = Raster::new(frame);
    let mut faces = Vec::new();
    for (_, cell) in order {
        let Some(colour) = cells[cell] else { continue };
        for (corner, a, b, brightness) in FACES {
            let corner = sum(place(cell), corner);
            let corners = [corner, sum(corner, a), sum(sum(corner, a), b), sum(corner, b)];
            let corners = corners.map(|p| view.at(p.map(|x| x * side)));
            if raster.cover(&corners) {
                faces.push((corners, shaded(colour, brightness)));
            }
        }
    }
    faces.reverse();
    faces
}

/// Which points of the paper are covered.
struct Raster {
    origin: Point,
    columns: usize,
    rows: usize,
    covered: Vec<bool>,
}

impl Raster {
    fn new(frame: Rect) -> Self {
        let (columns, rows) = ((frame.width / RASTER) as usize + 2, (frame.height / RASTER) as usize + 2);
        Self { origin: (frame.left, frame.top), columns, rows, covered: vec![false; columns * rows] }
    }

    /// Covers the points of a parallelogram; whether one of them was free.
    fn cover(&mut self, corners: &[Point; 4]) -> bool {
        let [p, q, _, s] = *corners;
        let (a, b) = ((q.0 - p.0, q.1 - p.1), (s.0 - p.0, s.1 - p.1));
        let area = a.0 * b.1 - a.1 * b.0;
        let range = |values: [f64; 4], origin: f64, limit: usize| {
            let of = |x: f64| ((x - origin) / RASTER).clamp(0.0, limit as f64 - 1.0) as usize;
            of(values.into_iter().fold(f64::INFINITY, f64::min))..=of(values.into_iter().fold(0.0, f64::max))
        };
        let mut seen = false;
        for row in range(corners.map(|c| c.1), self.origin.1, self.rows) {
            for column in range(corners.map(|c| c.0), self.origin.0, self.columns) {
                let x = self.origin.0 + (column as f64 + 0.5) * RASTER - p.0;
                let y = self.origin.1 + (row as f64 + 0.5) * RASTER - p.1;
                let (u, v) = ((x * b.1 - y * b.0) / area, (a.0 * y - a.1 * x) / area);
                if (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v) {
                    seen |= !std::mem::replace(&mut self.covered[row * self.columns + column], true);
                }
            }
        }
        seen
    }
}

/// The nine edges in front, ticks at both ends and the middle of three of them, titles.
fn draw_axes(canvas: &Canvas, view: &View) {
    let near = [1.0, 0.0, 1.0];
    let edges = [
        [near, [0.0, 0.0, 1.0]],
        [near, [1.0, 1.0, 1.0]],
        [near, [1.0, 0.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]],
        [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
        [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]],
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    ];
    for edge in edges {
        canvas.line(&edge.map(|p| view.at(p)), Stroke::thin(BLACK));
    }
    // Title, start and direction of the edge, direction of the ticks on paper, numbers.
    let cosine = ["−1", "0", "1"];
    let axes = [
        (COS_THETA_L, [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], (-0.6, 1.0), cosine),
        (COS_THETA_K, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], (1.0, 0.75), cosine),
        (CHI, [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], (-1.0, 0.0), ["−π", "0", "π"]),
    ];
    let (number, title) = (Font::new(NUMBER_PT), Font::new(TITLE_PT));
    for (name, start, along, out, numbers) in axes {
        let norm = f64::hypot(out.0, out.1);
        let out = (out.0 / norm, out.1 / norm);
        let beside = |fraction: f64, distance: f64| {
            let at = view.at(sum(start, along.map(|x| x * fraction)));
            (at.0 + out.0 * distance, at.1 + out.1 * distance)
        };
        for (text, fraction) in numbers.into_iter().zip([0.0, 0.5, 1.0]) {
            canvas.line(&[beside(fraction, 0.0), beside(fraction, 1.0)], Stroke::thin(BLACK));
            let at = beside(fraction, if out.1 == 0.0 { 1.8 } else { 3.0 });
            let align = if out.1 == 0.0 { Align::Right } else { Align::Centre };
            canvas.text(text, (at.0, at.1 + number.cap_height() / 2.0), number, align);
        }
        if out.1 == 0.0 {
            canvas.text_upwards(name, beside(0.5, 7.5), title);
        } else {
            let at = beside(0.5, 8.5);
            canvas.text(name, (at.0, at.1 + title.cap_height() / 2.0), title, Align::Centre);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(bins: usize, cells: &[Option<Colour>]) -> usize {
        let frame = Rect::new(10.0, 20.0, 60.0, 47.0);
        visible_faces(&View::new(frame), frame, bins, cells).len()
    }

    #[test]
    fn only_the_outside_of_a_full_cube_is_seen() {
        assert_eq!(faces(5, &[Some(BLACK); 125]), 3 * 25);
    }

    #[test]
    fn a_lone_cell_shows_three_faces_and_hides_what_is_behind() {
        let mut cells = vec![None; 27];
        cells[13] = Some(BLACK);
        assert_eq!(faces(3, &cells), 3);
        // The neighbour in +z hides the upper face of the middle cell and shows its own three.
        cells[14] = Some(BLACK);
        assert_eq!(faces(3, &cells), 5);
    }

    #[test]
    fn the_box_fits_its_frame() {
        let frame = Rect::new(10.0, 20.0, 60.0, 47.0);
        let view = View::new(frame);
        for corner in 0..8 {
            let at = view.at([corner & 1, corner >> 1 & 1, corner >> 2].map(f64::from));
            assert!(at.0 > 9.99 && at.0 < 70.01 && at.1 > 19.99 && at.1 < 67.01, "{at:?}");
        }
    }
}
