//! `F(q2) = a0 + a1 q2 + a2 q2^2` added to observables: hadronic contributions of unknown origin.
//!
//! F is added in the convention of DHMV and with rates in 1e-7 GeV^-2, as the study has its observables, whatever
//! convention the data are in: P_2 receives -F, P_4' receives -F/2 in LHCb's. In a bin F is averaged over q2 (GeV^2).

use std::str::FromStr;

use humboldt_schemas::Invalid;

use super::data::{Data, Datum};

/// The unit in which F is added to rates, in GeV^-2.
pub const RATE_UNIT: f64 = 1e-7;

/// Observables that share their coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Each observable has its own.
    Independent,
    /// All observables have the same.
    Shared,
}

impl FromStr for Sharing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "independent" => Ok(Self::Independent),
            "shared" => Ok(Self::Shared),
            _ => Err("allowed: independent, shared".to_owned()),
        }
    }
}

/// One coefficient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coefficient {
    /// The observable's label ([`Datum::label`]); `None` where all share it.
    pub observable: Option<String>,
    /// Power of q2 that it stands before: 0, 1, 2.
    pub power: usize,
}

impl std::fmt::Display for Coefficient {
    /// `a0`, or `a0[P1]` of one observable.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a{}", self.power)?;
        self.observable.as_ref().map_or(Ok(()), |observable| write!(f, "[{observable}]"))
    }
}

/// Coefficients and what each adds to each prediction.
#[derive(Debug, Clone, Default)]
pub struct Polynomials {
    coefficients: Vec<Coefficient>,
    /// [coefficient, measurement], LHCb convention, rates in GeV^-2.
    additions: Vec<Vec<f64>>,
}

impl Polynomials {
    /// All coefficients: three, or three for each observable.
    pub fn new(sharing: Sharing, data: &Data) -> Self {
        Self::of(
            data,
            match sharing {
                Sharing::Shared => (0..3).map(|power| Coefficient { observable: None, power }).collect(),
                Sharing::Independent => labels(data)
                    .into_iter()
                    .flat_map(|label| {
                        (0..3).map(move |power| Coefficient { observable: Some(label.clone()), power })
                    })
                    .collect(),
            },
        )
    }

    /// Those that the data can tell: an observable with fewer than three bins has as many coefficients as bins.
    pub fn determined(sharing: Sharing, data: &Data) -> Self {
        let bins = |label: Option<&str>| {
            let of =
                data.measurements().iter().filter(|datum| label.is_none_or(|label| datum.label() == label));
            let mut centres: Vec<f64> = of.map(|datum| moment(datum, 1)).collect();
            centres.sort_by(f64::total_cmp);
            centres.dedup();
            centres.len()
        };
        let mut coefficients = Self::new(sharing, data).coefficients;
        coefficients.retain(|coefficient| coefficient.power < bins(coefficient.observable.as_deref()));
        Self::of(data, coefficients)
    }

    fn of(data: &Data, coefficients: Vec<Coefficient>) -> Self {
        let addition = |coefficient: &Coefficient, datum: &Datum| {
            let own = coefficient.observable.as_ref().is_none_or(|label| *label == datum.label());
            if own { unit(datum) * moment(datum, coefficient.power) } else { 0.0 }
        };
        let additions = coefficients
            .iter()
            .map(|coefficient| data.measurements().iter().map(|datum| addition(coefficient, datum)).collect())
            .collect();
        Self { coefficients, additions }
    }

    /// The coefficients, in order.
    pub fn coefficients(&self) -> &[Coefficient] {
        &self.coefficients
    }

    /// Sum of what all coefficients add to each prediction.
    ///
    /// # Errors
    /// When there are not as many values as coefficients.
    pub fn add_to(&self, predictions: &mut [f64], values: &[f64]) -> Result<(), Invalid> {
        if values.len() != self.coefficients.len() {
            let allowed = format!("{} numbers", self.coefficients.len());
            return Err(Invalid::new("polynomials", format!("{} numbers", values.len()), allowed));
        }
        for (value, additions) in values.iter().zip(&self.additions) {
            for (prediction, addition) in predictions.iter_mut().zip(additions) {
                *prediction += value * addition;
            }
        }
        Ok(())
    }
}

/// The labels of all observables, in order.
pub fn labels(data: &Data) -> Vec<String> {
    let mut labels: Vec<String> = data.measurements().iter().map(Datum::label).collect();
    labels.dedup();
    labels
}

/// One unit of F, and of the study's observables, in the LHCb convention.
pub(super) fn unit(datum: &Datum) -> f64 {
    let observable = datum.quantity.observable;
    let unit = if observable.unit() == "1" { 1.0 } else { RATE_UNIT };
    unit / observable.dhmv_factor()
}

/// Average of a power of q2 over the bin.
fn moment(datum: &Datum, power: usize) -> f64 {
    let (low, high) = (datum.quantity.q2_min, datum.quantity.q2_max);
    match power {
        0 => 1.0,
        1 => 0.5 * (low + high),
        _ => (low * low + low * high + high * high) / 3.0,
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{MeasurementSet, Observable};
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;

    fn data() -> Data {
        Data::new(&MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap()).unwrap()
    }

    #[test]
    fn each_observable_has_three_coefficients_of_which_the_data_tell_some() {
        let data = data();
        assert_eq!(Polynomials::new(Sharing::Independent, &data).coefficients().len(), 24);
        let determined = Polynomials::determined(Sharing::Independent, &data);
        // One bin each of R_K and R_K*.
        assert_eq!(determined.coefficients().len(), 20);
        assert_eq!(determined.coefficients()[5].to_string(), "a2[P2]");
        assert!(determined.coefficients().iter().any(|c| c.to_string() == "a1[dBR_dq2(B0->K0mumu)]"));
        assert_eq!(Polynomials::determined(Sharing::Shared, &data).coefficients().len(), 3);
    }

    #[test]
    fn polynomials_are_added_in_the_theory_convention() {
        let data = data();
        let mut added = vec![0.0; data.len()];
        Polynomials::new(Sharing::Shared, &data).add_to(&mut added, &[1.0, 0.5, 0.25]).unwrap();
        for (datum, got) in data.measurements().iter().zip(added) {
            let (low, high) = (datum.quantity.q2_min, datum.quantity.q2_max);
            // By Simpson's rule, which is exact for a parabola.
            let f = |q2: f64| 1.0 + 0.5 * q2 + 0.25 * q2 * q2;
            let average = (f(low) + 4.0 * f(0.5 * (low + high)) + f(high)) / 6.0;
            let factor = match datum.quantity.observable {
                Observable::P2 => -1.0,
                Observable::P4p => -0.5,
                Observable::DBrDq2 => 1e-7,
                _ => 1.0,
            };
            assert!((got / (average * factor) - 1.0).abs() < 1e-14, "{}", datum.label());
        }
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        let polynomials = Polynomials::new(Sharing::Shared, &data());
        assert!(polynomials.add_to(&mut [0.0; 37], &[1.0]).is_err());
    }
}
