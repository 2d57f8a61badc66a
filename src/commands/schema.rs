//! `humboldt schema`: what the files look like, as JSON schema.

use anyhow::{Context, Result};
use clap::Args;
use humboldt_schemas::json_schema::{SCHEMA_NAMES, schema};
use serde_json::{Map, Value};

use crate::progress::outln;

/// Print the JSON schema of campaigns, cards, events, experiments, images, layouts, measurements or results; all of them without a name
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// campaign, card, events, experiment, images, layout, measurements or results
    #[arg(value_parser = SCHEMA_NAMES)]
    name: Option<String>,
}

impl SchemaArguments {
    pub(super) fn run(self) -> Result<()> {
        let value = if let Some(name) = self.name {
            schema(&name).with_context(|| format!("no schema is named {name}"))?
        } else {
            let all: Map<_, _> =
                SCHEMA_NAMES.iter().filter_map(|n| Some(((*n).to_owned(), schema(n)?))).collect();
            Value::Object(all)
        };
        outln!("{value:#}");
        Ok(())
    }
}
