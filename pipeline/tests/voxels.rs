//! Images: axes, edges and means by hand, and equality with an implementation that is only simple.

use std::collections::HashMap;
use std::f32::consts::PI;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::voxels::{EventSlices, Voxeliser, cells, voxelise_many, voxelise_stream};
use proptest::prelude::*;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Events as `(q2, cos_theta_l, cos_theta_k, chi)`.
fn columns(events: &[(f32, f32, f32, f32)]) -> EventBatch {
    EventBatch {
        q2: events.iter().map(|e| e.0).collect(),
        cos_theta_l: events.iter().map(|e| e.1).collect(),
        cos_theta_k: events.iter().map(|e| e.2).collect(),
        chi: events.iter().map(|e| e.3).collect(),
        m_kpi: Vec::new(),
    }
}

fn image(events: EventSlices, bins: usize) -> Result<Vec<f32>, PipelineError> {
    let mut image = vec![-1.0; bins.pow(3)];
    Voxeliser::new(bins)?.voxelise(events, &mut image)?;
    Ok(image)
}

/// Cells of events, with the edges of each axis compared one after another: exactly for cosines and at zero.
fn naive_cells(events: EventSlices, bins: usize) -> Vec<u32> {
    let bin = |x: f32, half_width: f64| {
        let edges = (1..bins).map(|i| (2.0 * i as f64 - bins as f64) * half_width);
        edges.filter(|&edge| f64::from(x) * bins as f64 >= edge).count()
    };
    let cell = |i: usize| {
        let (l, k) = (bin(events.cos_theta_l[i], 1.0), bin(events.cos_theta_k[i], 1.0));
        (l * bins + k) * bins + bin(events.chi[i], std::f64::consts::PI)
    };
    (0..events.len()).map(|i| cell(i) as u32).collect()
}

/// Mean q2 by cell.
fn naive(events: EventSlices, bins: usize) -> Vec<f32> {
    let mut cells: HashMap<u32, Vec<f64>> = HashMap::new();
    for (cell, &q2) in naive_cells(events, bins).into_iter().zip(events.q2) {
        cells.entry(cell).or_default().push(q2.into());
    }
    let mut image = vec![0.0; bins.pow(3)];
    for (cell, q2) in cells {
        image[cell as usize] = (q2.iter().sum::<f64>() / q2.len() as f64) as f32;
    }
    image
}

/// Events without structure, the same for the same seed.
fn random_events(n: usize, mut seed: u64) -> EventBatch {
    let mut uniform = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1_u64 << 24) as f32
    };
    let event = |_| {
        (0.1 + 19.0 * uniform(), 2.0 * uniform() - 1.0, 2.0 * uniform() - 1.0, PI * (2.0 * uniform() - 1.0))
    };
    columns(&(0..n).map(event).collect::<Vec<_>>())
}

#[test]
fn axes_are_cos_theta_l_then_cos_theta_k_then_chi() -> TestResult {
    // Bins 3, 1 and 2 of four.
    let image = image(columns(&[(6.0, 0.9, -0.4, 0.1)]).angles(), 4)?;
    let filled: Vec<_> = image.iter().enumerate().filter(|(_, q2)| **q2 != 0.0).collect();
    assert_eq!(filled, [((3 * 4 + 1) * 4 + 2, &6.0)]);
    Ok(())
}

#[test]
fn a_cell_holds_the_mean_q2_of_its_events() -> TestResult {
    let events =
        columns(&[(1.0, 0.1, 0.1, 0.1), (2.0, 0.2, 0.2, 0.2), (6.0, 0.3, 0.3, 0.3), (9.5, -0.1, 0.1, 0.1)]);
    let image = image(events.angles(), 2)?;
    assert_eq!(image, [0.0, 0.0, 0.0, 9.5, 0.0, 0.0, 0.0, 3.0]);
    Ok(())
}

#[test]
fn a_cell_has_its_lower_edge_and_the_last_cell_the_upper_one() -> TestResult {
    // -PI / 2 in single precision lies just below the edge.
    for (x, chi, bin) in [(-1.0, -PI, 0), (-0.5, -1.57, 1), (0.0, 0.0, 2), (1.0, PI, 3)] {
        let image = image(columns(&[(5.0, x, x, chi)]).angles(), 4)?;
        let filled = image.iter().position(|q2| *q2 > 0.0);
        assert_eq!(filled, Some((bin * 4 + bin) * 4 + bin), "{x}");
    }
    Ok(())
}

#[test]
fn an_image_does_not_depend_on_the_image_before_it() -> TestResult {
    let (first, second) = (random_events(5000, 1), random_events(3000, 2));
    let mut voxeliser = Voxeliser::new(10)?;
    let mut image_after = vec![0.0; 1000];
    voxeliser.voxelise(first.angles(), &mut image_after)?;
    voxeliser.voxelise(second.angles(), &mut image_after)?;
    assert_eq!(image_after, image(second.angles(), 10)?);
    Ok(())
}

#[test]
fn a_mean_of_very_many_events_keeps_its_digits() -> TestResult {
    // A running sum of these in single precision is off by 0.1 and more.
    let events = columns(&vec![(10.1, 0.3, 0.3, 0.3); 3_000_000]);
    let image = image(events.angles(), 2)?;
    assert!((image[7] - 10.1).abs() < 5e-5, "{}", image[7]);
    Ok(())
}

#[test]
fn a_bad_value_is_refused_with_column_row_and_range() {
    let good = [(6.0, 0.1, 0.1, 0.1); 30];
    let cases = [
        ((f32::NAN, 0.1, 0.1, 0.1), "q2 in row 17 = NaN is not allowed; allowed: above 0, to 28, in GeV^2"),
        ((-1.0, 0.1, 0.1, 0.1), "q2 in row 17 = -1 "),
        ((6e6, 0.1, 0.1, 0.1), "q2 in row 17 = 6000000 "),
        ((6.0, 1.01, 0.1, 0.1), "cos_theta_l in row 17 = 1.01 is not allowed; allowed: -1 to 1"),
        ((6.0, 0.1, f32::NEG_INFINITY, 0.1), "cos_theta_k in row 17 = -inf "),
        ((6.0, 0.1, 0.1, 3.2), "chi in row 17 = 3.2 is not allowed; allowed: -pi to pi, in radians"),
    ];
    for (bad, message) in cases {
        let mut events = good;
        events[17] = bad;
        let events = columns(&events);
        let mut images = vec![0.0; 3 * 8];
        let Err(error) = voxelise_many(events.angles(), 10, 2, &mut images) else { panic!("{message}") };
        assert!(error.to_string().starts_with(message), "{error}");
        let Err(error) = image(events.angles(), 2) else { panic!("{message}") };
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut events = random_events(10, 3);
    for bins in [0, 1, 257] {
        assert!(matches!(Voxeliser::new(bins), Err(PipelineError::OutOfRange { .. })));
    }
    assert!(voxelise_many(events.angles(), 0, 2, &mut []).is_err());
    assert!(voxelise_many(events.angles(), 5, 2, &mut [0.0; 8]).is_err());
    events.chi.pop();
    assert!(voxelise_many(events.angles(), 5, 2, &mut [0.0; 16]).is_err());
    assert!(image(events.angles(), 2).is_err());
}

#[test]
fn images_take_events_in_file_order_and_the_remainder_is_dropped() -> TestResult {
    let events = random_events(1050, 4);
    let mut images = vec![0.0; 10 * 125];
    assert_eq!(voxelise_many(events.angles(), 100, 5, &mut images)?, 50);
    let mut rest = events.clone();
    for made in images.chunks(125) {
        let mut of_one = rest.clone();
        for column in [&mut of_one.q2, &mut of_one.cos_theta_l, &mut of_one.cos_theta_k, &mut of_one.chi] {
            column.truncate(100);
        }
        assert_eq!(made, image(of_one.angles(), 5)?);
        rest.remove_first(100);
    }
    Ok(())
}

#[test]
fn images_do_not_depend_on_threads_or_batches() -> TestResult {
    let events = random_events(20_500, 5);
    let mut whole = vec![0.0; 20 * 1000];
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()?
        .install(|| voxelise_many(events.angles(), 1000, 10, &mut whole))?;
    for threads in [2, 5] {
        let mut images = vec![0.0; 20 * 1000];
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?
            .install(|| voxelise_many(events.angles(), 1000, 10, &mut images))?;
        assert_eq!(images, whole);
    }
    for batch in [1, 700, 1000, 20_500] {
        let mut rest = events.clone();
        let batches = std::iter::from_fn(|| {
            let mut next = rest.clone();
            for column in
                [&mut next.q2, &mut next.cos_theta_l, &mut next.cos_theta_k, &mut next.chi, &mut next.m_kpi]
            {
                column.truncate(batch);
            }
            rest.remove_first(batch);
            (!next.is_empty()).then_some(Ok(next))
        });
        if batch == 1 {
            // Copying the rest for each single event takes too long.
            let singles = (0..20_500).map(|i| {
                Ok(columns(&[(events.q2[i], events.cos_theta_l[i], events.cos_theta_k[i], events.chi[i])]))
            });
            check_stream(singles, &whole)?;
        } else {
            check_stream(batches, &whole)?;
        }
    }
    Ok(())
}

fn check_stream(
    batches: impl Iterator<Item = Result<EventBatch, PipelineError>>,
    whole: &[f32],
) -> TestResult {
    let mut streamed = Vec::new();
    let made = voxelise_stream(batches, 1000, 10, |images| {
        streamed.extend_from_slice(images);
        Ok(())
    })?;
    assert_eq!((made.images, made.dropped), (20, 500));
    assert_eq!(streamed, whole);
    Ok(())
}

#[test]
fn rows_of_errors_count_from_the_start_of_the_stream() {
    let batches = (0..300).map(|i| Ok(columns(&[(if i == 257 { f32::NAN } else { 1.0 }, 0.1, 0.1, 0.1)])));
    let Err(error) = voxelise_stream(batches, 4, 2, |_| Ok(())) else { panic!("NaN accepted") };
    assert!(error.to_string().starts_with("q2 in row 257 = NaN"), "{error}");
}

proptest! {
    #[test]
    fn an_image_equals_the_simple_implementation(
        events in prop::collection::vec((0.01_f32..20.0, -1.0_f32..=1.0, -1.0_f32..=1.0, -PI..=PI), 0..400),
        bins in 2_usize..12,
    ) {
        let events = columns(&events);
        let image = image(events.angles(), bins)?;
        for (got, wanted) in image.iter().zip(naive(events.angles(), bins)) {
            // The simple one sums in double precision.
            prop_assert!((got - wanted).abs() <= 2e-6 * wanted, "{got} {wanted}");
        }
    }
}

#[test]
fn every_edge_falls_where_the_simple_implementation_puts_it() -> TestResult {
    for bins in 2..=256 {
        // Edges, rounded to single precision, their neighbours, and numbers much nearer to zero than those.
        let edges = (0..=bins).map(|i| -1.0 + 2.0 * i as f32 / bins as f32).chain([-1e-30, 1e-30]);
        let values =
            edges.flat_map(|edge| [edge.next_down(), edge, edge.next_up()]).filter(|x| x.abs() <= 1.0);
        let events: Vec<_> = values.flat_map(|x| [(3.0, x, x, x), (3.0, x, x, PI * x)]).collect();
        let events = columns(&events);
        assert_eq!(cells(events.angles(), bins)?, naive_cells(events.angles(), bins), "{bins} bins");
    }
    Ok(())
}
