//! `humboldt global import`: a HEPData record as a file of measurements.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::ValueConvention;
use humboldt_pipeline::store::atomic::write_atomically;
use humboldt_schemas::hepdata::{Choice, import};

use crate::commands::arguments::{ForceArgument, finite};
use crate::progress::{note, outln};

/// Turn a HEPData record into a file of measurements: values in bins of q2, their errors by source, their correlations
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Archive (zip, tar.gz), its folder, or one table (yaml, json)
    archive: PathBuf,
    /// Tables by name or file, * for any characters; all without it
    #[arg(long = "table", value_name = "NAME,...", value_delimiter = ',')]
    tables: Vec<String>,
    /// Which correlation matrix of a table is meant, by a part of its name
    #[arg(long, value_name = "NAME")]
    correlation: Option<String>,
    /// Signs and factors of the values: lhcb, cms, belle, theory
    #[arg(long, default_value = ValueConvention::Lhcb.name(), value_parser = ValueConvention::from_str)]
    convention: ValueConvention,
    /// Process, where the record does not name its reaction, as in B0->K*0mumu
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Source of the numbers, in place of what the record says
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// The experiment: overlapping bins of one experiment are never counted together
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Names of the events: files of the same events are never counted together
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    events: Vec<String>,
    /// Lower end in GeV^2 from which bins were fitted without the lepton's mass
    #[arg(long, value_name = "Q2", value_parser = finite)]
    massless_from: Option<f64>,
    /// File .toml to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
}

impl ImportArguments {
    pub(super) fn run(self) -> Result<()> {
        let right = self.out.extension().is_some_and(|extension| extension == "toml");
        ensure!(right, "--out = {} is not allowed; allowed: a file .toml", self.out.display());
        self.force.allow(&self.out, std::slice::from_ref(&self.archive))?;
        let choice = Choice {
            tables: self.tables,
            correlation: self.correlation,
            convention: self.convention,
            process: self.process,
            source: self.source,
            experiment: self.experiment,
            events: self.events,
            massless_from: self.massless_from,
        };
        let imported = import(&self.archive, &choice)?;
        let text = toml::to_string(&imported.file).context("measurements as TOML")?;
        write_atomically(&self.out, text.as_bytes())?;
        imported.notes.iter().for_each(note);
        for group in &imported.file.groups {
            let [values, nuisances] = [false, true]
                .map(|nuisance| group.measurements.iter().filter(|m| m.nuisance == nuisance).count());
            let kind = if group.correlation.is_some() { "correlated" } else { "independent" };
            outln!("{values} measurements and {nuisances} nuisances, {kind}");
        }
        note(format!("wrote {}", self.out.display()));
        Ok(())
    }
}
