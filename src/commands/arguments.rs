//! Arguments that several subcommands share, and what they mean.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use humboldt_physics::charmonium::Charmonium;
use humboldt_physics::{Flavour, Lepton, LineShape, ModelName, Parameters, WilsonCoefficient};
use humboldt_pipeline::store::atomic::{is_stream, sweep};
use humboldt_pipeline::store::table_files;
use humboldt_schemas::Invalid;
use humboldt_schemas::card::{GeneratorCard, Q2Range};
use humboldt_schemas::complex::ComplexValue;

use crate::Error;
use crate::learn::{Compute, DeviceName};

/// Shifts of the Wilson coefficients.
#[derive(Debug, Args)]
pub(crate) struct ShiftArguments {
    /// Shift of C9; short for --wc c9=X
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = finite)]
    delta_c9: Option<f64>,
    /// Shifts of Wilson coefficients: c7, c9, c10, c7_prime, c9_prime, c10_prime, c_s, c_p; complex values allowed,
    /// as in c7=-0.05,c10=0.5+0.1i
    #[arg(long = "wc", value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = shift)]
    wilson: Vec<Shift>,
}

impl ShiftArguments {
    /// The shifts by coefficient.
    pub(crate) fn by_name(&self) -> Result<BTreeMap<String, ComplexValue>> {
        let c9 = self.delta_c9.map(|x| (WilsonCoefficient::C9, ComplexValue(x.into())));
        let mut map = BTreeMap::new();
        for (coefficient, value) in c9.into_iter().chain(self.wilson.iter().copied()) {
            if map.insert(coefficient.name().to_owned(), value).is_some() {
                bail!(
                    "--wc {coefficient} = {value} is not allowed; allowed: each coefficient once (--delta-c9 is c9)"
                );
            }
        }
        Ok(map)
    }
}

/// Physical inputs and resonances.
#[derive(Debug, Args)]
pub(crate) struct InputArguments {
    /// Physical inputs other than the built-in ones, as in v_cb=0.041,sm_m_c_pole=1.7
    #[arg(long = "inputs", value_name = "NAME=VALUE,...", value_delimiter = ',', value_parser = input)]
    pub(crate) values: Vec<(String, f64)>,
    /// Charmonium resonances in place of the charm loop; scale and phase [rad] of single ones as in
    /// j_psi=1:3.14,psi_2s=0.5:0
    #[arg(long, value_name = "NAME=SCALE:PHASE,...", num_args = 0..=1, value_delimiter = ',', value_parser = resonance)]
    pub(crate) charmonium: Option<Vec<(String, f64, f64)>>,
}

impl InputArguments {
    /// One input, as in `v_cb=0.041`.
    pub(super) fn value(text: &str) -> Result<(String, f64), String> {
        input(text)
    }

    /// The built-in inputs with these in their place.
    pub(crate) fn parameters(&self) -> Result<Parameters> {
        let standard = Parameters::standard().clone();
        Ok(self.values.iter().try_fold(standard, |inputs, (name, value)| inputs.with_value(name, *value))?)
    }

    /// The resonances, where they are asked for.
    pub(crate) fn charmonium(&self, parameters: &Parameters) -> Result<Option<Charmonium>> {
        let Some(resonances) = &self.charmonium else { return Ok(None) };
        let mut charmonium = Charmonium::new(parameters)?;
        for (name, scale, phase) in resonances {
            charmonium = charmonium.with(name, *scale, *phase)?;
        }
        Ok(Some(charmonium))
    }

    /// Puts them into a card.
    pub(crate) fn change(&self, card: &mut GeneratorCard) {
        card.inputs.extend(self.values.iter().cloned());
        card.charmonium = self.resonances().or(card.charmonium.take());
    }

    /// Scale and phase by resonance, where they are asked for.
    pub(super) fn resonances(&self) -> Option<BTreeMap<String, [f64; 2]>> {
        let named = |(name, scale, phase): &(String, f64, f64)| (name.clone(), [*scale, *phase]);
        self.charmonium.as_ref().map(|resonances| resonances.iter().map(named).collect())
    }
}

/// Decay and window; the amplitude model is an argument of its own.
#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    #[command(flatten)]
    shifts: ShiftArguments,
    #[command(flatten)]
    inputs: InputArguments,
    /// Decaying meson: B0bar, B0, B-, B+ [default: B0bar]
    #[arg(long, value_parser = Flavour::from_str)]
    flavour: Option<Flavour>,
    /// Lepton: mu, e [default: mu]
    #[arg(long, value_parser = Lepton::from_str)]
    lepton: Option<Lepton>,
    /// Window in q2 [GeV^2], as in 0.1:8; an end may be open; may be given several times
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
    /// Window in q2 [GeV^2] that is left out, as in 8:11; may be given several times
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    veto: Vec<Q2Range>,
}

impl ProcessArguments {
    /// Arguments as a card would say them.
    pub(crate) fn card(&self, model: ModelName, line_shape: LineShape) -> Result<GeneratorCard> {
        let mut card = GeneratorCard {
            model,
            flavour: self.flavour.unwrap_or_default(),
            lepton: self.lepton.unwrap_or_default(),
            line_shape,
            q2: self.q2.clone(),
            veto: self.veto.clone(),
            wilson: self.shifts.by_name()?,
            ..GeneratorCard::default()
        };
        self.inputs.change(&mut card);
        Ok(card)
    }

    /// The shifts by coefficient.
    pub(crate) fn shifts(&self) -> Result<BTreeMap<String, ComplexValue>> {
        self.shifts.by_name()
    }

    /// Whether each option but the shifts is given, and its name.
    pub(crate) const fn given(&self) -> [(bool, &'static str); 6] {
        [
            (self.flavour.is_some(), "--flavour"),
            (self.lepton.is_some(), "--lepton"),
            (!self.q2.is_empty(), "--q2"),
            (!self.veto.is_empty(), "--veto"),
            (!self.inputs.values.is_empty(), "--inputs"),
            (self.inputs.charmonium.is_some(), "--charmonium"),
        ]
    }
}

/// Decay, model and window of the events.
#[derive(Debug, Args)]
pub(crate) struct DecayArguments {
    #[command(flatten)]
    process: ProcessArguments,
    /// Amplitude model: npr, bare, nnlo, full
    #[arg(long, default_value = ModelName::default().name(), value_parser = ModelName::from_str)]
    model: ModelName,
    /// K pi mass: breit-wigner, or narrow for the pole
    #[arg(long, default_value = LineShape::default().name(), value_parser = LineShape::from_str)]
    line_shape: LineShape,
}

impl DecayArguments {
    /// Arguments as a card would say them.
    pub(crate) fn card(&self) -> Result<GeneratorCard> {
        self.process.card(self.model, self.line_shape)
    }

    /// A card with these shifts in the place of its own of the same coefficients.
    pub(crate) fn shift(&self, mut card: GeneratorCard) -> Result<GeneratorCard> {
        card.wilson.extend(self.process.shifts()?);
        Ok(card)
    }
}

/// An error of the library in the words of the command line, where the setting `m_kpi` is `--m-kpi`; a card's, as
/// `simulation.reference`, keeps its name.
pub(super) fn as_options(error: Error) -> anyhow::Error {
    let option = |setting: &str| match setting {
        field if field.contains('.') => field.to_owned(),
        option => format!("--{}", option.replace('_', "-")),
    };
    match error {
        Error::Missing { setting, allowed } => {
            anyhow!("{} is missing; allowed: {allowed}", option(setting))
        }
        Error::Setting { setting, got, allowed } => Invalid::new(&option(setting), got, allowed).into(),
        Error::With { setting: "test", with, allowed } => anyhow!(
            "--test-model, --test-form-factors and --test-inputs are not allowed with {with}; allowed: with {allowed}"
        ),
        Error::With { setting, with, allowed } => {
            anyhow!("{} is not allowed with {with}; allowed: with {allowed}", option(setting))
        }
        other => other.into(),
    }
}

/// Whether what is there already may be replaced.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ForceArgument {
    /// Replace the file at --out where there is one; without it, that is refused
    #[arg(long)]
    force: bool,
}

impl ForceArgument {
    /// Checks that a file may be written; `inputs` are the files that are read for it. Takes away what killed processes
    /// left beside it.
    ///
    /// # Errors
    /// When there is a file of this name, unless it may be replaced; when it is one of the inputs.
    pub(super) fn allow(self, out: &Path, inputs: &[PathBuf]) -> Result<()> {
        let there = !is_stream(out) && out.is_file();
        let canonical = out.canonicalize();
        let same = |input: &PathBuf| matches!((input.canonicalize(), &canonical), (Ok(a), Ok(b)) if a == *b);
        // What is not understood here is refused where it is read.
        let read = |input: &PathBuf| table_files(input).unwrap_or_default();
        ensure!(
            !(there && inputs.iter().flat_map(read).any(|input| same(&input))),
            "--out = {} is not allowed; allowed: another file than the one that is read",
            out.display()
        );
        ensure!(
            self.force || !there,
            "--out = {} is there already; allowed: a new name, or --force to replace the file",
            out.display()
        );
        sweep(out.parent().unwrap_or(Path::new("")));
        Ok(())
    }
}

/// Reads a count between two ends, written as 100000, 100_000 or 1e5.
pub(super) fn count<N: TryFrom<u64> + Clone + Send + Sync + 'static>(
    ends: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = whole(text).filter(|number| ends.contains(number));
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| {
            let (low, high) = (ends.start(), ends.end());
            let range = if *high == u64::MAX { format!("{low} or more") } else { format!("{low} to {high}") };
            format!("allowed: a whole number, {range}, as in 100000, 100_000 or 1e5")
        })
    }
}

/// A whole number, written as 100000, 100_000 or 1e5.
fn whole(text: &str) -> Option<u64> {
    /// Above, f64 leave out whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let digits = without_separators(text)?;
    let whole = |x: &f64| (0.0..=EXACT).contains(x) && x.fract() == 0.0;
    digits.parse().ok().or_else(|| digits.parse::<f64>().ok().filter(whole).map(|x| x as u64))
}

/// A number's text without `_` between digits; nothing where they are elsewhere.
pub(super) fn without_separators(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    let separates = |i: usize| bytes[i] != b'_' || (is_digit(i.checked_sub(1)) && is_digit(Some(i + 1)));
    (0..bytes.len()).all(separates).then(|| text.replace('_', ""))
}

pub(super) fn finite(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| "allowed: a finite number".to_owned())
}

/// The shift of a coefficient.
pub(super) type Shift = (WilsonCoefficient, ComplexValue);

/// As in `c10=0.5+0.1i`.
pub(super) fn shift(text: &str) -> Result<Shift, String> {
    let (name, value) = text.split_once('=').ok_or("allowed: NAME=VALUE, as in c10=0.5+0.1i")?;
    let coefficient = name.trim().parse().map_err(|e: humboldt_physics::PhysicsError| e.to_string())?;
    let value = value.parse().map_err(|e: humboldt_schemas::Invalid| e.to_string())?;
    Ok((coefficient, value))
}

fn input(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("allowed: NAME=VALUE, as in v_cb=0.041")?;
    Ok((name.trim().to_owned(), finite(value.trim())?))
}

fn resonance(text: &str) -> Result<(String, f64, f64), String> {
    let wrong = || format!("allowed: NAME=SCALE:PHASE with NAME one of {}", Charmonium::NAMES.join(", "));
    let (name, numbers) = text.split_once('=').ok_or_else(wrong)?;
    let (scale, phase) = numbers.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), finite(scale.trim())?, finite(phase.trim())?))
}

/// Device that the network computes on.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgument {
    /// Device that the network computes on: auto, cpu, cuda:N, vulkan:N, metal; several of one kind share each batch of a training,
    /// as in cuda:0,cuda:1
    #[arg(long, default_value = "auto", value_name = "DEVICE,...", value_parser = DeviceName::from_str, value_delimiter = ',')]
    device: Vec<DeviceName>,
}

impl DeviceArgument {
    /// Opens the device.
    pub(crate) fn open(&self) -> Result<Compute> {
        Ok(Compute::open(&self.device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue_13_counts_are_read_as_people_write_them() {
        let read = count::<u64>(1..=1_000_000_000_000);
        for (text, number) in [
            ("100000", 100_000),
            ("100_000", 100_000),
            ("1e5", 100_000),
            ("1.5E3", 1500),
            ("1e+2", 100),
            ("10.0", 10),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for wrong in
            ["0", "-5", "1.5", "1e-1", "1e13", "1e400", "nan", "inf", "many", "", "_1", "1_", "1__0", "1_e5"]
        {
            assert!(read(wrong).unwrap_err().contains("1 to 1000000000000"), "{wrong}");
        }
        assert!(count::<u64>(0..=u64::MAX)("-1").unwrap_err().contains("0 or more"));
        assert_eq!(count::<u64>(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
        assert!(count::<u8>(0..=300)("300").is_err());
    }
}
