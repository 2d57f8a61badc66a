//! A decay and its CP conjugate side by side.

use std::ops::{Add, AddAssign, Mul, Sub};

use crate::angular::{AngularCoefficients, KaonCoefficients};

/// Coefficients of an angular distribution: they add up over q2, and hold the rate.
pub trait Coefficients:
    Copy + Default + Add<Output = Self> + AddAssign + Sub<Output = Self> + Mul<f64, Output = Self>
{
    /// The rate, integrated over all angles.
    fn total(&self) -> f64;
}

impl Coefficients for AngularCoefficients {
    fn total(&self) -> f64 {
        self.rate()
    }
}

impl Coefficients for KaonCoefficients {
    fn total(&self) -> f64 {
        self.rate()
    }
}

/// The coefficients of a meson and of its antiparticle, LHCb convention, at one q2 or integrated over a bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CpPair<T = AngularCoefficients> {
    /// Of the b -> s decay (B0bar, B-).
    pub j: T,
    /// Of its CP conjugate (B0, B+).
    pub j_bar: T,
}

impl<T: Coefficients> CpPair<T> {
    /// `(J_i + Jbar_i)/2`, whose rate is the CP-averaged rate.
    pub fn average(&self) -> T {
        (self.j + self.j_bar) * 0.5
    }

    /// `(J_i - Jbar_i)/2`.
    pub fn difference(&self) -> T {
        (self.j - self.j_bar) * 0.5
    }

    /// The CP-averaged rate.
    pub fn rate(&self) -> f64 {
        self.average().total()
    }

    /// `(Gamma - Gammabar)/(Gamma + Gammabar)`.
    pub fn rate_asymmetry(&self) -> f64 {
        self.difference().total() / self.rate()
    }
}

impl<T: Coefficients> Add for CpPair<T> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { j: self.j + other.j, j_bar: self.j_bar + other.j_bar }
    }
}

impl<T: Coefficients> Sub for CpPair<T> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { j: self.j - other.j, j_bar: self.j_bar - other.j_bar }
    }
}

impl<T: Coefficients> AddAssign for CpPair<T> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<T: Coefficients> Mul<f64> for CpPair<T> {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self { j: self.j * factor, j_bar: self.j_bar * factor }
    }
}
