//! Layouts: which column of an experiment's file is what (TOML), strictly read.
//!
//! A name of a column, or a prefix of columns, may be several, as in `"q_squared|q_sq"`: the file then has one of them.

mod keys;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::keys::{
    AngleConvention, AngleUnit, Candidates, ChiRange, EnergyUnit, FlavourColumn, LeptonOfAngle, Leptons,
    Meson, Momenta, Particle, Q2Unit, Source, Units, WrongTags,
};
use crate::card::strict;
use crate::error::{Invalid, SchemaError};

/// Built-in layouts by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("humboldt", include_str!("../../layouts/humboldt.toml")),
    ("basf2", include_str!("../../layouts/basf2.toml")),
    ("lhcb", include_str!("../../layouts/lhcb.toml")),
    ("cms", include_str!("../../layouts/cms.toml")),
];

/// Columns of an event table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    /// Squared mass of the lepton pair, or its mass (see `units`).
    pub q2: Option<String>,
    /// Cosine of the lepton angle.
    pub cos_theta_l: Option<String>,
    /// Cosine of the kaon angle.
    pub cos_theta_k: Option<String>,
    /// Angle between the decay planes.
    pub chi: Option<String>,
    /// Mass of the K pi pair.
    pub m_kpi: Option<String>,
    /// Weight of the event, of either sign.
    pub weight: Option<String>,
    /// Convention of the angles: `lhcb` (default) or `theory`.
    pub convention: Option<AngleConvention>,
    /// The lepton that `cos_theta_l` is of, where it is not the convention's own: `l_plus` or `l_minus` of both flavours.
    pub theta_l_of: Option<LeptonOfAngle>,
    /// Range of chi, where it is known: `symmetric` (-pi to pi) or `positive` (0 to 2 pi).
    pub chi_range: Option<ChiRange>,
    /// Flavours whose ready chi has the opposite sign: `["b0bar"]` where it is computed as if every event were a B0.
    pub mirrored: Option<Vec<Meson>>,
    /// Source of variables where a file has ready columns and momenta too: `columns` (default) or `momenta`.
    pub prefer: Source,
    /// Units, where they are not GeV and radians.
    pub units: Units,
    /// Column that tells a B0 from a B0bar.
    pub flavour: Option<FlavourColumn>,
    /// Four-momenta of the final state.
    pub momenta: Option<Momenta>,
    /// Several candidates of one event.
    pub candidates: Option<Candidates>,
    /// Rows that are read: those whose column has one of these whole numbers, as in `isSignal = [1]`.
    pub keep: BTreeMap<String, Vec<i64>>,
    /// Columns of the event as it was generated; units, convention and the rest as above where they are not given.
    pub truth: Option<Box<Layout>>,
}

impl Layout {
    /// Names of the built-in layouts.
    pub fn names() -> [&'static str; 4] {
        BUILT_IN.map(|(name, _)| name)
    }

    /// The text of a built-in layout.
    pub fn text(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(other, _)| *other == name).map(|(_, text)| *text)
    }

    /// A built-in layout by its name, or one in a file whose name ends in `.toml`.
    ///
    /// # Errors
    /// For an unknown name; when the file cannot be read, is not TOML, has an unknown key or a value that is not allowed, by
    /// file, line and field.
    pub fn find(name: &str) -> Result<Self, SchemaError> {
        let path = Path::new(name);
        match Self::text(name) {
            Some(text) => strict::checked(text, name, Self::validate),
            None if path.extension().is_some_and(|ending| ending == "toml") => {
                strict::read(path, Self::validate)
            }
            None => {
                let allowed = format!("{}, or a file whose name ends in .toml", Self::names().join(", "));
                Err(Invalid::new("layout", name, allowed).into())
            }
        }
    }

    /// Parses and checks a layout; `file` is its name in error messages.
    ///
    /// # Errors
    /// As [`Layout::find`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        strict::checked(text, file, Self::validate)
    }

    /// Names of the ready columns, in the order of [`crate::events::EVENT_COLUMNS`].
    pub const fn columns(&self) -> [&Option<String>; 5] {
        [&self.q2, &self.cos_theta_l, &self.cos_theta_k, &self.chi, &self.m_kpi]
    }

    /// The layout of the truth, with what it takes from the measured one.
    pub fn whole_truth(&self) -> Option<Self> {
        let own = self.truth.as_deref()?;
        let units = Units {
            q2: own.units.q2.or(self.units.q2),
            chi: own.units.chi.or(self.units.chi),
            m_kpi: own.units.m_kpi.or(self.units.m_kpi),
            momenta: own.units.momenta.or(self.units.momenta),
        };
        Some(Self {
            convention: own.convention.or(self.convention),
            theta_l_of: own.theta_l_of.or(self.theta_l_of),
            chi_range: own.chi_range.or(self.chi_range),
            mirrored: own.mirrored.clone().or_else(|| self.mirrored.clone()),
            prefer: self.prefer,
            units,
            ..own.clone()
        })
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.check_columns("")?;
        let Some(truth) = &self.truth else { return Ok(()) };
        for (field, there) in [
            ("truth.truth", truth.truth.is_some()),
            ("truth.weight", truth.weight.is_some()),
            ("truth.candidates", truth.candidates.is_some()),
            ("truth.keep", !truth.keep.is_empty()),
            ("truth.prefer", truth.prefer != Source::default()),
        ] {
            Invalid::unless(!there, field, "a table or a name", "this once, above [truth]")?;
        }
        if let Some(flavour) = &truth.flavour {
            let given = flavour.wrong_tags != WrongTags::default() || flavour.listed != Meson::default();
            Invalid::unless(!given, "truth.flavour", "`wrong_tags` or `listed`", "these under [flavour]")?;
        }
        truth.check_columns("truth.")
    }

    fn check_columns(&self, table: &str) -> Result<(), Invalid> {
        let angles = &self.columns()[..4];
        let missing = ["q2", "cos_theta_l", "cos_theta_k", "chi"];
        let missing = missing.iter().zip(angles).find(|(_, column)| column.is_none());
        if let (Some((name, _)), None) = (missing, &self.momenta) {
            Invalid::unless(
                !table.is_empty() && angles.iter().all(|column| column.is_none()),
                &format!("{table}{name}"),
                "missing",
                "a column's name for each of q2, cos_theta_l, cos_theta_k, chi, or a table [momenta]",
            )?;
        }
        let named = ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi", "weight"].into_iter();
        let named: Vec<(&str, &String)> = named
            .zip(self.columns().into_iter().chain([&self.weight]))
            .filter_map(|(name, column)| Some((name, column.as_ref()?)))
            .collect();
        for (i, (name, column)) in named.iter().enumerate() {
            let field = format!("{table}{name}");
            let empty = column.split('|').any(str::is_empty);
            Invalid::unless(
                !empty,
                &field,
                format!("`{column}`"),
                "a column's name; several with | between",
            )?;
            let twice = named[..i].iter().find(|(_, other)| other == column);
            if let Some((other, _)) = twice {
                let allowed = format!("another column than that of {other}");
                return Err(Invalid::new(&field, format!("`{column}`"), allowed));
            }
        }
        if let Some(flavour) = &self.flavour {
            flavour.validate(table)?;
        }
        for (column, values) in &self.keep {
            Invalid::unless(
                !values.is_empty(),
                &format!("keep.{column}"),
                "[]",
                "at least one whole number",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_layouts_are_whole() {
        for name in Layout::names() {
            let layout = Layout::find(name).unwrap();
            assert!(layout.whole_truth().is_some(), "{name}");
            let text = toml::to_string(&layout).unwrap();
            assert_eq!(Layout::parse(&text, name).unwrap(), layout, "{text}");
        }
    }

    #[test]
    fn truth_takes_what_it_does_not_say() {
        let text = "q2 = \"a\"\ncos_theta_l = \"b\"\ncos_theta_k = \"c\"\nchi = \"d\"\nmirrored = [\"b0\"]\n\
            [units]\nq2 = \"MeV2\"\nchi = \"deg\"\n[truth]\nq2 = \"e\"\ncos_theta_l = \"f\"\ncos_theta_k = \"g\"\n\
            chi = \"h\"\n[truth.units]\nq2 = \"GeV2\"\n";
        let truth = Layout::parse(text, "x.toml").unwrap().whole_truth().unwrap();
        assert_eq!((truth.units.q2, truth.units.chi), (Some(Q2Unit::GeV2), Some(AngleUnit::Deg)));
        assert_eq!(truth.mirrored, Some(vec![Meson::B0]));
    }

    #[test]
    fn faults_are_named_with_line_and_field() {
        let four = "q2 = \"a\"\ncos_theta_l = \"b\"\ncos_theta_k = \"c\"\nchi = \"d\"\n";
        let with = |more: &str| format!("{four}{more}");
        for (text, message) in [
            (
                "q2 = \"a\"\n".to_owned(),
                "x.toml:1: cos_theta_l = missing is not allowed; allowed: a column's name",
            ),
            (with("q_2 = \"x\"\n"), "x.toml:5: unknown key `q_2` (did you mean `q2`?)"),
            (
                with("m_kpi = \"a\"\n"),
                "x.toml:5: m_kpi = `a` is not allowed; allowed: another column than that of q2",
            ),
            (with("weight = \"\"\n"), "x.toml:5: weight = ``"),
            (
                with("[units]\nq2 = \"eV2\"\n"),
                "x.toml:6: units.q2: unknown variant `eV2`, expected one of `GeV2`",
            ),
            (with("[flavour]\ncolumn = \"f\"\nb0 = [1]\nb0bar = [1]\n"), "x.toml:8: flavour.b0bar = [1]"),
            (with("[flavour]\nb0 = [1]\nb0bar = [0]\n"), "flavour.column = missing"),
            (with("[flavour]\ncolumn = \"f\"\nb0 = [1]\n"), "flavour.b0bar = []"),
            (with("[truth]\nq2 = \"e\"\n"), "x.toml:5: truth.cos_theta_l = missing"),
            (with("[truth]\nweight = \"e\"\n"), "x.toml:6: truth.weight"),
            (with("[keep]\nisSignal = []\n"), "x.toml:6: keep.isSignal = []"),
            (with("[momenta]\nl_plus = \"p\"\n"), "missing field `l_minus`"),
            (
                "[momenta]\nl_plus = [\"E\"]\nl_minus = \"b\"\nkaon = \"c\"\npion = \"d\"\n".to_owned(),
                "[\"E\"] is not allowed; allowed: a prefix",
            ),
        ] {
            let error = Layout::parse(&text, "x.toml").unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains('\n'), "{text}\n{error}");
        }
        let unknown = Layout::find("babar").unwrap_err().to_string();
        assert!(
            unknown.contains("layout = babar is not allowed; allowed: humboldt, basf2, lhcb, cms"),
            "{unknown}"
        );
    }
}
