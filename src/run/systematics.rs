//! Samples in place of those that estimators assume: of another model, other inputs, other form factors.

use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{Channel, Hadron, LineShape, Parameters, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::card::GeneratorCard;
use humboldt_schemas::comparison::SystematicShift;

use crate::error::{Error, Place};
use crate::infer::information::{MassKnowledge, by_quadrature};
use crate::infer::nuisances::{Nuisance, Nuisances};
use crate::sampling;

/// A card whose form factors are moved by so many standard deviations in the direction, of all that their covariance
/// allows, that moves a fit of delta C9 the most; with the bias that the information matrix expects at `delta_c9`.
///
/// # Errors
/// When the card is refused, or no form factor moves delta C9.
pub fn with_form_factors_moved(
    card: &GeneratorCard,
    delta_c9: f64,
    by: f64,
) -> Result<SystematicShift, Error> {
    let shifts = card.shifts()?.with(WilsonCoefficient::C9, delta_c9.into());
    let decay = card.decay(&shifts)?;
    let line_shape = card.line_shape;
    let windows = sampling::windows(card)?.of(&decay, line_shape)?;
    let parameters = card.parameters()?;
    let with_inputs =
        |parameters: &Parameters| -> Result<_, Error> { Ok(card.decay_with(&shifts, parameters)?) };
    let nuisances = Nuisances::new(&[Nuisance::FormFactors], &parameters, decay.flavour(), with_inputs)?;
    let masses = if line_shape == LineShape::Narrow { MassKnowledge::Pole } else { MassKnowledge::Known };
    let c9 = [WilsonDirection::real(WilsonCoefficient::C9)];
    let information = by_quadrature(&decay, masses, &windows, &c9, &nuisances)?.shape;
    // A fit with the wrong nuisance parameters n is biased by I_cn n / I_cc.
    let biases: Vec<f64> =
        (1..information.ncols()).map(|k| information[(0, k)] / information[(0, 0)]).collect();
    let length = biases.iter().map(|b| b * b).sum::<f64>().sqrt();
    if length <= 0.0 {
        return Err(Error::setting("test_form_factors", by, "a model that has form factors"));
    }

    let variation = Variation::new(&parameters)?;
    let names: Vec<&str> = variation.names().collect();
    let form_factors = format!("{}_", Channel::of(decay.flavour(), Hadron::Kstar)?.form_factors);
    let own = names.iter().enumerate().filter(|(_, name)| name.starts_with(&form_factors));
    let mut normals = vec![0.0; names.len()];
    for ((place, _), bias) in own.zip(&biases) {
        normals[place] = by * bias / length;
    }
    let moved = variation.varied(&normals)?;
    let mut generator = card.clone();
    for (name, parameter) in moved.iter().filter(|(name, _)| name.starts_with(&form_factors)) {
        generator.inputs.insert(name.to_owned(), parameter.value);
    }
    generator.decay(&shifts).place(|| "form factors that were moved".to_owned())?;
    let description = format!("form factors moved by {by} standard deviations");
    Ok(SystematicShift {
        description,
        generator,
        expected_bias: Some(by * length),
        expected_at: Some(delta_c9),
    })
}
