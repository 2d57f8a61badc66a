//! humboldt's events as the columns of a [`Layout`]: the way back, for tests and for teaching.

use std::f64::consts::PI;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use humboldt_physics::convention::{DecayVariables, exchange_angles_of_lhcb_and_theory, lhcb_momenta};
use humboldt_physics::kinematics::{DecayMasses, DecayMomenta, FourMomentum, Rotation};
use humboldt_physics::{Decay, Flavour, Lepton};
use humboldt_schemas::layout::{
    AngleConvention, AngleUnit, ChiRange, EnergyUnit, FlavourColumn, Layout, LeptonOfAngle, Leptons, Momenta,
    Particle, Q2Unit, Source,
};
use rayon::prelude::*;

use super::momenta::meson_of;
use super::variables::flavour_of;
use crate::columns::B0BAR;
use crate::rng::StreamKey;
use crate::{EventBatch, PipelineError};

/// Writes rows of events as the columns of a layout: momenta where it prefers or has only those, else ready columns.
///
/// The B flies in a random direction with an exponential momentum, and every decay is turned at random, by the seed and
/// the number of the row.
#[derive(Debug)]
pub struct ExportColumns {
    measured: Columns,
    truth: Option<Columns>,
    weight: Option<String>,
    candidates: Vec<(String, i32)>,
    masses: DecayMasses,
    lepton: Lepton,
    /// Of the momentum of the B, in GeV.
    mean_momentum: f64,
    key: StreamKey,
    schema: SchemaRef,
}

/// Columns of one role.
#[derive(Debug)]
struct Columns {
    layout: Layout,
    momenta: Option<Momenta>,
    flavour: Option<FlavourColumn>,
    listed: Flavour,
}

/// Events to write: measured and true variables, flavours, weights.
#[derive(Debug, Clone, Copy)]
pub struct ExportRows<'a> {
    /// As they were measured.
    pub events: &'a EventBatch,
    /// As they were generated.
    pub truth: &'a EventBatch,
    /// +1 of a B0bar, -1 of a B0, by row.
    pub flavours: &'a [i8],
    /// Weights, where there are any.
    pub weights: Option<&'a [f64]>,
}

impl ExportColumns {
    /// Of events of `decay`, with `weighted` ones' weights; `mean_momentum` of the B in GeV.
    ///
    /// # Errors
    /// [`PipelineError::OutOfRange`] for weights that the layout has no column for, and columns twice.
    pub fn new(
        layout: &Layout,
        decay: &Decay,
        weighted: bool,
        mean_momentum: f64,
        seed: u64,
    ) -> Result<Self, PipelineError> {
        let first = |names: &String| first_of(names).to_owned();
        let weight = layout.weight.as_ref().map(first).filter(|_| weighted);
        if weighted && weight.is_none() {
            let allowed = "one that names a column `weight`, for the events have weights";
            return Err(PipelineError::out_of_range("layout", "without weight", allowed));
        }
        let candidates = layout.candidates.iter().flat_map(|candidates| {
            [(&candidates.column, 0), (&candidates.count, 1)]
                .map(|(name, n)| Some((first(name.as_ref()?), n)))
        });
        let listed = layout.flavour.as_ref().map_or(Flavour::B0, |flavour| flavour_of(flavour.listed));
        let columns = |layout: Layout| Columns {
            momenta: layout
                .momenta
                .clone()
                .filter(|_| layout.prefer == Source::Momenta || layout.q2.is_none()),
            flavour: layout.flavour.clone(),
            listed,
            layout,
        };
        let mut this = Self {
            measured: columns(layout.clone()),
            truth: layout.whole_truth().map(columns),
            weight,
            candidates: candidates.flatten().collect(),
            masses: decay.masses(),
            lepton: decay.lepton(),
            mean_momentum,
            key: StreamKey::new(seed).child("export", 0),
            schema: Arc::new(Schema::empty()),
        };
        let none = EventBatch::default();
        let rows =
            ExportRows { events: &none, truth: &none, flavours: &[], weights: weighted.then_some(&[]) };
        let made = this.columns(rows, 0)?;
        let mut fields: Vec<Field> = Vec::with_capacity(made.len());
        for (name, array) in made {
            if fields.iter().any(|field| *field.name() == name) {
                return Err(PipelineError::out_of_range(
                    "layout",
                    format!("column `{name}` twice"),
                    "it once",
                ));
            }
            fields.push(Field::new(name, array.data_type().clone(), false));
        }
        this.schema = Arc::new(Schema::new(fields));
        Ok(this)
    }

    /// The columns that are written.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Some rows, the first of which is row `first_row` of the file.
    ///
    /// # Errors
    /// [`PipelineError::OutOfRange`] for an event outside phase space.
    pub fn rows(&self, rows: ExportRows<'_>, first_row: u64) -> Result<RecordBatch, PipelineError> {
        let columns = self.columns(rows, first_row)?.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|e| PipelineError::out_of_range("columns", e, "of one length"))
    }

    fn columns(
        &self,
        rows: ExportRows<'_>,
        first_row: u64,
    ) -> Result<Vec<(String, ArrayRef)>, PipelineError> {
        let n = rows.events.len();
        if [rows.events, rows.truth].iter().any(|events| events.m_kpi.len() != n) {
            return Err(PipelineError::out_of_range("m_kpi", "missing", "a column of the events"));
        }
        let mut made: Vec<(String, ArrayRef)> = Vec::new();
        for (name, number) in &self.candidates {
            made.push((name.clone(), Arc::new(Int32Array::from(vec![*number; n]))));
        }
        let placements = self.placements(n, first_row);
        let truth = self.truth.iter().map(|columns| (columns, rows.truth));
        for (columns, events) in [(&self.measured, rows.events)].into_iter().chain(truth) {
            columns.write_ready(events, rows.flavours, &mut made);
            if let Some(momenta) = &columns.momenta {
                self.write_momenta(columns, momenta, events, rows.flavours, &placements, &mut made)?;
            }
        }
        if let (Some(name), Some(weights)) = (&self.weight, rows.weights) {
            made.push((name.clone(), Arc::new(Float64Array::from(weights.to_vec()))));
        }
        Ok(made)
    }

    /// Orientation of each decay and momentum of its B, by the number of the row.
    fn placements(&self, n: usize, first_row: u64) -> Vec<(Rotation, [f64; 3])> {
        let place = |row: u64| {
            let mut rng = self.key.block(row);
            let orientation = Rotation::from_uniform([rng.uniform(), rng.uniform(), rng.uniform()]);
            let (cosine, turn): (f64, f64) = (2.0 * rng.uniform() - 1.0, 2.0 * PI * rng.uniform());
            let momentum = -self.mean_momentum * (1.0 - rng.uniform()).ln();
            let across = momentum * (1.0 - cosine * cosine).sqrt();
            (orientation, [across * turn.cos(), across * turn.sin(), momentum * cosine])
        };
        (first_row..first_row + n as u64).into_par_iter().map(place).collect()
    }

    fn write_momenta(
        &self,
        columns: &Columns,
        momenta: &Momenta,
        events: &EventBatch,
        flavours: &[i8],
        placements: &[(Rotation, [f64; 3])],
        made: &mut Vec<(String, ArrayRef)>,
    ) -> Result<(), PipelineError> {
        let event = |row: usize| -> Result<DecayMomenta, PipelineError> {
            let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
                events.columns().map(|column| f64::from(column[row]));
            let variables = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            let (orientation, momentum) = &placements[row];
            let mut at_rest = lhcb_momenta(flavour(flavours[row]), &self.masses, &variables)?;
            if momenta.mirrored.contains(&meson_of(flavour(flavours[row]))) {
                let DecayMomenta { l_minus, l_plus, kaon, pion } = &mut at_rest;
                for particle in [l_minus, l_plus, kaon, pion] {
                    particle.p[1] *= -1.0;
                }
            }
            Ok(at_rest.placed(&self.masses, orientation, *momentum))
        };
        let decays: Vec<DecayMomenta> =
            (0..events.len()).into_par_iter().map(event).collect::<Result<_, _>>()?;
        let swapped =
            |row: usize| momenta.leptons == Leptons::Slots && flavour(flavours[row]) != columns.listed;
        let of = |which: usize, row: usize| -> &FourMomentum {
            let decay = &decays[row];
            match (which, swapped(row)) {
                (0, false) | (1, true) => &decay.l_plus,
                (0, true) | (1, false) => &decay.l_minus,
                (2, _) => &decay.kaon,
                _ => &decay.pion,
            }
        };
        let unit = 1.0 / columns.layout.units.momenta.unwrap_or_default().gev();
        for (which, particle) in
            [&momenta.l_plus, &momenta.l_minus, &momenta.kaon, &momenta.pion].iter().enumerate()
        {
            for (i, name) in self.names(particle, &momenta.components).into_iter().enumerate() {
                let value = |row| {
                    let momentum: &FourMomentum = of(which, row);
                    unit * if i == 0 { momentum.e } else { momentum.p[i - 1] }
                };
                made.push((name, Arc::new((0..events.len()).map(value).collect::<Float64Array>())));
            }
        }
        if let Some(id) = &momenta.lepton_id {
            let number = if self.lepton == Lepton::Electron { 11 } else { 13 };
            let of_row = |row| if swapped(row) { number } else { -number };
            made.push((self.choice(id), Arc::new((0..events.len()).map(of_row).collect::<Int32Array>())));
        }
        Ok(())
    }

    fn names(&self, particle: &Particle, components: &[String; 4]) -> [String; 4] {
        match particle {
            Particle::Prefix(prefixes) => {
                let prefix = self.choice(prefixes);
                components.clone().map(|component| format!("{prefix}{component}"))
            }
            Particle::Columns(columns) => columns.clone(),
        }
    }

    /// The name for this lepton, where there are several: names of electrons begin with `e`.
    fn choice(&self, names: &str) -> String {
        let electron = self.lepton == Lepton::Electron;
        let fitting = names.split('|').find(|name| name.starts_with('e') == electron);
        fitting.unwrap_or_else(|| first_of(names)).to_owned()
    }
}

impl Columns {
    /// Ready columns, where momenta are not written, and the flavour.
    fn write_ready(&self, events: &EventBatch, flavours: &[i8], made: &mut Vec<(String, ArrayRef)>) {
        if self.momenta.is_none() {
            let rows = (0..events.len()).map(|row| self.row(events, row, flavour(flavours[row])));
            let rows: Vec<[f64; 5]> = rows.collect();
            for (i, names) in self.layout.columns().into_iter().enumerate() {
                let Some(names) = names else { continue };
                let column: Float64Array = rows.iter().map(|row| row[i]).collect();
                made.push((first_of(names).to_owned(), Arc::new(column)));
            }
        }
        if let Some(said) = &self.flavour {
            let [b0, b0bar] =
                [&said.b0, &said.b0bar].map(|values| values.first().map_or(0, |value| *value as i32));
            let label = |sign: &i8| if *sign == B0BAR { b0bar } else { b0 };
            let labels: Int32Array = flavours.iter().map(label).collect();
            made.push((first_of(&said.column).to_owned(), Arc::new(labels)));
        }
    }

    /// One row in the layout's units and conventions.
    fn row(&self, events: &EventBatch, row: usize, flavour: Flavour) -> [f64; 5] {
        let layout = &self.layout;
        let [mut q2, mut cos_theta_l, cos_theta_k, mut chi, mut m_kpi] =
            events.columns().map(|column| column.get(row).map_or(f64::NAN, |x| f64::from(*x)));
        let theory = layout.convention == Some(AngleConvention::Theory);
        if theory {
            (cos_theta_l, chi) = exchange_angles_of_lhcb_and_theory(flavour, cos_theta_l, chi);
        }
        if layout.mirrored.iter().flatten().any(|meson| *meson == meson_of(flavour)) {
            chi = -chi;
        }
        let negative = theory || flavour.has_b_quark();
        let other = if negative { LeptonOfAngle::LPlus } else { LeptonOfAngle::LMinus };
        if layout.theta_l_of == Some(other) {
            cos_theta_l = -cos_theta_l;
        }
        chi = chi.rem_euclid(2.0 * PI);
        if layout.chi_range != Some(ChiRange::Positive) && chi > PI {
            chi -= 2.0 * PI;
        }
        if layout.units.chi == Some(AngleUnit::Deg) {
            chi = chi.to_degrees();
        }
        q2 = match layout.units.q2.unwrap_or_default() {
            Q2Unit::GeV2 => q2,
            Q2Unit::MeV2 => q2 * 1e6,
            Q2Unit::GeV => q2.sqrt(),
            Q2Unit::MeV => q2.sqrt() * 1e3,
        };
        if layout.units.m_kpi == Some(EnergyUnit::MeV) {
            m_kpi *= 1e3;
        }
        [q2, cos_theta_l, cos_theta_k, chi, m_kpi]
    }
}

const fn flavour(sign: i8) -> Flavour {
    if sign == B0BAR { Flavour::B0bar } else { Flavour::B0 }
}

fn first_of(names: &str) -> &str {
    names.split('|').next().unwrap_or(names)
}
