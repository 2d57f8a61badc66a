//! From a voxel image to the channels of the network's input.

use std::f64::consts::PI;

use burn::tensor::{Device, Tensor, TensorData};
use humboldt_schemas::card::{Architecture, Channel};

use super::error::LearnError;
use super::scores::{Spread, SpreadSums};
use super::source::{ImageSource, evenly_spaced};

/// Images that are looked at to learn the spread of a channel.
const IMAGES_FOR_SPREAD: usize = 256;

/// Conversion of images to input tensors; the same numbers for training and for prediction.
///
/// Channels that differ from image to image are computed on the CPU, when an image is loaded; the coordinates are the
/// same for all images and are kept once on the device.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTransform {
    bins: usize,
    downsample: usize,
    size: usize,
    /// Events of an image.
    events: usize,
    q2_scale: f32,
    q2_bands: Vec<f32>,
    channels: Vec<Channel>,
    spread: Vec<Spread>,
}

impl InputTransform {
    /// For images of `bins` cells an axis and, mostly, `events` events; `spread` for each channel that comes from the image,
    /// or empty to leave them as they are.
    pub fn new(architecture: &Architecture, bins: usize, events: usize, spread: &[Spread]) -> Self {
        Self {
            bins,
            events,
            downsample: architecture.downsample,
            size: architecture.input_size(bins),
            q2_scale: architecture.q2_scale as f32,
            q2_bands: architecture.q2_bands.iter().map(|&q2| q2 as f32).collect(),
            channels: architecture.channels.clone(),
            spread: spread.to_vec(),
        }
    }

    /// Transform with each channel brought to mean 0 and deviation 1 over `source`, of which up to 256 evenly spaced
    /// images are read.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn standardised(mut self, source: &dyn ImageSource) -> Result<Self, LearnError> {
        self.spread = Vec::new();
        let cells = self.size.pow(3);
        let mut moments = vec![SpreadSums::default(); self.image_channels()];
        let (mut image, mut input) = (vec![0.0; self.bins.pow(3)], vec![0.0; self.len()]);
        for index in evenly_spaced(source.len(), IMAGES_FOR_SPREAD) {
            source.read(index, &mut image)?;
            self.apply(&image, source.size(index), &mut input);
            for (moments, channel) in moments.iter_mut().zip(input.chunks_exact(cells)) {
                for &x in channel {
                    moments.add(x, 1.0);
                }
            }
        }
        self.spread = moments.into_iter().map(SpreadSums::spread).collect();
        Ok(self)
    }

    /// Means and deviations taken out of each channel; empty if nothing is.
    pub fn spread(&self) -> &[Spread] {
        &self.spread
    }

    /// Cells of an axis of the image.
    pub const fn bins(&self) -> usize {
        self.bins
    }

    /// Numbers that one image leaves, without the coordinates.
    pub fn len(&self) -> usize {
        self.image_channels() * self.size.pow(3)
    }

    /// Whether nothing comes from the image; the card refuses that.
    pub fn is_empty(&self) -> bool {
        self.image_channels() == 0
    }

    fn image_channels(&self) -> usize {
        self.channels.iter().filter(|c| **c != Channel::Coordinates).map(|c| self.width(*c)).sum()
    }

    fn width(&self, channel: Channel) -> usize {
        channel.width(self.q2_bands.len())
    }

    /// Computes the channels of one image, of so many events where their number varies.
    ///
    /// With `downsample` a cell of the input is the mean over d^3 cells of the image, empty ones and those beyond its
    /// edge included.
    ///
    /// # Shapes
    /// `image` [`cos_theta_l`, `cos_theta_k`, chi], the mean q2 [GeV^2] of each cell, 0 if empty -> `input` [channels, l, k, c].
    pub fn apply(&self, image: &[f32], events: Option<usize>, input: &mut [f32]) {
        let (n, d, s) = (self.bins, self.downsample, self.size);
        let cells = s.pow(3);
        input.fill(0.0);
        let told = self.channels.contains(&Channel::Events);
        let size = if told { events.unwrap_or(self.events).max(1) as f32 / self.events as f32 } else { 1.0 };
        let each = if d > 1 { 1.0 / (size * d.pow(3) as f32) } else { 1.0 };
        for (row, line) in image.chunks_exact(n).enumerate() {
            let begin = (row / n / d * s + row % n / d) * s;
            for (c, &q2) in line.iter().enumerate().filter(|(_, q2)| **q2 > 0.0) {
                let mut cell = begin + c / d;
                for channel in &self.channels {
                    match channel {
                        Channel::MeanQ2 => input[cell] += q2 / self.q2_scale * each,
                        Channel::Occupancy => input[cell] += each,
                        Channel::Q2Bands => {
                            let (band, fraction) = self.band(q2);
                            input[cell + band * cells] += (1.0 - fraction) * each;
                            if fraction > 0.0 {
                                input[cell + (band + 1) * cells] += fraction * each;
                            }
                        }
                        Channel::Coordinates => continue,
                        Channel::Events => {}
                    }
                    cell += self.width(*channel) * cells;
                }
            }
        }
        if let Some(before) = self.channels.iter().position(|c| *c == Channel::Events) {
            let drawn = self.channels[..before].iter().filter(|c| **c != Channel::Coordinates);
            let begin = drawn.map(|c| self.width(*c)).sum::<usize>() * cells;
            input[begin..begin + cells].fill(size.ln());
        }
        for (channel, spread) in input.chunks_exact_mut(cells).zip(&self.spread) {
            spread.take_out(channel);
        }
    }

    /// The band below `q2` and how far q2 has gone from it to the next.
    fn band(&self, q2: f32) -> (usize, f32) {
        let nodes = &self.q2_bands;
        match nodes.partition_point(|&node| node <= q2) {
            0 => (0, 0.0),
            i if i == nodes.len() => (i - 1, 0.0),
            i => (i - 1, (q2 - nodes[i - 1]) / (nodes[i] - nodes[i - 1])),
        }
    }

    /// The coordinates of the cells' centres on `device`, if they are among the channels.
    ///
    /// # Shapes
    /// [1, 4, l, k, c]: `cos_theta_l`, `cos_theta_k`, cos chi, sin chi.
    pub fn coordinates(&self, device: &Device) -> Option<Tensor<5>> {
        if !self.channels.contains(&Channel::Coordinates) {
            return None;
        }
        let s = self.size;
        // A cell at the edge that reaches beyond the image keeps the centre of a whole one.
        let centre = |i: usize| (2 * i + 1) as f64 * self.downsample as f64 / self.bins as f64 - 1.0;
        let mut data = Vec::with_capacity(4 * s.pow(3));
        let mut push = |f: &dyn Fn([usize; 3]) -> f64| {
            for l in 0..s {
                for k in 0..s {
                    data.extend((0..s).map(|c| f([l, k, c]) as f32));
                }
            }
        };
        push(&|[l, _, _]| centre(l));
        push(&|[_, k, _]| centre(k));
        push(&|[_, _, c]| (PI * centre(c)).cos());
        push(&|[_, _, c]| (PI * centre(c)).sin());
        Some(Tensor::from_data(TensorData::new(data, [1, 4, s, s, s]), device))
    }

    /// The input tensor of a batch: `inputs`, one after the other as [`InputTransform::apply`] left them, and the
    /// coordinates.
    ///
    /// # Shapes
    /// `inputs` [batch * channels * l * k * c] -> [batch, channels + 4, l, k, c].
    pub fn tensor(&self, inputs: Vec<f32>, coordinates: Option<&Tensor<5>>, device: &Device) -> Tensor<5> {
        let (s, channels) = (self.size, self.image_channels());
        let batch = inputs.len() / self.len();
        let input = Tensor::from_data(TensorData::new(inputs, [batch, channels, s, s, s]), device);
        match coordinates {
            Some(c) => Tensor::cat(vec![input, c.clone().expand([batch, 4, s, s, s])], 1),
            None => input,
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::card::NetworkCard;

    use super::*;

    fn transform(channels: &[Channel], bins: usize, downsample: usize) -> InputTransform {
        let card = NetworkCard {
            channels: Some(channels.to_vec()),
            downsample: Some(downsample),
            q2_bands: Some(vec![1.0, 5.0, 9.0]),
            ..NetworkCard::default()
        };
        InputTransform::new(&card.architecture(), bins, 100, &[])
    }

    fn apply(transform: &InputTransform, image: &[f32]) -> Vec<f32> {
        let mut input = vec![f32::NAN; transform.len()];
        transform.apply(image, None, &mut input);
        input
    }

    #[test]
    fn without_downsampling_channels_are_the_image_and_its_occupancy() {
        let image = [0.0, 5.0, 0.0, 10.0, 20.0, 0.0, 0.0, 2.0];
        let input =
            apply(&transform(&[Channel::Occupancy, Channel::Coordinates, Channel::MeanQ2], 2, 1), &image);
        assert_eq!(input[..8], [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(input[8..], [0.0, 0.25, 0.0, 0.5, 1.0, 0.0, 0.0, 0.1]);
    }

    #[test]
    fn downsampling_is_the_mean_over_merged_cells_and_pads_a_remainder() {
        // 3 bins merged by 2: the last cell of each axis holds one cell of the image and seven beyond its edge.
        let mut image = vec![0.0; 27];
        image[0] = 4.0; // (0, 0, 0)
        image[9 + 3 + 1] = 8.0; // (1, 1, 1)
        image[18 + 6 + 2] = 16.0; // (2, 2, 2)
        image[2] = 12.0; // (0, 0, 2)
        let input = apply(&transform(&[Channel::MeanQ2, Channel::Occupancy], 3, 2), &image);
        let (mean_q2, occupancy) = input.split_at(8);
        assert_eq!(occupancy, [0.25, 0.125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.125]);
        let expected = [12.0 / 160.0, 12.0 / 160.0, 0.0, 0.0, 0.0, 0.0, 0.0, 16.0 / 160.0];
        for (got, expected) in mean_q2.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-7, "{got} is not {expected}");
        }
    }

    #[test]
    fn merged_cells_count_per_event_where_their_number_is_told() {
        let transform = transform(&[Channel::Coordinates, Channel::Occupancy, Channel::Events], 2, 2);
        let mut input = vec![f32::NAN; transform.len()];
        transform.apply(&[3.0, 3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0], Some(200), &mut input);
        assert_eq!(input, [0.25, 2.0_f32.ln()]);
        transform.apply(&[3.0; 8], None, &mut input);
        assert_eq!(input, [1.0, 0.0]);
    }

    #[test]
    fn bands_share_a_cell_between_their_neighbours() {
        let image = [0.5, 1.0, 3.0, 5.0, 8.0, 9.0, 12.0, 0.0];
        let input = apply(&transform(&[Channel::Q2Bands], 2, 1), &image);
        assert_eq!(input[..8], [1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(input[8..16], [0.0, 0.0, 0.5, 1.0, 0.25, 0.0, 0.0, 0.0]);
        assert_eq!(input[16..], [0.0, 0.0, 0.0, 0.0, 0.75, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn coordinates_are_the_centres_of_the_cells() {
        let t = transform(&[Channel::Occupancy, Channel::Coordinates], 4, 2);
        let c = t.coordinates(&Device::flex()).unwrap();
        assert_eq!(c.dims(), [1, 4, 2, 2, 2]);
        let c: Vec<f32> = c.into_data().iter::<f32>().collect();
        assert_eq!(c[..8], [-0.5, -0.5, -0.5, -0.5, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!(c[8..16], [-0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5, 0.5]);
        for cell in 0..8 {
            assert!(c[16 + cell].abs() < 1e-6, "cos(pi/2) is 0");
            assert!((c[24 + cell] - if cell % 2 == 0 { -1.0 } else { 1.0 }).abs() < 1e-6);
        }
        let input = t.tensor(vec![7.0; 16], Some(&t.coordinates(&Device::flex()).unwrap()), &Device::flex());
        assert_eq!(input.dims(), [2, 5, 2, 2, 2]);
    }
}
