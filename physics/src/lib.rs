//! Physics of B -> K(*) l l: from Wilson coefficients to decay rates and observables.
//!
//! This crate opens no files; its inputs come in by `include_str!`. One line a module:
//!
//! - [`parameters`]: masses, widths and couplings, each with value, uncertainty, unit and source
//! - [`process`]: which meson, hadron, lepton, model, and their names
//! - [`background`]: charmonium under a window
//! - [`channel`]: one entry a decay: masses, Monte Carlo numbers, names, resonance, form factors
//! - [`wilson`]: the eight complex shifts of the Wilson coefficients and their names
//! - [`axes`]: which of their parts are learned, fitted or labelled, and points on these axes
//! - [`decay`]: B -> K* l l with everything fixed but phase space: the entry point, [`decay::Decay`]
//! - [`ckm`]: the quark mixing matrix and its weak phases
//! - [`form_factors`]: B -> K* and B -> K form factors, one file a paper
//! - [`charm_loop`]: the one-loop function Y(q2) in `C9eff`
//! - [`charm_loop_nnlo`]: the four-quark operators at next-to-next-to-leading order
//! - [`charmonium`]: resonances in place of the charm loop, an option
//! - [`spectator`]: spectator scattering
//! - [`subleading`]: hadronic corrections that no calculation gives
//! - [`models`]: form factors and effective coefficients of each amplitude model
//! - [`amplitudes`]: transversity amplitudes, exact in the lepton mass
//! - [`angular`]: `J_1s..J_9` and the four-fold rate
//! - [`line_shape`]: the mass distribution of a resonance
//! - [`kinematics`]: phase space, four-momenta
//! - [`convention`]: the only file that changes signs or angles of coefficients
//! - [`quadrature`]: Gauss-Legendre integration over q2 and masses
//! - [`s_wave`]: K pi pairs of spin 0 under the K*
//! - [`kaon`]: B -> K l l
//! - [`cp`]: a decay and its CP conjugate side by side
//! - [`observables`]: the table of `F_L`, `A_FB`, `S_i`, `A_i`, `P_i`, `P_i'`, `Q_i`, `R_K`, rates
//! - [`predictions`]: their values at one q2 and in bins
//! - [`quantities`]: lists of observables in bins, and their exact dependence on a few shifts
//! - [`measurements`]: what LHCb measured, as text
//! - [`uncertainty`]: varied inputs and the spread of what follows from them
//! - [`quadratic`]: rates as exact quadratic functions of shifts
//! - [`density`]: the normalised density of events as a function of shifts, their scores and weights

pub mod amplitudes;
pub mod angular;
pub mod axes;
pub mod background;
pub mod channel;
pub mod charm_loop;
pub mod charm_loop_nnlo;
pub mod charmonium;
pub mod ckm;
pub mod convention;
pub mod cp;
pub mod decay;
pub mod density;
mod error;
pub mod form_factors;
mod inputs;
pub mod kaon;
pub mod kinematics;
pub mod line_shape;
pub mod measurements;
pub mod models;
mod names;
pub mod observables;
pub mod parameters;
pub mod points;
pub mod predictions;
pub mod process;
pub mod quadratic;
pub mod quadrature;
pub mod quantities;
pub mod s_wave;
pub mod spectator;
pub mod subleading;
mod table;
pub mod uncertainty;
pub mod wilson;

pub use angular::AngularCoefficients;
pub use axes::{Axes, Axis, Point};
pub use channel::Channel;
pub use convention::{Convention, ValueConvention};
pub use decay::Decay;
pub use density::{Density, Efficiency};
pub use error::PhysicsError;
pub use kaon::KaonDecay;
pub use line_shape::{LineShape, Resonance};
pub use measurements::MeasurementSet;
pub use observables::Observable;
pub use parameters::{Parameter, Parameters};
pub use predictions::{Predictions, Theory};
pub use process::{Flavour, Hadron, Lepton, Leptons, ModelName};
pub use quadratic::{Expansion, Quadratic};
pub use quantities::{Plan, QuadraticForm, Quantity};
pub use s_wave::SWave;
pub use wilson::{Part, WilsonCoefficient, WilsonDirection, WilsonShifts};
