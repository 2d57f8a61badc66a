//! `[parameters]`: which Wilson coefficients are learned, and the points at which images lie.

use std::collections::BTreeMap;

use humboldt_physics::{Axes, Axis, WilsonCoefficient, WilsonDirection};

use super::dataset::{DatasetCard, GroupCard, Split};
use super::generator::parse;
use crate::error::Invalid;

/// Ranges of the shifts that are learned, by name.
pub type Ranges = BTreeMap<String, [f64; 2]>;

/// Shifts of each coefficient beside the first that validation and test images of groups have.
pub const FURTHER_VALUES: usize = 5;

/// Points of a card with ranges and without groups: of one coefficient, and of several.
const DEFAULT_POINTS: [usize; 2] = [22, 55];

/// Places at which scores are taken, as parts of a coefficient's range: of one that is learned alone, and of each of several.
const REFERENCES: [&[f64]; 2] = [&[0.02, 0.26, 0.5, 0.74, 0.98], &[0.1, 0.5, 0.9]];

/// Most coefficients whose references are combined; of more, each is scored with the others in the middle of their ranges.
const MOST_COMBINED: usize = 3;

/// One point of the learned coefficients with its numbers of images.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetPoint {
    /// The shift of each learned coefficient, in the order of the axes.
    pub shifts: Vec<f64>,
    /// Images of each [`Split`], in the order of [`Split::ALL`].
    pub images: [usize; 3],
}

impl DatasetPoint {
    /// Number of images in a split.
    pub const fn count(&self, split: Split) -> usize {
        self.images[split as usize]
    }
}

/// Parameters that are learned: C9 first where it is among them, the others by name.
///
/// # Errors
/// For an unknown name, a range that is none, no coefficient or too many, and for values of groups that do not fit.
pub(super) fn axes(ranges: &Ranges, dataset: &DatasetCard) -> Result<Axes, Invalid> {
    let c9 = WilsonDirection::real(WilsonCoefficient::C9);
    let mut axes = Vec::new();
    let (field, named) =
        if ranges.is_empty() { ("dataset.also", &dataset.also) } else { ("parameters", ranges) };
    if ranges.is_empty() {
        Invalid::unless(
            !dataset.also.contains_key("c9"),
            field,
            "`c9`",
            "other coefficients: the real part of C9 is what dataset.groups.delta_c9 sets",
        )?;
        axes.push(Axis { direction: c9, range: dataset.trained_range() });
    } else {
        Invalid::unless(
            dataset.also.is_empty(),
            "dataset.also",
            "coefficients beside [parameters]",
            "one of the two: name all coefficients in [parameters]",
        )?;
    }
    for (name, range) in named {
        let names = WilsonCoefficient::ALL.map(WilsonCoefficient::name);
        let direction: WilsonDirection = parse(field, name, &names)?;
        let [low, high] = *range;
        let sound = low.is_finite() && high.is_finite() && low.abs().max(high.abs()) <= Axis::LARGEST;
        Invalid::unless(
            sound && high - low > 1e-6,
            &format!("{field}.{name}"),
            format!("{range:?}"),
            format!("two ascending numbers between -{0} and {0}", Axis::LARGEST),
        )?;
        axes.push(Axis { direction, range: *range });
    }
    axes.sort_by_key(|axis| axis.direction != c9);
    let n = axes.len();
    Invalid::unless(
        n <= Axes::MOST,
        field,
        format!("{n} coefficients in all"),
        format!("at most {} in all", Axes::MOST),
    )?;
    Axes::new(axes).map_err(|e| Invalid::new(field, "these coefficients", e))
}

/// Every point at which images lie, in rising order of the first coefficient.
pub(super) fn points(axes: &Axes, dataset: &DatasetCard) -> Vec<DatasetPoint> {
    if dataset.groups.is_empty() { filling_points(axes, dataset) } else { grid(axes, dataset) }
}

/// The values of groups; each further coefficient has five values in its range, independently of the first.
fn grid(axes: &Axes, dataset: &DatasetCard) -> Vec<DatasetPoint> {
    let further: Vec<&Axis> = axes.iter().skip(1).collect();
    let mut firsts: Vec<(f64, [usize; 3])> =
        dataset.groups.iter().flat_map(|g| g.shifts().iter().map(|x| (*x, g.images()))).collect();
    firsts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let parts = if further.is_empty() { 1 } else { FURTHER_VALUES };
    let of = |(first, images): (f64, [usize; 3])| {
        let further = further.clone();
        (0..parts).map(move |part| {
            // Multiples of the number of the axis, modulo a prime: every value of each coefficient comes once.
            let beside = further.iter().enumerate().map(|(number, axis)| {
                let place = (part * (number % (FURTHER_VALUES - 1) + 1)) % FURTHER_VALUES;
                rounded(axis.range[0] + axis.width() * (place as f64 + 0.5) / FURTHER_VALUES as f64)
            });
            let shifts = [first].into_iter().chain(beside).collect();
            DatasetPoint { shifts, images: images.map(|n| share(part, parts, n)) }
        })
    };
    firsts.into_iter().flat_map(of).collect()
}

/// Points that fill the ranges evenly; of one coefficient with both ends.
fn filling_points(axes: &Axes, dataset: &DatasetCard) -> Vec<DatasetPoint> {
    let several = usize::from(axes.len() > 1);
    let n = dataset.points.unwrap_or(DEFAULT_POINTS[several]);
    let images = |k: usize| Split::ALL.map(|split| share(k, n, dataset.in_all(split)));
    let shift = |k: usize, (number, axis): (usize, &Axis)| {
        let part = if several == 0 { k as f64 / (n - 1) as f64 } else { filling(k, number, axes.len()) };
        rounded(axis.range[0] + axis.width() * part)
    };
    let shifts = |k: usize| axes.iter().enumerate().map(|axis| shift(k, axis)).collect();
    let mut points: Vec<DatasetPoint> =
        (0..n).map(|k| DatasetPoint { shifts: shifts(k), images: images(k) }).collect();
    points.sort_by(|a, b| a.shifts[0].total_cmp(&b.shifts[0]));
    points
}

/// Nine decimals: values are named in tables.
fn rounded(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}

/// Images of `images` that the `part`-th of so many equal parts has.
pub const fn share(part: usize, parts: usize, images: usize) -> usize {
    // No product that could overflow: a card may say any number, and is refused only after it was counted.
    images / parts + (((part + 1) * (images % parts)) / parts - (part * (images % parts)) / parts)
}

/// Coordinate `axis` of point `i` of a sequence that fills a cube of so many axes evenly (Roberts' generalised golden ratio).
pub fn filling(i: usize, axis: usize, axes: usize) -> f64 {
    // The root of x^(axes + 1) = x + 1, by iteration.
    let root = (0..64).fold(1.5_f64, |x, _| (1.0 + x).powf(1.0 / (axes + 1) as f64));
    (0.5 + (i + 1) as f64 * root.powf(-((axis + 1) as f64))).fract()
}

/// The points at which scores are taken by one coefficient.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorePoints {
    /// Shifts of all coefficients, the own one 0.
    pub origin: Vec<f64>,
    /// Shifts of the own one.
    pub own: Vec<f64>,
}

/// The points at which scores are taken by each coefficient, in the order of the axes: of up to three at every combination of
/// the places of all, of more with all others in the middle of their ranges. `first` are the places of the first one.
pub fn score_points(axes: &Axes, first: Option<&[f64]>) -> Vec<Vec<ScorePoints>> {
    let places = REFERENCES[usize::from(axes.len() > 1)];
    let own: Vec<Vec<f64>> = axes
        .iter()
        .enumerate()
        .map(|(number, axis)| match first {
            Some(given) if number == 0 => given.to_vec(),
            _ => places.iter().map(|part| axis.range[0] + part * axis.width()).collect(),
        })
        .collect();
    let centre: Vec<f64> = axes.iter().map(Axis::centre).collect();
    let of = |coefficient: usize| {
        let mut points = vec![replaced(&centre, coefficient, 0.0)];
        if axes.len() <= MOST_COMBINED {
            for (other, places) in own.iter().enumerate().filter(|(other, _)| *other != coefficient) {
                let moved = |point: &Vec<f64>| {
                    places.iter().map(|by| replaced(point, other, *by)).collect::<Vec<_>>()
                };
                points = points.iter().flat_map(moved).collect();
            }
        }
        points.into_iter().map(|origin| ScorePoints { origin, own: own[coefficient].clone() }).collect()
    };
    (0..axes.len()).map(of).collect()
}

fn replaced(point: &[f64], place: usize, by: f64) -> Vec<f64> {
    let mut point = point.to_vec();
    point[place] = by;
    point
}

impl GroupCard {
    /// The shifts of the first coefficient.
    pub fn shifts(&self) -> &[f64] {
        if self.values.is_empty() { &self.delta_c9 } else { &self.values }
    }

    /// Images of each value, by [`Split`].
    pub(super) const fn images(&self) -> [usize; 3] {
        [self.train, self.validation, self.test]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::RunCard;

    fn card(text: &str) -> RunCard {
        RunCard::parse(text, "card").unwrap()
    }

    #[test]
    fn groups_of_delta_c9_and_also_are_shorthand_for_parameters() {
        let group = "[[dataset.groups]]\ndelta_c9 = [-1.0, 1.0]\ntrain = 10\nvalidation = 5\ntest = 10\n";
        let short = card(&format!("[dataset.also]\nc10 = [0.0, 2.0]\n{group}"));
        let long = card(&format!("[parameters]\nc10 = [0.0, 2.0]\nc9 = [-1.0, 1.0]\n{group}"));
        assert_eq!(short.axes().unwrap(), long.axes().unwrap());
        assert_eq!(short.axes().unwrap().names(), ["c9", "c10"]);
        let points = long.data().points().unwrap();
        assert_eq!(points, short.data().points().unwrap());
        assert_eq!(points.len(), 10);
        assert_eq!((points[1].shifts.as_slice(), points[1].images), ([-1.0, 0.6].as_slice(), [2, 1, 2]));
    }

    #[test]
    fn ranges_alone_have_evenly_spread_points_and_numbers_of_images() {
        let one = card("[parameters]\nc10_prime = [-1.0, 3.0]\n[dataset]\npoints = 5\ntest = 7\n").data();
        let points = one.points().unwrap();
        let shifts: Vec<f64> = points.iter().map(|p| p.shifts[0]).collect();
        assert_eq!(shifts, [-1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(points.iter().map(|p| p.count(Split::Test)).sum::<usize>(), 7);
        assert_eq!((one.count(Split::Train), one.count(Split::Test)), (5280, 7));
        let three = card("[parameters]\nc9 = [-2.0, 1.0]\nc7 = [-0.1, 0.1]\nc10_im = [0.0, 1.0]\n").data();
        assert_eq!(three.axes().unwrap().names(), ["c9", "c10_im", "c7"]);
        let points = three.points().unwrap();
        assert_eq!(points.len(), 55);
        for (axis, of) in three.axes().unwrap().iter().enumerate() {
            let mean = points.iter().map(|p| p.shifts[axis]).sum::<f64>() / 55.0;
            assert!((mean - of.centre()).abs() < 0.06 * of.width(), "{mean}");
        }
    }

    #[test]
    fn scores_of_many_coefficients_are_taken_with_the_others_in_the_middle() {
        let names = ["c9", "c10", "c7", "c9_prime"];
        let axes = |n: usize| {
            let axis = |name: &&str| Axis { direction: name.parse().unwrap(), range: [-1.0, 3.0] };
            Axes::new(names[..n].iter().map(axis).collect()).unwrap()
        };
        let counts =
            |n: usize| score_points(&axes(n), None).iter().flatten().map(|p| p.own.len()).sum::<usize>();
        assert_eq!([1, 2, 3, 4].map(counts), [5, 18, 81, 12]);
        let four = score_points(&axes(4), None);
        assert_eq!(four[1], [ScorePoints { origin: vec![1.0, 0.0, 1.0, 1.0], own: vec![-0.6, 1.0, 2.6] }]);
    }

    #[test]
    fn shares_are_whole_and_differ_by_one_at_most() {
        for (parts, images) in [(5, 17), (7, 3), (3, usize::MAX)] {
            let shares: Vec<usize> = (0..parts).map(|part| share(part, parts, images)).collect();
            assert_eq!(shares.iter().sum::<usize>(), images);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
