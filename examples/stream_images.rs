//! Live images of any coefficients, as a training sees them: made when they are due, never stored.
//!
//! `cargo run --release --example stream_images`

use anyhow::Result;
use humboldt::campaign::live::LiveImages;
use humboldt::learn::ImageSource;
use humboldt_schemas::card::RunCard;

const CARD: &str = r#"
seed = 1
[generator]
q2 = ["0.1:19.2"]
[images]
events = 2000
bins = 20
[parameters]
c9 = [-2.0, 1.1]
c10 = [-1.0, 1.0]
[dataset]
train = 32
[training]
images = "live"
prior = "uniform"
"#;

/// An image as it is learned from.
pub struct MeasuredEvents {
    /// Shifts of C9 and C10.
    pub labels: Vec<f64>,
    /// Mean q2 [GeV^2] of each cell, 0 where there is no event; (cos_theta_l, cos_theta_k, chi).
    pub image: Vec<f32>,
}

/// The first images of an epoch.
///
/// # Errors
/// When the physics refuses the card.
pub fn stream(epoch: usize, images: usize) -> Result<Vec<MeasuredEvents>> {
    let card = RunCard::parse(CARD, "card")?;
    let data = card.data();
    let source = LiveImages::new(&data, &card.training)?;
    let Some(source) = source.of_epoch(epoch)? else { return Ok(Vec::new()) };
    let one = |index: usize| {
        let mut image = vec![0.0; data.images.bins.pow(3)];
        source.read(index, &mut image)?;
        Ok(MeasuredEvents { labels: source.labels(index), image })
    };
    (0..images.min(source.len())).map(one).collect()
}

#[cfg_attr(test, allow(dead_code, reason = "the test calls the function"))]
fn main() -> Result<()> {
    for MeasuredEvents { labels, image } in stream(1, 8)? {
        let filled = image.iter().filter(|q2| **q2 > 0.0).count();
        println!(
            "C9 {:+.3}, C10 {:+.3}: {filled} of {} cells have events",
            labels[0],
            labels[1],
            image.len()
        );
    }
    Ok(())
}
