//! Closure: what the examples show is what was put in.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "tests")]

#[path = "../examples/generate_and_fit.rs"]
mod generate_and_fit;
#[path = "../examples/stream_images.rs"]
mod stream_images;
#[path = "../examples/train_and_infer.rs"]
mod train_and_infer;

#[test]
fn a_fit_finds_the_shifts_that_events_were_generated_with() {
    let fitted = generate_and_fit::generate_and_fit(-0.8, 20_000, 1).unwrap();
    for (value, (sigma, truth)) in fitted.values.iter().zip(fitted.sigma().iter().zip([-0.8, 0.0])) {
        assert!((value - truth).abs() < 3.5 * sigma, "{value} +- {sigma} of {truth}");
    }
}

#[test]
fn streamed_images_are_labelled_and_differ_by_epoch() {
    let (first, again, second) = (
        stream_images::stream(1, 4).unwrap(),
        stream_images::stream(1, 4).unwrap(),
        stream_images::stream(2, 4).unwrap(),
    );
    for (a, b) in first.iter().zip(&again) {
        assert!(a.image == b.image && a.labels == b.labels);
        assert!((-2.0..=1.1).contains(&a.labels[0]) && (-1.0..=1.0).contains(&a.labels[1]));
        let filled = a.image.iter().filter(|q2| **q2 > 0.0).count();
        assert!((1000..2000).contains(&filled), "{filled}");
    }
    assert!(first[0].image != second[0].image && first[0].labels != second[0].labels);
}

#[test]
fn a_network_finds_the_shift_of_events_that_it_has_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let found = train_and_infer::train_and_infer(&folder.path().join("run"), -0.5).unwrap();
    let sigma = found.plus.unwrap().max(found.minus.unwrap());
    assert!((found.value + 0.5).abs() < 4.0 * sigma && sigma < 0.2, "{found:?}");
}
