//! The layout of a file of events, as typed.

use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_schemas::card::ImageLayout;
use humboldt_schemas::layout::Layout;

use crate::progress::note;

/// Layout of the events' columns.
#[derive(Debug, Args)]
pub(super) struct LayoutArguments {
    /// Layout of the events: humboldt, basf2, lhcb, cms, or a file of your own, .toml; humboldt by default
    #[arg(long, value_name = "NAME|FILE.toml")]
    layout: Option<String>,
}

impl LayoutArguments {
    /// The layout; none of humboldt's own columns.
    pub(super) fn read(&self) -> Result<Option<Layout>> {
        Ok(self.layout.as_deref().map(Layout::find).transpose()?)
    }

    /// Layout of events and storage of images: `--layout dense` and `compact` were what `--storage` is.
    pub(super) fn with_storage(
        &self,
        storage: Option<ImageLayout>,
    ) -> Result<(Option<Layout>, Option<ImageLayout>)> {
        let old = self.layout.as_deref().and_then(|name| ImageLayout::from_str(name).ok());
        let Some(old) = old else { return Ok((self.read()?, storage)) };
        ensure!(
            storage.is_none(),
            "--layout = {old} is not allowed; allowed: a layout of events, --storage says how images are stored"
        );
        note(format!("--layout {old} is read as --storage {old}; --layout is the layout of events"));
        Ok((None, Some(old)))
    }
}
