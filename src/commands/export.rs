//! `humboldt export`: images and events as other programs like them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::Decay;
use humboldt_pipeline::layout::{B0, B0BAR, ExportColumns, ExportRows};
use humboldt_pipeline::store::{EventReader, EventWriter, Export, ImageReader, More, export};
use humboldt_schemas::card::ImageLayout;
use humboldt_schemas::layout::Layout;

use super::arguments::{ForceArgument, count, finite};
use super::generate::Format;
use super::layout::LayoutArguments;
use super::voxelize::image_format;
use crate::progress::note;

/// Copy images into another file, dense tensors for h5py or pyarrow or another format; or, with --layout, write events as
/// experiments have them
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Images, .h5 or .arrow; with --layout events that humboldt made, several files behind each other
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    layout: LayoutArguments,
    /// Images: dense (n, bins, bins, bins), by default; or compact
    #[arg(long, value_name = "HOW", value_parser = ImageLayout::from_str)]
    storage: Option<ImageLayout>,
    /// Gzip level of dense HDF5, 0 (none) to 9
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=9))]
    gzip: u8,
    /// Only these images, as in 0:100; an end may be open
    #[arg(long, value_name = "FIRST:END", value_parser = range)]
    range: Option<(Option<usize>, Option<usize>)>,
    /// Events with four-momenta: mean momentum of the B [GeV], which flies in a random direction
    #[arg(long, value_name = "P", default_value_t = 3.0, value_parser = finite)]
    mean_b_momentum: f64,
    /// Seed of directions and momenta
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// File to write: images .h5 or .arrow, events .parquet, .arrow or .root
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
}

impl ExportArguments {
    pub(super) fn run(self) -> Result<()> {
        let (layout, storage) = self.layout.with_storage(self.storage)?;
        match layout {
            Some(layout) => self.events(&layout),
            None => self.images(storage.unwrap_or(ImageLayout::Dense)),
        }
    }

    fn images(&self, layout: ImageLayout) -> Result<()> {
        let format = image_format(&self.out)?;
        let [images] = &self.files[..] else {
            let n = self.files.len();
            anyhow::bail!(
                "{n} files of images are not allowed; allowed: one (several of events, with --layout)"
            )
        };
        self.force.allow(&self.out, &self.files)?;
        let reader = ImageReader::open(images)?;
        let (first, end) = self.range.unwrap_or_default();
        let (first, end) = (first.unwrap_or(0), end.unwrap_or(reader.len()));
        ensure!(
            first < end && end <= reader.len(),
            "--range = {first}:{end} is not allowed; allowed: a part of 0:{}, the images of {}",
            reader.len(),
            images.display()
        );
        export(&reader, first..end, &self.out, Export { format, layout, gzip: self.gzip })?;
        note(format!("wrote {}: {} images", self.out.display(), end - first));
        Ok(())
    }

    fn events(&self, layout: &Layout) -> Result<()> {
        let most = 1e4;
        ensure!(
            (0.0..=most).contains(&self.mean_b_momentum),
            "--mean-b-momentum = {} is not allowed; allowed: 0 to {most} GeV",
            self.mean_b_momentum
        );
        ensure!(self.range.is_none(), "--range is for images; events are written all");
        let format = Format::of(&self.out, None, &[Format::Arrow, Format::Root, Format::Parquet])?;
        let format = format.table().context("a table of events")?;
        self.force.allow(&self.out, &self.files)?;
        let sources = self.files.iter().map(|file| Source::open(file)).collect::<Result<Vec<_>>>()?;
        let first = &sources[0];
        for (other, file) in sources.iter().zip(&self.files) {
            ensure!(
                other.decay.lepton() == first.decay.lepton() && !other.decay.flavour().is_charged(),
                "{}: {} with {} is not allowed; allowed: B0 and B0bar, all with {}",
                file.display(),
                other.decay.flavour().name(),
                other.decay.lepton().name(),
                first.decay.lepton().name()
            );
            ensure!(
                other.reader.is_weighted() == first.reader.is_weighted(),
                "{}: weights in some files only are not allowed; allowed: all of them with weights, or none",
                file.display()
            );
        }
        let weighted = first.reader.is_weighted();
        let columns = ExportColumns::new(layout, &first.decay, weighted, self.mean_b_momentum, self.seed)?;
        let mut writer = EventWriter::create_silent(format, &self.out, columns.schema().clone())?;
        let mut written = 0;
        for (source, file) in sources.into_iter().zip(&self.files) {
            let own = if source.decay.flavour().has_b_quark() { B0BAR } else { B0 };
            let mut reader = source.reader;
            while let Some(sample) = reader.next_sample() {
                let sample = sample?;
                let all = vec![own; sample.len()];
                let weights = sample.weights();
                let rows = ExportRows {
                    events: sample.features(),
                    truth: sample.truth(),
                    flavours: sample.flavours().unwrap_or(&all),
                    weights,
                };
                writer
                    .write_table(&columns.rows(rows, written).with_context(|| file.display().to_string())?)?;
                written += sample.len() as u64;
            }
        }
        writer.finish()?;
        note(format!("wrote {}: {written} events", self.out.display()));
        Ok(())
    }
}

/// A file of events whose decay is known.
struct Source {
    reader: EventReader,
    decay: Decay,
}

impl Source {
    fn open(file: &Path) -> Result<Self> {
        let reader = EventReader::open_as(file, None, More::Everything)?;
        let provenance = reader.provenance().with_context(|| {
            format!("{}: does not say which decay its events are of; humboldt's own files do", file.display())
        })?;
        let decay = provenance.generator.own_decay()?;
        Ok(Self { reader, decay })
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
