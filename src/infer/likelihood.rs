//! The exact unbinned likelihood of events in four variables, of its shape alone.
//!
//! Of each event only the coefficients of its quadratic rate are kept, computed once: a value of the likelihood costs a
//! few nanoseconds an event, with its first and second derivatives. Events with weights, and samples of which a part is
//! background, take the longer way of [`super::mixture`].

use std::collections::BTreeSet;

use humboldt_physics::LineShape;
use humboldt_physics::angular::angular_functions;
use humboldt_physics::quadratic::{count, place};
use humboldt_physics::s_wave::s_wave_functions;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::phase_space::ROUNDING;
use rayon::prelude::*;

use super::InferError;
use super::background::Background;
use super::density::EventFamily;
use super::form::{Form, Jet};
use super::mixture::{Fraction, Mixture};
use super::normalisation::Normalisation;
use super::s_wave::Strength;
use super::weights::{Counted, Weights};

/// Events at a time: their numbers stay in the first-level cache.
const BLOCK: usize = 256;

/// Events whose likelihood can be asked for at any point: shifts, behind them the strength of an S-wave and the fraction of
/// background, where they are fitted.
#[derive(Debug, Clone)]
pub struct Likelihood<'a> {
    /// One for each density that events follow; none is without events.
    pub(super) parts: Vec<Part<'a>>,
    /// Number of all events.
    pub(super) events: usize,
    pub(super) weights: Option<Weights>,
    pub(super) mixture: Option<Mixture>,
    /// The first of the last events, and the relative standard deviation of a factor that is common to their weights.
    pub(super) scaled: Option<(usize, f64)>,
}

/// Events of one density.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) normalisation: &'a Normalisation,
    family: Option<&'a EventFamily>,
    /// Their places in the sample.
    pub(super) rows: Vec<usize>,
    /// For each monomial: its coefficient in the rate of each event, up to a factor of each event.
    ///
    /// # Shapes
    /// [monomial, event]
    pub(super) columns: Vec<Vec<f64>>,
    /// Sums over the events of their shares of each total rate.
    by_mass: Vec<f64>,
    /// The shares of each event, where the K pi mass matters and events are looked at one by one; else empty.
    ///
    /// # Shapes
    /// [event, mass]
    pub(super) shares: Vec<f64>,
    /// K pi masses (GeV) where they matter.
    masses: Vec<f32>,
}

impl<'a> Likelihood<'a> {
    /// Of events; `first_row` is the first one's row in its table.
    ///
    /// # Errors
    /// Without events; when one lies outside the windows or phase space: the error names row, field and value.
    pub fn new(family: &'a EventFamily, events: &EventBatch, first_row: u64) -> Result<Self, InferError> {
        Self::of_densities(&[family], |_| 0, events, first_row)
    }

    /// Of events that follow one of several densities each, `which` of its row in `events` says which: B0 and B0bar. Number and
    /// kind of parameters are the same for all. How many events follow each density says nothing.
    ///
    /// # Errors
    /// As [`Likelihood::new`].
    pub fn of_densities(
        families: &[&'a EventFamily],
        which: impl Fn(usize) -> usize,
        events: &EventBatch,
        first_row: u64,
    ) -> Result<Self, InferError> {
        if events.is_empty() {
            return Err(InferError::out_of_range("events", 0, "at least one event"));
        }
        let mut parts = Vec::new();
        for (place, family) in families.iter().enumerate() {
            let rows: Vec<usize> = (0..events.len()).filter(|row| which(*row) == place).collect();
            if !rows.is_empty() {
                parts.push(Part::new(family, events, rows, first_row)?);
            }
        }
        Ok(Self { parts, events: events.len(), weights: None, mixture: None, scaled: None })
    }

    /// Of events of any density that is quadratic in its parameters.
    ///
    /// # Shapes
    /// `terms`: [monomial, event]
    ///
    /// # Errors
    /// Without events, or with other monomials than the normalisation's.
    pub fn of_terms(normalisation: &'a Normalisation, terms: Vec<Vec<f64>>) -> Result<Self, InferError> {
        let events = terms.first().map_or(0, Vec::len);
        let monomials = count(normalisation.names.len());
        if events == 0 || terms.len() != monomials || terms.iter().any(|column| column.len() != events) {
            let got = format!("{} of {events} events", terms.len());
            let allowed = format!("{monomials} of at least one event");
            return Err(InferError::out_of_range("coefficients", got, allowed));
        }
        let part = Part {
            normalisation,
            family: None,
            rows: (0..events).collect(),
            columns: terms,
            by_mass: vec![events as f64],
            shares: Vec::new(),
            masses: Vec::new(),
        };
        Ok(Self { parts: vec![part], events, weights: None, mixture: None, scaled: None })
    }

    /// This likelihood with events that count by their weights.
    ///
    /// # Errors
    /// When there are not as many weights as events.
    pub fn weighted(mut self, weights: Weights) -> Result<Self, InferError> {
        if weights.values().len() != self.events {
            let got = weights.values().len();
            return Err(InferError::out_of_range("weights", got, self.events.to_string()));
        }
        self.weights = Some(weights);
        self.parts.iter_mut().for_each(Part::keep_shares);
        Ok(self)
    }

    /// This likelihood of a sample whose background is subtracted: its last events, from `first` on, are a sample of background with
    /// negative weights, whose sum is known with a relative standard deviation.
    ///
    /// # Errors
    /// Where events do not count by weights.
    pub fn subtracting(mut self, first: usize, deviation: f64) -> Result<Self, InferError> {
        if self.weights.is_none() {
            return Err(InferError::out_of_range("weights", "none", "negative ones of background"));
        }
        self.scaled = Some((first, deviation));
        Ok(self)
    }

    /// This likelihood of a sample of which a part is background; `events` are those that it was made from.
    ///
    /// # Errors
    /// For a fraction that none can be, or an event at which the background's density is not known.
    pub fn with_background(
        mut self,
        events: &EventBatch,
        background: &Background,
        fraction: Fraction,
    ) -> Result<Self, InferError> {
        let refuse = || InferError::out_of_range("events", events.len(), "those of the likelihood");
        if events.len() != self.events {
            return Err(refuse());
        }
        let parts = self.parts.iter().map(|part| Some((part.family?, part.rows.as_slice())));
        let parts: Vec<_> = parts.collect::<Option<_>>().ok_or_else(refuse)?;
        self.mixture = Some(Mixture::new(&parts, events, background, fraction)?);
        self.parts.iter_mut().for_each(Part::keep_shares);
        Ok(self)
    }

    /// This likelihood, each of whose events can be looked at by itself.
    pub(super) fn one_by_one(mut self) -> Self {
        self.parts.iter_mut().for_each(Part::keep_shares);
        self
    }

    fn first(&self) -> &'a Normalisation {
        self.parts[0].normalisation
    }

    /// The parameters of the rates.
    pub(super) fn form(&self) -> Form {
        self.first().form
    }

    /// Names of the shifts.
    pub fn names(&self) -> &[String] {
        &self.first().names
    }

    /// The rate by which shifts are called large.
    pub(super) fn rate(&self) -> &humboldt_physics::Quadratic<f64> {
        &self.first().rate
    }

    /// The strength of the S-wave, where it is a parameter.
    pub(super) fn strength(&self) -> Option<&Strength> {
        self.parts[0].family?.strength().filter(|_| self.form().has_strength())
    }

    /// Number of parameters of the rates: the shifts, and behind them the strength of an S-wave where it is not fixed.
    pub fn rate_parameters(&self) -> usize {
        self.form().parameters()
    }

    /// Number of parameters: the shifts, and behind them the strength of an S-wave and the fraction of background where
    /// they are not fixed.
    pub fn parameters(&self) -> usize {
        self.form().parameters() + usize::from(self.first_fraction().is_some())
    }

    /// The fraction of background that a fit starts from, where it is a parameter.
    pub(super) fn first_fraction(&self) -> Option<f64> {
        let fraction = self.mixture.as_ref()?.fraction;
        fraction.is_free().then(|| fraction.start())
    }

    /// No shifts, with the strength and the fraction that a fit starts from.
    pub fn start(&self) -> Vec<f64> {
        let mut none = vec![0.0; self.names().len()];
        none.extend(self.strength().map(Strength::start));
        none.extend(self.first_fraction());
        none
    }

    /// Number of events, sum of their weights, and effective number.
    pub fn counted(&self) -> Counted {
        let events = self.events;
        let of_one = Counted { events, sum: events as f64, effective: events as f64 };
        self.weights.as_ref().map_or(of_one, Weights::counted)
    }

    /// `-ln L` at a point, up to a constant of the sample; infinite where an event is impossible.
    pub fn value(&self, point: &[f64]) -> f64 {
        let events = if self.is_plain() {
            self.parts.iter().map(|part| part.value(point)).sum()
        } else {
            self.mixed_value(point)
        };
        events + self.strength().map_or(0.0, |strength| strength.constraint(point[self.form().shifts()]).0)
    }

    /// Value, first and second derivatives, all exact.
    pub fn jet(&self, point: &[f64]) -> Jet {
        let mut jet = if self.is_plain() {
            let mut sum = Jet::zero(point.len());
            self.parts.iter().for_each(|part| sum.add(1.0, &part.jet(point)));
            sum
        } else {
            self.mixed_jet(point)
        };
        if let Some(strength) = self.strength() {
            let place = self.form().shifts();
            let (value, slope, bend) = strength.constraint(point[place]);
            jet.value += value;
            jet.gradient[place] += slope;
            jet.hessian[(place, place)] += bend;
        }
        jet
    }

    /// Whether all events are signal and count once.
    pub(super) const fn is_plain(&self) -> bool {
        self.weights.is_none() && self.mixture.is_none()
    }
}

impl<'a> Part<'a> {
    fn new(
        family: &'a EventFamily,
        events: &EventBatch,
        rows: Vec<usize>,
        first_row: u64,
    ) -> Result<Self, InferError> {
        let n = family.normalisation.form.terms();
        let mut columns = vec![vec![0.0; rows.len()]; n];
        let mut chunks: Vec<Vec<&mut [f64]>> = Vec::new();
        for column in &mut columns {
            for (index, chunk) in column.chunks_mut(BLOCK).enumerate() {
                if index == chunks.len() {
                    chunks.push(Vec::new());
                }
                chunks[index].push(chunk);
            }
        }
        chunks.into_par_iter().enumerate().try_for_each(|(index, mut chunk)| {
            let mut terms = vec![0.0; n];
            for i in 0..chunk[0].len() {
                family.terms(events, rows[index * BLOCK + i], first_row, &mut terms)?;
                chunk.iter_mut().zip(&terms).for_each(|(column, term)| column[i] = *term);
            }
            Ok::<(), InferError>(())
        })?;
        let (by_mass, masses) = match family.density.line_shape() {
            LineShape::Narrow => (vec![rows.len() as f64], Vec::new()),
            LineShape::BreitWigner => {
                let masses: Vec<f32> = rows.iter().map(|row| events.m_kpi[*row]).collect();
                let mut sums = vec![0.0; family.density.totals().len()];
                for m_kpi in &masses {
                    let shares = family.density.shares(f64::from(*m_kpi));
                    sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
                }
                (sums, masses)
            }
        };
        let normalisation = &family.normalisation;
        Ok(Self { normalisation, family: Some(family), rows, columns, by_mass, shares: Vec::new(), masses })
    }

    /// Number of events.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keeps the shares of each event, for sums that look at events one by one.
    fn keep_shares(&mut self) {
        if let Some(family) = self.family.filter(|_| self.shares.is_empty()) {
            let shares = |m_kpi: &f32| family.density.shares(f64::from(*m_kpi));
            self.shares = self.masses.par_iter().flat_map_iter(shares).collect();
        }
    }

    fn value(&self, point: &[f64]) -> f64 {
        let values = self.normalisation.form.values(point);
        let mut sum = 0.0;
        for start in (0..self.len()).step_by(BLOCK) {
            let rates = self.rates(&values, start);
            // The logarithm of a product; rates are of order 1.
            sum += rates.chunks(8).map(|rates| rates.iter().product::<f64>().ln()).sum::<f64>();
        }
        self.normalisation.log(&self.by_mass, self.len() as f64, point).value - sum
    }

    fn jet(&self, point: &[f64]) -> Jet {
        let n = point.len();
        let at = self.normalisation.form.at(point);
        let mut logs = Jet::zero(n);
        let mut inverses = vec![0.0; self.columns.len()];
        let bent: BTreeSet<usize> =
            at.bends.iter().flat_map(|bend| &bend.terms).map(|(term, _)| *term).collect();
        for start in (0..self.len()).step_by(BLOCK) {
            let rates = self.rates(&at.values, start);
            logs.value += rates.chunks(8).map(|rates| rates.iter().product::<f64>().ln()).sum::<f64>();
            let inverse = rates.map(f64::recip);
            let end = self.len().min(start + BLOCK);
            let mut scores = vec![[0.0; BLOCK]; n];
            for (i, score) in scores.iter_mut().enumerate() {
                let terms = at.slopes[i].iter().zip(&self.columns);
                for (slope, column) in terms.filter(|(slope, _)| **slope != 0.0) {
                    score.iter_mut().zip(&column[start..end]).for_each(|(score, c)| *score += slope * c);
                }
                score.iter_mut().zip(&inverse).for_each(|(score, inverse)| *score *= inverse);
                logs.gradient[i] += score.iter().sum::<f64>();
            }
            for term in &bent {
                let column = &self.columns[*term][start..end];
                inverses[*term] += column.iter().zip(&inverse).map(|(c, inverse)| c * inverse).sum::<f64>();
            }
            for i in 0..n {
                for j in i..n {
                    let product: f64 = scores[i].iter().zip(&scores[j]).map(|(a, b)| a * b).sum();
                    logs.hessian[(i, j)] -= product;
                }
            }
        }
        for bend in &at.bends {
            let [i, j] = bend.by;
            logs.hessian[(i, j)] +=
                bend.terms.iter().map(|(term, factor)| factor * inverses[*term]).sum::<f64>();
        }
        logs.hessian.fill_lower_triangle_with_upper_triangle();
        let mut jet = self.normalisation.log(&self.by_mass, self.len() as f64, point);
        jet.add(-1.0, &logs);
        jet
    }

    /// The rates of a block of events; 1 behind the last event.
    fn rates(&self, values: &[f64], start: usize) -> [f64; BLOCK] {
        let end = self.len().min(start + BLOCK);
        let mut rates = [0.0; BLOCK];
        for (value, column) in values.iter().zip(&self.columns) {
            rates.iter_mut().zip(&column[start..end]).for_each(|(rate, c)| *rate += value * c);
        }
        rates[..end - start].iter_mut().for_each(|rate| *rate = rate.max(0.0));
        rates[end - start..].fill(1.0);
        rates
    }
}

impl EventFamily {
    /// The coefficients of one event's rate, scaled to order 1; the factor that takes the scaling back.
    pub(super) fn terms(
        &self,
        events: &EventBatch,
        row: usize,
        first_row: u64,
        out: &mut [f64],
    ) -> Result<f64, InferError> {
        let refuse = |field: &str, got: f32, allowed: String| {
            InferError::out_of_range(&format!("{field} in row {}", first_row + row as u64), got, allowed)
        };
        let cosine = |field: &str, x: f32| {
            if f64::from(x.abs()) <= 1.0 + ROUNDING {
                Ok(f64::from(x).clamp(-1.0, 1.0))
            } else {
                Err(refuse(field, x, "-1 to 1".to_owned()))
            }
        };
        let l = cosine("cos_theta_l", events.cos_theta_l[row])?;
        let k = cosine("cos_theta_k", events.cos_theta_k[row])?;
        let chi = events.chi[row];
        if !chi.is_finite() {
            return Err(refuse("chi", chi, "a finite number".to_owned()));
        }
        let (decay, (low, high)) = (self.density.decay(), self.density.m_kpi_range());
        let m_kpi = match self.density.line_shape() {
            LineShape::Narrow => low,
            LineShape::BreitWigner => {
                let m_kpi = events.m_kpi[row];
                nudged(m_kpi, low, high)
                    .ok_or_else(|| refuse("m_kpi", m_kpi, format!("{low} to {high} GeV")))?
            }
        };
        let q2 = events.q2[row];
        let (low, high) = (decay.q2_min(), decay.q2_max(m_kpi));
        let inside = |(a, b): &(f64, f64)| nudged(q2, a.max(low), b.min(high));
        let Some(inside) = self.windows().iter().find_map(inside) else {
            let windows = self.windows().iter().map(|(a, b)| format!("{:.6}:{:.6}", a.max(low), b.min(high)));
            let windows: Vec<String> = windows.collect();
            return Err(refuse("q2", q2, format!("{} GeV^2", windows.join(","))));
        };
        let functions = angular_functions(l, k, f64::from(chi));
        let n = self.directions().len();
        let (own, added) = out.split_at_mut(count(n));
        let mut known = match &self.table {
            Some(table) => table.density(inside, &functions, own),
            None => decay.expansion(inside, m_kpi, self.directions()).is_some_and(|expansion| {
                own.iter_mut().zip(expansion.terms()).for_each(|(out, j)| *out = j.dot(&functions));
                true
            }),
        };
        if let Some(s_wave) = &self.s_wave {
            let functions = s_wave_functions(l, k, f64::from(chi));
            known &= s_wave.add(decay, (inside, m_kpi), self.directions(), &functions, own, added);
        }
        // Of the K* and of the S-wave alone: nothing that interferes.
        let squares = |block: &[f64]| block[0] + (0..n).map(|i| block[place(n, i, i)].abs()).sum::<f64>();
        let scale = squares(own) + added.chunks(count(n)).nth(1).map_or(0.0, squares);
        if !(known && scale > 0.0 && scale.is_finite()) {
            return Err(refuse("q2", q2, "events inside phase space".to_owned()));
        }
        for term in out {
            *term /= scale;
        }
        Ok(scale)
    }
}

/// A number moved inside an interval where rounding has put it out; `None` where it is far outside.
fn nudged(x: f32, low: f64, high: f64) -> Option<f64> {
    let x = f64::from(x);
    let allowed = low < high && x >= low * (1.0 - ROUNDING) && x <= high * (1.0 + ROUNDING);
    allowed.then(|| x.clamp(low * (1.0 + 1e-9), high * (1.0 - 1e-9)))
}
