//! Limits of a card, said before anything is made.

use humboldt_schemas::card::{RunCard, Split};

use super::estimators::training_values;
use crate::error::Error;
use crate::infer::neyman::{FEWEST_PREDICTIONS, FEWEST_TRUTHS, too_few_for_coverage};

/// One line for each answer that a run of this card will not have.
///
/// # Errors
/// When the card is refused.
pub fn limits(card: &RunCard) -> Result<Vec<String>, Error> {
    let points = card.data().points()?;
    let single = points.iter().filter(|point| point.count(Split::Test) == 1);
    let single: Vec<String> = single.map(|point| point.shifts[0].to_string()).collect();
    let mut lines = Vec::new();
    // Intervals of several coefficients come from the network's own calibration.
    if card.axes()?.names().len() == 1 {
        match intervals(card) {
            Err(error) => lines.push(error.to_string()),
            Ok(()) => lines.extend(too_few_for_coverage(fewest_test_images(card)?, "test images")),
        }
    }
    if !single.is_empty() {
        lines.push(format!("one test image at a shift of {}: its width stays unknown", single.join(", ")));
    }
    Ok(lines)
}

/// Whether the run's own test images calibrate intervals of a prediction.
///
/// # Errors
/// In words, where they are too few.
pub fn intervals(card: &RunCard) -> Result<(), Error> {
    known_values(card, "`predict` and `compare`")?;
    let images = fewest_test_images(card)?;
    if images < FEWEST_PREDICTIONS {
        return Err(Error::TestImages { least: FEWEST_PREDICTIONS, got: images });
    }
    Ok(())
}

/// Refuses a card with fewer training values than intervals are calibrated from.
///
/// # Errors
/// In words.
pub fn known_values(card: &RunCard, who: &'static str) -> Result<(), Error> {
    let values = training_values(card)?.len();
    if values < FEWEST_TRUTHS {
        return Err(Error::TrainingValues { who, least: FEWEST_TRUTHS, got: values });
    }
    Ok(())
}

/// Test images of that training value which has the fewest.
///
/// # Errors
/// When the card is refused.
pub fn fewest_test_images(card: &RunCard) -> Result<usize, Error> {
    let points = card.data().points()?.into_iter().filter(|point| point.count(Split::Train) > 0);
    Ok(points.map(|point| point.count(Split::Test)).min().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(values: &str, test: usize) -> RunCard {
        let group = |values: &str, train: usize, test: usize| {
            format!(
                "[[dataset.groups]]\ndelta_c9 = {values}\ntrain = {train}\nvalidation = {train}\ntest = {test}\n"
            )
        };
        RunCard::parse(&format!("{}{}", group(values, 2, test), group("[-0.25]", 0, 60)), "card").unwrap()
    }

    #[test]
    fn issue_13_6_a_card_says_what_it_cannot_give() {
        let three = "[-1.0, -0.5, 0.0]";
        let said = |values: &str, test: usize| limits(&card(values, test)).unwrap().join("; ");
        assert_eq!(said(three, 60), "");
        assert_eq!(
            said(three, 20),
            "WARNING: 20 test images at each training value are too few for 95 % intervals, which cover 90.5 % at most; 39 or more will do"
        );
        assert_eq!(
            said(three, 8),
            "`predict` needs 20 test images at each training value for its intervals, this card has 8; `humboldt compare RUN` makes its own"
        );
        assert_eq!(
            said("[-1.0, 0.0]", 60),
            "`predict` and `compare` need 3 values with training images for their intervals, this card has 2"
        );
        assert!(
            said(three, 1).ends_with("one test image at a shift of -1, -0.5, 0: its width stays unknown")
        );
    }
}
