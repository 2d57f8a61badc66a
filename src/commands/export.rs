//! `humboldt export`: images as other programs like them.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_pipeline::store::{Export, ImageReader, Layout, export};
use humboldt_schemas::card::ImageLayout;
use std::str::FromStr;

use super::arguments::ForceArgument;
use super::voxelize::image_format;
use crate::progress::note;

/// Copy images into another file: dense tensors for h5py or pyarrow, or another format
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Images, .h5 or .arrow
    images: PathBuf,
    /// dense (n, bins, bins, bins), or compact
    #[arg(long, default_value = "dense", value_parser = ImageLayout::from_str)]
    layout: Layout,
    /// Gzip level of dense HDF5, 0 (none) to 9
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=9))]
    gzip: u8,
    /// Only these images, as in 0:100; an end may be open
    #[arg(long, value_name = "FIRST:END", value_parser = range)]
    range: Option<(Option<usize>, Option<usize>)>,
    /// File to write, .h5 or .arrow
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
}

impl ExportArguments {
    pub(super) fn run(self) -> Result<()> {
        let format = image_format(&self.out)?;
        self.force.allow(&self.out, std::slice::from_ref(&self.images))?;
        let reader = ImageReader::open(&self.images)?;
        let (first, end) = self.range.unwrap_or_default();
        let (first, end) = (first.unwrap_or(0), end.unwrap_or(reader.len()));
        ensure!(
            first < end && end <= reader.len(),
            "--range = {first}:{end} is not allowed; allowed: a part of 0:{}, the images of {}",
            reader.len(),
            self.images.display()
        );
        export(&reader, first..end, &self.out, Export { format, layout: self.layout, gzip: self.gzip })?;
        note(format!("wrote {}: {} images", self.out.display(), end - first));
        Ok(())
    }
}

fn range(text: &str) -> Result<(Option<usize>, Option<usize>), String> {
    let wrong = || "allowed: FIRST:END, as in 0:100; an end may be empty".to_owned();
    let (first, end) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong()),
    };
    Ok((number(first)?, number(end)?))
}
