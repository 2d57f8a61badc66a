//! Keys of a layout for units, conventions, flavour, momenta and candidates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Invalid;

/// Convention of angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AngleConvention {
    /// arXiv:1304.6325.
    #[default]
    Lhcb,
    /// arXiv:0811.1214.
    Theory,
}

/// The lepton that an angle is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeptonOfAngle {
    /// The positive one, of both flavours.
    LPlus,
    /// The negative one, of both flavours.
    LMinus,
}

/// Range of an angle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChiRange {
    /// -pi to pi.
    Symmetric,
    /// 0 to 2 pi.
    Positive,
}

/// Flavour of the meson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Meson {
    /// -> K+ pi- l+ l-.
    #[default]
    B0,
    /// -> K- pi+ l+ l-.
    B0bar,
}

/// Source of q2 and angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Ready columns.
    #[default]
    Columns,
    /// Four-momenta.
    Momenta,
}

/// Units of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Units {
    /// `GeV2` (default) or `MeV2`; `GeV` or `MeV` of a column with the mass of the pair, which is squared.
    pub q2: Option<Q2Unit>,
    /// `rad` (default) or `deg`.
    pub chi: Option<AngleUnit>,
    /// `GeV` (default) or `MeV`.
    pub m_kpi: Option<EnergyUnit>,
    /// `GeV` (default) or `MeV`.
    pub momenta: Option<EnergyUnit>,
}

/// Unit of q2, or of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names are those of the units")]
pub enum Q2Unit {
    #[default]
    GeV2,
    MeV2,
    GeV,
    MeV,
}

/// Unit of an angle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are those of the units")]
pub enum AngleUnit {
    #[default]
    Rad,
    Deg,
}

/// Unit of masses and momenta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names are those of the units")]
pub enum EnergyUnit {
    #[default]
    GeV,
    MeV,
}

impl EnergyUnit {
    /// GeV of one.
    pub const fn gev(self) -> f64 {
        match self {
            Self::GeV => 1.0,
            Self::MeV => 1e-3,
        }
    }
}

/// Column that tells a B0 from a B0bar.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlavourColumn {
    /// Charge or PDG number of the kaon, PDG number of the meson, or a tag.
    pub column: String,
    /// Its values of a B0 (-> K+ pi-).
    pub b0: Vec<i64>,
    /// Its values of a B0bar (-> K- pi+).
    pub b0bar: Vec<i64>,
    /// The decay that the columns are named after, which all events are taken for where the file has no such column.
    pub listed: Meson,
    /// Events whose true flavour is the other one: `keep` (default), `drop`, or `only` them.
    pub wrong_tags: WrongTags,
}

/// Events whose true flavour is another than the measured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WrongTags {
    /// Among the others.
    #[default]
    Keep,
    /// Left out.
    Drop,
    /// Nothing but them.
    Only,
}

/// Four-momenta of the final state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Momenta {
    /// The positive lepton.
    pub l_plus: Particle,
    /// The negative lepton.
    pub l_minus: Particle,
    /// The kaon, of either charge.
    pub kaon: Particle,
    /// The pion, of either charge.
    pub pion: Particle,
    /// Ends of names behind a prefix: energy, and momentum along x, y, z.
    #[serde(default = "components")]
    pub components: [String; 4],
    /// `charges` (default) where `l_plus` always is the positive lepton; `slots` where the charge conjugate of the listed decay
    /// fills the same columns, `l_plus` with its negative lepton.
    #[serde(default)]
    pub leptons: Leptons,
    /// PDG number or charge of what is in `l_plus`: decides it event by event, where a file has it.
    #[serde(default)]
    pub lepton_id: Option<String>,
    /// Flavours whose decays are mirrored: `["b0", "b0bar"]` in samples of EvtGen's model for new physics, whose S_7, S_8 and
    /// S_9 have the opposite sign.
    #[serde(default)]
    pub mirrored: Vec<Meson>,
}

fn components() -> [String; 4] {
    ["E", "px", "py", "pz"].map(str::to_owned)
}

/// Lepton in the columns of the positive one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leptons {
    /// The positive one.
    #[default]
    Charges,
    /// The positive one of the listed decay, the negative one of its charge conjugate.
    Slots,
}

/// Columns of a four-momentum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "OneOrFour", into = "OneOrFour")]
#[schemars(with = "Value", extend("examples" = ["mu_p_"]))]
pub enum Particle {
    /// Before the names of the components.
    Prefix(String),
    /// Energy, and momentum along x, y, z.
    Columns([String; 4]),
}

/// A prefix or four columns, as they are written.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct OneOrFour(Value);

impl TryFrom<OneOrFour> for Particle {
    type Error = String;

    fn try_from(written: OneOrFour) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let columns =
            |items: &Vec<Value>| items.iter().map(text).collect::<Option<Vec<String>>>()?.try_into().ok();
        match &written.0 {
            Value::String(prefix) => Ok(Self::Prefix(prefix.clone())),
            Value::Array(items) if columns(items).is_some() => {
                Ok(Self::Columns(columns(items).unwrap_or_default()))
            }
            other => Err(format!(
                "{other} is not allowed; allowed: a prefix as in \"mu_p_\", or four columns, energy, px, py, pz"
            )),
        }
    }
}

impl From<Particle> for OneOrFour {
    fn from(particle: Particle) -> Self {
        Self(match particle {
            Particle::Prefix(prefix) => prefix.into(),
            Particle::Columns(columns) => columns.to_vec().into(),
        })
    }
}

/// Several candidates of one event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Candidates {
    /// Number of the candidate within its event, from 0.
    pub column: Option<String>,
    /// Candidates of the event.
    pub count: Option<String>,
}

impl FlavourColumn {
    pub(super) fn validate(&self, table: &str) -> Result<(), Invalid> {
        let field = |name: &str| format!("{table}flavour.{name}");
        Invalid::unless(!self.column.is_empty(), &field("column"), "missing", "a column's name")?;
        for (name, values) in [("b0", &self.b0), ("b0bar", &self.b0bar)] {
            Invalid::unless(!values.is_empty(), &field(name), "[]", "the values of the column, as in [1]")?;
        }
        match self.b0.iter().find(|value| self.b0bar.contains(value)) {
            Some(value) => {
                Err(Invalid::new(&field("b0bar"), format!("[{value}]"), "values that are not those of b0"))
            }
            None => Ok(()),
        }
    }
}
