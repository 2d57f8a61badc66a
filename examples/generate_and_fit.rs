//! Events with a known shift of C9, and the shift that an unbinned fit finds in them.
//!
//! `cargo run --release --example generate_and_fit`

use anyhow::Result;
use humboldt::infer::density::EventFamily;
use humboldt::infer::likelihood::Likelihood;
use humboldt::infer::unbinned::{Fitted, fit};
use humboldt::sampling;
use humboldt_physics::{LineShape, WilsonCoefficient, WilsonDirection, WilsonShifts};
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::GeneratorCard;

/// A fit of C9 and C10 to `events` events of a shift of C9.
///
/// # Errors
/// When the physics refuses the shift, or the fit finds no minimum.
pub fn generate_and_fit(delta_c9: f64, events: usize, seed: u64) -> Result<Fitted> {
    let card = GeneratorCard { line_shape: LineShape::Narrow, ..GeneratorCard::default() };
    let windows = Q2Windows::new(&[(Some(1.1), Some(6.0))], &[])?;
    let sampler =
        EventSampler::new(&card.decay(&WilsonShifts::delta_c9(delta_c9))?, card.line_shape, &windows)?;
    let (events, report) = sampler.generate(StreamKey::new(seed), events);
    sampling::check(&report)?;

    // The density as a function of what is fitted; its own shifts are where the fit starts.
    let free = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
    let decay = card.decay(&WilsonShifts::STANDARD_MODEL)?;
    let family = EventFamily::new(&decay, card.line_shape, sampler.windows(), &free)?;
    Ok(fit(&Likelihood::new(&family, &events, 0)?)?)
}

#[cfg_attr(test, allow(dead_code, reason = "the test calls the function"))]
fn main() -> Result<()> {
    let fitted = generate_and_fit(-0.8, 20_000, 1)?;
    for (name, (value, sigma)) in ["C9", "C10"].iter().zip(fitted.values.iter().zip(fitted.sigma())) {
        println!("delta {name} = {value:.3} +- {sigma:.3}");
    }
    Ok(())
}
