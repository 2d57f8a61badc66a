//! `humboldt inputs`: the physical inputs by name.

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_physics::Parameters;
use humboldt_schemas::results::InputValue;

use crate::progress::outln;

/// List the physical inputs: name, value, uncertainty, unit and source; `--inputs NAME=VALUE` of other commands changes one
#[derive(Debug, Args)]
pub(super) struct InputsArguments {
    /// Only those whose name holds this, as in m_b or bsz2015
    part: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

impl InputsArguments {
    pub(super) fn run(self) -> Result<()> {
        let part = self.part.as_deref().unwrap_or_default().to_lowercase();
        let inputs: Vec<InputValue> = Parameters::standard()
            .iter()
            .filter(|(name, _)| name.to_lowercase().contains(&part))
            .map(|(name, entry)| InputValue {
                name: name.to_owned(),
                value: entry.value,
                uncertainty: entry.uncertainty,
                unit: entry.unit.clone(),
                source: entry.source.clone(),
            })
            .collect();
        if let (true, Some(part)) = (inputs.is_empty(), &self.part) {
            // Its error names the nearest.
            Parameters::standard().get(part)?;
        }
        ensure!(!inputs.is_empty(), "there are no inputs");
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&inputs)?);
            return Ok(());
        }
        let width = inputs.iter().map(|input| input.name.len()).max().unwrap_or_default();
        outln!("{:<width$} {:>15} {:>12}  {:<8} source", "name", "value", "error", "unit");
        for input in &inputs {
            let (value, error) = (number(input.value), number(input.uncertainty));
            outln!("{:<width$} {value:>15} {error:>12}  {:<8} {}", input.name, input.unit, input.source);
        }
        Ok(())
    }
}

/// All digits, in the shorter of both ways.
fn number(x: f64) -> String {
    let (plain, scientific) = (format!("{x}"), format!("{x:e}"));
    if plain.len() <= 12 { plain } else { scientific }
}
