//! A reader of `Asciiv3` as far as humboldt writes it, strict about everything else.

use std::fs;
use std::path::Path;

use humboldt_physics::kinematics::{DecayMomenta, FourMomentum};

/// A particle line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Particle {
    pub(crate) mother: i32,
    pub(crate) number: i32,
    pub(crate) momentum: FourMomentum,
    pub(crate) mass: f64,
    pub(crate) status: i32,
}

/// An event, its particles in file order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) weights: Vec<f64>,
    pub(crate) particles: Vec<Particle>,
}

impl Event {
    pub(crate) fn momenta(&self) -> DecayMomenta {
        let at = |i: usize| self.particles[i].momentum;
        DecayMomenta { l_minus: at(2), l_plus: at(3), kaon: at(4), pion: at(5) }
    }
}

/// A file: the lines between the start and the first event, and the events.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) head: Vec<String>,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn read(path: &Path) -> Result<Listing, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(path)?;
    let body = text
        .strip_prefix("HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n")
        .and_then(|rest| rest.strip_suffix("HepMC::Asciiv3-END_EVENT_LISTING\n\n"))
        .ok_or("no start or no end")?;
    let (mut head, mut events) = (Vec::new(), Vec::<Event>::new());
    for line in body.lines() {
        let (key, rest) = line.split_once(' ').ok_or_else(|| format!("`{line}`"))?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = events.len();
        match (key, events.last_mut()) {
            ("E", _) => {
                assert_eq!(fields, [number.to_string().as_str(), "2", "6"]);
                events.push(Event { weights: Vec::new(), particles: Vec::new() });
            }
            (_, None) => head.push(line.to_owned()),
            ("U", Some(_)) => assert_eq!(rest, "GEV MM"),
            ("W", Some(event)) => {
                event.weights = fields.iter().map(|x| x.parse()).collect::<Result<_, _>>()?;
            }
            ("P", Some(event)) => event.particles.push(particle(&fields, event.particles.len() + 1)?),
            _ => return Err(format!("`{line}`").into()),
        }
    }
    Ok(Listing { head, events })
}

fn particle(fields: &[&str], place: usize) -> Result<Particle, Box<dyn std::error::Error>> {
    let [own, mother, number, px, py, pz, e, mass, status] = fields else {
        return Err(format!("{} fields", fields.len()).into());
    };
    assert_eq!(own.parse::<usize>()?, place);
    Ok(Particle {
        mother: mother.parse()?,
        number: number.parse()?,
        momentum: FourMomentum { e: e.parse()?, p: [px.parse()?, py.parse()?, pz.parse()?] },
        mass: mass.parse()?,
        status: status.parse()?,
    })
}
