//! Scores, parabolas and weights of events in the Wilson coefficients, by column.
//!
//! All of it is exact, from the amplitudes at the event; nothing is tabulated but the total rate as a function of the
//! K pi mass. Columns are f64: differences of neighbouring shifts keep their digits.

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::density::ScoresAt;
use humboldt_physics::quadratic::count;
use humboldt_physics::{Decay, Density, LineShape, SWave, WilsonDirection};
use humboldt_schemas::card::{AcceptanceCard, Effects};
use rayon::prelude::*;

use crate::effects::MeasuredEvents;
use crate::phase_space::ROUNDING;
use crate::{EventBatch, PipelineError};

/// Columns that [`ScoreColumns`] makes for each direction.
const QUANTITIES: [&str; 4] = ["score", "a", "b", "c"];

/// For chosen shifts dC, in columns: the score `d ln p / d dC` and a, b, c of `|A|^2 = a + b dC + c dC^2`.
///
/// The shifts are counted from the sample's own; p is the normalised density, |A|^2 the four-fold rate in GeV^-1.
#[derive(Debug, Clone)]
pub struct ScoreColumns(Option<Density>);

impl ScoreColumns {
    /// For the events of `decay` with a line shape, in windows of q2 (GeV^2) as of [`crate::generate::EventSampler::windows`].
    ///
    /// # Errors
    /// When a window is empty or misses phase space.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
    ) -> Result<Self, PipelineError> {
        // A normalisation that nobody asks for costs as much as a sampler.
        let wanted = !directions.is_empty();
        Ok(Self(wanted.then(|| Density::new(decay, line_shape, windows, directions)).transpose()?))
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Names of the columns: `score_c9`, `a_c9`, `b_c9`, `c_c9` for each direction.
    pub fn names(&self) -> Vec<String> {
        let names = |direction: &WilsonDirection| QUANTITIES.map(|what| format!("{what}_{direction}"));
        self.0.iter().flat_map(Density::directions).flat_map(names).collect()
    }

    /// The columns of some events, of which the first is row `first_row` of its table.
    ///
    /// # Errors
    /// When an event lies outside phase space; the error names its row.
    pub fn of(&self, events: &EventBatch, first_row: u64) -> Result<Vec<Vec<f64>>, PipelineError> {
        let Some(density) = &self.0 else { return Ok(Vec::new()) };
        let rows = by_event(events, first_row, density, |event| {
            let (scores, rate) = density.scores_and_rate(event);
            let of = |(i, score)| [score, rate.constant(), rate.linear(i), rate.quadratic(i, i)];
            scores.into_iter().enumerate().flat_map(of).collect()
        })?;
        let columns = QUANTITIES.len() * density.directions().len();
        Ok((0..columns).map(|i| rows.iter().map(|row| row[i]).collect()).collect())
    }
}

/// Whether a column of this name is one that [`ScoreColumns`] makes.
pub fn is_score(name: &str) -> bool {
    let (what, direction) = name.split_once('_').unwrap_or_default();
    QUANTITIES.contains(&what) && direction.parse::<WilsonDirection>().is_ok()
}

/// Scores of events at several shifts, of one direction or more: what a network learns event by event, of signal from its truth
/// and 0 of background.
///
/// Of measured events they are those of accepted signal: the density's, less their mean over it ([`EventScores::accepted`]).
#[derive(Debug, Clone)]
pub struct EventScores {
    lines: Vec<ScoresAt>,
    /// Taken out of the scores of signal.
    means: Vec<f64>,
}

/// Points that scores are taken at: `shifts` dC of `direction`, counted from the decay's own.
#[derive(Debug, Clone)]
pub struct ScoreLine {
    /// The decay, other coefficients shifted as it says.
    pub decay: Decay,
    /// Its S-wave, where there is one.
    pub s_wave: Option<SWave>,
    /// The coefficient that the score is the derivative by.
    pub direction: WilsonDirection,
    /// Its shifts.
    pub shifts: Vec<f64>,
}

impl EventScores {
    /// For the density of each line's decay with a line shape in windows of q2 (GeV^2).
    ///
    /// # Errors
    /// Without lines; when a window is empty or misses phase space.
    pub fn new(
        lines: &[ScoreLine],
        line_shape: LineShape,
        windows: &[(f64, f64)],
    ) -> Result<Self, PipelineError> {
        if lines.is_empty() {
            return Err(PipelineError::out_of_range("lines of scores", 0, "one or more"));
        }
        let one = |line: &ScoreLine| {
            let ScoreLine { decay, s_wave, direction, shifts } = line;
            let density =
                Density::with_effects(decay, line_shape, windows, &[*direction], None, s_wave.clone())?;
            let points: Vec<Vec<f64>> = shifts.iter().map(|shift| vec![*shift]).collect();
            Ok(density.scores_at(&points))
        };
        let lines = lines.iter().map(one).collect::<Result<Vec<_>, PipelineError>>()?;
        let means = vec![0.0; lines.iter().map(ScoresAt::len).sum()];
        Ok(Self { lines, means })
    }

    /// The scores of signal that is accepted and measured, by the truth of a sample of it that was made with another density: their
    /// mean over what is accepted, at each shift, is 0.
    ///
    /// # Errors
    /// When an event lies outside phase space; the error names its row.
    pub fn accepted(mut self, truth: &EventBatch, made: &Density) -> Result<Self, PipelineError> {
        const ROWS: usize = 1 << 14;
        let mut sums = vec![[0.0; 2]; self.len()];
        for first in (0..truth.len()).step_by(ROWS) {
            let rows = truth.rows(first..truth.len().min(first + ROWS));
            // Weight of an event at each shift, and its score there.
            let numbers = by_event(&rows, first as u64, made, |event| {
                let by = made.density(event);
                let mut numbers = Vec::with_capacity(2 * sums.len());
                for line in &self.lines {
                    line.with_densities(event, |density, score| numbers.extend([density / by, score]));
                }
                numbers
            })?;
            for row in numbers {
                for (sum, own) in sums.iter_mut().zip(row.chunks_exact(2)) {
                    sum[0] += own[0];
                    sum[1] += own[0] * own[1];
                }
            }
        }
        for (mean, [weight, sum]) in self.means.iter_mut().zip(sums) {
            *mean += sum / weight;
        }
        Ok(self)
    }

    /// Number of scores of an event.
    pub const fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// Adds the scores of event `i` to `sums`: line by line, each in the order of its shifts.
    ///
    /// # Errors
    /// When the event lies outside phase space; the error names its row.
    pub fn add(&self, events: &MeasuredEvents, i: usize, sums: &mut [f32]) -> Result<(), PipelineError> {
        if !events.is_signal(i) {
            return Ok(());
        }
        let truth = events.origin();
        let event = inside(truth, i, self.lines[0].density()).ok_or_else(|| outside(truth, i, i as u64))?;
        let mut sums = sums.iter_mut().zip(&self.means);
        for line in &self.lines {
            line.of(&event, |score| {
                if let Some((sum, mean)) = sums.next() {
                    *sum += (score - mean) as f32;
                }
            });
        }
        Ok(())
    }
}

/// Of each event the rate as a function of the density's shifts, over that without any: coefficients of all monomials but the first.
///
/// # Shapes
/// [event, monomial - 1]
///
/// # Errors
/// When an event lies outside phase space, or has no rate; the error names its row.
pub fn relative_rates(density: &Density, events: &EventBatch) -> Result<Vec<f32>, PipelineError> {
    let of = |event: &DecayVariables| {
        let rate = density.rate_at(event);
        rate.terms()[1..].iter().map(|term| term / rate.constant()).collect()
    };
    Ok(in_a_row(by_event(events, 0, density, of)?))
}

/// [`relative_rates`] of measured values in the place of true ones: what lies outside phase space is moved to its edge. Where the K pi mass is not
/// to be looked at, all events have that of the pole.
///
/// # Shapes
/// [event, monomial - 1]
pub fn relative_rates_as_measured(density: &Density, events: &EventBatch, with_mass: bool) -> Vec<f32> {
    let decay = density.decay();
    let (low, high) = density.m_kpi_range();
    let cosine = |x: f32| f64::from(x).clamp(-1.0, 1.0);
    let of = |i: usize| {
        let own = events.m_kpi.get(i).filter(|_| with_mass);
        let m_kpi = own.map_or(decay.resonance().pole(), |x| f64::from(*x)).clamp(low, high);
        let event = DecayVariables {
            q2: f64::from(events.q2[i])
                .min(decay.q2_max(m_kpi) * (1.0 - 1e-6))
                .max(decay.q2_min() * (1.0 + 1e-6)),
            cos_theta_l: cosine(events.cos_theta_l[i]),
            cos_theta_k: cosine(events.cos_theta_k[i]),
            chi: events.chi[i].into(),
            m_kpi,
        };
        let rate = density.rate_at(&event);
        let relative = |term: &f64| Some(term / rate.constant()).filter(|x| x.is_finite()).unwrap_or(0.0);
        rate.terms()[1..].iter().map(relative).collect()
    };
    in_a_row((0..events.len()).into_par_iter().with_min_len(1024).map(of).collect())
}

/// Of some events the derivative of the rate by each of some parameters that are one unit up and down in two densities, as a function of the shifts,
/// over the rate without any of a density of the same directions: coefficients of all monomials.
///
/// # Shapes
/// [event, parameter, monomial]
///
/// # Errors
/// As [`relative_rates`].
pub fn relative_changes(
    density: &Density,
    varied: &[[Density; 2]],
    events: &EventBatch,
) -> Result<Vec<f32>, PipelineError> {
    let of = |event: &DecayVariables| {
        let scale = 0.5 / density.rate_at(event).constant();
        let mut changes = Vec::with_capacity(varied.len() * count(density.directions().len()));
        for [up, down] in varied {
            let (up, down) = (up.rate_at(event), down.rate_at(event));
            changes.extend(up.terms().iter().zip(down.terms()).map(|(up, down)| (up - down) * scale));
        }
        changes
    };
    Ok(in_a_row(by_event(events, 0, density, of)?))
}

/// Of some events the rate of each of some densities as a function of the shifts, over the rate without any of a density of the same directions:
/// coefficients of all monomials.
///
/// # Shapes
/// [event, density, monomial]
///
/// # Errors
/// As [`relative_rates`].
pub fn relative_rates_of(
    density: &Density,
    others: &[Density],
    events: &EventBatch,
) -> Result<Vec<f32>, PipelineError> {
    let of = |event: &DecayVariables| {
        let scale = density.rate_at(event).constant().recip();
        let rates = others.iter().map(|other| other.rate_at(event));
        rates.flat_map(|rate| rate.terms().iter().map(|term| term * scale).collect::<Vec<_>>()).collect()
    };
    Ok(in_a_row(by_event(events, 0, density, of)?))
}

/// From one density to another: the weights that turn a sample of the one into a sample of the other.
#[derive(Debug, Clone)]
pub struct Reweighting {
    from: Density,
    to: Density,
}

impl Reweighting {
    /// Between two decays of the same particles, line shape, windows in q2 (GeV^2), S-wave and acceptance.
    ///
    /// # Errors
    /// When a window is empty or misses phase space, or the physics refuses an effect.
    pub fn new(
        from: &Decay,
        to: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        effects: &Effects,
    ) -> Result<Self, PipelineError> {
        let density = |decay| {
            let s_wave = effects.s_wave.as_ref().map(|card| card.of(decay, line_shape)).transpose()?;
            let efficiency = effects.acceptance.as_ref().map(AcceptanceCard::efficiency);
            Density::with_effects(decay, line_shape, windows, &[], efficiency, s_wave)
        };
        Ok(Self { from: density(from)?, to: density(to)? })
    }

    /// Ratio of the numbers of events that the other density and this one predict in the windows: that of the rates.
    pub fn rate_ratio(&self) -> f64 {
        self.to.rate().constant() / self.from.rate().constant()
    }

    /// The ratio of the normalised densities, for each event; its mean over the sample is 1 up to statistics.
    ///
    /// # Errors
    /// When an event lies outside phase space; the error names its row, counted from `first_row`.
    pub fn weights(&self, events: &EventBatch, first_row: u64) -> Result<Vec<f64>, PipelineError> {
        let weight = |event: &DecayVariables| vec![self.to.density(event) / self.from.density(event)];
        Ok(by_event(events, first_row, &self.from, weight)?.concat())
    }
}

/// The numbers of all events in single precision.
fn in_a_row(rows: Vec<Vec<f64>>) -> Vec<f32> {
    rows.into_iter().flatten().map(|x| x as f32).collect()
}

/// A few numbers of each event, on all threads.
fn by_event(
    events: &EventBatch,
    first_row: u64,
    density: &Density,
    numbers: impl Fn(&DecayVariables) -> Vec<f64> + Sync,
) -> Result<Vec<Vec<f64>>, PipelineError> {
    let of = |i: usize| {
        let event = inside(events, i, density)?;
        let numbers = numbers(&event);
        numbers.iter().all(|x| x.is_finite()).then_some(numbers)
    };
    (0..events.len())
        .into_par_iter()
        .with_min_len(1024)
        .map(|i| of(i).ok_or_else(|| outside(events, i, first_row + i as u64)))
        .collect()
}

fn outside(events: &EventBatch, i: usize, row: u64) -> PipelineError {
    let event = format!("q2 = {}, m_kpi = {}", events.q2[i], events.m_kpi[i]);
    PipelineError::out_of_range(&format!("row {row}"), event, "events inside phase space")
}

/// An event in f64, moved back into phase space where rounding has put it out; `None` where it is far outside.
fn inside(events: &EventBatch, i: usize, density: &Density) -> Option<DecayVariables> {
    let (low, high) = density.m_kpi_range();
    let m_kpi = within(events.m_kpi[i], low, high)?;
    let decay = density.decay();
    let q2 = within(events.q2[i], decay.q2_min(), decay.q2_max(m_kpi))?;
    let cosine = |x: f32| f64::from(x).clamp(-1.0, 1.0);
    Some(DecayVariables {
        q2,
        cos_theta_l: cosine(events.cos_theta_l[i]),
        cos_theta_k: cosine(events.cos_theta_k[i]),
        chi: events.chi[i].into(),
        m_kpi,
    })
}

fn within(x: f32, low: f64, high: f64) -> Option<f64> {
    let x = f64::from(x);
    let (first, last) = (low * (1.0 + 1e-9), high * (1.0 - 1e-9));
    let allowed = x >= low * (1.0 - ROUNDING) && x <= high * (1.0 + ROUNDING);
    allowed.then(|| if first < last { x.clamp(first, last) } else { low })
}
