//! Variables of a decay, measured or true, from ready columns or from four-momenta.

use std::f64::consts::PI;
use std::path::Path;

use arrow::datatypes::Schema;
use humboldt_physics::Flavour;
use humboldt_physics::convention::exchange_angles_of_lhcb_and_theory;
use humboldt_schemas::events::EVENT_COLUMNS;
use humboldt_schemas::layout::{
    AngleConvention, AngleUnit, ChiRange, Layout, LeptonOfAngle, Leptons, Meson, Q2Unit, Source, Units,
};

use super::columns::{Labels, Rows, VARIABLES, find_any, missing, numbers};
use super::momenta::{FinalState, first_missing, meson_of};
use super::{Mass, Wanted};
use crate::PipelineError;
use crate::columns::B0BAR;

/// Of which the last is the K pi mass.
const MASS: usize = VARIABLES - 1;
const CHI: usize = 3;
const COS_THETA_L: usize = 1;

/// Sources of the variables of one role.
#[derive(Debug)]
pub(super) struct Variables {
    /// The ready column of each variable, where there is one and it is used.
    ready: [Option<String>; VARIABLES],
    momenta: Option<FinalState>,
    /// Variables that are wanted and come from momenta.
    computed: [bool; VARIABLES],
    pub(super) labels: Option<Labels>,
    listed: Flavour,
    units: Units,
    convention: AngleConvention,
    theta_l_of: Option<LeptonOfAngle>,
    chi_range: Option<ChiRange>,
    mirrored: Vec<Meson>,
}

impl Variables {
    /// The measured variables.
    ///
    /// # Errors
    /// When a variable that is wanted is not there.
    pub(super) fn features(
        path: &Path,
        schema: &Schema,
        layout: &Layout,
        wanted: Wanted,
        notes: &mut Vec<String>,
    ) -> Result<Self, PipelineError> {
        let mut this = Self::resolved(path, schema, layout, layout)?;
        if wanted.mass == Mass::No {
            (this.ready[MASS], this.computed[MASS]) = (None, false);
        }
        let there = this.there();
        let required = |i: usize| i < MASS || wanted.mass == Mass::Required;
        if let Some(i) = (0..VARIABLES).find(|&i| required(i) && !there[i]) {
            let ready = layout.columns()[i].as_deref();
            return Err(match (&layout.momenta, ready) {
                (Some(momenta), ready) => {
                    let first = first_missing(path, schema, momenta)?;
                    let names = ready.map_or_else(|| first.clone(), |ready| format!("{ready}|{first}"));
                    missing(path, schema, &names)
                }
                (None, Some(ready)) => missing(path, schema, ready),
                (None, None) => {
                    let name = EVENT_COLUMNS[i];
                    PipelineError::refused(
                        path,
                        format!("the layout names no column for {name}, which is needed"),
                    )
                }
            });
        }
        this.note(layout, notes);
        Ok(this)
    }

    /// The true variables; none where the file has none of them.
    pub(super) fn truth(
        path: &Path,
        schema: &Schema,
        layout: &Layout,
        truth: &Layout,
    ) -> Result<Option<Self>, PipelineError> {
        let this = Self::resolved(path, schema, truth, layout)?;
        let known = this.labels.is_some() || this.there().contains(&true);
        Ok(known.then_some(this))
    }

    /// The flavour of the truth alone.
    pub(super) fn flavour_only(
        path: &Path,
        schema: &Schema,
        truth: &Layout,
    ) -> Result<Option<Self>, PipelineError> {
        let only = Layout { flavour: truth.flavour.clone(), ..Layout::default() };
        let this = Self::resolved(path, schema, &only, &only)?;
        Ok(this.labels.is_some().then_some(this))
    }

    fn resolved(
        path: &Path,
        schema: &Schema,
        layout: &Layout,
        listed: &Layout,
    ) -> Result<Self, PipelineError> {
        let mut ready: [Option<String>; VARIABLES] = Default::default();
        for (found, names) in ready.iter_mut().zip(layout.columns()) {
            *found = names.as_deref().map(|names| find_any(path, schema, names)).transpose()?.flatten();
        }
        let momenta =
            layout.momenta.as_ref().map(|momenta| FinalState::find(path, schema, momenta)).transpose()?;
        let momenta = momenta.flatten();
        let mut computed = [false; VARIABLES];
        if momenta.is_some() {
            for (ready, computed) in ready.iter_mut().zip(&mut computed) {
                *computed = layout.prefer == Source::Momenta || ready.is_none();
                if *computed {
                    *ready = None;
                }
            }
        }
        let labels = match &layout.flavour {
            Some(said) => find_any(path, schema, &said.column)?.map(|column| Labels::new(column, said)),
            None => None,
        };
        let listed = listed.flavour.as_ref().map_or(Meson::B0, |flavour| flavour.listed);
        Ok(Self {
            ready,
            momenta,
            computed,
            labels,
            listed: flavour_of(listed),
            units: layout.units,
            convention: layout.convention.unwrap_or_default(),
            theta_l_of: layout.theta_l_of,
            chi_range: layout.chi_range,
            mirrored: layout.mirrored.clone().unwrap_or_default(),
        })
    }

    /// Says what is assumed where the file does not say a flavour or a charge.
    fn note(&self, layout: &Layout, notes: &mut Vec<String>) {
        let listed = self.listed.name();
        if let (Some(said), None) = (&layout.flavour, &self.labels) {
            let column = said.column.replace('|', "` or `");
            let other = self.listed.conjugate().name();
            let angles = if self.needs_flavour() {
                format!(": chi of each {other}, and with it S_7, S_8, S_9, then has the wrong sign")
            } else {
                ", and there are no CP asymmetries".to_owned()
            };
            notes.push(format!(
                "no column `{column}` says the flavour: all events are taken for {listed}{angles}"
            ));
        }
        if let (Some(momenta), Some(FinalState { lepton_id: None, leptons, .. })) =
            (&layout.momenta, &self.momenta)
            && let Some(id) = &momenta.lepton_id
        {
            let column = id.replace('|', "` or `");
            let taken = match leptons {
                Leptons::Charges => {
                    "the columns of l_plus are taken to hold the positive lepton of both flavours"
                }
                Leptons::Slots => {
                    "the columns of l_plus are taken to hold the negative lepton of the conjugate decay"
                }
            };
            notes.push(format!("no column `{column}` says the lepton's charge: {taken}"));
        }
    }

    /// Ends of the ready chi of some rows, in turns.
    pub(super) fn turns(&self, rows: &Rows<'_>) -> Option<(f64, f64)> {
        let chi = numbers(rows, self.ready[CHI].as_deref()?).ok()?;
        let turn = if self.units.chi == Some(AngleUnit::Deg) { 360.0 } else { 2.0 * PI };
        let ends = |(low, high): (f64, f64), x: &f64| (low.min(x / turn), high.max(x / turn));
        Some(chi.values().iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends))
    }

    /// Whether a ready chi is said to be in degrees.
    pub(super) fn in_degrees(&self) -> bool {
        self.ready[CHI].is_some() && self.units.chi == Some(AngleUnit::Deg)
    }

    /// Whether angles depend on the flavour.
    fn needs_flavour(&self) -> bool {
        self.computed[COS_THETA_L]
            || self.computed[CHI]
            || self.theta_l_of.is_some()
            || self.convention == AngleConvention::Theory
            || self.mirrored.len() == 1
    }

    /// Which variables come out.
    pub(super) fn there(&self) -> [bool; VARIABLES] {
        std::array::from_fn(|i| self.ready[i].is_some() || self.computed[i])
    }

    /// Names of the columns that are computed with.
    pub(super) fn used(&self) -> Vec<String> {
        let mut used: Vec<String> = self.ready.iter().flatten().cloned().collect();
        if let Some(momenta) = self.momenta.as_ref().filter(|_| self.computed.contains(&true)) {
            used.extend(momenta.columns.iter().flatten().cloned());
            used.extend(momenta.lepton_id.clone());
        }
        used.extend(self.labels.iter().map(|labels| labels.column.clone()));
        used
    }

    /// The flavour of each row, where the file says it.
    pub(super) fn flavours(&self, rows: &Rows<'_>) -> Result<Option<Vec<i8>>, PipelineError> {
        self.labels.as_ref().map(|labels| labels.flavours(rows)).transpose()
    }

    /// The variables that [`Self::there`] names; `flavours` by row, none where all are as listed.
    pub(super) fn values(
        &self,
        rows: &Rows<'_>,
        flavours: Option<&[i8]>,
    ) -> Result<Vec<Vec<f64>>, PipelineError> {
        let flavour = |row: usize| {
            flavours.map_or(self.listed, |all| if all[row] == B0BAR { Flavour::B0bar } else { Flavour::B0 })
        };
        let mut values: [Option<Vec<f64>>; VARIABLES] = Default::default();
        for (value, name) in values.iter_mut().zip(&self.ready) {
            *value =
                name.as_deref().map(|name| numbers(rows, name)).transpose()?.map(|a| a.values().to_vec());
        }
        self.convert(rows, &mut values, flavour)?;
        if let Some(momenta) = self.momenta.as_ref().filter(|_| self.computed.contains(&true)) {
            let computed =
                momenta.variables(rows, self.units.momenta.unwrap_or_default(), self.listed, flavour)?;
            for (i, column) in computed.into_iter().enumerate().filter(|(i, _)| self.computed[*i]) {
                values[i] = Some(column);
            }
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// Units and conventions of ready columns.
    fn convert(
        &self,
        rows: &Rows<'_>,
        [q2, cos_theta_l, _, chi, m_kpi]: &mut [Option<Vec<f64>>; VARIABLES],
        flavour: impl Fn(usize) -> Flavour,
    ) -> Result<(), PipelineError> {
        let change = |column: &mut Option<Vec<f64>>, f: &dyn Fn(f64) -> f64| {
            column.iter_mut().flatten().for_each(|x| *x = f(*x));
        };
        match self.units.q2.unwrap_or_default() {
            Q2Unit::GeV2 => {}
            Q2Unit::MeV2 => change(q2, &|x| x * 1e-6),
            Q2Unit::GeV => change(q2, &|x| x * x),
            Q2Unit::MeV => change(q2, &|x| x * x * 1e-6),
        }
        let gev = self.units.m_kpi.unwrap_or_default().gev();
        change(m_kpi, &|x| x * gev);
        let is_angle = chi.as_mut().map(|chi| self.check_chi(rows, chi)).transpose()?.unwrap_or(true);
        let theory = self.convention == AngleConvention::Theory;
        if theory && (cos_theta_l.is_none() || chi.is_none()) && (cos_theta_l.is_some() || chi.is_some()) {
            let what = "the theory convention needs both cos_theta_l and chi as columns";
            return Err(PipelineError::refused(rows.path, what));
        }
        if let Some(cos_theta_l) = cos_theta_l.as_mut().filter(|_| self.theta_l_of.is_some()) {
            for (row, x) in cos_theta_l.iter_mut().enumerate() {
                // Theory takes l- of both.
                let negative = theory || flavour(row).has_b_quark();
                let own = if negative { LeptonOfAngle::LMinus } else { LeptonOfAngle::LPlus };
                if self.theta_l_of != Some(own) {
                    *x = -*x;
                }
            }
        }
        if !is_angle {
            return Ok(());
        }
        if let Some(chi) = chi.as_mut() {
            for (row, x) in chi.iter_mut().enumerate() {
                if self.mirrored.contains(&meson_of(flavour(row))) {
                    *x = -*x;
                }
            }
        }
        if let (true, Some(cosines), Some(chi)) = (theory, cos_theta_l.as_mut(), chi.as_mut()) {
            for (row, (cosine, chi)) in cosines.iter_mut().zip(chi).enumerate() {
                (*cosine, *chi) = exchange_angles_of_lhcb_and_theory(flavour(row), *cosine, *chi);
            }
        }
        change(chi, &folded);
        Ok(())
    }

    /// Takes chi to radians; its range is what the layout says, either of both where it says nothing. Whether it is in that:
    /// what is not, and nobody has said, is for others to refuse, or to name.
    fn check_chi(&self, rows: &Rows<'_>, chi: &mut [f64]) -> Result<bool, PipelineError> {
        let degrees = self.units.chi == Some(AngleUnit::Deg);
        let (turn, unit) = if degrees { (360.0, "degrees") } else { (2.0 * PI, "radians") };
        let (low, high) = match self.chi_range {
            Some(ChiRange::Symmetric) => (-0.5, 0.5),
            Some(ChiRange::Positive) => (0.0, 1.0),
            None => (-0.5, 1.0),
        };
        // What f32 loses.
        let slack = 2e-6;
        let outside = chi.iter().position(|x| !((low - slack) * turn..=(high + slack) * turn).contains(x));
        let said = degrees || self.chi_range.is_some();
        if let (Some(row), Some(name), true) = (outside, &self.ready[CHI], said) {
            let of = match self.chi_range {
                Some(ChiRange::Symmetric) => "-half a turn to half a turn",
                Some(ChiRange::Positive) => "0 to a turn",
                None => "-half a turn to a turn",
            };
            let range = format!("{:.4} to {:.4}", low * turn, high * turn);
            let allowed = format!("{range} ({of}), in {unit} (units.chi and chi_range of the layout)");
            return Err(rows.refuse(name, row, &chi[row].to_string(), &allowed));
        }
        if degrees {
            for x in chi.iter_mut() {
                *x = x.to_radians();
            }
        }
        Ok(outside.is_none())
    }
}

/// Within -pi to pi.
fn folded(chi: f64) -> f64 {
    if (-PI..=PI).contains(&chi) { chi } else { chi - (chi / (2.0 * PI)).round() * 2.0 * PI }
}

pub(super) const fn flavour_of(meson: Meson) -> Flavour {
    match meson {
        Meson::B0 => Flavour::B0,
        Meson::B0bar => Flavour::B0bar,
    }
}
