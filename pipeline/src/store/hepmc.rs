//! Four-momenta of events as HepMC3 ASCII (`Asciiv3`), for detector simulation and analysis frameworks; written, not
//! read.
//!
//! An event is B -> K* l- l+ and K* -> K pi, with momenta and masses in GeV; both vertices lie at the origin. The
//! particles are, in order: B (status 2), K* (status 2), l-, l+, K, pi (status 1). The B has no production vertex.
//! A vertex of one incoming particle has no line of its own, as in files of the HepMC3 library: each daughter names its
//! mother.
//!
//! # Source
//! A. Buckley et al., "The HepMC3 event record library", arXiv:1912.08005, and its `WriterAscii`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use humboldt_physics::convention::{DecayVariables, lhcb_momenta};
use humboldt_physics::kinematics::{DecayMasses, FourMomentum, Rotation};
use humboldt_physics::{Decay, Flavour, PhysicsError};
use humboldt_schemas::events::EVENT_COLUMNS;
use humboldt_schemas::provenance::Provenance;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::metadata;
use crate::rng::StreamKey;
use crate::{EventBatch, PipelineError};

/// Events that share a stream of orientations; part of what a seed means.
const BLOCK: u64 = 512;

/// Blocks that are formatted at once, 20 MB of text.
const GROUP: usize = 64;

/// Event numbers are 32-bit integers in the HepMC3 library.
const MOST_EVENTS: u64 = i32::MAX as u64;

/// The name of the first weight of every event, which is 1.
const NOMINAL: &str = "Default";

/// Three-momentum of the B in GeV; at rest by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BMomentum([f64; 3]);

impl BMomentum {
    /// Largest component in GeV: f64 then keep the mass of a muon to 1e-4.
    pub const MAX: f64 = 1e5;

    /// Components along x, y, z in GeV.
    ///
    /// # Errors
    /// When a component is not a number or beyond [`Self::MAX`].
    pub fn new(components: [f64; 3]) -> Result<Self, PipelineError> {
        match components.into_iter().find(|p| !(-Self::MAX..=Self::MAX).contains(p)) {
            None => Ok(Self(components)),
            Some(p) => Err(PipelineError::out_of_range("b_momentum", p, format!("±{} GeV", Self::MAX))),
        }
    }

    /// Components along x, y, z in GeV.
    pub const fn components(self) -> [f64; 3] {
        self.0
    }
}

impl FromStr for BMomentum {
    type Err = PipelineError;

    /// From `px,py,pz` in GeV.
    fn from_str(text: &str) -> Result<Self, PipelineError> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        match numbers.ok().and_then(|numbers| numbers.try_into().ok()) {
            Some(components) => Self::new(components),
            None => Err(PipelineError::out_of_range("b_momentum", text, "px,py,pz in GeV, such as 0,0,80")),
        }
    }
}

/// Writes events batch by batch as HepMC3 ASCII, with bounded memory; the file appears under its name in
/// [`HepMcWriter::finish`], and not at all if that is never called. It may be a stream, such as a named pipe.
///
/// The orientation of each decay is random and uniform. It follows from the seed and the number of the event in the
/// file, whatever the batches and the number of threads.
#[derive(Debug)]
pub struct HepMcWriter {
    part: PartFile,
    template: Template,
    texts: Vec<String>,
    events: u64,
}

impl HepMcWriter {
    /// Starts a file of events of `decay`, which gives particles and masses; `weights` names event weights besides the
    /// first, which is called `Default` and is 1.
    ///
    /// # Errors
    /// A weight's name that is empty, comes twice or has a space, a backslash, `|` or a control character;
    /// [`PipelineError::Io`] if the file cannot be written.
    pub fn create(
        path: &Path,
        provenance: &Provenance,
        decay: &Decay,
        b_momentum: BMomentum,
        weights: &[&str],
    ) -> Result<Self, PipelineError> {
        check_names(weights)?;
        let template = Template::new(provenance.seed, decay, b_momentum, weights.len());
        let mut head = String::from("HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nW ");
        head.push_str(NOMINAL);
        for name in weights {
            head.extend(["\\|", name]);
        }
        let (program, version) = provenance.program.split_once(' ').unwrap_or((&provenance.program, ""));
        let _ = writeln!(head, "\nT {}\\|{}\\|B -> K* l l events", escaped(program), escaped(version));
        for (key, value) in metadata::entries(path, provenance)? {
            let _ = writeln!(head, "A {key} {}", escaped(&value));
        }
        let mut part = PartFile::create_or_open(path)?;
        part.write_all(head.as_bytes()).map_err(PipelineError::io(path))?;
        Ok(Self { part, template, texts: vec![String::new(); GROUP], events: 0 })
    }

    /// Adds events without named weights.
    ///
    /// # Errors
    /// As [`Self::write_weighted`].
    pub fn write(&mut self, events: &EventBatch) -> Result<(), PipelineError> {
        self.write_weighted(events, &[])
    }

    /// Adds events; the named weights of one event lie side by side.
    ///
    /// # Shapes
    /// `weights`: (events, names)
    ///
    /// # Errors
    /// Columns or weights of another length than the events need; a weight that is not a finite number; an event
    /// outside phase space by more than the rounding of f32, by its number from 0; [`PipelineError::Io`], as when the
    /// disk is full. The file is then not to be finished.
    pub fn write_weighted(&mut self, events: &EventBatch, weights: &[f64]) -> Result<(), PipelineError> {
        self.check_lengths(events, weights)?;
        let template = &self.template;
        let mut start = 0;
        while start < events.len() {
            // Blocks by event number: a batch may begin within one.
            let mut spans = Vec::with_capacity(GROUP);
            while spans.len() < GROUP && start < events.len() {
                let left = (BLOCK - self.events % BLOCK) as usize;
                let end = events.len().min(start + left);
                spans.push((self.events, start..end));
                self.events += (end - start) as u64;
                start = end;
            }
            let format = |((first, span), text): (&(u64, std::ops::Range<usize>), &mut String)| {
                text.clear();
                let weights = &weights[span.start * template.weights..span.end * template.weights];
                template.events(*first, &rows(events, span.clone()), weights, text)
            };
            let results: Vec<_> = spans.par_iter().zip(&mut self.texts).map(format).collect();
            // In file order, so that the same event is named whatever thread met it.
            results.into_iter().collect::<Result<(), _>>()?;
            for text in &self.texts[..spans.len()] {
                let written = self.part.write_all(text.as_bytes());
                written.map_err(PipelineError::io(self.part.path()))?;
            }
        }
        Ok(())
    }

    /// Completes the file, syncs it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; there is then no new file.
    pub fn finish(mut self) -> Result<(), PipelineError> {
        let written = self.part.write_all(b"HepMC::Asciiv3-END_EVENT_LISTING\n\n");
        written.map_err(PipelineError::io(self.part.path()))?;
        self.part.commit()
    }

    fn check_lengths(&self, events: &EventBatch, weights: &[f64]) -> Result<(), PipelineError> {
        let len = events.len();
        for (name, column) in EVENT_COLUMNS.iter().zip(events.columns()) {
            if column.len() != len {
                let allowed = format!("{len}, as of q2");
                return Err(PipelineError::out_of_range(&format!("length of {name}"), column.len(), allowed));
            }
        }
        if weights.len() != len * self.template.weights {
            let allowed = format!("{}, {} an event", len * self.template.weights, self.template.weights);
            return Err(PipelineError::out_of_range("length of weights", weights.len(), allowed));
        }
        if let Some(weight) = weights.iter().find(|weight| !weight.is_finite()) {
            return Err(PipelineError::out_of_range("weight", weight, "a finite number"));
        }
        let total = self.events + len as u64;
        if total > MOST_EVENTS {
            let allowed = format!("at most {MOST_EVENTS} in a HepMC3 file");
            return Err(PipelineError::out_of_range("events", total, allowed));
        }
        Ok(())
    }
}

/// Common properties of all events of a file.
#[derive(Debug)]
struct Template {
    flavour: Flavour,
    masses: DecayMasses,
    b_momentum: [f64; 3],
    orientations: StreamKey,
    /// Named weights of an event.
    weights: usize,
    /// The line of the B.
    b_meson: String,
    /// Starts of the lines of K*, l-, l+, K, pi.
    heads: [String; 5],
    /// Ends of the lines of l-, l+, K, pi: mass and status.
    tails: [String; 4],
}

impl Template {
    fn new(seed: u64, decay: &Decay, b_momentum: BMomentum, weights: usize) -> Self {
        let (flavour, masses) = (decay.flavour(), decay.masses());
        let numbers = decay.particle_numbers();
        let b_momentum = b_momentum.components();
        let mut b_meson = format!("P 1 0 {}", numbers.b_meson);
        push_momentum(&mut b_meson, &FourMomentum::on_shell(masses.b_meson, b_momentum));
        push_number(&mut b_meson, masses.b_meson);
        b_meson.push_str(" 2\n");
        let tail = |mass| {
            let mut tail = String::new();
            push_number(&mut tail, mass);
            tail + " 1\n"
        };
        Self {
            flavour,
            masses,
            b_momentum,
            orientations: StreamKey::new(seed).child("orientation", 0),
            weights,
            b_meson,
            heads: [
                format!("P 2 1 {}", numbers.kstar),
                format!("P 3 1 {}", numbers.l_minus),
                format!("P 4 1 {}", numbers.l_plus),
                format!("P 5 2 {}", numbers.kaon),
                format!("P 6 2 {}", numbers.pion),
            ],
            tails: [masses.lepton, masses.lepton, masses.kaon, masses.pion].map(tail),
        }
    }

    /// The text of events of one block, the first of number `first`.
    fn events(
        &self,
        first: u64,
        rows: &[&[f32]; 5],
        weights: &[f64],
        text: &mut String,
    ) -> Result<(), PipelineError> {
        let mut rng = self.orientations.block(first / BLOCK);
        let mut orientation = || Rotation::from_uniform([rng.uniform(), rng.uniform(), rng.uniform()]);
        for _ in 0..first % BLOCK {
            orientation();
        }
        for (i, number) in (0..rows[0].len()).zip(first..) {
            let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = rows.map(|column| f64::from(column[i]));
            let variables = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            let momenta = lhcb_momenta(self.flavour, &self.masses, &variables)
                .map_err(|error| of_event(number, error))?
                .placed(&self.masses, &orientation(), self.b_momentum);

            // A String takes whatever is written.
            let _ = write!(text, "E {number} 2 6\nU GEV MM\nW 1");
            for weight in &weights[i * self.weights..(i + 1) * self.weights] {
                push_number(text, *weight);
            }
            text.push('\n');
            text.push_str(&self.b_meson);
            let [kstar, heads @ ..] = &self.heads;
            text.push_str(kstar);
            push_momentum(text, &(momenta.kaon + momenta.pion));
            push_number(text, m_kpi);
            text.push_str(" 2\n");
            let finals = [momenta.l_minus, momenta.l_plus, momenta.kaon, momenta.pion];
            for ((head, tail), momentum) in heads.iter().zip(&self.tails).zip(&finals) {
                text.push_str(head);
                push_momentum(text, momentum);
                text.push_str(tail);
            }
        }
        Ok(())
    }
}

/// ` px py pz e`.
fn push_momentum(text: &mut String, momentum: &FourMomentum) {
    let [x, y, z] = momentum.p;
    for number in [x, y, z, momentum.e] {
        push_number(text, number);
    }
}

/// A space and a number, in the fewest digits that give back the same f64.
fn push_number(text: &mut String, number: f64) {
    text.push(' ');
    text.push_str(zmij::Buffer::new().format(number));
}

fn rows(events: &EventBatch, span: std::ops::Range<usize>) -> [&[f32]; 5] {
    events.columns().map(|column| &column[span.clone()])
}

/// The refusal of one event, named by its number.
fn of_event(number: u64, error: PhysicsError) -> PipelineError {
    match error {
        PhysicsError::OutOfRange { field, got, allowed } => {
            PipelineError::out_of_range(&format!("{field} of event {number}"), got, allowed)
        }
        other @ PhysicsError::Unknown { .. } => other.into(),
    }
}

fn check_names(names: &[&str]) -> Result<(), PipelineError> {
    for (i, name) in names.iter().enumerate() {
        // HepMC3 reads the names as words.
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '|');
        if name.is_empty() || name.contains(forbidden) || *name == NOMINAL || names[..i].contains(name) {
            let allowed =
                format!("text without spaces, \\, |, and control characters, not {NOMINAL}, each name once");
            return Err(PipelineError::out_of_range("name of a weight", format!("`{name}`"), allowed));
        }
    }
    Ok(())
}

/// Backslashes and line ends as HepMC3 writes them within one line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\|")
}
