//! JSON schemas, generated from the types; `schemas/json/*.json` are these, and a test fails when they drift.

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::campaign::{CampaignFile, Manifest, ShardRecord};
use crate::card::{AnyArchitecture, RunCard};
use crate::comparison::{Comparison, PredictedImage};
use crate::events::{CONVENTION, CONVENTION_KEY, EVENT_COLUMNS, PROVENANCE_KEY};
use crate::experiment::{ExperimentCard, ExperimentResult};
use crate::global::{ChiSquareResult, FitResult, PosteriorResult};
use crate::inference::{self, BoundResult, Inferred, MomentsResult};
use crate::layout::Layout;
use crate::measurements::MeasurementFile;
use crate::provenance::Provenance;
use crate::results::{EnsembleResult, EpochMetrics, InputValue, ObservableValue, RatioEvaluation, Summary};
use crate::voxels::{Axis, DELTA_C9, IMAGES, LABELS};

/// Names that [`schema`] knows.
pub const SCHEMA_NAMES: [&str; 8] =
    ["campaign", "card", "events", "experiment", "images", "layout", "measurements", "results"];

/// The schema of a name in [`SCHEMA_NAMES`].
pub fn schema(name: &str) -> Option<Value> {
    match name {
        "campaign" => Some(json!({
            "title": "Campaign",
            "campaign.json": of::<CampaignFile>(),
            "shards/*.json": of::<ShardRecord>(),
            "manifest.json": of::<Manifest>(),
        })),
        "card" => Some(of::<RunCard>()),
        "events" => Some(json!({
            "title": "Events",
            "description": "Parquet or Arrow IPC, one row an event",
            "columns": columns(),
            "metadata": { CONVENTION_KEY: CONVENTION, PROVENANCE_KEY: of::<Provenance>() },
        })),
        "experiment" => Some(of::<ExperimentCard>()),
        "images" => Some(json!({
            "title": "Images",
            "description": "Voxel images; HDF5 dataset and group, or Arrow IPC columns with arrow.fixed_shape_tensor images",
            "hdf5": {
                IMAGES: { "dtype": "float32", "shape": axes("n"), "unit": "GeV^2", "empty": 0 },
                format!("{LABELS}/{DELTA_C9}"): { "dtype": "float64", "shape": ["n"] },
            },
            "arrow": {
                IMAGES: { "type": "arrow.fixed_shape_tensor<float32>", "dim_names": axes("n")[1..], "unit": "GeV^2", "empty": 0 },
                DELTA_C9: { "type": "float64" },
            },
            "axes": Axis::ALL.map(|a| json!({ "name": a.name(), "min": a.range().0, "max": a.range().1 })),
            "metadata": { CONVENTION_KEY: CONVENTION, PROVENANCE_KEY: of::<Provenance>() },
        })),
        "layout" => Some(of::<Layout>()),
        "measurements" => Some(of::<MeasurementFile>()),
        "results" => Some(json!({
            "title": "Results",
            "results/ensembles.json": { "type": "array", "items": of::<EnsembleResult>() },
            "results/summary.json": of::<Summary>(),
            "results/ratio.json": of::<RatioEvaluation>(),
            "results/compare/comparison.json": of::<Comparison>(),
            "predict --json": { "type": "array", "items": of::<PredictedImage>() },
            "training/metrics.jsonl": of::<EpochMetrics>(),
            "model/network.json": of::<AnyArchitecture>(),
            "bound --json": of::<BoundResult>(),
            "bound --model MODEL --json": of::<inference::LearnedBound>(),
            "fit --json": { "type": "array", "items": of::<inference::FitResult>() },
            "moments --json": of::<MomentsResult>(),
            "background --json": of::<inference::DescribedBackground>(),
            "sweights --json": of::<inference::SWeightsResult>(),
            "infer --json": of::<Inferred>(),
            "check --json": of::<inference::Closure>(),
            "inputs --json": { "type": "array", "items": of::<InputValue>() },
            "observe --json": { "type": "array", "items": of::<ObservableValue>() },
            "global predict --json": { "type": "array", "items": of::<ObservableValue>() },
            "global chi2 --json": of::<ChiSquareResult>(),
            "global fit --json": of::<FitResult>(),
            "global sample --json": of::<PosteriorResult>(),
            "global nn, global gan: result.json": of::<ExperimentResult>(),
        })),
        _ => None,
    }
}

fn of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

fn axes(first: &str) -> Vec<&str> {
    [first].into_iter().chain(Axis::ALL.map(Axis::name)).collect()
}

fn columns() -> Value {
    let unit = |name| match name {
        "q2" => "GeV^2",
        "chi" => "rad",
        "m_kpi" => "GeV",
        _ => "",
    };
    EVENT_COLUMNS.iter().map(|name| json!({ "name": name, "dtype": "float32", "unit": unit(name) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `HUMBOLDT_WRITE_SCHEMAS=1 cargo test --release -p humboldt-schemas` writes the files anew.
    #[test]
    fn files_have_not_drifted_from_the_types() {
        for name in SCHEMA_NAMES {
            let path = format!("{}/json/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let text = format!("{:#}\n", schema(name).unwrap());
            if std::env::var_os("HUMBOLDT_WRITE_SCHEMAS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{path}");
        }
    }
}
