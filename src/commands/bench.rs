//! bench
use clap::Args;
/// Bench
#[derive(Debug, Args)]
pub(super) struct BenchArguments {}
impl BenchArguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
