//! `humboldt voxelize`: events to images.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::store::ImageWriter;
use humboldt_pipeline::voxels::voxelise_stream_compact;
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImageLayout, ImagesCard, Q2Range, hash_json};
use humboldt_schemas::provenance::Provenance;

use super::arguments::{ForceArgument, as_options, count};
use super::layout::LayoutArguments;
use crate::assumptions::{assumed, sentence};
use crate::binning::Source;
use crate::progress::{Progress, note};

/// Bin the events of a file into images of mean q2, in file order
#[derive(Debug, Args)]
pub(super) struct VoxelizeArguments {
    /// Events, .parquet, .arrow or .root (FILE.root:TREE), of humboldt or of your own
    events: PathBuf,
    /// Events of one image; a remainder at the end of the file is dropped
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u64>(1..=100_000_000))]
    events_per_image: u64,
    /// Bins of each of cos_theta_l, cos_theta_k and chi
    #[arg(long, default_value_t = 50, allow_negative_numbers = true, value_parser = count::<u16>(2..=256))]
    bins: u16,
    #[command(flatten)]
    layout: LayoutArguments,
    /// dense (n, bins, bins, bins), by default; or compact (occupied cells with sums and counts)
    #[arg(long, value_name = "HOW", value_parser = ImageLayout::from_str)]
    storage: Option<ImageLayout>,
    /// Gzip level of dense HDF5 images, 0 (none) to 9
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=9))]
    gzip: u8,
    /// Label of the images; by default what the file says, or NaN (unknown) if it says nothing
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    delta_c9: Option<f64>,
    /// Window in q2 [GeV^2], as in 0.1:19.2, that events are taken from; others are left out. Given for a file that does not
    /// say its windows, or says wider ones
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
    /// Window in q2 [GeV^2] whose events are left out, as in 8:11
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    veto: Vec<Q2Range>,
    /// File to write, .h5 or .arrow
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
}

impl VoxelizeArguments {
    pub(super) fn run(self) -> Result<()> {
        let format = image_format(&self.out)?;
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let per_image = self.events_per_image as usize;
        let (layout, storage) = self.layout.with_storage(self.storage)?;
        let source = Source {
            file: &self.events,
            layout: layout.as_ref(),
            q2: &self.q2,
            veto: &self.veto,
            events_per_image: per_image,
        };
        let chosen = source.choose().map_err(as_options)?;
        chosen.notes.iter().for_each(note);
        let n_images = chosen.images;
        let (labels, mut provenance) = self.labels_and_provenance(chosen.provenance());
        let (directions, labels): (Vec<WilsonDirection>, Vec<f64>) = labels.into_iter().unzip();
        provenance.events_per_image = Some(per_image);
        provenance.generator = chosen.generator.clone();
        let mut assumed = assumed(&provenance.generator, &[])?;
        if chosen.provenance().is_none() {
            assumed.by_default = ["model", "flavour", "lepton", "line_shape"].map(str::to_owned).to_vec();
            assumed.by_default.extend((!chosen.has_windows()).then(|| "q2".to_owned()));
        }
        note(format!("the images say: {}", sentence(&assumed)));

        let card = ImagesCard {
            events: per_image,
            bins: self.bins.into(),
            format,
            layout: storage.unwrap_or(ImageLayout::Dense),
            gzip: self.gzip,
            ..ImagesCard::default()
        };
        let mut writer = ImageWriter::create_labelled(&self.out, &card, n_images, &directions, &provenance)?;
        let progress = Progress::new("voxelize", n_images as u64, "images");
        let made = voxelise_stream_compact(chosen.batches(), per_image, card.bins, |images| {
            writer.push_compact(images, &labels.repeat(images.len()))?;
            progress.advance(images.len() as u64, "");
            Ok(())
        })
        .with_context(|| self.events.display().to_string())?;
        writer.finish()?;
        progress.finish();
        note(format!("wrote {}: {} images", self.out.display(), made.images));
        if made.dropped > 0 {
            note(format!("dropped the last {} events, less than an image", made.dropped));
        }
        Ok(())
    }

    /// The shift of C9 first, and of the other coefficients those that the events were made with, in the order of labels.
    fn labels_and_provenance(
        &self,
        events: Option<&Provenance>,
    ) -> (Vec<(WilsonDirection, f64)>, Provenance) {
        let provenance = events.cloned().unwrap_or_else(|| {
            let unknown = GeneratorCard::default();
            Provenance::new(hash_json(&self.events), 0, unknown)
        });
        let shifts = events.and_then(|events| events.generator.shifts().ok());
        let of = |direction: WilsonDirection| shifts.map_or(f64::NAN, |shifts| shifts.part(direction));
        let c9 = WilsonDirection::real(WilsonCoefficient::C9);
        let mut others = WilsonDirection::all().filter(|d| *d != c9).map(|d| (d, of(d))).collect::<Vec<_>>();
        others.retain(|(_, shift)| shift.is_finite() && *shift != 0.0);
        others.sort_by_key(|(direction, _)| direction.to_string());
        others.insert(0, (c9, self.delta_c9.unwrap_or_else(|| of(c9))));
        (others, provenance)
    }
}

pub(super) fn image_format(path: &Path) -> Result<ImageFormat> {
    let ending = path.extension().and_then(|e| e.to_str());
    match [ImageFormat::Hdf5, ImageFormat::Arrow].into_iter().find(|f| Some(f.extension()) == ending) {
        Some(format) => Ok(format),
        None => bail!("--out = {} is not allowed; allowed: a name ending in .h5 or .arrow", path.display()),
    }
}
