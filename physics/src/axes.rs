//! Axes of the parameter space: which real numbers of the Wilson coefficients are learned, fitted or labelled, and points
//! on them.

use crate::{PhysicsError, WilsonCoefficient, WilsonDirection, WilsonShifts};

/// One parameter: a direction and the range of its shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The real number that is shifted.
    pub direction: WilsonDirection,
    /// Lowest and highest shift.
    pub range: [f64; 2],
}

impl Axis {
    /// The largest size of a limit.
    pub const LARGEST: f64 = 100.0;

    /// The middle of the range.
    pub const fn centre(&self) -> f64 {
        0.5 * (self.range[0] + self.range[1])
    }

    /// The width of the range.
    pub const fn width(&self) -> f64 {
        self.range[1] - self.range[0]
    }

    /// Whether a shift lies in the range.
    pub fn contains(&self, shift: f64) -> bool {
        (self.range[0]..=self.range[1]).contains(&shift)
    }

    fn check(&self) -> Result<(), PhysicsError> {
        let [low, high] = self.range;
        let sound = low.is_finite() && high.is_finite() && low.abs().max(high.abs()) <= Self::LARGEST;
        if sound && high - low > 1e-6 {
            return Ok(());
        }
        Err(PhysicsError::OutOfRange {
            field: self.direction.to_string(),
            got: format!("{:?}", self.range),
            allowed: format!("two ascending numbers between -{0} and {0}", Self::LARGEST),
        })
    }
}

/// Parameters in an order that all labels, estimates and matrices follow: at least one, each direction once.
#[derive(Debug, Clone, PartialEq)]
pub struct Axes {
    axes: Vec<Axis>,
}

impl Axes {
    /// Most parameters at once.
    pub const MOST: usize = 6;

    /// Axes in the order given.
    ///
    /// # Errors
    /// Without axes or with more than [`Self::MOST`], for a direction given twice, and for a range that is none; the error
    /// names the direction.
    pub fn new(axes: Vec<Axis>) -> Result<Self, PhysicsError> {
        let refused = |field: &str, got: String, allowed: String| {
            Err(PhysicsError::OutOfRange { field: field.to_owned(), got, allowed })
        };
        if axes.is_empty() || axes.len() > Self::MOST {
            let allowed = format!("1 to {} coefficients", Self::MOST);
            return refused("parameters", format!("{} coefficients", axes.len()), allowed);
        }
        for (i, axis) in axes.iter().enumerate() {
            axis.check()?;
            if axes[..i].iter().any(|other| other.direction == axis.direction) {
                return refused("parameters", format!("`{}` twice", axis.direction), "each once".to_owned());
            }
        }
        Ok(Self { axes })
    }

    /// The real part of C9 alone, as in the voxel study.
    pub fn of_c9(range: [f64; 2]) -> Self {
        let direction = WilsonDirection::real(WilsonCoefficient::C9);
        Self { axes: vec![Axis { direction, range }] }
    }

    /// Number of axes.
    pub const fn len(&self) -> usize {
        self.axes.len()
    }

    /// False: there is at least one axis.
    pub const fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// The axes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Axis> {
        self.axes.iter()
    }

    /// Directions in order.
    pub fn directions(&self) -> Vec<WilsonDirection> {
        self.axes.iter().map(|axis| axis.direction).collect()
    }

    /// Names in order: `c9`, `c10_prime`, `c9_im`.
    pub fn names(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.direction.to_string()).collect()
    }

    /// The place of a direction.
    pub fn index_of(&self, direction: WilsonDirection) -> Option<usize> {
        self.axes.iter().position(|axis| axis.direction == direction)
    }

    /// A point with one shift an axis, inside the ranges or not.
    ///
    /// # Errors
    /// When there are not as many shifts as axes, or one is not a finite number of allowed size.
    pub fn point(&self, shifts: &[f64]) -> Result<Point, PhysicsError> {
        if shifts.len() != self.len() {
            return Err(PhysicsError::OutOfRange {
                field: "shifts".to_owned(),
                got: format!("{} numbers", shifts.len()),
                allowed: format!("{} numbers, of {}", self.len(), self.names().join(", ")),
            });
        }
        let point = Point(self.axes.iter().map(|axis| axis.direction).zip(shifts.iter().copied()).collect());
        point.shifts().check()?;
        Ok(point)
    }

    /// The point in the middle of all ranges.
    pub fn centre(&self) -> Point {
        Point(self.axes.iter().map(|axis| (axis.direction, axis.centre())).collect())
    }

    /// Whether a point has these axes, in this order, and lies in all ranges.
    pub fn contains(&self, point: &Point) -> bool {
        let inside = |(axis, (direction, shift)): (&Axis, &(WilsonDirection, f64))| {
            axis.direction == *direction && axis.contains(*shift)
        };
        self.len() == point.0.len() && self.axes.iter().zip(&point.0).all(inside)
    }
}

impl<'a> IntoIterator for &'a Axes {
    type Item = &'a Axis;
    type IntoIter = std::slice::Iter<'a, Axis>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A point in the space of some axes: the shift of each direction, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point(Vec<(WilsonDirection, f64)>);

impl Point {
    /// Shifts in order.
    pub fn values(&self) -> Vec<f64> {
        self.0.iter().map(|(_, shift)| *shift).collect()
    }

    /// The shift of a direction; `None` where it has no axis.
    pub fn get(&self, direction: WilsonDirection) -> Option<f64> {
        self.0.iter().find(|(own, _)| *own == direction).map(|(_, shift)| *shift)
    }

    /// Direction and shift, in order.
    pub fn iter(&self) -> impl Iterator<Item = (WilsonDirection, f64)> + '_ {
        self.0.iter().copied()
    }

    /// The Wilson coefficients there, all others as in the Standard Model.
    pub fn shifts(&self) -> WilsonShifts {
        self.on(WilsonShifts::STANDARD_MODEL)
    }

    /// The Wilson coefficients there, all others as in `shifts`: real and imaginary parts that have an axis are replaced.
    pub fn on(&self, shifts: WilsonShifts) -> WilsonShifts {
        self.0.iter().fold(shifts, |shifts, (direction, shift)| shifts.with_part(*direction, *shift))
    }
}

impl std::fmt::Display for Point {
    /// `c9 = -1, c10 = 0.5`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (direction, shift)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{direction} = {shift}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex64;

    use super::*;

    fn axis(name: &str, range: [f64; 2]) -> Axis {
        Axis { direction: name.parse().unwrap(), range }
    }

    fn refused(axes: Vec<Axis>) -> String {
        Axes::new(axes).unwrap_err().to_string()
    }

    #[test]
    fn names_places_and_points_follow_the_order() {
        let axes = Axes::new(vec![axis("c10_prime", [-1.0, 3.0]), axis("c9_im", [-2.0, 2.0])]).unwrap();
        assert_eq!(axes.names(), ["c10_prime", "c9_im"]);
        let [first, second] = ["c10_prime", "c9_im"].map(|name| name.parse().unwrap());
        assert_eq!((axes.index_of(first), axes.index_of(second)), (Some(0), Some(1)));
        assert_eq!(axes.index_of(WilsonDirection::real(WilsonCoefficient::C9)), None);
        assert_eq!(axes.centre().values(), [1.0, 0.0]);

        let point = axes.point(&[0.5, -0.25]).unwrap();
        assert_eq!(point.to_string(), "c10_prime = 0.5, c9_im = -0.25");
        assert_eq!(
            (point.get(second), point.get(WilsonDirection::real(WilsonCoefficient::C7))),
            (Some(-0.25), None)
        );
        assert!(axes.contains(&point) && !axes.contains(&axes.point(&[0.5, -2.5]).unwrap()));
    }

    /// The parts that have an axis are replaced, all others stay.
    #[test]
    fn a_point_replaces_its_own_parts() {
        let c9 = WilsonCoefficient::C9;
        let base = WilsonShifts::delta_c9(3.0)
            .with(c9, Complex64::new(3.0, 0.7))
            .with(WilsonCoefficient::C7, Complex64::new(0.1, 0.0));
        let point = Axes::new(vec![axis("c9", [-2.0, 2.0])]).unwrap().point(&[-1.0]).unwrap();
        assert_eq!(point.on(base), base.with(c9, Complex64::new(-1.0, 0.7)));
        assert_eq!(point.shifts(), WilsonShifts::delta_c9(-1.0));
        let both = Axes::new(vec![axis("c9_im", [-2.0, 2.0]), axis("c9", [-2.0, 2.0])]).unwrap();
        let shifts = both.point(&[0.5, -1.5]).unwrap().shifts();
        assert_eq!(shifts.get(c9), Complex64::new(-1.5, 0.5));
    }

    #[test]
    fn what_are_no_axes_is_refused_by_name() {
        let c9 = axis("c9", [-2.0, 1.0]);
        assert!(refused(Vec::new()).starts_with("parameters = 0 coefficients is not allowed"));
        assert!(refused(vec![c9, axis("c10", [0.0, 1.0]), c9]).starts_with("parameters = `c9` twice"));
        for range in [[1.0, 1.0], [1.0, -1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY], [0.0, 101.0]] {
            assert!(
                refused(vec![c9, axis("c7_prime_im", range)]).starts_with("c7_prime_im = ["),
                "{range:?}"
            );
        }
        let all = ["c7", "c9", "c10", "c7_prime", "c9_prime", "c10_prime", "c_s"];
        assert!(refused(all.map(|name| axis(name, [0.0, 1.0])).to_vec()).contains("1 to 6"));
        assert_eq!(Axes::new(all[..6].iter().map(|name| axis(name, [0.0, 1.0])).collect()).unwrap().len(), 6);
    }

    #[test]
    fn points_have_a_finite_shift_for_each_axis() {
        let axes = Axes::new(vec![axis("c9", [-2.0, 1.0])]).unwrap();
        let message = |shifts: &[f64]| axes.point(shifts).unwrap_err().to_string();
        assert!(message(&[]).contains("1 numbers, of c9"));
        assert!(message(&[0.0, 1.0]).starts_with("shifts = 2 numbers"));
        assert!(message(&[f64::NAN]).starts_with("c9 = NaN"));
    }
}
