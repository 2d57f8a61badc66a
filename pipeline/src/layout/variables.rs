//! Variables of a decay, measured or true, from ready columns or from four-momenta.

use std::f64::consts::PI;
use std::path::Path;

use arrow::array::Float64Array;
use arrow::datatypes::Schema;
use humboldt_physics::Flavour;
use humboldt_physics::convention::{exchange_angles_of_lhcb_and_theory, lhcb_variables};
use humboldt_physics::kinematics::FourMomentum;
use humboldt_schemas::events::EVENT_COLUMNS;
use humboldt_schemas::layout::{
    AngleConvention, AngleUnit, ChiRange, Layout, LeptonOfAngle, Leptons, Meson, Momenta, Particle, Q2Unit,
    Source, Units,
};
use rayon::prelude::*;

use super::columns::{Labels, Rows, any_of, find_any, missing, numbers, whole_numbers};
use super::{B0BAR, Mass, Wanted};
use crate::PipelineError;

/// Variables of an event: those of [`EVENT_COLUMNS`].
const VARIABLES: usize = EVENT_COLUMNS.len();
/// Of which the last is the K pi mass.
const MASS: usize = VARIABLES - 1;
const CHI: usize = 3;
const COS_THETA_L: usize = 1;

/// Where the variables of one role come from.
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

/// Columns of the final state.
#[derive(Debug)]
struct FinalState {
    /// l+, l-, kaon, pion, each with energy and momentum.
    columns: [[String; 4]; 4],
    leptons: Leptons,
    lepton_id: Option<String>,
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
            let computed = momenta.variables(rows, self, flavour)?;
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
        if let Some(chi) = chi {
            self.check_chi(rows, chi)?;
        }
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

    /// Takes chi to radians; its range is what the layout says, either of both where it says nothing.
    fn check_chi(&self, rows: &Rows<'_>, chi: &mut [f64]) -> Result<(), PipelineError> {
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
        if let (Some(row), Some(name)) = (outside, &self.ready[CHI]) {
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
        Ok(())
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

pub(super) const fn meson_of(flavour: Flavour) -> Meson {
    if flavour.has_b_quark() { Meson::B0bar } else { Meson::B0 }
}

impl FinalState {
    /// The columns of all four particles; none where the file lacks one of the particles.
    fn find(path: &Path, schema: &Schema, momenta: &Momenta) -> Result<Option<Self>, PipelineError> {
        let particles = [&momenta.l_plus, &momenta.l_minus, &momenta.kaon, &momenta.pion];
        let mut columns: [[String; 4]; 4] = Default::default();
        for (columns, particle) in columns.iter_mut().zip(particles) {
            match columns_of(path, schema, particle, &momenta.components)? {
                Some(found) => *columns = found,
                None => return Ok(None),
            }
        }
        let id = momenta.lepton_id.as_deref().map(|id| find_any(path, schema, id)).transpose()?.flatten();
        Ok(Some(Self {
            columns,
            leptons: momenta.leptons,
            lepton_id: id,
            mirrored: momenta.mirrored.clone(),
        }))
    }

    /// q2, angles and K pi mass of some rows, by column.
    fn variables(
        &self,
        rows: &Rows<'_>,
        of: &Variables,
        flavour: impl Fn(usize) -> Flavour + Sync,
    ) -> Result<[Vec<f64>; VARIABLES], PipelineError> {
        let mut components: Vec<Float64Array> = Vec::with_capacity(16);
        for name in self.columns.iter().flatten() {
            components.push(numbers(rows, name)?);
        }
        let swapped = self.swapped(rows, of.listed, &flavour)?;
        let unit = of.units.momenta.unwrap_or_default().gev();
        let particle = |which: usize, row: usize| {
            let [e, x, y, z] = [0, 1, 2, 3].map(|i| components[4 * which + i].value(row) * unit);
            FourMomentum { e, p: [x, y, z] }
        };
        let event = |row: usize| {
            let [first, second, kaon, pion] = [0, 1, 2, 3].map(|which| particle(which, row));
            let (l_plus, l_minus) = if swapped[row] { (second, first) } else { (first, second) };
            let flavour = flavour(row);
            let found = lhcb_variables(flavour, l_minus, l_plus, kaon, pion);
            let mirrored = self.mirrored.contains(&meson_of(flavour));
            let chi = if mirrored { -found.chi } else { found.chi };
            [found.q2, found.cos_theta_l, found.cos_theta_k, chi, found.m_kpi]
        };
        let events: Vec<[f64; VARIABLES]> =
            (0..rows.batch.num_rows()).into_par_iter().with_min_len(1024).map(event).collect();
        // Momenta of rest, or of a decay on one line, have no angles.
        if let Some(row) = events.iter().position(|event| event.iter().any(|x| !x.is_finite())) {
            let name = &self.columns[0][0];
            let got = components[0].value(row).to_string();
            let allowed = "four-momenta of which q2 and angles can be computed (energy at least the momentum, no \
                particle at rest)";
            return Err(rows.refuse(name, row, &got, allowed));
        }
        Ok(std::array::from_fn(|i| events.iter().map(|event| event[i]).collect()))
    }

    /// Of each row, whether the columns of the positive lepton hold the negative one.
    fn swapped(
        &self,
        rows: &Rows<'_>,
        listed: Flavour,
        flavour: &(impl Fn(usize) -> Flavour + Sync),
    ) -> Result<Vec<bool>, PipelineError> {
        let Some(id) = &self.lepton_id else {
            let slots = self.leptons == Leptons::Slots;
            return Ok((0..rows.batch.num_rows()).map(|row| slots && flavour(row) != listed).collect());
        };
        let swapped = |(row, id_of): (usize, Option<i64>)| match id_of {
            // PDG numbers of leptons are positive for negative charge.
            Some(1 | -11 | -13) => Ok(false),
            Some(-1 | 11 | 13) => Ok(true),
            other => {
                let got = other.map_or_else(|| "not a whole number".to_owned(), |id| id.to_string());
                let allowed = "a charge, 1 or -1, or a PDG number, 11, -11, 13 or -13";
                Err(rows.refuse(id, row, &got, allowed))
            }
        };
        whole_numbers(rows, id)?.into_iter().enumerate().map(swapped).collect()
    }
}

/// The four columns of a particle; none where the file has none of its prefixes, or not the first of its columns.
fn columns_of(
    path: &Path,
    schema: &Schema,
    particle: &Particle,
    components: &[String; 4],
) -> Result<Option<[String; 4]>, PipelineError> {
    let candidates: Vec<[String; 4]> = match particle {
        Particle::Prefix(prefixes) => {
            let of = |prefix: &str| components.clone().map(|component| format!("{prefix}{component}"));
            prefixes.split('|').map(of).collect()
        }
        Particle::Columns(columns) => vec![columns.clone()],
    };
    for columns in candidates {
        if find_any(path, schema, &columns[0])?.is_some() {
            for name in &columns[1..] {
                any_of(path, schema, name)?;
            }
            return Ok(Some(columns));
        }
    }
    Ok(None)
}

/// The first column of momenta that a file lacks.
fn first_missing(path: &Path, schema: &Schema, momenta: &Momenta) -> Result<String, PipelineError> {
    for particle in [&momenta.l_plus, &momenta.l_minus, &momenta.kaon, &momenta.pion] {
        if columns_of(path, schema, particle, &momenta.components)?.is_none() {
            return Ok(match particle {
                Particle::Prefix(prefixes) => {
                    let of = |prefix: &str| format!("{prefix}{}", momenta.components[0]);
                    prefixes.split('|').map(of).collect::<Vec<_>>().join("|")
                }
                Particle::Columns(columns) => columns[0].clone(),
            });
        }
    }
    Ok(String::new())
}
