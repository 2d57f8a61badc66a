//! Experiments with networks on a global fit: their card (TOML, strictly read) and their result.

mod card;
mod methods;
mod result;

pub use card::{Arrangement, ComparisonCard, ExperimentCard, Method, PointsCard, StudyCard, StudyPoint};
pub use methods::{FlowCard, GanArchitecture, GanCard, PosteriorCard, RegressionCard};
pub use result::{
    ComparedPoint, CurveLine, CurvePanel, ExperimentResult, Figures, ImageRow, NumberRow, PointRow,
    RegionRow, RegionsFigure, SpreadRow, Statistics,
};
