//! Measurements that come with humboldt, as text: `physics/data/measurements/*.toml`, one file a source.
//!
//! Reading them, as reading a user's own in the same format, is `humboldt-schemas`' work.

use crate::names::named;

/// A file of measurements: its name and contents.
pub type MeasurementText = (&'static str, &'static str);

macro_rules! files {
    ($($constant:ident = $file:literal),* $(,)?) => {
        $(const $constant: MeasurementText = ($file, include_str!(concat!("../data/measurements/", $file)));)*
    };
}

files! {
    KSTAR_ANGLES = "lhcb_2020_kstar_angles.toml",
    KAON_RATE = "lhcb_2014_kaon_rate.toml",
    KSTAR_RATE = "lhcb_2016_kstar_rate.toml",
    RK_2021 = "lhcb_2021_rk.toml",
    RKSTAR_2017 = "lhcb_2017_rkstar.toml",
    RATIOS_2022 = "lhcb_2022_rk_rkstar.toml",
    LHCB_2025_1 = "lhcb_2025_1.toml",
    LHCB_2025_2 = "lhcb_2025_2.toml",
    LHCB_2025_3 = "lhcb_2025_3.toml",
    LHCB_2025_4 = "lhcb_2025_4.toml",
    LHCB_2025_5 = "lhcb_2025_5.toml",
    LHCB_2025_6 = "lhcb_2025_6.toml",
    CMS_2024 = "cms_2024_kstar_angles.toml",
    KSTAR_PLUS_P = "lhcb_2020_kstar_plus_p.toml",
    KSTAR_PLUS_S = "lhcb_2020_kstar_plus_s.toml",
    KSTAR_PLUS_RATE = "lhcb_2014_kstar_plus_rate.toml",
    KPLUS_RATE = "lhcb_2014_kplus_rate.toml",
    CMS_KPLUS_RATE = "cms_2024_kplus_rate.toml",
    ALL_RATIOS = "lhcb_2022_ratios.toml",
    RK_HIGH = "lhcb_2025_rk_high.toml",
    RKSTAR_HIGH = "lhcb_2026_rkstar_high.toml",
}

/// A choice of measurements for a global fit.
///
/// The six of `lhcb-2025` are fits of the same events and never counted together. The study of neural networks and global
/// fits that `lhcb-2021` follows counts 37 values of `P_1`, `P_2`, `P_4'`, `P_5'`, rates, `R_K` and `R_K*` and does not name
/// their bins; the list is the likeliest reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MeasurementSet {
    /// Recommended set: LHCb 2025 in the basis of optimised observables, CMS 2024, B+ -> K*+, ratios and rates.
    #[default]
    Recommended,
    /// LHCb 2025, configuration 1: `S_i`, partly massive.
    Lhcb2025S,
    /// Configuration 2: `P_i`, partly massive.
    Lhcb2025P,
    /// Configuration 3: `S_i`, massive in all bins.
    Lhcb2025SMassive,
    /// Configuration 4: `S_i` and `A_i`, without the muon's mass above 1.1 GeV^2.
    Lhcb2025SMassless,
    /// Configuration 5: `P_i` without the muon's mass.
    Lhcb2025PMassless,
    /// Configuration 6: `S_i`, partly massive, sixteen half bins.
    Lhcb2025HalfBins,
    /// CMS, angles of B0 -> K*0 mu mu.
    Cms2024,
    /// LHCb, angles of B+ -> K*+ mu mu, optimised observables.
    KstarPlus,
    /// Recommended set in `S_i`.
    KstarPlusS,
    /// `R_K` and `R_K*` in low, central and high q2.
    Ratios,
    /// Rates of B+ -> K+ mu mu (LHCb, CMS) and B0 -> K0 mu mu.
    KaonRates,
    /// Rates of B+ -> K*+ mu mu.
    KstarPlusRates,
    /// 37 values as known in 2021: `R_K` below 1 by three standard deviations.
    Lhcb2021,
    /// LHCb's set with `R_K` and `R_K*` of 2022, which agree with 1.
    LhcbModern,
}

impl MeasurementSet {
    /// All sets.
    pub const ALL: [Self; 15] = [
        Self::Recommended,
        Self::Lhcb2025S,
        Self::Lhcb2025P,
        Self::Lhcb2025SMassive,
        Self::Lhcb2025SMassless,
        Self::Lhcb2025PMassless,
        Self::Lhcb2025HalfBins,
        Self::Cms2024,
        Self::KstarPlus,
        Self::KstarPlusS,
        Self::Ratios,
        Self::KaonRates,
        Self::KstarPlusRates,
        Self::Lhcb2021,
        Self::LhcbModern,
    ];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recommended => "default",
            Self::Lhcb2025S => "lhcb-2025-s",
            Self::Lhcb2025P => "lhcb-2025-p",
            Self::Lhcb2025SMassive => "lhcb-2025-s-massive",
            Self::Lhcb2025SMassless => "lhcb-2025-s-massless",
            Self::Lhcb2025PMassless => "lhcb-2025-p-massless",
            Self::Lhcb2025HalfBins => "lhcb-2025-half-bins",
            Self::Cms2024 => "cms-2024",
            Self::KstarPlus => "lhcb-2020-kstar-plus",
            Self::KstarPlusS => "lhcb-2020-kstar-plus-s",
            Self::Ratios => "ratios",
            Self::KaonRates => "kaon-rates",
            Self::KstarPlusRates => "kstar-plus-rates",
            Self::Lhcb2021 => "lhcb-2021",
            Self::LhcbModern => "lhcb-modern",
        }
    }

    /// Its files.
    pub const fn files(self) -> &'static [MeasurementText] {
        match self {
            Self::Recommended => &[
                LHCB_2025_2,
                CMS_2024,
                KSTAR_PLUS_P,
                KSTAR_PLUS_RATE,
                KPLUS_RATE,
                CMS_KPLUS_RATE,
                KAON_RATE,
                ALL_RATIOS,
                RK_HIGH,
                RKSTAR_HIGH,
            ],
            Self::Lhcb2025S => &[LHCB_2025_1],
            Self::Lhcb2025P => &[LHCB_2025_2],
            Self::Lhcb2025SMassive => &[LHCB_2025_3],
            Self::Lhcb2025SMassless => &[LHCB_2025_4],
            Self::Lhcb2025PMassless => &[LHCB_2025_5],
            Self::Lhcb2025HalfBins => &[LHCB_2025_6],
            Self::Cms2024 => &[CMS_2024],
            Self::KstarPlus => &[KSTAR_PLUS_P],
            Self::KstarPlusS => &[KSTAR_PLUS_S],
            Self::Ratios => &[ALL_RATIOS, RK_HIGH, RKSTAR_HIGH],
            Self::KaonRates => &[KPLUS_RATE, CMS_KPLUS_RATE, KAON_RATE],
            Self::KstarPlusRates => &[KSTAR_PLUS_RATE],
            Self::Lhcb2021 => &[KSTAR_ANGLES, KAON_RATE, KSTAR_RATE, RK_2021, RKSTAR_2017],
            Self::LhcbModern => &[KSTAR_ANGLES, KAON_RATE, KSTAR_RATE, RATIOS_2022],
        }
    }
}

named!(MeasurementSet, "set of measurements");
