//! Variables of a decay from four-momenta.

use std::path::Path;

use arrow::array::Float64Array;
use arrow::datatypes::Schema;
use humboldt_physics::Flavour;
use humboldt_physics::convention::lhcb_variables;
use humboldt_physics::kinematics::FourMomentum;
use humboldt_schemas::layout::{EnergyUnit, Leptons, Meson, Momenta, Particle};
use rayon::prelude::*;

use super::columns::{Rows, VARIABLES, any_of, find_any, numbers, whole_numbers};
use crate::PipelineError;

/// Columns of the final state.
#[derive(Debug)]
pub(super) struct FinalState {
    /// l+, l-, kaon, pion, each with energy and momentum.
    pub(super) columns: [[String; 4]; 4],
    pub(super) leptons: Leptons,
    pub(super) lepton_id: Option<String>,
    mirrored: Vec<Meson>,
}

impl FinalState {
    /// The columns of all four particles; none where the file lacks one of the particles.
    pub(super) fn find(
        path: &Path,
        schema: &Schema,
        momenta: &Momenta,
    ) -> Result<Option<Self>, PipelineError> {
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
    pub(super) fn variables(
        &self,
        rows: &Rows<'_>,
        unit: EnergyUnit,
        listed: Flavour,
        flavour: impl Fn(usize) -> Flavour + Sync,
    ) -> Result<[Vec<f64>; VARIABLES], PipelineError> {
        let mut components: Vec<Float64Array> = Vec::with_capacity(16);
        for name in self.columns.iter().flatten() {
            components.push(numbers(rows, name)?);
        }
        let swapped = self.swapped(rows, listed, &flavour)?;
        let unit = unit.gev();
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
pub(super) fn first_missing(
    path: &Path,
    schema: &Schema,
    momenta: &Momenta,
) -> Result<String, PipelineError> {
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

pub(super) const fn meson_of(flavour: Flavour) -> Meson {
    if flavour.has_b_quark() { Meson::B0bar } else { Meson::B0 }
}
