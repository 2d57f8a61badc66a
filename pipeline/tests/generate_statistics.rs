//! Histograms of samples against the exact rate, integrated independently of the generator.

use std::f64::consts::PI;

use humboldt_physics::quadrature::integrate;
use humboldt_physics::{
    AngularCoefficients, Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Range, Q2Windows};
use humboldt_pipeline::rng::StreamKey;

const BINS: usize = 24;
/// Bins along each axis of the four-dimensional histogram.
const COARSE: usize = 5;

/// The expected contents of all histograms.
struct Expected {
    edges_q2: Vec<f64>,
    edges_m: Vec<f64>,
    /// Angular coefficients integrated over each q2 bin.
    q2: Vec<AngularCoefficients>,
    m_kpi: Vec<f64>,
}

/// `f(q2, m)` integrated with the generator's defining weight `line(m)/N(m)` over a rectangle.
fn rectangle<T, F>(decay: &Decay, shape: LineShape, m: (f64, f64), q2: (f64, f64), f: F) -> T
where
    T: Default + std::ops::AddAssign + std::ops::Mul<f64, Output = T>,
    F: Fn(AngularCoefficients) -> T,
{
    let decades = (1..8).map(|k| decay.q2_min() * 10.0_f64.powi(k));
    let breaks: Vec<f64> = decade_breaks(decay).into_iter().chain(decades).collect();
    let slice = |m: f64| {
        let norm: f64 = integrate(decay.q2_min(), decay.q2_max(m), breaks.iter().copied(), |q2| {
            decay.angular_coefficients(q2, m).rate()
        });
        let high = q2.1.min(decay.q2_max(m));
        if high <= q2.0 {
            return T::default();
        }
        integrate(q2.0, high, breaks.iter().copied(), |q2| f(decay.angular_coefficients(q2, m)))
            * (1.0 / norm)
    };
    match shape {
        LineShape::Narrow => slice(LineShape::pole()),
        LineShape::BreitWigner => {
            let end_points = [q2.0, q2.1].map(|q2| decay.m_b_meson() - q2.sqrt());
            let peak = [0.85, 0.88, 0.91, 0.94];
            integrate(m.0, m.1, end_points.into_iter().chain(peak), |m| slice(m) * shape.density(m))
        }
    }
}

fn decade_breaks(decay: &Decay) -> Vec<f64> {
    decay.q2_thresholds()
}

/// A number near `x` half way between two of f32: rounding a column moves no event across it.
fn between_floats(x: f64) -> f64 {
    let below = x as f32;
    0.5 * (f64::from(below) + f64::from(below.next_up()))
}

impl Expected {
    fn new(decay: &Decay, shape: LineShape, windows: &[(f64, f64)]) -> Self {
        let m_range = (LineShape::M_KPI_MIN, LineShape::M_KPI_MAX);
        // Edges that cut each window into parts of equal ratio or, at high q2, equal width.
        let edges_q2 = windows.iter().flat_map(|&(low, high)| {
            let parts = BINS / windows.len();
            (0..=parts).map(move |i| {
                let part = i as f64 / parts as f64;
                let edge = if low < 0.01 { low * (high / low).powf(part) } else { low + (high - low) * part };
                if i == 0 || i == parts { edge } else { between_floats(edge) }
            })
        });
        let edges_q2: Vec<f64> = edges_q2.collect();
        let edges_m =
            vec![0.66555, 0.75, 0.82, 0.85, 0.87, 0.88, 0.89, 0.9, 0.91, 0.92, 0.95, 1.0, 1.2, 1.60505];
        let is_open = |low: f64, high: f64| windows.iter().any(|w| low >= w.0 && high <= w.1);
        let q2 = edges_q2.windows(2).map(|bin| {
            let open = is_open(bin[0], bin[1]) && bin[1] > bin[0];
            if open {
                rectangle(decay, shape, m_range, (bin[0], bin[1]), |j| j)
            } else {
                AngularCoefficients::ZERO
            }
        });
        let m_kpi = edges_m.windows(2).map(|bin| {
            let rates = windows.iter().map(|w| rectangle(decay, shape, (bin[0], bin[1]), *w, |j| j.rate()));
            rates.sum()
        });
        let (q2, m_kpi) =
            (q2.collect(), if shape == LineShape::Narrow { Vec::new() } else { m_kpi.collect() });
        Self { edges_q2, edges_m, q2, m_kpi }
    }

    fn total(&self) -> AngularCoefficients {
        self.q2.iter().copied().sum()
    }
}

/// The four-fold rate integrated over a box in the angles: a product rule of degree 9 on a smooth function.
fn angular_box(j: &AngularCoefficients, l: (f64, f64), k: (f64, f64), chi: (f64, f64)) -> f64 {
    const RULE: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_889),
        (0.538_469_310_105_683, 0.478_628_670_499_366),
        (-0.538_469_310_105_683, 0.478_628_670_499_366),
        (0.906_179_845_938_664, 0.236_926_885_056_189),
        (-0.906_179_845_938_664, 0.236_926_885_056_189),
    ];
    // In theta, not its cosine: the density has square roots of 1 - cos^2.
    let theta = |range: (f64, f64)| (range.1.acos(), range.0.acos());
    let points = |range: (f64, f64)| {
        let (middle, half) = (0.5 * (range.0 + range.1), 0.5 * (range.1 - range.0));
        RULE.map(|(x, w)| (middle + half * x, w * half))
    };
    let mut sum = 0.0;
    for (a, wa) in points(theta(l)) {
        for (b, wb) in points(theta(k)) {
            for (c, wc) in points(chi) {
                sum += wa * wb * wc * a.sin() * b.sin() * j.density(a.cos(), b.cos(), c);
            }
        }
    }
    sum
}

fn edges(low: f64, high: f64, bins: usize) -> Vec<f64> {
    (0..=bins).map(|i| low + (high - low) * i as f64 / bins as f64).collect()
}

/// How many standard deviations a chi-square lies above its mean (Wilson and Hilferty).
fn pull(observed: &[f64], expected: &[f64]) -> f64 {
    let scale = observed.iter().sum::<f64>() / expected.iter().sum::<f64>();
    let (mut chi2, mut bins) = (0.0, 0.0);
    let (mut rest_observed, mut rest_expected) = (0.0, 0.0);
    for (o, e) in observed.iter().zip(expected.iter().map(|e| e * scale)) {
        if e < 20.0 {
            rest_observed += o;
            rest_expected += e;
        } else {
            chi2 += (o - e) * (o - e) / e;
            bins += 1.0;
        }
    }
    if rest_expected > 0.0 {
        chi2 += (rest_observed - rest_expected).powi(2) / rest_expected.max(1.0);
        bins += 1.0;
    }
    let freedom = bins - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    ((chi2 / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

fn histogram(column: &[f32], edges: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; edges.len() - 1];
    for &value in column {
        counts[bin_of(value, edges)] += 1.0;
    }
    counts
}

fn bin_of(value: f32, edges: &[f64]) -> usize {
    edges.partition_point(|edge| *edge <= f64::from(value)).clamp(1, edges.len() - 1) - 1
}

/// The pull of each histogram of one sample.
fn pulls(batch: &EventBatch, expected: &Expected) -> Vec<(&'static str, f64)> {
    let total = expected.total();
    let rates: Vec<f64> = expected.q2.iter().map(AngularCoefficients::rate).collect();
    let mut pulls = vec![("q2", pull(&histogram(&batch.q2, &expected.edges_q2), &rates))];
    if !expected.m_kpi.is_empty() {
        pulls.push(("m_kpi", pull(&histogram(&batch.m_kpi, &expected.edges_m), &expected.m_kpi)));
    }
    let (all, turn) = ((-1.0, 1.0), (-PI, PI));
    let cosine = edges(-1.0, 1.0, BINS);
    let angle = edges(-PI, PI, BINS);
    let boxes = |edges: &[f64], f: &dyn Fn((f64, f64)) -> f64| -> Vec<f64> {
        edges.windows(2).map(|bin| f((bin[0], bin[1]))).collect()
    };
    // Quarters, since the rule is one for smooth functions on short intervals.
    let quarters = |f: &dyn Fn((f64, f64)) -> f64| -> f64 { boxes(&edges(-PI, PI, 8), f).iter().sum() };
    let halves = |f: &dyn Fn((f64, f64)) -> f64| -> f64 { boxes(&edges(-1.0, 1.0, 4), f).iter().sum() };
    let of_l = boxes(&cosine, &|l| quarters(&|chi| halves(&|k| angular_box(&total, l, k, chi))));
    let of_k = boxes(&cosine, &|k| quarters(&|chi| halves(&|l| angular_box(&total, l, k, chi))));
    let of_chi = boxes(&angle, &|chi| halves(&|k| angular_box(&total, all, k, chi)));
    pulls.push(("cos_theta_l", pull(&histogram(&batch.cos_theta_l, &cosine), &of_l)));
    pulls.push(("cos_theta_k", pull(&histogram(&batch.cos_theta_k, &cosine), &of_k)));
    pulls.push(("chi", pull(&histogram(&batch.chi, &angle), &of_chi)));

    let (cosine, angle) = (edges(-1.0, 1.0, COARSE), edges(turn.0, turn.1, COARSE));
    let group = expected.q2.len().div_ceil(COARSE);
    let mut contents = Vec::new();
    for bins in expected.q2.chunks(group) {
        let j: AngularCoefficients = bins.iter().copied().sum();
        for l in cosine.windows(2) {
            for k in cosine.windows(2) {
                for chi in angle.windows(2) {
                    contents.push(angular_box(&j, (l[0], l[1]), (k[0], k[1]), (chi[0], chi[1])));
                }
            }
        }
    }
    let mut counts = vec![0.0; contents.len()];
    for i in 0..batch.len() {
        let q2 = bin_of(batch.q2[i], &expected.edges_q2) / group;
        let l = bin_of(batch.cos_theta_l[i], &cosine);
        let k = bin_of(batch.cos_theta_k[i], &cosine);
        let chi = bin_of(batch.chi[i], &angle);
        counts[((q2 * COARSE + l) * COARSE + k) * COARSE + chi] += 1.0;
    }
    pulls.push(("all four", pull(&counts, &contents)));
    pulls
}

/// Name, decay, line shape, ranges and vetoes.
type Request = (&'static str, Decay, LineShape, Vec<Q2Range>, Vec<Q2Range>);

/// Some decays with windows that reach all corners of the generator.
fn requests() -> Vec<Request> {
    let standard = WilsonShifts::default();
    let shifted = standard
        .with(WilsonCoefficient::C9, "-1.2+0.9i".parse().unwrap())
        .with(WilsonCoefficient::C7Prime, "0.2-0.3i".parse().unwrap())
        .with(WilsonCoefficient::C10Prime, "2+1i".parse().unwrap())
        .with(WilsonCoefficient::CS, "3-2i".parse().unwrap());
    let decay = |flavour, lepton, shifts| Decay::new(ModelName::Npr, flavour, lepton, shifts).unwrap();
    let muons = decay(Flavour::B0bar, Lepton::Muon, &standard);
    let wide = LineShape::BreitWigner;
    vec![
        ("muons", muons, wide, vec![], vec![]),
        ("electrons", decay(Flavour::B0, Lepton::Electron, &standard), wide, vec![], vec![]),
        (
            "shifts and vetoes",
            decay(Flavour::B0, Lepton::Muon, &shifted),
            wide,
            vec![(Some(0.1), Some(18.0))],
            vec![(Some(8.0), Some(11.0)), (Some(12.5), Some(15.0))],
        ),
        (
            "narrow",
            decay(Flavour::BMinus, Lepton::Muon, &shifted),
            LineShape::Narrow,
            vec![(None, Some(8.0))],
            vec![],
        ),
        ("high q2", muons, wide, vec![(Some(17.0), None)], vec![]),
        ("tiny window", muons, wide, vec![(Some(1.0), Some(1.001))], vec![]),
        ("c-cbar threshold", muons, wide, vec![(Some(6.75), Some(6.77))], vec![]),
    ]
}

fn check(events: usize, seeds: std::ops::Range<u64>) -> Vec<f64> {
    let mut all = Vec::new();
    for (name, decay, shape, ranges, vetoes) in requests() {
        let sampler = EventSampler::new(&decay, shape, &Q2Windows::new(&ranges, &vetoes).unwrap()).unwrap();
        let expected = Expected::new(&decay, shape, sampler.windows());
        for seed in seeds.clone() {
            let (batch, report) = sampler.generate(StreamKey::new(seed).child(name, 0), events);
            assert!(report.acceptance() > 0.97, "{name}: {report:?}");
            assert!(report.over_weights <= 1 + events as u64 / 1_000_000, "{name}: {report:?}");
            for (variable, pull) in pulls(&batch, &expected) {
                assert!(pull < 4.0, "{name}, seed {seed}: chi2 of {variable} is {pull} sigma too large");
                all.push(pull);
            }
        }
    }
    all
}

#[test]
fn histograms_follow_the_exact_rate() {
    let pulls = check(400_000, 1..4);
    let mean = pulls.iter().sum::<f64>() / pulls.len() as f64;
    println!("{} pulls, mean {mean:.3}", pulls.len());
    assert!(mean.abs() < 0.5, "{pulls:?}");
}

/// 700 million events: minutes, hence not by default.
#[test]
#[ignore = "takes minutes"]
fn long_histograms_follow_the_exact_rate() {
    let mut pulls = check(10_000_000, 100..110);
    pulls.sort_by(f64::total_cmp);
    // Kolmogorov and Smirnov against a standard normal, tabulated at its deciles; 1.36 is the 5 % point.
    let deciles = [-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816];
    for (i, decile) in (1..).zip(deciles) {
        let below = pulls.partition_point(|p| p < &decile) as f64 / pulls.len() as f64;
        let distance = (below - f64::from(i) / 10.0).abs() * (pulls.len() as f64).sqrt();
        println!("decile {i}: {below:.3}");
        assert!(distance < 1.7, "{below} of the pulls are below {decile}");
    }
}
