//! Equal requests give equal events, however they are asked for; a wrong one is refused.

use std::collections::HashSet;

use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonShifts};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{BLOCK, EventSampler, Q2Range, Q2Windows};
use humboldt_pipeline::rng::StreamKey;

fn sampler(shape: LineShape, ranges: &[Q2Range]) -> EventSampler {
    let decay = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap();
    EventSampler::new(&decay, shape, &Q2Windows::new(ranges, &[]).unwrap()).unwrap()
}

/// Bits, so that not even the sign of a zero may differ.
fn bits(batch: &EventBatch) -> Vec<[u32; 5]> {
    (0..batch.len()).map(|i| batch.columns().map(|column| column[i].to_bits())).collect()
}

#[test]
fn events_do_not_depend_on_threads_or_on_the_way_they_are_asked_for() {
    let sampler = sampler(LineShape::BreitWigner, &[(Some(1.0), Some(8.0))]);
    let (stream, events) = (StreamKey::new(1).child("events", 0), 70 * BLOCK + 17);
    let mut alone = EventBatch::default();
    let report = sampler.fill(stream, events, &mut alone);
    assert_eq!((alone.len(), report.events), (events, events as u64));

    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (batch, parallel_report) = pool.install(|| sampler.generate(stream, events));
        assert!(bits(&batch) == bits(&alone), "{threads} threads");
        assert_eq!(parallel_report, report);

        let mut streamed = Vec::new();
        let streamed_report = pool.install(|| {
            sampler.stream(stream, events as u64, |batch| {
                streamed.extend(bits(batch));
                Ok::<(), ()>(())
            })
        });
        assert!(streamed == bits(&alone), "{threads} threads, streamed");
        assert_eq!(streamed_report, Ok(report));
    }

    let (block, _) = sampler.block(stream, 3, BLOCK);
    assert!(bits(&block) == bits(&alone)[3 * BLOCK..4 * BLOCK]);
    let (last, _) = sampler.block(stream, 70, 17);
    assert!(bits(&last) == bits(&alone)[70 * BLOCK..]);
}

#[test]
fn events_come_with_word_of_how_many() {
    let sampler = sampler(LineShape::Narrow, &[]);
    let (stream, events) = (StreamKey::new(3), 300 * BLOCK + 5);
    let mut alone = EventBatch::default();
    let report = sampler.fill(stream, events, &mut alone);
    let told = std::sync::Mutex::new(Vec::new());
    let (batch, whole) = sampler.generate_telling(stream, events, |n| told.lock().unwrap().push(n));
    assert!(bits(&batch) == bits(&alone) && whole == report);
    let told = told.into_inner().unwrap();
    assert!(told.len() > 1 && told.iter().sum::<usize>() == events, "{told:?}");
}

#[test]
fn fewer_events_are_the_first_of_more() {
    let sampler = sampler(LineShape::Narrow, &[]);
    let stream = StreamKey::new(2);
    let mut batch = EventBatch::default();
    sampler.fill(stream, 2 * BLOCK + 1000, &mut batch);
    let more = bits(&batch);
    for events in [0, 1, 100, BLOCK, BLOCK + 1] {
        let report = sampler.fill(stream, events, &mut batch);
        assert_eq!((batch.len(), report.events), (events, events as u64));
        assert!(bits(&batch) == more[..events]);
    }
}

#[test]
fn no_two_blocks_share_events() {
    let sampler = sampler(LineShape::BreitWigner, &[]);
    let key = StreamKey::new(3);
    let streams = [key.child("image", 0), key.child("image", 1), key.child("split", 0), StreamKey::new(4)];
    let mut seen = HashSet::new();
    for stream in streams {
        let (batch, _) = sampler.generate(stream, 20 * BLOCK);
        for event in bits(&batch) {
            assert!(seen.insert(event), "event {event:?} came twice");
        }
    }
}

#[test]
fn a_consumer_that_fails_stops_the_stream() {
    let sampler = sampler(LineShape::Narrow, &[]);
    let mut calls = 0;
    let result = sampler.stream(StreamKey::new(1), 3_000_000, |_| {
        calls += 1;
        if calls == 2 { Err("disk full") } else { Ok(()) }
    });
    assert_eq!((result, calls), (Err("disk full"), 2));
}

#[test]
fn zero_events_are_no_events() {
    let sampler = sampler(LineShape::BreitWigner, &[]);
    let (batch, report) = sampler.generate(StreamKey::new(1), 0);
    assert!(batch.is_empty() && report.trials == 0 && (report.acceptance() - 1.0).abs() < 1e-15);
    let report = sampler.stream(StreamKey::new(1), 0, |_| Err("called"));
    assert_eq!(report.map(|report| report.events), Ok(0));
}

#[test]
fn windows_hold_to_the_last_bit() {
    let shifts = WilsonShifts::default();
    for lepton in Lepton::ALL {
        let decay = Decay::new(ModelName::Npr, Flavour::B0bar, lepton, &shifts).unwrap();
        for (low, high) in [
            (None, None),
            (Some(0.3), Some(0.301)),
            (Some(15.0), Some(17.3)),
            (Some(18.9), Some(21.2)),
            (None, Some(decay.q2_min() * 1.001)),
            (Some(21.28), None),
        ] {
            let windows = Q2Windows::new(&[(low, high)], &[]).unwrap();
            let sampler = EventSampler::new(&decay, LineShape::BreitWigner, &windows).unwrap();
            let (batch, report) = sampler.generate(StreamKey::new(6), 50_000);
            let (least, most) = sampler.windows()[0];
            for (q2, m_kpi) in batch.q2.iter().zip(&batch.m_kpi).map(|(q, m)| (f64::from(*q), f64::from(*m)))
            {
                assert!(q2 >= least && q2 <= most, "{lepton} {q2} not in {least} to {most}");
                assert!(
                    decay.angular_coefficients(q2, m_kpi).rate() > 0.0,
                    "{lepton} q2 = {q2}, m = {m_kpi}"
                );
            }
            assert!(report.acceptance() > 0.5, "{lepton} {low:?} {high:?} {report:?}");
            let in_range = |column: &[f32], limit: f32| column.iter().all(|x| x.abs() <= limit);
            assert!(in_range(&batch.cos_theta_l, 1.0) && in_range(&batch.cos_theta_k, 1.0));
            assert!(batch.chi.iter().all(|chi| f64::from(*chi).abs() < std::f64::consts::PI));
        }
    }
}

#[test]
fn what_cannot_be_generated_is_refused_by_name() {
    let refused = |shape: LineShape, range: Q2Range, vetoes: &[Q2Range]| {
        let decay =
            Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let windows = Q2Windows::new(&[range], vetoes).unwrap();
        EventSampler::new(&decay, shape, &windows).unwrap_err().to_string()
    };
    let above = refused(LineShape::BreitWigner, (Some(1.0), Some(25.0)), &[]);
    assert!(above.starts_with("q2 = 25 is not allowed; allowed: 0.044655 to 21.28"), "{above}");
    assert!(refused(LineShape::Narrow, (Some(19.5), None), &[]).starts_with("q2 = 19.5 "));
    assert!(refused(LineShape::Narrow, (Some(0.001), None), &[]).starts_with("q2 = 0.001 "));
    assert!(
        refused(LineShape::Narrow, (Some(1.0), Some(2.0)), &[(Some(0.5), Some(3.0))]).contains("without")
    );
}

#[test]
fn large_complex_shifts_keep_the_acceptance() {
    for lepton in Lepton::ALL {
        let shifts =
            WilsonCoefficient::ALL.into_iter().enumerate().fold(WilsonShifts::default(), |shifts, (i, c)| {
                let value = if i % 2 == 0 { "7+5i" } else { "-6+2i" };
                shifts.with(c, value.parse().unwrap())
            });
        let decay = Decay::new(ModelName::Npr, Flavour::B0, lepton, &shifts).unwrap();
        let sampler = EventSampler::new(&decay, LineShape::BreitWigner, &Q2Windows::full()).unwrap();
        let (_, report) = sampler.generate(StreamKey::new(9), 200_000);
        assert!(report.acceptance() > 0.98 && report.over_weights <= 2, "{lepton} {report:?}");
    }
}
