//! `humboldt view`: one image on a terminal and as a figure.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::voxels::{Axis, label as shift_label};

use super::arguments::{ForceArgument, count};
use super::evaluate::words;
use crate::progress::{has_colours, note, outln};
use crate::report::{self, Projected, Sheet, VoxelImage};

/// Show one image: projected on two axes in the terminal, in 3D with its slices as PNG and SVG
#[derive(Debug, Args)]
pub(super) struct ViewArguments {
    /// Images, .h5 or .arrow
    images: PathBuf,
    /// Which one, from 0
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = count::<usize>(0..=u64::MAX))]
    image: usize,
    /// Axis to look along: cos_theta_l, cos_theta_k, chi
    #[arg(long, value_name = "AXIS", default_value = "chi", value_parser = Along::from_str)]
    along: Along,
    /// Only the cells of this layer of that axis, from 0; the mean over all by default
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<usize>(0..=u64::MAX))]
    layer: Option<usize>,
    /// Characters in place of colours; so where the output is no terminal
    #[arg(long)]
    plain: bool,
    /// Write the image as NAME.png, with NAME.svg and NAME.csv beside it
    #[arg(long, value_name = "NAME.png")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
}

#[derive(Debug, Clone, Copy)]
struct Along(Axis);

impl FromStr for Along {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Axis::ALL.into_iter().find(|axis| axis.name() == text);
        known.map(Self).ok_or_else(|| format!("allowed: {}", Axis::ALL.map(Axis::name).join(", ")))
    }
}

impl ViewArguments {
    pub(super) fn run(self) -> Result<()> {
        if let Some(out) = &self.out
            && out.extension().is_none_or(|ending| ending != "png")
        {
            bail!("--out = {} is not allowed; allowed: a name ending in .png", out.display());
        }
        for out in
            self.out.iter().flat_map(|out| ["png", "svg", "csv"].map(|ending| out.with_extension(ending)))
        {
            self.force.allow(&out, std::slice::from_ref(&self.images))?;
        }
        let reader = ImageReader::open(&self.images)?;
        let (count, bins) = (reader.len(), reader.bins());
        ensure!(
            self.image < count,
            "--image = {} is not allowed; allowed: 0 to {}, the images of {}",
            self.image,
            count - 1,
            self.images.display()
        );
        if let Some(layer) = self.layer {
            ensure!(layer < bins, "--layer = {layer} is not allowed; allowed: 0 to {}", bins - 1);
        }
        let mut values = vec![0.0; bins.pow(3)];
        reader.read(self.image, &mut values)?;
        let (directions, labels) = (reader.directions(), reader.label(self.image));
        let occupied = values.iter().filter(|x| **x != 0.0).count();
        let word = |(direction, label): (&WilsonDirection, &f64)| {
            let name = words(&shift_label(*direction));
            if label.is_finite() { format!("{name} = {label}") } else { format!("{name} unknown") }
        };
        let label: Vec<String> = directions.iter().zip(labels).map(word).collect();
        let label = label.join(", ");
        let events = reader.events().map_or_else(String::new, |all| format!(", {} events", all[self.image]));
        outln!(
            "image {} of {count}: {label}{events}, {occupied} of {bins}^3 cells occupied ({:.1} %)",
            self.image,
            100.0 * occupied as f64 / values.len() as f64
        );
        let projected = Projected::new(&values, bins, self.along.0, self.layer);
        let colour = !self.plain && std::io::stdout().is_terminal() && has_colours();
        for line in projected.lines(colour) {
            outln!("{line}");
        }
        if let Some(out) = &self.out {
            let image = VoxelImage { truth: labels[0], images: 1, bins, values: &values };
            let sheet =
                Sheet::new(out.with_extension(""), &self.small_print(&reader)).of(&directions[0].to_string());
            for path in report::voxel_views(&sheet, &[image])? {
                note(format!("wrote {}", path.display()));
            }
        }
        Ok(())
    }
    /// Small print of the figure: what the file says of the image.
    fn small_print(&self, reader: &ImageReader) -> Vec<String> {
        let name =
            self.images.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut parts = match reader.provenance() {
            Some(provenance) => report::small_print(&provenance.generator),
            None => vec!["the file does not say of which model and window".to_owned()],
        };
        let of_all = reader.provenance().and_then(|provenance| provenance.events_per_image);
        if let Some(events) = reader.events().map(|events| events[self.image] as usize).or(of_all) {
            parts.push(format!("{} events", report::count(events)));
        }
        parts.push(report::literal(&format!("image {} of {name}", self.image)));
        parts
    }
}
