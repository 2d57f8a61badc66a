//! Compact images: the same as dense ones, and what means cannot do: counts, merging, wider bins.

use std::collections::BTreeMap;
use std::f32::consts::PI;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::voxels::{
    CompactImage, Voxeliser, voxelise_many_compact, voxelise_stream, voxelise_stream_compact,
};
use proptest::prelude::*;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Events as `(q2, cos_theta_l, cos_theta_k, chi)`.
type Event = (f32, f32, f32, f32);

fn columns(events: &[Event]) -> EventBatch {
    EventBatch {
        q2: events.iter().map(|e| e.0).collect(),
        cos_theta_l: events.iter().map(|e| e.1).collect(),
        cos_theta_k: events.iter().map(|e| e.2).collect(),
        chi: events.iter().map(|e| e.3).collect(),
        m_kpi: Vec::new(),
    }
}

fn compact(events: &[Event], bins: usize) -> Result<CompactImage, PipelineError> {
    CompactImage::of(columns(events).angles(), bins)
}

/// Sum and count of each occupied cell.
fn cells(image: &CompactImage) -> BTreeMap<usize, (f32, u32)> {
    let occupied = (0..image.bins().pow(3)).filter(|cell| image.bitmap()[cell / 8] >> (cell % 8) & 1 == 1);
    occupied.zip(image.sums().iter().copied().zip(image.counts().iter().copied())).collect()
}

/// Equality of cells and counts, and of sums within a relative `tolerance`.
fn assert_like(got: &CompactImage, wanted: &CompactImage, tolerance: f32) {
    assert_eq!((got.bins(), got.bitmap(), got.counts()), (wanted.bins(), wanted.bitmap(), wanted.counts()));
    for (got, wanted) in got.sums().iter().zip(wanted.sums()) {
        assert!((got - wanted).abs() <= tolerance * wanted, "{got} {wanted}");
    }
}

fn some_events(n: usize) -> Vec<Event> {
    let column = |i: usize, k: usize| (i * k % 10_007) as f32 / 10_007.0;
    let event = |i| {
        let angle = |k| 2.0 * column(i, k) - 1.0;
        (0.1 + 18.0 * column(i, 7919), angle(104_729), angle(1_299_709), PI * angle(15_485_863))
    };
    (1..=n).map(event).collect()
}

#[test]
fn bits_sums_and_counts_are_those_of_the_events() -> TestResult {
    let image = compact(&[(1.0, 0.1, 0.1, 0.1), (2.5, 0.2, 0.2, 0.2), (9.5, -0.1, 0.1, 0.1)], 3)?;
    // Cell (1, 1, 1) of three bins is number 13.
    assert_eq!(cells(&image), BTreeMap::from([(13, (13.0, 3))]));
    assert_eq!((image.bitmap(), image.events()), (&[0, 32, 0, 0][..], 3));
    let (mut dense, mut counts) = ([-1.0; 27], [-1.0; 27]);
    image.to_dense(&mut dense)?;
    image.counts_to_dense(&mut counts)?;
    for cell in 0..27 {
        let wanted = if cell == 13 { (13.0_f32 / 3.0, 3.0_f32) } else { (0.0, 0.0) };
        assert_eq!((dense[cell].to_bits(), counts[cell].to_bits()), (wanted.0.to_bits(), wanted.1.to_bits()));
    }
    Ok(())
}

#[test]
fn cells_of_very_many_events_are_exact() -> TestResult {
    // 7 and 0.5 in two cells; sums that single precision holds, and would not reach one by one.
    let events = [vec![(7.0, 0.3, 0.3, 0.3); 3_000_002], vec![(0.5, -0.3, -0.3, -0.3); 64]].concat();
    let image = compact(&events, 2)?;
    assert_eq!(cells(&image), BTreeMap::from([(0, (32.0, 64)), (7, (21_000_014.0_f32, 3_000_002))]));
    let mut dense = [0.0; 8];
    Voxeliser::new(2)?.voxelise(columns(&events).angles(), &mut dense)?;
    assert_eq!(dense.map(f32::to_bits), [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0_f32].map(f32::to_bits));
    Ok(())
}

#[test]
fn an_image_does_not_depend_on_the_image_before_it_nor_on_an_error() -> TestResult {
    let mut voxeliser = Voxeliser::new(5)?;
    let (crowded, wanted) = (vec![(2.0, 0.9, 0.9, 3.0); 1000], some_events(300));
    let mut image = CompactImage::new(9)?;
    voxeliser.voxelise_compact(columns(&crowded).angles(), &mut image)?;
    assert_eq!(image.counts(), [1000]);
    let before = image.clone();
    let bad = [some_events(3000), vec![(2.0, 0.9, f32::NAN, 3.0)]].concat();
    let error = voxeliser.voxelise_compact(columns(&bad).angles(), &mut image).unwrap_err();
    assert!(error.to_string().starts_with("cos_theta_k in row 3000 = NaN"), "{error}");
    assert_eq!(image, before);
    voxeliser.voxelise_compact(columns(&wanted).angles(), &mut image)?;
    assert_eq!(image, compact(&wanted, 5)?);
    Ok(())
}

#[test]
fn streams_and_tables_give_the_images_of_their_events() -> TestResult {
    let events = some_events(1050);
    let mut images = Vec::new();
    assert_eq!(voxelise_many_compact(columns(&events).angles(), 100, 5, &mut images)?, 50);
    for (image, events) in images.iter().zip(events.chunks(100)) {
        assert_eq!(image, &compact(events, 5)?);
    }
    let batches = || events.chunks(130).map(|batch| Ok(columns(batch)));
    let (mut streamed, mut dense) = (Vec::new(), Vec::new());
    let made = voxelise_stream_compact(batches(), 100, 5, |images| {
        streamed.extend_from_slice(images);
        Ok(())
    })?;
    assert_eq!((made.images, made.dropped), (10, 50));
    assert_eq!(streamed, images);
    voxelise_stream(batches(), 100, 5, |images| {
        dense.extend_from_slice(images);
        Ok(())
    })?;
    let mut decoded = vec![0.0; 125];
    for (image, dense) in images.iter().zip(dense.chunks(125)) {
        image.to_dense(&mut decoded)?;
        assert_eq!(decoded, dense);
    }
    Ok(())
}

#[test]
fn parts_that_do_not_belong_together_are_refused() -> TestResult {
    let part = |bitmap: &[u8], sums: &[f32], counts: &[u32]| {
        CompactImage::from_parts(3, bitmap.to_vec(), sums.to_vec(), counts.to_vec())
    };
    let whole = part(&[1, 0, 0, 4], &[2.0, 3.0], &[1, 2])?;
    assert_eq!(cells(&whole), BTreeMap::from([(0, (2.0, 1)), (26, (3.0, 2))]));
    let cases = [
        (part(&[1, 0, 0], &[2.0], &[1]), "length of bitmap = 3"),
        (part(&[1, 0, 0, 4], &[2.0], &[1]), "length of sums = 1"),
        (part(&[1, 0, 0, 4], &[2.0, 3.0], &[1]), "length of counts = 1"),
        (part(&[1, 0, 0, 8], &[2.0, 3.0], &[1, 2]), "last byte of bitmap = 8"),
        (part(&[1, 0, 0, 4], &[2.0, 3.0], &[1, 0]), "count of an occupied cell = 0"),
        (part(&[1, 0, 0, 4], &[2.0, f32::NAN], &[1, 1]), "sum of q2 = NaN"),
        (CompactImage::from_parts(300, vec![], vec![], vec![]), "bins = 300"),
    ];
    for (got, message) in cases {
        let error = got.err().ok_or(message)?;
        assert!(error.to_string().starts_with(message), "{error}");
    }
    assert!(whole.to_dense(&mut [0.0; 26]).is_err() && whole.counts_to_dense(&mut [0.0; 28]).is_err());
    Ok(())
}

#[test]
fn images_that_do_not_fit_are_neither_merged_nor_binned() -> TestResult {
    let mut image = compact(&some_events(10), 6)?;
    let before = image.clone();
    assert!(image.merge(&CompactImage::new(5)?).is_err());
    for bins in [0, 1, 4, 5, 12] {
        assert!(image.rebin(bins).is_err(), "{bins}");
    }
    assert_eq!(image, before);
    let full = |count| CompactImage::from_parts(2, vec![0b11], vec![1.0, 1.0], vec![count, 1]);
    let mut sum = full(u32::MAX)?;
    let error = sum.merge(&full(1)?).unwrap_err();
    assert!(error.to_string().starts_with("events in a cell"), "{error}");
    assert_eq!(sum, full(u32::MAX)?);
    let four =
        CompactImage::from_parts(4, [vec![0b11], vec![0; 7]].concat(), vec![1.0; 2], vec![u32::MAX, 1])?;
    assert!(four.rebin(2).is_err());
    Ok(())
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0.01_f32..20.0, -1.0_f32..=1.0, -1.0_f32..=1.0, -PI..=PI), 0..400)
}

proptest! {
    #[test]
    fn a_compact_image_becomes_the_dense_one_to_the_last_bit(events in any_events(), bins in 2_usize..12) {
        // Some cells with more events than a narrow counter takes.
        let events = [events.clone(), events.iter().take(3).cycle().take(500).copied().collect()].concat();
        let (mut direct, mut decoded) = (vec![-1.0; bins.pow(3)], vec![-1.0; bins.pow(3)]);
        Voxeliser::new(bins)?.voxelise(columns(&events).angles(), &mut direct)?;
        let image = compact(&events, bins)?;
        image.to_dense(&mut decoded)?;
        prop_assert_eq!(decoded, direct);
        prop_assert_eq!(image.events(), events.len() as u64);
        let again = CompactImage::from_parts(
            bins, image.bitmap().to_vec(), image.sums().to_vec(), image.counts().to_vec());
        prop_assert_eq!(again?, image);
    }

    #[test]
    fn merging_images_is_binning_all_events(
        a in any_events(), b in any_events(), c in any_events(), bins in 2_usize..12,
    ) {
        let image = |events: &[Event]| compact(events, bins);
        let (mut left, mut right) = (image(&a)?, image(&b)?);
        left.merge(&image(&b)?)?;
        left.merge(&image(&c)?)?;
        right.merge(&image(&c)?)?;
        let mut a_first = image(&a)?;
        a_first.merge(&right)?;
        let all = image(&[a, b, c].concat())?;
        // Up to some hundred additions in single precision.
        assert_like(&left, &all, 2e-5);
        assert_like(&a_first, &left, 3e-7);
        let mut with_nothing = all.clone();
        with_nothing.merge(&CompactImage::new(bins)?)?;
        prop_assert_eq!(with_nothing, all);
    }

    #[test]
    fn wider_bins_are_those_of_the_events(events in any_events(), bins in 2_usize..8, width in 1_usize..6) {
        assert_like(&compact(&events, bins * width)?.rebin(bins)?, &compact(&events, bins)?, 2e-5);
    }
}

#[test]
fn fifty_bins_become_25_10_and_5() -> TestResult {
    let events = some_events(24_613);
    let image = compact(&events, 50)?;
    for bins in [25, 10, 5, 2] {
        assert_like(&image.rebin(bins)?, &compact(&events, bins)?, 1e-5);
    }
    assert_eq!(image.rebin(50)?, image);
    Ok(())
}
