//! Cards as they are read, with their files and the settings that depend on others.

use std::path::Path;

use super::{Effects, GeneratorCard, Preset, RunCard, TrainingCard, strict};
use crate::error::{Invalid, SchemaError};

impl RunCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or a value outside its range; the error
    /// names file, line, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        Self::of_text(&strict::text(path)?, path, Self::checked)
    }

    /// Reads and checks a card whose run is to be evaluated as well.
    ///
    /// # Errors
    /// As [`RunCard::read`]; when test images are of one delta C9 alone.
    pub fn read_for_run(path: &Path) -> Result<Self, SchemaError> {
        let check = |card: &Self| card.checked().and_then(|()| card.clone().settled().check_evaluation());
        Self::of_text(&strict::text(path)?, path, check)
    }

    /// Reads a card for its events alone: it needs no images, network or training.
    ///
    /// # Errors
    /// As [`RunCard::read`], of the generator and the tables of effects.
    pub fn read_for_events(path: &Path) -> Result<GeneratorCard, SchemaError> {
        let card = strict::read(path, |card: &Self| card.clone().settled().generator.validate())?;
        Ok(card.loaded(path)?.generator)
    }

    /// Parses and checks a card; `file` is its name in error messages.
    ///
    /// # Errors
    /// As [`RunCard::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        Self::of_text(text, Path::new(file), Self::checked)
    }

    /// The card in what a network says of its training.
    ///
    /// # Errors
    /// When there is none.
    pub fn of_provenance(provenance: &serde_json::Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(provenance.get("card").cloned().unwrap_or_default())
    }

    fn of_text(
        text: &str,
        path: &Path,
        check: impl Fn(&Self) -> Result<(), Invalid>,
    ) -> Result<Self, SchemaError> {
        let check = |card: &Self| check(&card.clone().with_own_training(text));
        strict::checked(text, &path.display().to_string(), check)?.with_own_training(text).loaded(path)
    }

    /// Preset `ratio` has settings of the training of its own, in the places of those that the text leaves out.
    fn with_own_training(mut self, text: &str) -> Self {
        if self.network.preset != Preset::Ratio {
            return self;
        }
        let table = text.parse::<toml::Table>().unwrap_or_default();
        let given = table.get("training").and_then(toml::Value::as_table);
        let (Ok(own), Ok(mut all)) =
            (toml::Table::try_from(&self.training), toml::Table::try_from(TrainingCard::of_ratios()))
        else {
            return self;
        };
        for (key, value) in own {
            if given.is_some_and(|given| given.contains_key(&key)) {
                all.insert(key, value);
            }
        }
        if let Ok(training) = all.try_into() {
            self.training = training;
        }
        self
    }

    /// The settled card with the content of files that it names.
    fn loaded(self, path: &Path) -> Result<Self, SchemaError> {
        let mut card = self.settled();
        card.generator.effects.load(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        card.training.load(folder);
        if let Some(simulation) = &mut card.simulation {
            simulation.load(folder);
        }
        Ok(card)
    }

    fn checked(&self) -> Result<(), Invalid> {
        self.clone().settled().validate()
    }

    /// The card with its tables of effects in the generator, where all that makes events looks for them.
    fn settled(mut self) -> Self {
        let own = Effects {
            s_wave: self.s_wave.take(),
            acceptance: self.acceptance.take(),
            detector: self.detector.take(),
            background: self.background.take(),
        };
        self.generator.effects = own.or(std::mem::take(&mut self.generator.effects));
        self
    }
}
