//! A fit of delta C9 to a voxel image of mean q2, by the image that is expected.
//!
//! Of each cell three templates are known as functions of delta C9: the expected number of events, their mean q2 and its
//! spread. They are integrals of the exact density, so that no generated sample limits them: rates are quadratic in the
//! shift, the functions of the angles are averaged over the cell, and K pi masses follow the line shape. An efficiency counts as
//! it is in the middle of the cell, and as a polynomial in q2. With Poisson counts of mean m an empty cell has the probability exp(-m), and an occupied one with mean q2 x the density
//!
//! `exp(-m) [ m p(x) + sum_{n > 1} m^n/n! normal(x; mean, spread^2/n) ]`
//!
//! with p the density of q2 of one event in the cell. The expected counts of all cells add up to the events of an image.
//!
//! Two things are approximate: that the counts are independent of each other, and that the mean of several events is
//! normal. At 24,613 events in 50^3 cells nine occupied cells in ten hold one event, of which nothing is lost but its
//! place within the cell. [`super::neyman`] takes out what bias is left.

use humboldt_physics::LineShape;
use humboldt_physics::angular::{ANGULAR_FUNCTIONS, harmonics};
use humboldt_physics::convention::DecayVariables;
use humboldt_physics::density::Chebyshev;
use humboldt_physics::quadrature::nodes;
use humboldt_schemas::voxels::Axis;
use rayon::prelude::*;

use super::density::EventFamily;
use super::functions::{Coefficients, FUNCTIONS, all_harmonics, all_polar_functions};
use super::{InferError, Interval};

/// Steps in ln q2 of the table of rates.
const Q2_STEPS: usize = 1200;

/// Points along each axis of a cell that its functions are averaged over.
const POINTS: usize = 4;

/// Points in q2 of the polynomial of a cell's efficiency.
const EFFICIENCY_POINTS: usize = 12;

/// Most events of a cell that are told apart.
const MOST: usize = 64;

/// Tabulated delta C9 between two that are looked at first.
const STRIDE: usize = 4;

/// The expected image as a function of delta C9.
#[derive(Debug, Clone)]
pub struct Templates {
    /// Tabulated delta C9, evenly spaced.
    values: Vec<f64>,
    windows: Vec<(f64, f64)>,
    /// ln of the lowest q2 of the table, and its step.
    ln_q2: (f64, f64),
    cells: Cells,
    /// At each delta C9.
    tables: Vec<Table>,
}

/// Events in a cell for a unit of its functions, before the efficiency.
#[derive(Debug, Clone)]
struct Table {
    /// Per GeV^2.
    ///
    /// # Shapes
    /// `(step in ln q2, function)`.
    density: Vec<f32>,
    /// Integrals of 1, q2 and its square, times the polynomials that the efficiency is a sum of.
    ///
    /// # Shapes
    /// `(polynomial, function)`.
    moments: [Vec<f64>; 3],
}

/// What is expected of each cell apart from delta C9.
#[derive(Debug, Clone)]
struct Cells {
    bins: usize,
    /// Functions that the rate has: those of the K* alone, or all.
    functions: usize,
    /// Averages over each pair of polar bins, and of `1, cos chi, sin chi, cos 2 chi, sin 2 chi` over each bin of chi.
    polar: Vec<[f64; FUNCTIONS]>,
    harmonics: Vec<[f64; 5]>,
    places: [usize; FUNCTIONS],
    /// Points in q2 (GeV^2), and the efficiency of each cell there.
    efficiency: Option<(Chebyshev, Vec<[f64; EFFICIENCY_POINTS]>)>,
}

/// A fit to one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TemplateFit {
    /// delta C9.
    pub value: f64,
    /// Values at which `-2 ln L` has risen by 1.
    pub interval: Interval,
}

/// Content of an image, cell by cell.
struct Occupied {
    functions: [f64; FUNCTIONS],
    efficiency: [f64; EFFICIENCY_POINTS],
    mean: f64,
    /// Where one event of this q2 can be.
    place: Option<Place>,
}

/// A q2 in the table.
struct Place {
    /// Step of the table below, and the part of the step.
    below: usize,
    part: f64,
    efficiency: f64,
}

impl Templates {
    /// Of images of `bins`^3 cells and `events` events that follow `family`, whose one shift is that of C9; for delta C9
    /// at `values`, which are evenly spaced.
    ///
    /// # Errors
    /// With fewer than eight values, no events, or a family of several shifts.
    pub fn new(family: &EventFamily, bins: usize, events: usize, values: &[f64]) -> Result<Self, InferError> {
        if family.directions().len() != 1 {
            return Err(InferError::out_of_range("free", family.directions().len(), "one coefficient"));
        }
        if values.len() < 2 * STRIDE {
            return Err(InferError::out_of_range("tabulated delta C9", values.len(), "at least 8"));
        }
        if events == 0 || bins < 2 {
            let got = format!("{events} events in {bins}^3 cells");
            return Err(InferError::out_of_range("image", got, "at least one event and two bins"));
        }
        let rates = Rates::new(family, values);
        let (decay, windows) = (family.density.decay(), family.windows());
        let low = windows.first().map_or(0.0, |window| window.0).max(decay.q2_min());
        let high = windows.last().map_or(f64::INFINITY, |window| window.1);
        let high = high.min(decay.q2_max(family.density.m_kpi_range().0));
        let ln_q2 = (low.ln(), (high / low).ln() / Q2_STEPS as f64);
        let cells = Cells::new(family, bins, (low, high));

        let at = |k: usize| (ln_q2.0 + ln_q2.1 * k as f64).exp().clamp(low, high);
        let nodes_of = |(a, b): &(f64, f64)| {
            let (a, b) = (a.max(low), b.min(high));
            if a < b { nodes(a, b, decay.q2_breaks(a, b)) } else { Vec::new() }
        };
        let weighted: Vec<(f64, f64)> = windows.iter().flat_map(nodes_of).collect();
        let steps: Vec<Vec<Coefficients>> =
            (0..=Q2_STEPS).into_par_iter().map(|k| rates.at(at(k))).collect::<Result<_, _>>()?;
        let inside: Vec<Vec<Coefficients>> =
            weighted.par_iter().map(|(q2, _)| rates.at(*q2)).collect::<Result<_, _>>()?;
        let (functions, sums) = (cells.functions, cells.sums());
        let table = |i: usize| {
            let mut moments = [(); 3].map(|()| vec![0.0; sums.len()]);
            for ((q2, weight), at) in weighted.iter().zip(&inside) {
                let factors = [*weight, weight * q2, weight * q2 * q2];
                for (share, place) in cells.shares(*q2).iter().zip((0..).step_by(functions)) {
                    for (factor, moment) in factors.iter().zip(&mut moments) {
                        let own = &mut moment[place..place + functions];
                        own.iter_mut().zip(at[i].0).for_each(|(sum, x)| *sum += factor * share * x);
                    }
                }
            }
            let norm = events as f64 / dot(&moments[0], &sums);
            let density = steps.iter().flat_map(|at| &at[i].0[..functions]).map(|x| (norm * x) as f32);
            let density = density.collect();
            Table { density, moments: moments.map(|moment| moment.iter().map(|x| norm * x).collect()) }
        };
        let tables = (0..values.len()).map(table).collect();
        Ok(Self { values: values.to_vec(), windows: windows.to_vec(), ln_q2, cells, tables })
    }

    /// Cells of an axis.
    pub const fn bins(&self) -> usize {
        self.cells.bins
    }

    /// The expected number of events of each cell and the mean q2 (GeV^2) of an event in it, at a tabulated delta C9.
    ///
    /// # Shapes
    /// `(cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Panics
    /// When there are not so many tabulated values.
    pub fn expected(&self, value: usize) -> (Vec<f64>, Vec<f64>) {
        let cells = (0..self.cells.len()).map(|cell| {
            let (functions, efficiency) = (self.cells.functions_of(cell), self.cells.efficiency_of(cell));
            let [count, sum, _] = self.moments(value, &functions, &efficiency);
            (count, sum / count)
        });
        cells.unzip()
    }

    /// Fits delta C9 to an image.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`, mean q2 (GeV^2), 0 where empty.
    ///
    /// # Errors
    /// For an image of another size, without occupied cells, with a q2 that is negative or not finite; when no maximum
    /// lies between the tabulated values.
    pub fn fit(&self, image: &[f32]) -> Result<TemplateFit, InferError> {
        let cells = self.occupied(image)?;
        let mut known: Vec<Option<f64>> = vec![None; self.values.len()];
        let mut at = |k: usize| *known[k].get_or_insert_with(|| self.log_likelihood(&cells, k));
        let last = self.values.len() - 1;
        let coarse = (0..=last).step_by(STRIDE).chain([last]);
        let mut best =
            coarse.map(|k| (at(k), k)).fold((f64::NEG_INFINITY, 0), |a, b| if b.0 > a.0 { b } else { a }).1;
        while best > 0 && at(best - 1) > at(best) {
            best -= 1;
        }
        while best < last && at(best + 1) > at(best) {
            best += 1;
        }
        let highest = at(best);
        if best == 0 || best == last || !highest.is_finite() {
            let reason = format!("no maximum between {} and {}", self.values[0], self.values[last]);
            return Err(InferError::NoMinimum { coefficients: "c9 to an image".to_owned(), reason });
        }
        // Far enough on either side that the likelihood has fallen by what an interval needs.
        let (mut first, mut end) = (best - 1, best + 1);
        while first > 0 && (best - first < 3 || highest - at(first) < 2.0) {
            first -= 1;
        }
        while end < last && (end - best < 3 || highest - at(end) < 2.0) {
            end += 1;
        }
        let heights: Vec<f64> = (first..=end).map(|k| at(k) - highest).collect();
        Ok(peak(&self.values[first..=end], &heights))
    }

    fn occupied(&self, image: &[f32]) -> Result<Vec<Occupied>, InferError> {
        if image.len() != self.cells.len() {
            let allowed = format!("{}^3", self.cells.bins);
            return Err(InferError::out_of_range("cells of an image", image.len(), allowed));
        }
        let mut cells = Vec::new();
        for (cell, mean) in image.iter().enumerate().filter(|(_, mean)| **mean != 0.0) {
            if !(*mean > 0.0 && mean.is_finite()) {
                let field = format!("mean q2 of cell {cell}");
                return Err(InferError::out_of_range(&field, mean, "finite numbers above 0, 0 where empty"));
            }
            let mean = f64::from(*mean);
            let step = (mean.ln() - self.ln_q2.0) / self.ln_q2.1;
            let possible = (-1e-3..=Q2_STEPS as f64 + 1e-3).contains(&step)
                && self.windows.iter().any(|(low, high)| (low * 0.99999..=high * 1.00001).contains(&mean));
            let efficiency = self.cells.efficiency_of(cell);
            let place = possible.then(|| {
                let below = (step.max(0.0) as usize).min(Q2_STEPS - 1);
                let kept = dot(&self.cells.shares(mean), &efficiency).max(0.0);
                Place { below, part: (step - below as f64).clamp(0.0, 1.0), efficiency: kept }
            });
            cells.push(Occupied { functions: self.cells.functions_of(cell), efficiency, mean, place });
        }
        if cells.is_empty() {
            return Err(InferError::out_of_range("occupied cells of an image", 0, "at least one"));
        }
        Ok(cells)
    }

    /// Up to a constant: the expected counts of all cells have the same sum at each delta C9.
    fn log_likelihood(&self, cells: &[Occupied], value: usize) -> f64 {
        let n = self.cells.functions;
        let density = |step: usize| &self.tables[value].density[step * n..][..n];
        let of = |cell: &Occupied| {
            let one = cell.place.as_ref().map_or(0.0, |place| {
                let [a, b] = [place.below, place.below + 1].map(|k| dot_f32(density(k), &cell.functions));
                (a + place.part * (b - a)).max(0.0) * place.efficiency
            });
            let [count, sum, square] = self.moments(value, &cell.functions, &cell.efficiency);
            // Nothing is expected where nothing is kept.
            if count <= 0.0 {
                return one;
            }
            let mean = sum / count;
            let variance = (square / count - mean * mean).max(1e-6);
            one + several(count, (cell.mean - mean).powi(2) / variance) / variance.sqrt()
        };
        // The logarithm of a product of a few, of order 1 each.
        cells.chunks(4).map(|four| four.iter().map(of).product::<f64>().max(f64::MIN_POSITIVE).ln()).sum()
    }

    /// Integrals over q2 of a cell's density, of it times q2 and times its square.
    fn moments(
        &self,
        value: usize,
        functions: &[f64; FUNCTIONS],
        efficiency: &[f64; EFFICIENCY_POINTS],
    ) -> [f64; 3] {
        self.tables[value].moments.each_ref().map(|moment| {
            let parts = moment.chunks_exact(self.cells.functions).zip(efficiency);
            parts.map(|(part, efficiency)| efficiency * dot(part, functions)).sum()
        })
    }
}

impl Cells {
    fn new(family: &EventFamily, bins: usize, q2: (f64, f64)) -> Self {
        let (polar, harmonics) = averages(bins);
        let middle = |axis: Axis, bin: usize| {
            let (low, high) = axis.range();
            low + (high - low) * (bin as f64 + 0.5) / bins as f64
        };
        let efficiency = family.efficiency.as_ref().map(|efficiency| {
            let points = Chebyshev::new(q2, EFFICIENCY_POINTS);
            let of_cell = |cell: usize| {
                std::array::from_fn(|k| {
                    efficiency.of(&DecayVariables {
                        q2: points.points()[k],
                        cos_theta_l: middle(Axis::CosThetaL, cell / (bins * bins)),
                        cos_theta_k: middle(Axis::CosThetaK, cell / bins % bins),
                        chi: middle(Axis::Chi, cell % bins),
                        m_kpi: f64::NAN,
                    })
                })
            };
            let of_cells = (0..bins.pow(3)).into_par_iter().map(of_cell).collect();
            (points, of_cells)
        });
        let functions = if family.s_wave.is_some() { FUNCTIONS } else { ANGULAR_FUNCTIONS };
        Self { bins, functions, polar, harmonics, places: all_harmonics(), efficiency }
    }

    const fn len(&self) -> usize {
        self.bins.pow(3)
    }

    /// Averages of all functions.
    fn functions_of(&self, cell: usize) -> [f64; FUNCTIONS] {
        let (polar, harmonics) = (&self.polar[cell / self.bins], &self.harmonics[cell % self.bins]);
        std::array::from_fn(|i| polar[i] * harmonics[self.places[i]])
    }

    /// The efficiency at the points in q2; 1 in front where there is none.
    fn efficiency_of(&self, cell: usize) -> [f64; EFFICIENCY_POINTS] {
        let all = || std::array::from_fn(|k| if k == 0 { 1.0 } else { 0.0 });
        self.efficiency.as_ref().map_or_else(all, |(_, of_cells)| of_cells[cell])
    }

    /// The share of each point in the efficiency at a q2 (GeV^2).
    fn shares(&self, q2: f64) -> Vec<f64> {
        self.efficiency.as_ref().map_or_else(|| vec![1.0], |(points, _)| points.shares(q2))
    }

    /// Sums over all cells of the efficiency at each point times each function.
    fn sums(&self) -> Vec<f64> {
        let points = self.efficiency.as_ref().map_or(1, |(points, _)| points.points().len());
        let mut sums = vec![0.0; points * self.functions];
        for cell in 0..self.len() {
            let (functions, efficiency) = (self.functions_of(cell), self.efficiency_of(cell));
            for (sums, kept) in sums.chunks_exact_mut(self.functions).zip(efficiency) {
                sums.iter_mut().zip(functions).for_each(|(sum, f)| *sum += kept * f);
            }
        }
        sums
    }
}

/// `sum_{n > 1} m^n/n! sqrt(n/2 pi) exp(-n d/2)`, with d the squared distance in units of the spread.
fn several(m: f64, d: f64) -> f64 {
    const NORM: f64 = 0.398_942_280_401_432_7;
    let factor = m * (-0.5 * d).exp();
    let (mut term, mut sum) = (factor, 0.0);
    for n in 2..MOST {
        term *= factor / n as f64;
        let more = term * (n as f64).sqrt();
        sum += more;
        if n as f64 > factor && more < 1e-5 * sum {
            break;
        }
    }
    NORM * sum
}

/// The maximum of a smooth curve through evenly spaced points, and where it has fallen by 1/2.
fn peak(xs: &[f64], heights: &[f64]) -> TemplateFit {
    let curve = Spline::new(heights);
    let steps = 64 * (xs.len() - 1);
    let at = |k: usize| curve.at(k as f64 / 64.0);
    let (highest, best) =
        (0..=steps).map(|k| (at(k), k)).fold((f64::NEG_INFINITY, 0), |a, b| if b.0 > a.0 { b } else { a });
    let best = best.clamp(1, steps - 1);
    let [below, above] = [at(best - 1), at(best + 1)];
    let bend = below - 2.0 * highest + above;
    let middle = best as f64 + if bend < 0.0 { (0.5 * (below - above) / bend).clamp(-1.0, 1.0) } else { 0.0 };
    let highest = curve.at(middle / 64.0);
    let step = (xs[1] - xs[0]) / 64.0;
    let crossing = |mut range: Box<dyn Iterator<Item = usize>>| {
        range.find(|k| at(*k) < highest - 0.5).map(|outer| {
            let inner = if outer < best { outer + 1 } else { outer - 1 };
            let (a, b) = (at(outer), at(inner));
            let place = outer as f64 + (inner as f64 - outer as f64) * (highest - 0.5 - a) / (b - a);
            (place - middle).abs() * step
        })
    };
    let interval =
        Interval { minus: crossing(Box::new((0..best).rev())), plus: crossing(Box::new(best + 1..=steps)) };
    TemplateFit { value: xs[0] + step * middle, interval }
}

/// A natural cubic spline through points at 0, 1, 2 ...
struct Spline {
    heights: Vec<f64>,
    bends: Vec<f64>,
}

impl Spline {
    fn new(heights: &[f64]) -> Self {
        let n = heights.len();
        let (mut bends, mut scratch) = (vec![0.0; n], vec![0.0; n]);
        for i in 1..n - 1 {
            let p = 0.5 * bends[i - 1] + 2.0;
            bends[i] = -0.5 / p;
            let bend = heights[i + 1] - 2.0 * heights[i] + heights[i - 1];
            scratch[i] = (3.0 * bend - 0.5 * scratch[i - 1]) / p;
        }
        for i in (1..n - 1).rev() {
            bends[i] = bends[i] * bends[i + 1] + scratch[i];
        }
        Self { heights: heights.to_vec(), bends }
    }

    fn at(&self, x: f64) -> f64 {
        let i = (x.max(0.0) as usize).min(self.heights.len() - 2);
        let (b, a) = (x - i as f64, 1.0 - (x - i as f64));
        let cubic = (a * a * a - a) * self.bends[i] + (b * b * b - b) * self.bends[i + 1];
        a * self.heights[i] + b * self.heights[i + 1] + cubic / 6.0
    }
}

/// Rates at a q2, averaged over K pi masses, at some delta C9.
struct Rates<'a> {
    family: &'a EventFamily,
    values: &'a [f64],
    /// K pi masses, and for each delta C9 their parts of the line shape over the whole rate of the slice.
    masses: Vec<(f64, Vec<f64>)>,
}

impl<'a> Rates<'a> {
    fn new(family: &'a EventFamily, values: &'a [f64]) -> Self {
        let (line_shape, (low, high)) = (family.density.line_shape(), family.density.m_kpi_range());
        let masses: Vec<(f64, f64)> = match line_shape {
            LineShape::Narrow => vec![(low, 1.0)],
            LineShape::BreitWigner => family.density.decay().resonance().nodes(high),
        };
        let over_total = |(m_kpi, part): (f64, f64)| {
            let total = family.density.total(m_kpi);
            (m_kpi, values.iter().map(|value| part / total.at(&[*value])).collect())
        };
        Self { family, values, masses: masses.into_iter().map(over_total).collect() }
    }

    /// Coefficients of the rate at a q2 (GeV^2), for each delta C9.
    fn at(&self, q2: f64) -> Result<Vec<Coefficients>, InferError> {
        let mut sums = vec![Coefficients::ZERO; self.values.len()];
        for (m_kpi, parts) in &self.masses {
            let Some(expansion) = self.family.expansion(q2, *m_kpi)? else {
                continue;
            };
            for ((sum, value), part) in sums.iter_mut().zip(self.values).zip(parts) {
                *sum = *sum + expansion.at(&[*value]) * *part;
            }
        }
        Ok(sums)
    }
}

/// Averages over each pair of polar bins, and over each bin of chi.
fn averages(bins: usize) -> (Vec<[f64; FUNCTIONS]>, Vec<[f64; 5]>) {
    let points = |axis: Axis, bin: usize| {
        let (low, high) = axis.range();
        let width = (high - low) / bins as f64;
        (0..POINTS).map(move |k| low + width * (bin as f64 + (k as f64 + 0.5) / POINTS as f64))
    };
    let polar = (0..bins * bins).map(|pair| {
        let mut mean = [0.0; FUNCTIONS];
        for l in points(Axis::CosThetaL, pair / bins) {
            for k in points(Axis::CosThetaK, pair % bins) {
                let share = (POINTS * POINTS) as f64;
                mean.iter_mut().zip(all_polar_functions(l, k)).for_each(|(mean, f)| *mean += f / share);
            }
        }
        mean
    });
    let harmonics = (0..bins).map(|bin| {
        let mut mean = [0.0; 5];
        for chi in points(Axis::Chi, bin) {
            mean.iter_mut().zip(harmonics(chi)).for_each(|(mean, f)| *mean += f / POINTS as f64);
        }
        mean
    });
    (polar.collect(), harmonics.collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn dot_f32(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum()
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{
        Decay, Efficiency, Flavour, Lepton, ModelName, WilsonCoefficient, WilsonDirection, WilsonShifts,
    };
    use humboldt_pipeline::EventBatch;
    use humboldt_pipeline::generate::{EventSampler, Q2Windows};
    use humboldt_pipeline::rng::StreamKey;
    use humboldt_pipeline::voxels::{CompactImage, Voxeliser};
    use humboldt_schemas::card::{Effects, SWaveCard};
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn decay(delta_c9: f64) -> Decay {
        Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(delta_c9)).unwrap()
    }

    fn templates(shape: LineShape, window: (f64, f64), bins: usize, events: usize) -> Templates {
        let c9 = [WilsonDirection::real(WilsonCoefficient::C9)];
        let family = EventFamily::new(&decay(0.0), shape, &[window], &c9).unwrap();
        let values: Vec<f64> = (0..=40).map(|k| -2.5 + 0.1 * f64::from(k)).collect();
        Templates::new(&family, bins, events, &values).unwrap()
    }

    /// Cell by cell against two million generated events, with the line shape and up to the end of phase space.
    #[test]
    fn expected_images_are_those_of_generated_events() {
        const EVENTS: usize = 2_000_000;
        let windows = Q2Windows::new(&[(Some(0.1), None)], &[]).unwrap();
        let sampler = EventSampler::new(&decay(-1.0), LineShape::BreitWigner, &windows).unwrap();
        let (events, _) = sampler.generate(StreamKey::new(11), EVENTS);
        let templates = templates(LineShape::BreitWigner, sampler.windows()[0], 6, EVENTS);
        assert_agreement(&templates, &events, 15);
    }

    /// The same with an S-wave and an efficiency that depends on q2 and the angles together.
    #[test]
    fn expected_images_know_of_efficiency_and_s_wave() {
        let kept = |q2: f64, l: f64, k: f64, chi: f64| {
            (1.0 - 0.5 * l * l) * (0.6 + 0.3 * k) * (0.4 + 0.03 * q2 * (1.0 - k)) * (0.7 + 0.3 * chi.cos())
        };
        let (shape, window) = (LineShape::BreitWigner, (0.5, 17.0));
        let card = SWaveCard::default();
        let s_wave = card.of(&decay(0.0), shape).unwrap();
        let c9 = [WilsonDirection::real(WilsonCoefficient::C9)];
        let efficiency = Some(Efficiency::new(kept));
        let family =
            EventFamily::with_effects(&decay(0.0), shape, &[window], &c9, efficiency, Some(s_wave)).unwrap();

        let windows = Q2Windows::new(&[(Some(0.5), Some(17.0))], &[]).unwrap();
        let effects = Effects { s_wave: Some(card), ..Effects::default() };
        let own = decay(-1.0);
        let sampler = EventSampler::new(&own, shape, &windows).unwrap();
        let sampler = sampler.with_effects(&effects, &own, shape).unwrap();
        let (all, _) = sampler.generate(StreamKey::new(12), 2_000_000);
        let mut rng = rand_pcg::Pcg64::seed_from_u64(3);
        let at = |column: &[f32], row: usize| f64::from(column[row]);
        let keep: Vec<bool> = (0..all.len())
            .map(|row| {
                let kept = kept(
                    at(&all.q2, row),
                    at(&all.cos_theta_l, row),
                    at(&all.cos_theta_k, row),
                    at(&all.chi, row),
                );
                rng.random::<f64>() < kept
            })
            .collect();
        let events = all.filtered(&keep);
        let values: Vec<f64> = (0..=40).map(|k| -2.5 + 0.1 * f64::from(k)).collect();
        // In fewer cells the efficiency is not what it is in their middles.
        let templates = Templates::new(&family, 12, events.len(), &values).unwrap();
        assert_agreement(&templates, &events, 15);
    }

    /// Counts and mean q2 of all cells of events against those expected at a tabulated value.
    fn assert_agreement(templates: &Templates, events: &EventBatch, value: usize) {
        let image = CompactImage::of(events.angles(), templates.bins()).unwrap();
        let cells = templates.bins().pow(3);
        let (mut counts, mut means) = (vec![0.0; cells], vec![0.0; cells]);
        image.counts_to_dense(&mut counts).unwrap();
        image.to_dense(&mut means).unwrap();
        let (expected, mean_q2) = templates.expected(value);
        assert!((expected.iter().sum::<f64>() / events.len() as f64 - 1.0).abs() < 1e-9);
        let chi2: f64 = counts.iter().zip(&expected).map(|(n, m)| (f64::from(*n) - m).powi(2) / m).sum();
        let free = cells as f64 - 1.0;
        assert!((chi2 - free).abs() < 5.0 * (2.0 * free).sqrt(), "{chi2}");
        let pulls: f64 = means
            .iter()
            .zip(&mean_q2)
            .zip(&expected)
            // The spread of q2 in a cell is about 5 GeV^2.
            .map(|((got, want), n)| ((f64::from(*got) - want) / 5.0).powi(2) * n)
            .sum();
        assert!(pulls < 2.0 * cells as f64, "{pulls}");
    }

    /// Images of the paper's size: the mean of the fits against the truth, their width against the bound.
    #[test]
    fn fits_are_nearly_as_good_as_the_bound() {
        const IMAGES: u64 = 60;
        let windows = Q2Windows::new(&[(Some(0.1), Some(19.2))], &[]).unwrap();
        let templates = templates(LineShape::Narrow, (0.1, 19.2), 50, 24_613);
        for (truth, bound) in [(-0.87, 0.0488), (0.5, 0.0913)] {
            let sampler = EventSampler::new(&decay(truth), LineShape::Narrow, &windows).unwrap();
            let mut voxeliser = Voxeliser::new(50).unwrap();
            let mut image = vec![0.0; 125_000];
            let mut fits = Vec::new();
            for i in 0..IMAGES {
                let (events, _) = sampler.generate(StreamKey::new(5).child("image", i), 24_613);
                voxeliser.voxelise(events.angles(), &mut image).unwrap();
                fits.push(templates.fit(&image).unwrap());
            }
            let n = IMAGES as f64;
            let mean = fits.iter().map(|fit| fit.value).sum::<f64>() / n;
            let width = (fits.iter().map(|fit| (fit.value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let sigma: f64 = fits
                .iter()
                .map(|fit| 0.5 * (fit.interval.minus.unwrap() + fit.interval.plus.unwrap()) / n)
                .sum();
            println!(
                "{truth}: mean {mean:.4}, width/bound {:.3}, sigma/bound {:.3}",
                width / bound,
                sigma / bound
            );
            assert!((mean - truth).abs() < 0.6 * bound, "{truth}: {mean}");
            assert!((width / bound - 1.0).abs() < 0.3, "{truth}: width {width}, bound {bound}");
            assert!((sigma / bound - 1.0).abs() < 0.15, "{truth}: {sigma}");
        }
    }

    #[test]
    fn images_without_a_fit_are_refused() {
        let templates = templates(LineShape::Narrow, (1.0, 8.0), 5, 500);
        let message = |image: &[f32]| templates.fit(image).unwrap_err().to_string();
        assert!(message(&[0.0; 125]).contains("occupied cells of an image = 0"));
        assert!(message(&[1.0; 8]).contains("5^3"));
        let mut image = [0.0; 125];
        image[7] = f32::NAN;
        assert!(message(&image).contains("cell 7 = NaN"));
        image[7] = -1.0;
        assert!(message(&image).contains("cell 7 = -1"));
    }

    #[test]
    fn a_peak_is_found_between_points() {
        let xs: Vec<f64> = (0..9).map(|k| 0.1 * f64::from(k)).collect();
        let heights: Vec<f64> = xs.iter().map(|x| -50.0 * (x - 0.437_f64).powi(2)).collect();
        let fit = peak(&xs, &heights);
        assert!((fit.value - 0.437).abs() < 1e-3, "{fit:?}");
        assert!(
            (fit.interval.minus.unwrap() - 0.1).abs() < 2e-3
                && (fit.interval.plus.unwrap() - 0.1).abs() < 2e-3
        );
    }
}
