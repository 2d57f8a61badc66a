//! Layers of a network in the order of the data: names, output shapes, weights (the paper's Fig. 4).

use super::strided;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its place, as in `stage 2, block 1, conv 2`.
    pub name: String,
    /// Its operation, as in `conv 3^3 / 2`.
    pub kind: String,
    /// Filters (or neurons) it puts out.
    pub channels: usize,
    /// Cells of each axis it puts out; 1 behind the global pooling.
    pub size: usize,
    /// Trained numbers.
    pub parameters: usize,
}

/// Layers so far, and what the last of them puts out.
pub(super) struct List {
    pub(super) layers: Vec<Layer>,
    pub(super) channels: usize,
    pub(super) size: usize,
}

impl List {
    pub(super) fn add(&mut self, name: String, kind: String, parameters: usize) {
        self.layers.push(Layer { name, kind, channels: self.channels, size: self.size, parameters });
    }

    pub(super) fn conv(&mut self, name: &str, filters: usize, kernel: usize, stride: usize) {
        let weights = self.channels * filters * kernel.pow(3);
        self.channels = filters;
        self.size = strided(self.size, kernel, stride);
        self.add(name.to_owned(), format!("conv {kernel}^3 / {stride}"), weights);
        self.add(name.to_owned(), "batch norm".to_owned(), 2 * filters);
    }

    pub(super) fn block(&mut self, name: &str, filters: usize, stride: usize) {
        let (channels, size) = (self.channels, self.size);
        self.conv(&format!("{name}, conv 1"), filters, 3, stride);
        self.add(name.to_owned(), "relu".to_owned(), 0);
        self.conv(&format!("{name}, conv 2"), filters, 3, 1);
        if stride != 1 || channels != filters {
            let after = self.size;
            (self.channels, self.size) = (channels, size);
            self.conv(&format!("{name}, shortcut"), filters, 1, stride);
            self.size = after;
        }
        self.add(name.to_owned(), "add, relu".to_owned(), 0);
    }

    /// The map of a pyramid for the cells here, which the next layer does not see.
    pub(super) fn map(&mut self, outputs: usize) {
        let channels = self.channels;
        self.dense("map of scores", outputs);
        self.channels = channels;
    }

    pub(super) fn dense(&mut self, name: &str, neurons: usize) {
        let weights = (self.channels + 1) * neurons;
        self.channels = neurons;
        self.add(name.to_owned(), "dense".to_owned(), weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{AnyArchitecture, NetworkCard};

    #[test]
    fn paper_resnet34_has_its_layers_and_63_million_weights() {
        let architecture = NetworkCard::default().architecture();
        let list = architecture.layers(50, 1);
        // 34 layers with weights in the main path (1 + 2 * 16 convolutions and a dense one), and the paper's dense 1000.
        let main = |l: &&Layer| l.kind.starts_with("conv") && !l.name.ends_with("shortcut");
        assert_eq!(list.iter().filter(main).count(), 33);
        assert_eq!(
            list.iter().filter(|l| l.kind == "dense").map(|l| l.channels).collect::<Vec<_>>(),
            [1000, 1]
        );
        assert_eq!(
            list.iter().filter(|l| l.name.ends_with("shortcut") && l.kind.starts_with("conv")).count(),
            3
        );
        let ends =
            |stage: usize| list.iter().rfind(|l| l.name.starts_with(&format!("stage {stage}"))).unwrap();
        let shapes: Vec<_> = (1..=4).map(|s| (ends(s).channels, ends(s).size)).collect();
        assert_eq!(shapes, [(64, 13), (128, 7), (256, 4), (512, 2)]);

        // Independently: a stage of b blocks from c to f filters has 27 f (c + (2b - 1) f) weights of convolutions,
        // c f of its shortcut, and 2 f numbers for each of its norms.
        let stage = |b: usize, c: usize, f: usize| {
            let shortcut = if c == f { 0 } else { c * f + 2 * f };
            27 * f * (c + (2 * b - 1) * f) + 2 * f * 2 * b + shortcut
        };
        let formula = 343 * 64
            + 128
            + stage(3, 64, 64)
            + stage(4, 64, 128)
            + stage(6, 128, 256)
            + stage(3, 256, 512)
            + 513 * 1000
            + 1001;
        assert_eq!(AnyArchitecture::from(architecture).parameters(1), formula);
        assert!((63_000_000..64_500_000).contains(&formula), "{formula}");
    }
}
