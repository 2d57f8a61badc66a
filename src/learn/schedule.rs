//! Learning rate of each step: its rise and its fall.

use std::f64::consts::PI;

use humboldt_schemas::card::{Schedule, TrainingCard};

/// The part of a cycle in which the learning rate rises.
const RISE: f64 = 0.3;
/// Start of a cycle, of the largest learning rate.
const ONE_CYCLE_START: f64 = 0.04;

/// From 1 at 0 to 0 at 1.
fn half_cosine(x: f64) -> f64 {
    0.5 * (1.0 + (PI * x).cos())
}

/// Learning rate of a step, from 1, where an epoch has `batches` of them.
pub(super) fn learning_rate(card: &TrainingCard, step: u64, batches: u64) -> f64 {
    // Epochs that are over when the step begins.
    let epochs = step.saturating_sub(1) as f64 / batches as f64;
    let warmup = card.warmup_epochs;
    if epochs < warmup {
        return card.learning_rate * step as f64 / (warmup * batches as f64).max(step as f64);
    }
    let fall = match card.schedule {
        Schedule::Constant => 1.0,
        Schedule::Step => card.step_factor.powf(-(epochs / card.step_epochs as f64).floor()),
        Schedule::Cosine => {
            let length = (card.epochs as f64 - warmup).max(f64::MIN_POSITIVE);
            half_cosine(((epochs - warmup) / length).min(1.0))
        }
        Schedule::OneCycle => {
            let passed = (epochs / card.epochs as f64).min(1.0);
            if passed < RISE {
                1.0 - (1.0 - ONE_CYCLE_START) * half_cosine(passed / RISE)
            } else {
                half_cosine((passed - RISE) / (1.0 - RISE))
            }
        }
    };
    card.learning_rate * fall
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(schedule: Schedule, warmup_epochs: f64) -> TrainingCard {
        TrainingCard {
            schedule,
            warmup_epochs,
            epochs: 10,
            learning_rate: 1.0,
            step_factor: 4.0,
            ..TrainingCard::default()
        }
    }

    #[test]
    fn schedules_by_hand() {
        let rates = |card: &TrainingCard, steps: &[u64]| -> Vec<f64> {
            steps.iter().map(|&s| learning_rate(card, s, 10)).collect()
        };
        assert_eq!(rates(&card(Schedule::Constant, 0.0), &[1, 50, 100]), [1.0; 3]);
        assert_eq!(rates(&card(Schedule::Step, 0.0), &[1, 50, 51, 100]), [1.0, 1.0, 0.25, 0.25]);
        let cosine = rates(&card(Schedule::Cosine, 0.0), &[1, 51, 101]);
        assert!(
            (cosine[0] - 1.0).abs() < 1e-12 && (cosine[1] - 0.5).abs() < 1e-12 && cosine[2].abs() < 1e-12
        );
        let cycle = rates(&card(Schedule::OneCycle, 0.0), &[1, 31, 66, 101]);
        for (got, expected) in cycle.iter().zip([0.04, 1.0, 0.5, 0.0]) {
            assert!((got - expected).abs() < 1e-12, "{cycle:?}");
        }
        let warm = rates(&card(Schedule::Cosine, 2.0), &[1, 10, 20, 21, 61]);
        for (got, expected) in warm.iter().zip([0.05, 0.5, 1.0, 1.0, 0.5]) {
            assert!((got - expected).abs() < 1e-12, "{warm:?}");
        }
    }
}
