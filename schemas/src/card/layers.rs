//! The layers of a network in the order of the data: names, output shapes, weights (the paper's Fig. 4).

use super::{AnyArchitecture, Architecture, Elements, SetArchitecture, strided};

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

/// The layers of a network of either kind, which puts out so many numbers.
pub fn any_layers(architecture: &AnyArchitecture, bins: usize, outputs: usize) -> Vec<Layer> {
    match architecture {
        AnyArchitecture::Residual(a) => layers(a, bins, outputs),
        AnyArchitecture::Set(a) => set_layers(a, outputs),
    }
}

fn set_layers(a: &SetArchitecture, outputs: usize) -> Vec<Layer> {
    let mut list = List { layers: Vec::new(), channels: SetArchitecture::FEATURES, size: 1 };
    let element = match a.elements {
        Elements::Events => "event",
        Elements::Cells => "cell",
    };
    list.add(format!("each {element}"), "input".into(), 0);
    for (i, &neurons) in a.layers.iter().enumerate() {
        list.dense(&format!("each {element}, dense {}", i + 1), neurons);
        list.add(format!("each {element}"), "relu".into(), 0);
    }
    list.dense(&format!("each {element}, outputs"), a.pooled);
    list.add(format!("over all {element}s, mean"), "mean".into(), 0);
    if a.is_calibrated() {
        list.channels = 1;
        list.add(format!("over all {element}s, calibration"), "calibration".into(), 0);
        return list.layers;
    }
    list.channels += 1;
    list.add(format!("over all {element}s, number"), "number".into(), 0);
    if a.dense > 0 {
        list.dense("dense", a.dense);
        list.add("head".into(), "relu".into(), 0);
    }
    list.dense("output", outputs);
    list.layers
}

/// The layers for images of `bins` cells an axis.
pub fn layers(architecture: &Architecture, bins: usize, outputs: usize) -> Vec<Layer> {
    let a = architecture;
    let mut list = List { layers: Vec::new(), channels: a.input_channels(), size: a.input_size(bins) };
    list.add("input".into(), "input".into(), 0);
    list.conv("stem", a.stem_filters, a.stem_kernel, a.stem_stride);
    list.add("stem".into(), "relu".into(), 0);
    list.map(a, outputs);
    if a.pool_kernel > 1 {
        list.size = strided(list.size, a.pool_kernel, a.pool_stride);
        list.add("stem".into(), format!("max pool {}^3 / {}", a.pool_kernel, a.pool_stride), 0);
    }
    for (stage, (&count, &filters)) in a.blocks.iter().zip(&a.filters).enumerate() {
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            list.block(&format!("stage {}, block {}", stage + 1, block + 1), filters, stride);
        }
        if stage + 1 < a.blocks.len() {
            list.map(a, outputs);
        }
    }
    list.size = 1;
    list.add("head".into(), "global average pool".into(), 0);
    if a.dense > 0 {
        list.dense("dense", a.dense);
        list.add("head".into(), "relu".into(), 0);
        list.add("head".into(), format!("dropout {}", a.dropout), 0);
    }
    list.dense("output", outputs);
    if !a.references.is_empty() {
        list.channels = 1;
        list.add("head".into(), "calibration".into(), 0);
    }
    list.layers
}

/// Trained numbers of the whole network.
pub fn parameters(architecture: &AnyArchitecture, outputs: usize) -> usize {
    any_layers(architecture, 1, outputs).iter().map(|layer| layer.parameters).sum()
}

struct List {
    layers: Vec<Layer>,
    channels: usize,
    size: usize,
}

impl List {
    fn add(&mut self, name: String, kind: String, parameters: usize) {
        self.layers.push(Layer { name, kind, channels: self.channels, size: self.size, parameters });
    }

    fn conv(&mut self, name: &str, filters: usize, kernel: usize, stride: usize) {
        let weights = self.channels * filters * kernel.pow(3);
        self.channels = filters;
        self.size = strided(self.size, kernel, stride);
        self.add(name.to_owned(), format!("conv {kernel}^3 / {stride}"), weights);
        self.add(name.to_owned(), "batch norm".to_owned(), 2 * filters);
    }

    fn block(&mut self, name: &str, filters: usize, stride: usize) {
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
    fn map(&mut self, a: &Architecture, outputs: usize) {
        if a.score_pyramid {
            let channels = self.channels;
            self.dense("map of scores", outputs);
            self.channels = channels;
        }
    }

    fn dense(&mut self, name: &str, neurons: usize) {
        let weights = (self.channels + 1) * neurons;
        self.channels = neurons;
        self.add(name.to_owned(), "dense".to_owned(), weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::NetworkCard;

    #[test]
    fn paper_resnet34_has_its_layers_and_63_million_weights() {
        let architecture = NetworkCard::default().architecture();
        let list = layers(&architecture, 50, 1);
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
        assert_eq!(parameters(&architecture.into(), 1), formula);
        assert!((63_000_000..64_500_000).contains(&formula), "{formula}");
    }
}
