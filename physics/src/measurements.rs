//! Measurements that come with humboldt, as text: `physics/data/measurements/*.toml`, one file a source.
//!
//! Reading them, as reading a user's own in the same format, is `humboldt-schemas`' work.

use crate::names::named;

/// A file of measurements: its name and contents.
pub type MeasurementText = (&'static str, &'static str);

const KSTAR_ANGLES: MeasurementText =
    ("lhcb_2020_kstar_angles.toml", include_str!("../data/measurements/lhcb_2020_kstar_angles.toml"));
const KAON_RATE: MeasurementText =
    ("lhcb_2014_kaon_rate.toml", include_str!("../data/measurements/lhcb_2014_kaon_rate.toml"));
const KSTAR_RATE: MeasurementText =
    ("lhcb_2016_kstar_rate.toml", include_str!("../data/measurements/lhcb_2016_kstar_rate.toml"));
const RK_2021: MeasurementText =
    ("lhcb_2021_rk.toml", include_str!("../data/measurements/lhcb_2021_rk.toml"));
const RKSTAR_2017: MeasurementText =
    ("lhcb_2017_rkstar.toml", include_str!("../data/measurements/lhcb_2017_rkstar.toml"));
const RATIOS_2022: MeasurementText =
    ("lhcb_2022_rk_rkstar.toml", include_str!("../data/measurements/lhcb_2022_rk_rkstar.toml"));

/// A choice of LHCb measurements for a global fit: 37 values of `P_1`, `P_2`, `P_4'`, `P_5'`, rates, `R_K` and `R_K*`.
///
/// The study of neural networks and global fits that this follows counts 37 values of these observables and does not
/// name their bins. The list of 2021 is the likeliest reading: six bins of the angular analysis, six and five of the
/// rates, one each of `R_K` and `R_K*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MeasurementSet {
    /// As known in 2021: `R_K` below 1 by three standard deviations.
    #[default]
    Lhcb2021,
    /// The same with `R_K` and `R_K*` of 2022, which agree with 1.
    LhcbModern,
}

impl MeasurementSet {
    /// All sets.
    pub const ALL: [Self; 2] = [Self::Lhcb2021, Self::LhcbModern];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lhcb2021 => "lhcb-2021",
            Self::LhcbModern => "lhcb-modern",
        }
    }

    /// Its files.
    pub const fn files(self) -> &'static [MeasurementText] {
        match self {
            Self::Lhcb2021 => &[KSTAR_ANGLES, KAON_RATE, KSTAR_RATE, RK_2021, RKSTAR_2017],
            Self::LhcbModern => &[KSTAR_ANGLES, KAON_RATE, KSTAR_RATE, RATIOS_2022],
        }
    }
}

named!(MeasurementSet, "set of measurements");
