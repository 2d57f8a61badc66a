//! Weights of events, of both signs: of corrected simulations, of sWeights, of generators that subtract.
//!
//! A sum over weighted events has the variance `sum w^2`. Weights count in units in which their sum is that variance
//! (`w sum w/sum w^2`): then the curvature of a likelihood is of the size that the errors have, a constraint keeps its own
//! weight beside the events, and a common factor of all weights changes nothing.

use super::InferError;

/// The weights of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    values: Vec<f64>,
    sum: f64,
    squares: f64,
    /// For sWeights: of each other component `sum_x W_yx w_x`, its density over that of all; see [`Weights::with_others`].
    others: Vec<Other>,
}

#[derive(Debug, Clone, PartialEq)]
struct Other {
    weights: Vec<f64>,
    shares: Vec<f64>,
}

/// Events, sum of weights, and number of events without weights of the same statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Number of events.
    pub events: usize,
    /// `sum w`.
    pub sum: f64,
    /// `(sum w)^2 / sum w^2`.
    pub effective: f64,
}

impl Counted {
    /// Of events with these weights; effectively none where they cancel.
    pub fn of(weights: impl Iterator<Item = f64>) -> Self {
        let (events, sum, squares) =
            weights.fold((0, 0.0, 0.0), |(n, sum, squares), w| (n + 1, sum + w, squares + w * w));
        let effective = if squares > 0.0 { sum * sum / squares } else { 0.0 };
        Self { events, sum, effective }
    }
}

impl Weights {
    /// Weights of a sample's events, in their order.
    ///
    /// # Errors
    /// When one is not finite; when their sum is zero, negative, or within two of its standard deviations `sqrt(sum w^2)`
    /// of zero: nothing can be normalised by it.
    pub fn new(values: Vec<f64>) -> Result<Self, InferError> {
        if let Some(row) = values.iter().position(|weight| !weight.is_finite()) {
            let field = format!("weight of event {row}");
            return Err(InferError::out_of_range(&field, values[row], "finite numbers"));
        }
        // An empty sum is negative zero.
        let sum = values.iter().sum::<f64>() + 0.0;
        let squares: f64 = values.iter().map(|weight| weight * weight).sum();
        if sum.is_nan() || sum <= 2.0 * squares.sqrt() {
            let got = format!("{sum:.4} +- {:.4}", squares.sqrt());
            return Err(InferError::out_of_range("sum of the weights", got, "more than twice its error"));
        }
        Ok(Self { values, sum, squares, others: Vec::new() })
    }

    /// Weights of events and, behind them, of a sample of background that is subtracted: its sum is `-fraction` times the events'.
    /// Both count once where they have no weights.
    ///
    /// # Errors
    /// As [`Weights::new`], of what is left.
    pub fn subtracting(
        (events, own): (usize, Option<&Self>),
        (background, other): (usize, Option<&Self>),
        fraction: f64,
    ) -> Result<Self, InferError> {
        let of =
            |n: usize, weights: Option<&Self>| weights.map_or_else(|| vec![1.0; n], |w| w.values.clone());
        let (mut all, other) = (of(events, own), of(background, other));
        let factor = -fraction * all.iter().sum::<f64>() / other.iter().sum::<f64>();
        all.extend(other.iter().map(|weight| factor * weight));
        Self::new(all)
    }

    /// sWeights, with those of all other components of the same events: errors then know that the weights come from these
    /// events too.
    ///
    /// The matrix W of sWeights is the inverse of their own sums of products, `(W^-1)_xy = sum w_x w_y`.
    ///
    /// # Errors
    /// When there are not as many of each; when the components cannot be told apart.
    ///
    /// # Source
    /// Dembinski, Kenzie, Langenbruch, Schmelling, arXiv:2112.04574, equation 51.
    pub fn with_others(mut self, others: Vec<Vec<f64>>) -> Result<Self, InferError> {
        if let Some(other) = others.iter().find(|other| other.len() != self.values.len()) {
            let allowed = self.values.len().to_string();
            return Err(InferError::out_of_range("sWeights of another component", other.len(), allowed));
        }
        let all: Vec<&Vec<f64>> = [&self.values].into_iter().chain(&others).collect();
        let product = |x: usize, y: usize| all[x].iter().zip(all[y]).map(|(a, b)| a * b).sum::<f64>();
        let inverse = nalgebra::DMatrix::from_fn(all.len(), all.len(), product).try_inverse();
        let matrix = inverse.filter(|matrix| matrix.iter().all(|x| x.is_finite())).ok_or_else(|| {
            InferError::out_of_range(
                "sWeights",
                "dependent on each other",
                "components that can be told apart",
            )
        })?;
        let share = |y: usize, row: usize| (0..all.len()).map(|x| matrix[(y, x)] * all[x][row]).sum();
        let shares: Vec<Vec<f64>> =
            (1..all.len()).map(|y| (0..self.values.len()).map(|row| share(y, row)).collect()).collect();
        self.others =
            others.into_iter().zip(shares).map(|(weights, shares)| Other { weights, shares }).collect();
        Ok(self)
    }

    /// The weights as they were given.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number and statistics.
    pub fn counted(&self) -> Counted {
        Counted { events: self.values.len(), sum: self.sum, effective: self.sum * self.sum / self.squares }
    }

    /// Whether these are sWeights, and those of all other components are known.
    pub const fn are_of_components(&self) -> bool {
        !self.others.is_empty()
    }

    /// `sum w^2`.
    pub const fn squares(&self) -> f64 {
        self.squares
    }

    /// Factor that makes the sum of weights their variance.
    pub(super) fn scale(&self) -> f64 {
        self.sum / self.squares
    }

    /// The weights of some rows.
    ///
    /// # Errors
    /// As [`Weights::new`].
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Result<Self, InferError> {
        self.chosen(|values| values[rows.clone()].to_vec())
    }

    /// The weights whose entry of `keep` is true.
    ///
    /// # Errors
    /// As [`Weights::new`].
    pub fn filtered(&self, keep: &[bool]) -> Result<Self, InferError> {
        self.chosen(|values| values.iter().zip(keep).filter_map(|(x, keep)| keep.then_some(*x)).collect())
    }

    fn chosen(&self, of: impl Fn(&[f64]) -> Vec<f64>) -> Result<Self, InferError> {
        let other = |other: &Other| Other { weights: of(&other.weights), shares: of(&other.shares) };
        Ok(Self { others: self.others.iter().map(other).collect(), ..Self::new(of(&self.values))? })
    }

    /// The weights of all other components, and their shares of the density of all, where these are sWeights.
    pub(super) fn others(&self) -> impl Iterator<Item = (&[f64], &[f64])> {
        self.others.iter().map(|other| (other.weights.as_slice(), other.shares.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_near_or_below_zero_are_refused() {
        let message = |values: Vec<f64>| Weights::new(values).unwrap_err().to_string();
        assert!(message(vec![1.0, -1.0, 0.5]).contains("sum of the weights = 0.5"));
        assert!(message(vec![-1.0; 100]).contains("sum of the weights = -100"));
        assert!(message(vec![1.0, f64::NAN]).contains("weight of event 1 = NaN"));
        assert!(message(Vec::new()).contains("sum of the weights = 0"));
        let counted = Weights::new(vec![2.0; 50]).unwrap().counted();
        assert_eq!((counted.events, counted.sum, counted.effective), (50, 100.0, 50.0));
    }
}
