//! Labels of images: the shift of each of some Wilson directions, an image a row.

use std::path::Path;

use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use humboldt_schemas::voxels::{DELTA_C9, direction, label};

use crate::PipelineError;

/// Direction that labels the images of version 1.
pub(super) const C9: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C9);

/// Labels of the images of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labels {
    directions: Vec<WilsonDirection>,
    /// NaN where a shift is not known.
    ///
    /// # Shapes
    /// [image, direction]
    values: Vec<f64>,
}

impl Labels {
    /// None yet, of these directions.
    ///
    /// # Errors
    /// Without directions, or where they are in another order than that of [`Labels::named`].
    pub(super) fn new(directions: &[WilsonDirection]) -> Result<Self, PipelineError> {
        let names: Vec<String> = directions.iter().map(|direction| label(*direction)).collect();
        let labels = Self::named(names.iter().map(String::as_str));
        let once = directions.windows(2).all(|pair| pair[0] != pair[1]);
        if once && labels.directions == directions {
            return Ok(labels);
        }
        let allowed = "each direction once, C9 first, the others by name";
        Err(PipelineError::out_of_range("labels", names.join(", "), allowed))
    }

    /// None yet, of the directions that columns of these names label, C9 first and the others by name; of C9, which is then
    /// missing, where no name is that of a label.
    pub(super) fn named<'n>(columns: impl IntoIterator<Item = &'n str>) -> Self {
        let mut directions: Vec<WilsonDirection> = columns.into_iter().filter_map(direction).collect();
        directions.sort_by_key(|direction| (*direction != C9, direction.to_string()));
        if directions.is_empty() {
            directions.push(C9);
        }
        Self { directions, values: Vec::new() }
    }

    pub(super) fn directions(&self) -> &[WilsonDirection] {
        &self.directions
    }

    /// Names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.directions.iter().map(|direction| label(*direction)).collect()
    }

    /// Labels of one image.
    pub(super) fn width(&self) -> usize {
        self.directions.len()
    }

    /// Number of images.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.width()
    }

    /// All labels.
    ///
    /// # Shapes
    /// [image, direction]
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Adds the labels of some images.
    ///
    /// # Shapes
    /// `rows`: [image, direction]
    pub(super) fn extend(&mut self, rows: &[f64]) {
        self.values.extend_from_slice(rows);
    }

    /// Adds the labels of some images, which are of one length.
    ///
    /// # Shapes
    /// `columns`: [direction, image]
    pub(super) fn extend_columns(&mut self, columns: &[Vec<f64>]) {
        let images = columns.first().map_or(0, Vec::len);
        self.values.extend((0..images).flat_map(|image| columns.iter().map(move |column| column[image])));
    }

    /// The labels of one direction, of the images from `first` on.
    pub(super) fn column(&self, direction: usize, first: usize) -> Vec<f64> {
        self.values.chunks_exact(self.width()).skip(first).map(|row| row[direction]).collect()
    }

    /// Refuses what no writer makes.
    pub(super) fn validate(&self, path: &Path) -> Result<(), PipelineError> {
        if self.values.is_empty() {
            return Err(PipelineError::refused(path, "no images in it"));
        }
        if let Some(at) = self.values.iter().position(|x| x.is_infinite()) {
            let (image, direction) = (at / self.width(), self.directions[at % self.width()]);
            let what = format!(
                "{} of image {image} = {} is not allowed; allowed: finite, or NaN (not known)",
                label(direction),
                self.values[at]
            );
            return Err(PipelineError::refused(path, what));
        }
        Ok(())
    }

    /// Names of these labels for a file's metadata; nothing for delta C9 alone, as in files of version 1.
    pub(super) fn words(&self) -> Option<String> {
        let names = self.names();
        (names != [DELTA_C9]).then(|| names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_directions_in_one_order() {
        let labels = Labels::named(["c10", "image", "c7_prime_im", "delta_c9"]);
        assert_eq!(labels.names(), ["delta_c9", "c10", "c7_prime_im"]);
        assert_eq!(Labels::named(["images", "mean"]).names(), ["delta_c9"]);
        assert_eq!(Labels::named(["delta_c9"]).words(), None);
        assert_eq!(labels.words().unwrap(), "delta_c9 c10 c7_prime_im");
    }

    #[test]
    fn rows_and_columns_are_the_same_labels() {
        let mut labels = Labels::named(["c10", "delta_c9"]);
        labels.extend(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((labels.len(), labels.column(1, 1)), (2, vec![4.0]));
        let mut again = Labels::named(["c10", "delta_c9"]);
        again.extend_columns(&[vec![1.0, 3.0], vec![2.0, 4.0]]);
        assert_eq!(again, labels);
    }
}
