//! The run card: everything that decides a result, in TOML.

mod conditions;
mod data;
mod dataset;
mod detector;
mod effects;
mod generator;
mod network;
pub mod parameters;
mod ranges;
mod reading;
mod simulation;
pub(crate) mod strict;
mod training;

use humboldt_physics::Axes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use data::DataCard;
pub use dataset::{DatasetCard, GroupCard, ImageFormat, ImageLayout, ImagesCard, Split};
pub use detector::{
    Beams, DetectorCard, Efficiencies, Forward, MomentumResolution, Selection, Tracks, WrongCandidates,
};
pub use effects::{AcceptanceCard, BackgroundCard, Effects, Polynomials, SWaveCard, polynomial};
pub use generator::{GeneratorCard, Q2Range};
pub use network::{
    AnyArchitecture, Architecture, Channel, Elements, ImageSupervision, Layer, MapCells, NetworkCard,
    Nuisance, Preset, RatioNetworks, SetArchitecture, Supervision, strided,
};
pub use parameters::{DatasetPoint, FURTHER_VALUES, Ranges};
pub use simulation::SimulationCard;
pub use training::{FiguresCard, Loss, Optimiser, Precision, Prior, Schedule, TrainingCard, TrainingImages};

use crate::error::Invalid;

/// A whole run: events, images, network, training and figures. Every field has a default but the dataset's groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunCard {
    /// A name for figures and tables.
    pub name: String,
    /// Every random number of the run follows from it.
    pub seed: u64,
    /// The decay, the model and the window.
    pub generator: GeneratorCard,
    /// Binning of events into an image.
    pub images: ImagesCard,
    /// Coefficients that are learned, and the range of the shift of each: `c9 = [-2.0, 1.1]`, `c10 = [-1.0, 1.0]`,
    /// `c7_prime_im`, .., up to six. Without it C9 is, over the values of `dataset.groups`, and `dataset.also` beside it.
    #[serde(skip_serializing_if = "Ranges::is_empty")]
    pub parameters: Ranges,
    /// Shifts of the images, and numbers of images of each.
    pub dataset: DatasetCard,
    /// The network.
    pub network: NetworkCard,
    /// Its training.
    pub training: TrainingCard,
    /// Figures.
    pub figures: FiguresCard,
    /// K pi pairs of spin 0, none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_wave: Option<SWaveCard>,
    /// Efficiency by formula, none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<AcceptanceCard>,
    /// Detector that measures the events, none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorCard>,
    /// Events of other origin, none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<BackgroundCard>,
    /// Simulated events that preset `ratio` learns from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationCard>,
}

impl RunCard {
    /// The network with every number filled in.
    pub fn architecture(&self) -> AnyArchitecture {
        let mut architecture = self.network.any_architecture();
        let Ok(axes) = self.axes() else { return architecture };
        let given = self.network.references.is_some() || self.parameters.is_empty();
        let references = architecture.references_mut();
        if references.is_empty() {
            return architecture;
        }
        let points = parameters::score_points(&axes, given.then_some(references.as_slice()));
        references.clone_from(&points[0][0].own);
        if let AnyArchitecture::Set(set) = &mut architecture {
            set.pooled = points.iter().flatten().map(|points| points.own.len()).sum();
        }
        architecture
    }

    /// Parameters that are learned, in the order that all labels follow.
    ///
    /// # Errors
    /// As [`DataCard::axes`].
    pub fn axes(&self) -> Result<Axes, Invalid> {
        parameters::axes(&self.parameters, &self.dataset)
    }

    /// Numbers that the network puts out.
    pub fn outputs(&self) -> usize {
        self.architecture().outputs(self.training.loss, self.axes().map_or(1, |axes| axes.len()))
    }

    /// The card as TOML, every default written out.
    ///
    /// # Errors
    /// When a value has no TOML form (an integer above 2^63).
    pub fn to_toml(&self) -> Result<String, Invalid> {
        toml::to_string_pretty(self).map_err(|e| Invalid::new("card", e, "values that TOML can hold"))
    }

    /// BLAKE3 hash of the whole card with its defaults, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        hash_json(self)
    }

    /// Settings that decide events and images.
    pub fn data(&self) -> DataCard {
        DataCard {
            seed: self.seed,
            generator: self.generator.clone(),
            images: self.images.clone(),
            parameters: self.parameters.clone(),
            dataset: self.dataset.clone(),
        }
    }
}

/// BLAKE3 of a value's JSON form; field order is the declaration's, maps are sorted.
pub fn hash_json(value: &impl Serialize) -> String {
    // Writing to memory a type that has only string keys cannot fail; an empty text would only make the hash useless.
    let json = serde_json::to_vec(value).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CARD: &str = "seed = 3\n\n[generator]\nq2 = [\"0.1:19.2\"]\nwilson = { c10 = \"0.5+0.1i\", c7 = -0.05 }\n\n\
                        [[dataset.groups]]\ndelta_c9 = [-1.0, 0.0]\ntrain = 4\nvalidation = 2\ntest = 3\n";

    fn message(text: &str) -> String {
        let error = RunCard::parse(text, "card.toml").unwrap_err().to_string();
        assert!(!error.contains('\n'), "one line: {error}");
        error
    }

    #[test]
    fn card_round_trips_with_its_defaults() {
        let card = RunCard::parse(CARD, "card.toml").unwrap();
        assert_eq!(card.images.events, 24_613);
        let again = RunCard::parse(&card.to_toml().unwrap(), "again.toml").unwrap();
        assert_eq!(card, again);
        assert_eq!(card.hash(), again.hash());
    }

    #[test]
    fn issue_13_counts_may_be_written_as_powers_of_ten() {
        let groups = "[[dataset.groups]]\ndelta_c9 = [-1.0, 1e0]\ntrain = 1e2\nvalidation = 1\ntest = 1_0";
        let text = format!(
            "seed = 1e3\n[images]\nevents = 2.5e4\nbins = 10\n{groups}\n[network]\npreset = \"set\"\n\
             [training]\nimages = \"live\"\nevents = [1e3, 25_000]"
        );
        let card = RunCard::parse(&text, "card.toml").unwrap();
        assert_eq!((card.seed, card.images.events), (1000, 25_000));
        assert_eq!((card.dataset.groups[0].train, card.training.events), (100, Some([1000, 25_000])));
        assert_eq!(card.dataset.groups[0].delta_c9, [-1.0, 1.0]);
        for wrong in ["1.5", "-1e3", "1e-3", "inf"] {
            let error = message(&text.replace("2.5e4", wrong));
            assert!(error.contains("card.toml:3") && error.contains("images.events"), "{error}");
        }
        // What comes behind a count keeps its name and its line.
        let error = message(&text.replace("bins = 10", "bins = true"));
        assert!(error.contains("card.toml:4") && error.contains("images.bins"), "{error}");
    }

    #[test]
    fn unknown_key_names_the_nearest_and_the_line() {
        let error = message(&format!("{CARD}\n[training]\nbatch_sise = 3\n"));
        assert!(
            error.starts_with("card.toml:14: unknown key `training.batch_sise` (did you mean `batch_size`?)"),
            "{error}"
        );
        let error = message(&format!("sede = 3\n{CARD}"));
        assert!(error.starts_with("card.toml:1: unknown key `sede` (did you mean `seed`?)"), "{error}");
        let error = message(&CARD.replace("train =", "trian ="));
        assert!(error.contains("`dataset.groups.trian` (did you mean `train`?)"), "{error}");
    }

    #[test]
    fn wrong_values_name_field_value_range_and_line() {
        for (text, expected) in [
            (CARD.replace("train = 4", "train = 'x'"), "card.toml:9: dataset.groups.train: "),
            (CARD.replace("train = 4", "train = -4"), "card.toml:9: dataset.groups.train: "),
            (CARD.replace("0.1:19.2", "5:1"), "card.toml:4: generator.q2: "),
            (
                CARD.replace("c7 = -0.05", "c11 = 1"),
                "card.toml:5: generator.wilson = `c11` is not allowed; allowed: c7, c9",
            ),
            (CARD.replace("c7 = -0.05", "c7 = nan"), "card.toml:5: generator.wilson.c7 = NaN is not allowed"),
            (
                CARD.replace("[-1.0, 0.0]", "[0.0, 0.0]"),
                "card.toml:8: dataset.groups.delta_c9 = 0 twice is not allowed",
            ),
            (
                format!("{CARD}[images]\nevents = 0\n"),
                "card.toml:13: images.events = 0 is not allowed; allowed: 1 to",
            ),
            (format!("{CARD}[network]\npreset = 'resnet99'\n"), "card.toml:13: network.preset: "),
            (
                // Four times this is 4 to who counts without a carry.
                CARD.replace("[-1.0, 0.0]", "[-1.0, 0.0, 1.0, 2.0]")
                    .replace("train = 4", "train = 4611686018427387905"),
                "card.toml:9: dataset.groups.train = 18446744073709551615 images in all is not allowed",
            ),
            ("seed = ".to_owned(), "card.toml:1: "),
            (String::new(), "card.toml:1: dataset.groups.train = 0 images in all is not allowed"),
        ] {
            let error = message(&text);
            assert!(error.starts_with(expected), "{error} does not start with {expected}");
        }
    }

    /// A campaign's images may have other uses; a run's are evaluated.
    #[test]
    fn issue_13_6_test_images_at_one_value_are_refused_with_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.toml");
        let text =
            CARD.replace("test = 3", "test = 0") + "[[dataset.groups]]\ndelta_c9 = [-0.5]\ntest = 60\n";
        std::fs::write(&path, &text).unwrap();
        RunCard::read(&path).unwrap();
        let error = RunCard::read_for_run(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{}:11: dataset.groups.test = test images at 1 value is not allowed; \
                 allowed: test images at 2 values at least, between which slope and bias are measured",
                path.display()
            )
        );
        std::fs::write(&path, text.replace("[-0.5]", "[-0.5, -0.25]")).unwrap();
        RunCard::read_for_run(&path).unwrap();
    }

    #[test]
    fn issue_13_25_values_of_a_wrong_shape_show_the_allowed_form() {
        for (from, to, expected) in [
            (
                "[\"0.1:19.2\"]",
                "\"0.1:19.2\"",
                "card.toml:4: generator.q2: invalid type: string \"0.1:19.2\", expected a sequence; allowed: a list, as in [\"1.1:6\"]",
            ),
            (
                "seed = 3",
                "seed = \"three\"",
                "card.toml:1: seed: invalid type: string \"three\", expected u64; allowed: a whole number, as in 1",
            ),
            (
                "[-1.0, 0.0]",
                "-1.0",
                "card.toml:8: dataset.groups.delta_c9: invalid type: floating point `-1.0`, expected a sequence; allowed: a list, as in [0.5]",
            ),
            (
                "[[dataset.groups]]",
                "[dataset.groups]",
                "card.toml:7: dataset.groups: invalid type: map, expected a sequence; allowed: tables, each under [[dataset.groups]]",
            ),
            (
                "{ c10 = \"0.5+0.1i\", c7 = -0.05 }",
                "[\"c10\"]",
                "card.toml:5: generator.wilson: invalid type: sequence, expected a map; allowed: a table, as in { name = 0.5 }",
            ),
            (
                "[generator]",
                "network = \"resnet10\"\n[generator]",
                "card.toml:3: network: invalid type: string \"resnet10\", expected struct NetworkCard; allowed: a table, as in [network]",
            ),
            (
                "[generator]",
                "[dataset.also]\nc10 = 1.0\n[generator]",
                "card.toml:4: dataset.also.c10: invalid type: floating point `1.0`, expected an array of length 2; allowed: a list, as in [0.5, 1.5]",
            ),
            (
                "[generator]",
                "[network]\nchannels = \"mean_q2\"\n[generator]",
                "card.toml:4: network.channels: invalid type: string \"mean_q2\", expected a sequence; allowed: a list, as in [\"mean_q2\"]",
            ),
            (
                "[generator]",
                "[network]\ncircular_chi = 1\n[generator]",
                "card.toml:4: network.circular_chi: invalid type: integer `1`, expected a boolean; allowed: true or false",
            ),
            (
                "[generator]",
                "[training]\nevents = [8000]\n[generator]",
                "card.toml:4: training.events: invalid length 1, expected an array of length 2; allowed: a list, as in [1, 2]",
            ),
        ] {
            assert!(CARD.contains(from), "{from}");
            assert_eq!(message(&CARD.replacen(from, to, 1)), expected);
        }
    }

    #[test]
    fn cards_that_come_with_the_program_are_whole() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cards"));
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let cards: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
        assert!(cards.len() >= 8, "{cards:?}");
        for card in cards {
            RunCard::read(&card).unwrap();
        }
        let two = RunCard::read(&folder.join("c9-c10.toml")).unwrap();
        let AnyArchitecture::Set(set) = two.architecture() else { panic!("a set network") };
        assert_eq!((set.pooled, set.references.len()), (18, 3));
    }

    #[test]
    fn paper_card_counts() {
        let card =
            RunCard::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cards/paper.toml"))).unwrap();
        let points = card.data().points().unwrap();
        let trained: Vec<_> = points.iter().filter(|p| p.count(Split::Train) > 0).collect();
        assert_eq!(trained.len(), 22);
        assert_eq!(trained.iter().map(|p| p.images.iter().sum::<usize>()).sum::<usize>(), 97_560);
        assert_eq!(points.len(), 22 + 21);
        assert_eq!(card.network.architecture().blocks, [3, 4, 6, 3]);
    }
}
