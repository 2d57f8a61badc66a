//! Scales of axes, round numbers along them, and numbers as they are printed.

use std::f64::consts::PI;

/// Ends and kind of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value at the low end.
    pub low: f64,
    /// The value at the high end.
    pub high: f64,
    logarithmic: bool,
}

impl Scale {
    /// Evenly spaced; an empty range is widened, so that a single value lies in its middle.
    pub fn linear(low: f64, high: f64) -> Self {
        let widen = if high > low { 0.0 } else { 0.5 * low.abs().max(1.0) };
        Self { low: low - widen, high: high + widen, logarithmic: false }
    }

    /// The linear scale that holds all values and leaves a share of their range free below and above.
    pub fn around(values: impl IntoIterator<Item = f64>, below: f64, above: f64) -> Self {
        let (low, high) = extent(values);
        let bare = Self::linear(low, high);
        let range = bare.high - bare.low;
        Self::linear(bare.low - below * range, bare.high + above * range)
    }

    /// Logarithmic around positive values, with a share of the range free below and above.
    pub fn log_around(values: impl IntoIterator<Item = f64>, below: f64, above: f64) -> Self {
        let logs = Self::around(values.into_iter().map(f64::log10), below, above);
        Self { low: 10_f64.powf(logs.low), high: 10_f64.powf(logs.high), logarithmic: true }
    }

    /// 0 at the low end, 1 at the high end.
    pub fn fraction(self, value: f64) -> f64 {
        let of = |x: f64| if self.logarithmic { x.log10() } else { x };
        (of(value) - of(self.low)) / (of(self.high) - of(self.low))
    }

    /// At most `at_most` and one more (and about half of that at least) numbered ticks with round numbers; more where there would be
    /// fewer than two.
    pub fn ticks(self, at_most: usize) -> Ticks {
        let ticks = |n| if self.logarithmic { log_ticks(self, n) } else { linear_ticks(self, n) };
        let enough = (at_most.max(1)..).map(ticks).take(9).find(|ticks| ticks.major.len() >= 2);
        enough.unwrap_or_else(|| ticks(at_most))
    }

    fn holds(self, value: f64) -> bool {
        let fraction = self.fraction(value);
        (-1e-9..=1.0 + 1e-9).contains(&fraction)
    }
}

/// Smallest and largest value; (inf, -inf) of nothing.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
}

/// Marks of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    /// Positions and numbers (in markup) of the long ticks.
    pub major: Vec<(f64, String)>,
    /// Positions of the short ticks.
    pub minor: Vec<f64>,
}

impl Ticks {
    /// Those at whole numbers, for what is counted.
    pub(crate) fn integers(self) -> Self {
        let whole = |x: f64| (x - x.round()).abs() < 1e-6;
        let major = self.major.into_iter().filter(|(x, _)| whole(*x)).map(|(x, _)| (x, number(x, 0)));
        Self { major: major.collect(), minor: self.minor.into_iter().filter(|x| whole(*x)).collect() }
    }

    /// -pi to pi in steps of pi/2.
    pub(crate) fn of_chi() -> Self {
        let major = [(-2, "−π"), (-1, "−π/2"), (0, "0"), (1, "π/2"), (2, "π")];
        Self {
            major: major.map(|(n, text)| (f64::from(n) * PI / 2.0, text.to_owned())).into(),
            minor: (-8..=8).filter(|n| n % 4 != 0).map(|n| f64::from(n) * PI / 8.0).collect(),
        }
    }
}

fn linear_ticks(scale: Scale, at_most: usize) -> Ticks {
    let range = scale.high - scale.low;
    let rough = range / at_most.max(1) as f64;
    let power = rough.log10().floor() as i32;
    // Multiple of a power of ten, short ticks from one long tick to the next, decimals beyond those of the power.
    let steps = [(1.0, 5, 0), (2.0, 4, 0), (2.5, 5, 1), (5.0, 5, 0), (10.0, 5, -1)];
    let (multiple, parts, more) =
        steps.into_iter().find(|s| s.0 * 10_f64.powi(power) >= rough * (1.0 - 1e-9)).unwrap_or(steps[4]);
    let step = multiple * 10_f64.powi(power);
    let decimals = (more - power).max(0) as usize;
    let at = |step: f64| {
        let first = (scale.low / step - 1e-6).ceil() as i64;
        let last = (scale.high / step + 1e-6).floor() as i64;
        (first..=last).map(move |n| (n, n as f64 * step))
    };
    Ticks {
        major: at(step).map(|(_, x)| (x, number(x, decimals))).collect(),
        minor: at(step / parts as f64).filter(|(n, _)| n % parts != 0).map(|(_, x)| x).collect(),
    }
}

fn log_ticks(scale: Scale, at_most: usize) -> Ticks {
    let (first, last) = (scale.low.log10().floor() as i32, scale.high.log10().ceil() as i32);
    let all: Vec<(i32, i32)> = (first..=last).flat_map(|n| (1..10).map(move |m| (m, n))).collect();
    let value = |&(m, n): &(i32, i32)| f64::from(m) * 10_f64.powi(n);
    let inside: Vec<(i32, i32)> = all.into_iter().filter(|t| scale.holds(value(t))).collect();
    let powers = inside.iter().any(|&(_, n)| !(-3..=3).contains(&n));
    let numbered = |digits: &[i32], every: i32| -> Vec<(i32, i32)> {
        inside.iter().copied().filter(|(m, n)| digits.contains(m) && n % every == 0).collect()
    };
    // As many numbers as fit: all digits, 1-2-5, decades, every second decade ...
    let choices = [(&[1, 2, 3, 4, 5, 6, 7, 8, 9][..], 1), (&[1, 2, 5][..], 1), (&[1, 3][..], 1)];
    let decades = (1..).map(|every| (&[1][..], every));
    let chosen = choices.into_iter().chain(decades.take(40)).map(|(digits, every)| numbered(digits, every));
    let major = chosen.into_iter().find(|ticks| ticks.len() <= at_most.max(1)).unwrap_or_default();
    if major.len() < 2 {
        // Less than a factor of two: evenly spaced numbers on the logarithmic scale.
        return linear_ticks(scale, at_most);
    }
    let text = |&(m, n): &(i32, i32)| match (powers, m) {
        (false, _) => number(value(&(m, n)), (-n).max(0) as usize),
        (true, 1) => format!("10^{{{}}}", number(f64::from(n), 0)),
        (true, _) => format!("{m}·10^{{{}}}", number(f64::from(n), 0)),
    };
    Ticks {
        minor: inside.iter().filter(|t| !major.contains(t)).map(value).collect(),
        major: major.iter().map(|t| (value(t), text(t))).collect(),
    }
}

/// A number with a true minus sign, and never -0.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|c| ('1'..='9').contains(&c)) => format!("−{digits}"),
        Some(digits) => digits.to_owned(),
        None => text,
    }
}

/// The shortest form with at most `decimals` places: -0.87, -2, 1.1.
pub fn short(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A count with thousands set apart: 24,613.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &Ticks) -> Vec<&str> {
        ticks.major.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_have_no_negative_zero() {
        assert_eq!(texts(&Scale::linear(-2.1, 0.1).ticks(6)), ["−2.0", "−1.5", "−1.0", "−0.5", "0.0"]);
        assert_eq!(texts(&Scale::linear(-0.13, 0.13).ticks(6)), ["−0.10", "−0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(texts(&Scale::linear(0.0, 20.0).ticks(5)), ["0", "5", "10", "15", "20"]);
        assert_eq!(texts(&Scale::linear(0.0, 1.0).ticks(4)), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(texts(&Scale::linear(0.0, 95.0).ticks(9)), ["0", "20", "40", "60", "80"]);
    }

    #[test]
    fn a_step_of_ten_keeps_its_decimals() {
        assert_eq!(texts(&Scale::linear(0.0, 0.29).ticks(3)), ["0.0", "0.1", "0.2"]);
        assert_eq!(texts(&Scale::linear(0.0, 29.0).ticks(3)), ["0", "10", "20"]);
    }

    #[test]
    fn log_ticks_number_what_fits() {
        assert_eq!(
            texts(&Scale::log_around([0.03, 1.2], 0.0, 0.0).ticks(6)),
            ["0.05", "0.1", "0.2", "0.5", "1"]
        );
        assert_eq!(texts(&Scale::log_around([1e-5, 1e-2], 0.0, 0.0).ticks(4)).len(), 4);
        assert_eq!(texts(&Scale::log_around([1e-5, 1e-2], 0.0, 0.0).ticks(4))[0], "10^{−5}");
        assert!(texts(&Scale::log_around([0.051, 0.062], 0.0, 0.0).ticks(5)).len() >= 2);
    }

    #[test]
    fn numbers_are_printed_as_in_a_paper() {
        assert_eq!(number(-0.0004, 2), "0.00");
        assert_eq!(number(-0.87, 2), "−0.87");
        assert_eq!(
            (short(-2.0, 3), short(1.1, 3), short(-0.896_539, 3)),
            ("−2".into(), "1.1".into(), "−0.897".into())
        );
        assert_eq!(
            (count(7), count(900), count(24_613), count(1_000_000)),
            ("7".into(), "900".into(), "24,613".into(), "1,000,000".into())
        );
    }

    #[test]
    fn what_is_counted_has_whole_ticks() {
        assert_eq!(texts(&Scale::linear(0.5, 2.5).ticks(8).integers()), ["1", "2"]);
        assert_eq!(texts(&Scale::linear(0.0, 40.0).ticks(5).integers()), ["0", "10", "20", "30", "40"]);
    }

    #[test]
    fn issue_13_every_axis_has_two_numbers_at_least() {
        // The colour bar of a real image, 1.2 to 18.7 GeV^2 on 34 mm, had one.
        for (low, high) in [(1.2, 18.7), (0.104, 0.17), (-3.0, 1e-3), (9.9, 10.1), (0.5, 1.6)] {
            for at_most in 1..12 {
                let numbers = Scale::linear(low, high).ticks(at_most).major.len();
                assert!(
                    numbers >= 2 && numbers <= at_most.max(4) + 1,
                    "{low} to {high}: {numbers} of {at_most}"
                );
                if low > 0.0 {
                    assert!(Scale::log_around([low, high], 0.0, 0.0).ticks(at_most).major.len() >= 2);
                }
            }
        }
    }

    #[test]
    fn one_value_has_a_scale() {
        let scale = Scale::around([3.0], 0.1, 0.1);
        assert!(scale.low < 3.0 && scale.high > 3.0 && (scale.fraction(3.0) - 0.5).abs() < 1e-12);
    }
}
