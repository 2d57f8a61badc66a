//! Inputs that decays to vector and to pseudoscalar mesons share, of a channel.

use crate::amplitudes;
use crate::channel::Channel;
use crate::ckm::Ckm;
use crate::{Lepton, Parameters, PhysicsError};

/// Mass of the lepton in GeV.
pub(crate) fn m_lepton(lepton: Lepton, parameters: &Parameters) -> Result<f64, PhysicsError> {
    parameters.value(match lepton {
        Lepton::Electron => "m_electron",
        Lepton::Muon => "m_muon",
    })
}

/// Lifetime of the B meson in GeV^-1.
pub(crate) fn lifetime(channel: &Channel, parameters: &Parameters) -> Result<f64, PhysicsError> {
    Ok(parameters.value(channel.lifetime)? / parameters.value("hbar_gev_ps")?)
}

/// The factor of all amplitudes, see [`amplitudes::weak_coupling`].
pub(crate) fn weak_coupling(parameters: &Parameters) -> Result<f64, PhysicsError> {
    Ok(amplitudes::weak_coupling(
        parameters.value("fermi_constant")?,
        1.0 / parameters.value("alpha_em_inverse")?,
        Ckm::new(parameters)?.xi_t.norm(),
    ))
}
