//! sWeights: weights by which a sample of signal and background counts as signal alone, from a variable that tells both apart.
//!
//! The yields are those of largest extended likelihood, the weights `w_x = sum_y (W^-1)_xy g_y/g`, with g_y the densities of
//! the variable, `g = sum_y N_y g_y` and `W_xy = sum over events of g_x g_y/g^2`. In any variable that is independent of the
//! first one within signal and within background they leave the signal's distribution.
//!
//! # Source
//! Pivk, Le Diberder, physics/0402083; Dembinski, Kenzie, Langenbruch, Schmelling, arXiv:2112.04574.

use std::f64::consts::PI;
use std::str::FromStr;

use nalgebra::{DMatrix, DVector, Matrix2, Vector2};
use rayon::prelude::*;
use statrs::function::erf::erf;

use super::InferError;
use super::minimise::{Jet, Objective, inverse, minimise};

/// Fewest events for each parameter.
const FEWEST_EVENTS: usize = 20;

/// Step of a derivative by a parameter of a shape, in units of its size.
const STEP: f64 = 1e-5;

/// Deviation of the sum of `g_y/g` over the events from 1 at which yields are not those of largest likelihood.
const CLOSED: f64 = 1e-8;

/// A density of the variable, up to its normalisation in the range.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    kind: Kind,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gaussian,
    CrystalBall,
    Exponential,
}

impl Kind {
    const ALL: [(&'static str, Self, &'static [&'static str]); 3] = [
        ("gaussian", Self::Gaussian, &["mean", "width"]),
        ("crystal-ball", Self::CrystalBall, &["mean", "width", "alpha_low", "n_low", "alpha_high", "n_high"]),
        ("exponential", Self::Exponential, &["slope"]),
    ];

    fn parameters(self) -> &'static [&'static str] {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or(&[], |(.., parameters)| parameters)
    }
}

/// As in `gaussian:mean=5.28,width=0.02`.
impl FromStr for Shape {
    type Err = InferError;

    fn from_str(text: &str) -> Result<Self, InferError> {
        let form =
            |(name, _, parameters): &(&str, Kind, &[&str])| format!("{name}:{}=..", parameters.join("=..,"));
        let forms: Vec<String> = Kind::ALL.iter().map(form).collect();
        let refuse = || InferError::out_of_range("shape", text, forms.join("; "));
        let (name, rest) = text.split_once(':').ok_or_else(refuse)?;
        let (_, kind, parameters) = *Kind::ALL.iter().find(|(own, ..)| *own == name).ok_or_else(refuse)?;
        let mut values = vec![f64::NAN; parameters.len()];
        for pair in rest.split(',') {
            let (name, value) = pair.split_once('=').ok_or_else(refuse)?;
            let place = parameters.iter().position(|own| *own == name.trim()).ok_or_else(refuse)?;
            values[place] = value.trim().parse().map_err(|_| refuse())?;
        }
        let shape = Self { kind, values };
        if shape.is_possible() { Ok(shape) } else { Err(refuse()) }
    }
}

impl Shape {
    /// Names and values of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.kind.parameters().iter().copied().zip(self.values.iter().copied())
    }

    /// Widths and tails are above 0.
    fn is_possible(&self) -> bool {
        let above = if self.kind == Kind::Exponential { &[] } else { &self.values[1..] };
        self.values.iter().all(|x| x.is_finite()) && above.iter().all(|x| *x > 0.0)
    }

    fn density(&self, m: f64) -> f64 {
        let values = &self.values;
        match self.kind {
            Kind::Exponential => (-values[0] * m).exp(),
            Kind::Gaussian => (-0.5 * ((m - values[0]) / values[1]).powi(2)).exp(),
            Kind::CrystalBall => {
                let x = (m - values[0]) / values[1];
                let tail = |x: f64, alpha: f64, n: f64| {
                    (-0.5 * alpha * alpha).exp() * (1.0 - alpha / n * (alpha + x)).powf(-n)
                };
                if x < -values[2] {
                    tail(x, values[2], values[3])
                } else if x > values[4] {
                    tail(-x, values[4], values[5])
                } else {
                    (-0.5 * x * x).exp()
                }
            }
        }
    }

    /// The integral of the density.
    fn integral(&self, (low, high): (f64, f64)) -> f64 {
        let values = &self.values;
        let gauss = |a: f64, b: f64| (PI / 2.0).sqrt() * (erf(b / 2.0_f64.sqrt()) - erf(a / 2.0_f64.sqrt()));
        match self.kind {
            Kind::Exponential if values[0] == 0.0 => high - low,
            Kind::Exponential => ((-values[0] * low).exp() - (-values[0] * high).exp()) / values[0],
            Kind::Gaussian => {
                values[1] * gauss((low - values[0]) / values[1], (high - values[0]) / values[1])
            }
            Kind::CrystalBall => {
                let [a, b] = [low, high].map(|m| (m - values[0]) / values[1]);
                // Of the tail below -alpha; the one above is its mirror image.
                let tail = |from: f64, to: f64, alpha: f64, n: f64| {
                    let to = to.min(-alpha);
                    if from >= to {
                        return 0.0;
                    }
                    let at = |x: f64| {
                        let t = 1.0 - alpha / n * (alpha + x);
                        if (n - 1.0).abs() < 1e-9 {
                            -t.ln() * n / alpha
                        } else {
                            t.powf(1.0 - n) * n / (alpha * (n - 1.0))
                        }
                    };
                    (-0.5 * alpha * alpha).exp() * (at(to) - at(from))
                };
                let core = (a.max(-values[2]), b.min(values[4]));
                let middle = if core.0 < core.1 { gauss(core.0, core.1) } else { 0.0 };
                values[1] * (tail(a, b, values[2], values[3]) + middle + tail(-b, -a, values[4], values[5]))
            }
        }
    }
}

/// Shapes of the variable, and which of their parameters are free.
#[derive(Debug, Clone, PartialEq)]
pub struct MassModel {
    /// Range in which events are.
    pub range: (f64, f64),
    /// Density of signal.
    pub signal: Shape,
    /// Density of background.
    pub background: Shape,
    /// Names of the parameters that are fitted, from the values of the shapes.
    pub free: Vec<String>,
}

/// A fit of yields, and the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct SWeights {
    /// Fitted shapes.
    pub model: MassModel,
    /// Events of signal and of background.
    pub yields: [f64; 2],
    /// Covariance of both.
    pub covariance: Matrix2<f64>,
    /// Sum over the events of the density of each component over that of all: 1 at the largest likelihood.
    pub closure: [f64; 2],
    /// Weights of signal.
    pub signal: Vec<f64>,
    /// Weights of background.
    pub background: Vec<f64>,
}

/// Fits yields, and the parameters of the shapes that are free, to values of the variable; weighs the events.
///
/// # Errors
/// For a value outside the range, a parameter that no shape has, too few events, or when no maximum is found.
pub fn sweights(model: &MassModel, values: &[f64]) -> Result<SWeights, InferError> {
    let (low, high) = model.range;
    if !(low < high && low.is_finite() && high.is_finite()) {
        return Err(InferError::out_of_range("range", format!("{low}:{high}"), "MIN:MAX with MIN < MAX"));
    }
    if let Some(row) = values.iter().position(|m| !(low..=high).contains(m)) {
        let field = format!("the mass in row {row}");
        return Err(InferError::out_of_range(&field, values[row], format!("{low} to {high}")));
    }
    let places = model.places()?;
    let fewest = FEWEST_EVENTS * (2 + places.len());
    if values.len() < fewest {
        return Err(InferError::out_of_range("events", values.len(), format!("at least {fewest}")));
    }
    let n = values.len() as f64;
    let extended = Extended { model, values, places: &places };
    let mut start = vec![0.5 * n, 0.5 * n];
    let mut scales = vec![n.sqrt(), n.sqrt()];
    for (shape, place) in &places {
        let value = model.shapes()[*shape].values[*place];
        start.push(value);
        // A mean moves by widths.
        let width = model.shapes()[*shape].values.get(1).copied().filter(|_| *place == 0);
        scales.push(0.1 * width.unwrap_or(if value == 0.0 { (high - low).recip() } else { value.abs() }));
    }
    let free: Vec<usize> = (0..start.len()).collect();
    let best = minimise(&extended, &start, &free, &scales)?;
    let no_minimum = |reason: String| InferError::NoMinimum { coefficients: "the yields".to_owned(), reason };
    if !(best.settled && best.value.is_finite()) {
        return Err(no_minimum(format!("-ln L still falls at {:.5?}", best.point)));
    }
    let curved = inverse(&extended.jet(&best.point, &free)?.hessian, &scales);
    let fitted = extended.at(&best.point);
    let densities = fitted.densities(values);
    let mut yields = Vector2::new(best.point[0], best.point[1]);
    // Newton's method to the last digit, shapes as they are.
    for _ in 0..20 {
        let (matrix, sums) = matrix(&densities, &yields);
        let step = matrix.try_inverse().map(|inverse| inverse * (sums - Vector2::new(1.0, 1.0)));
        yields += step.ok_or_else(|| no_minimum("both shapes are the same".to_owned()))?;
    }
    let (matrix, sums) = matrix(&densities, &yields);
    let inverse = matrix.try_inverse().ok_or_else(|| no_minimum("both shapes are the same".to_owned()))?;
    if !(sums - Vector2::new(1.0, 1.0)).iter().all(|off| off.abs() < CLOSED) {
        return Err(no_minimum(format!(
            "sums of densities over that of all are {:.6?}, not 1",
            sums.as_slice()
        )));
    }
    let weight = |x: usize| {
        let of = |g: &[f64; 2]| {
            (inverse[(x, 0)] * g[0] + inverse[(x, 1)] * g[1]) / (yields[0] * g[0] + yields[1] * g[1])
        };
        densities.iter().map(of).collect()
    };
    Ok(SWeights {
        yields: [yields[0], yields[1]],
        covariance: curved.fixed_view::<2, 2>(0, 0).into_owned(),
        closure: [sums[0], sums[1]],
        signal: weight(0),
        background: weight(1),
        model: fitted,
    })
}

/// W, and the sums of `g_y/g`.
fn matrix(densities: &[[f64; 2]], yields: &Vector2<f64>) -> (Matrix2<f64>, Vector2<f64>) {
    densities.iter().fold((Matrix2::zeros(), Vector2::zeros()), |(matrix, sums), g| {
        let share = Vector2::from(*g) / (yields[0] * g[0] + yields[1] * g[1]);
        (matrix + share * share.transpose(), sums + share)
    })
}

impl MassModel {
    fn shapes(&self) -> [&Shape; 2] {
        [&self.signal, &self.background]
    }

    /// Shape and place of each free parameter.
    fn places(&self) -> Result<Vec<(usize, usize)>, InferError> {
        let all: Vec<(usize, usize, &str)> = (self.shapes().iter().enumerate())
            .flat_map(|(shape, of)| {
                of.kind.parameters().iter().enumerate().map(move |(k, name)| (shape, k, *name))
            })
            .collect();
        let place = |name: &String| {
            let allowed = || all.iter().map(|(.., name)| *name).collect::<Vec<_>>().join(", ");
            let found = all.iter().find(|(.., own)| own == name).map(|(shape, place, _)| (*shape, *place));
            found.ok_or_else(|| InferError::out_of_range("free", name, allowed()))
        };
        self.free.iter().map(place).collect()
    }

    /// Normalised densities of both at each value.
    fn densities(&self, values: &[f64]) -> Vec<[f64; 2]> {
        let norms = self.shapes().map(|shape| shape.integral(self.range));
        let at = |m: &f64| [self.signal.density(*m) / norms[0], self.background.density(*m) / norms[1]];
        values.par_iter().map(at).collect()
    }
}

/// The extended `-ln L`: yields first, then free parameters. Its second derivatives are sums of products of first ones,
/// exact in the yields.
struct Extended<'a> {
    model: &'a MassModel,
    values: &'a [f64],
    places: &'a [(usize, usize)],
}

impl Extended<'_> {
    fn at(&self, point: &[f64]) -> MassModel {
        let mut model = self.model.clone();
        for ((shape, place), value) in self.places.iter().zip(&point[2..]) {
            let shape = if *shape == 0 { &mut model.signal } else { &mut model.background };
            shape.values[*place] = *value;
        }
        model
    }
}

impl Objective for Extended<'_> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        let model = self.at(point);
        if !model.shapes().iter().all(|shape| shape.is_possible()) {
            return Ok(f64::INFINITY);
        }
        let logs: f64 =
            model.densities(self.values).iter().map(|g| (point[0] * g[0] + point[1] * g[1]).ln()).sum();
        let value = point[0] + point[1] - logs;
        Ok(if value.is_finite() { value } else { f64::INFINITY })
    }

    /// Of all parameters, which are always free together.
    fn jet(&self, point: &[f64], _: &[usize]) -> Result<Jet, InferError> {
        let densities = self.at(point).densities(self.values);
        let totals: Vec<f64> = densities.iter().map(|g| point[0] * g[0] + point[1] * g[1]).collect();
        let mut slopes = DMatrix::zeros(point.len(), totals.len());
        for (row, (g, total)) in densities.iter().zip(&totals).enumerate() {
            slopes[(0, row)] = g[0] / total;
            slopes[(1, row)] = g[1] / total;
        }
        for index in 2..point.len() {
            let step = STEP * if point[index] == 0.0 { 1.0 } else { point[index].abs() };
            let moved = |sign: f64| {
                let mut moved = point.to_vec();
                moved[index] += sign * step;
                self.at(&moved).densities(self.values)
            };
            let which = self.places[index - 2].0;
            for (row, (up, down)) in moved(1.0).iter().zip(&moved(-1.0)).enumerate() {
                slopes[(index, row)] = point[which] * (up[which] - down[which]) / (2.0 * step * totals[row]);
            }
        }
        let mut gradient: DVector<f64> = -slopes.column_sum();
        gradient[0] += 1.0;
        gradient[1] += 1.0;
        let logs: f64 = totals.iter().map(|total| total.ln()).sum();
        let hessian = &slopes * slopes.transpose();
        Ok(Jet { value: point[0] + point[1] - logs, gradient, hessian })
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::quadrature::integrate;

    use super::*;

    #[test]
    fn shapes_are_normalised_and_parsed() {
        for text in [
            "gaussian:mean=5.28,width=0.02",
            "exponential:slope=1.3",
            "exponential:slope=0",
            "crystal-ball:mean=5.28,width=0.02,alpha_low=1.4,n_low=3,alpha_high=1.8,n_high=1",
        ] {
            let shape: Shape = text.parse().unwrap();
            let edges = [5.2, 5.252, 5.26, 5.28, 5.3, 5.316, 5.32, 5.4];
            let sum: f64 = edges.windows(2).map(|e| integrate(e[0], e[1], [], |m| shape.density(m))).sum();
            let got = shape.integral((5.2, 5.4));
            assert!((got / sum - 1.0).abs() < 1e-7, "{text}: {got} {sum}");
        }
        for text in
            ["gaussian", "gaussian:mean=1", "gaussian:mean=1,width=-1", "box:a=1", "exponential:mean=1"]
        {
            assert!(
                text.parse::<Shape>().unwrap_err().to_string().contains("gaussian:mean=..,width=.."),
                "{text}"
            );
        }
    }
}
