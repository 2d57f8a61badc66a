//! Conditions of the tables of a card on each other.

use humboldt_physics::LineShape;

use super::parameters::FURTHER_VALUES;
use super::{AnyArchitecture, Precision, Preset, RunCard, Split, Supervision};
use crate::Fraction;
use crate::error::Invalid;

impl RunCard {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.data().validate()?;
        self.network.validate(self.images.bins)?;
        self.training.validate()?;
        if self.network.preset == Preset::Ratio {
            return self.check_ratio().and_then(|()| self.figures.validate());
        }
        self.check_files()?;
        self.check_mass()?;
        self.check_supervision()?;
        self.figures.validate()
    }

    /// Files of events are for ratios alone: images of others are made of the card's own events.
    fn check_files(&self) -> Result<(), Invalid> {
        let allowed = "with network.preset = \"ratio\"";
        Invalid::unless(self.simulation.is_none(), "simulation", "a table", allowed)?;
        let background = self.generator.effects.background.as_ref();
        let files = background.is_some_and(|background| !background.files.is_empty());
        Invalid::unless(!files, "background.files", "files", allowed)?;
        let fraction = background.is_some_and(|background| background.fraction.is_some());
        Invalid::unless(!fraction, "background.fraction", "a fraction", allowed)
    }

    /// Networks over events are not told a K pi mass that all events have.
    fn check_mass(&self) -> Result<(), Invalid> {
        let told = matches!(self.architecture(), AnyArchitecture::Set(a) if a.m_kpi);
        let narrow = self.generator.line_shape == LineShape::Narrow;
        let allowed = "q2, cos_theta_l, cos_theta_k, chi with generator.line_shape = \"narrow\"";
        Invalid::unless(!(told && narrow), "network.variables", "m_kpi", allowed)
    }

    /// Conditions of preset `ratio`.
    fn check_ratio(&self) -> Result<(), Invalid> {
        Invalid::unless(
            !self.parameters.is_empty(),
            "parameters",
            "none",
            "a range for each coefficient that is learned, as in c9 = [-2.5, 1.1]",
        )?;
        self.training.check_ratio()?;
        let simulation = self.simulation.clone().unwrap_or_default();
        simulation.validate()?;
        let effects = &self.generator.effects;
        let files = !simulation.files.is_empty();
        if let Some(background) = &effects.background {
            let live = background.parts()[0] < 1.0;
            Invalid::unless(
                files != background.files.is_empty(),
                "background.files",
                if files { "none" } else { "files" },
                "files of both simulation and background, or of neither",
            )?;
            Invalid::unless(
                !(files && live),
                "background",
                "parts of generated events beside files",
                "files and a fraction, or parts",
            )?;
            let number = matches!(background.fraction, Some(Fraction::Fixed(_)));
            Invalid::unless(
                files || !number,
                "background.fraction",
                "a number",
                "\"free\" or as in \"0.44+-0.02\" beside parts, whose sum it is otherwise",
            )?;
        }
        if files {
            for (name, there) in
                [("acceptance", effects.acceptance.is_some()), ("detector", effects.detector.is_some())]
            {
                let allowed = "none beside simulation.files, whose events have been accepted and measured";
                Invalid::unless(!there, name, "a table", allowed)?;
            }
        }
        Ok(())
    }

    /// A slope needs two values.
    pub(super) fn check_evaluation(&self) -> Result<(), Invalid> {
        let tested: Vec<f64> =
            self.data().points()?.iter().filter(|p| p.count(Split::Test) > 0).map(|p| p.shifts[0]).collect();
        let values = 1 + tested.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 1e-9).count();
        Invalid::unless(
            values >= 2,
            "dataset.groups.test",
            "test images at 1 value",
            "test images at 2 values at least, between which slope and bias are measured",
        )
    }

    /// A statistic has a covariance only where there are more images than it has components.
    fn check_calibration(&self) -> Result<(), Invalid> {
        let components = self.architecture().components();
        Invalid::unless(
            components <= 256,
            "network.references",
            format!("{components} scores at all references of all coefficients"),
            "at most 256",
        )?;
        Invalid::unless(
            self.training.calibration_images >= 2 * components,
            "training.calibration_images",
            self.training.calibration_images,
            format!("at least {}, twice the components of the statistic", 2 * components),
        )
    }

    /// Conditions of network, dataset and training on each other.
    fn check_supervision(&self) -> Result<(), Invalid> {
        let architecture = self.network.any_architecture();
        if architecture.is_calibrated() {
            let (loss, outputs) = (self.training.loss, self.training.loss.outputs());
            Invalid::unless(
                outputs == 1,
                "training.loss",
                loss.name(),
                "mae, mse or huber where scores or single events are learned",
            )?;
        }
        Invalid::unless(
            self.training.precision == Precision::Single
                || matches!(architecture, AnyArchitecture::Residual(_)),
            "training.precision",
            self.training.precision.name(),
            "single for networks without convolutions",
        )?;
        if let Some([least, most]) = self.training.events {
            Invalid::unless(
                architecture.takes_number_of_events(),
                "training.events",
                "a range",
                "with preset `set` and network.sample = 0, or with `events` among network.channels and labels to learn",
            )?;
            Invalid::unless(
                (least..=most).contains(&self.images.events),
                "training.events",
                format!("{:?}", [least, most]),
                format!(
                    "a range that holds images.events, {}, which validation and test images have",
                    self.images.events
                ),
            )?;
        }
        if architecture.is_calibrated() {
            self.check_calibration()?;
        }
        if self.axes()?.len() == 1 {
            return Ok(());
        }
        let field = if self.parameters.is_empty() { "dataset.also" } else { "parameters" };
        for split in [Split::Validation, Split::Test] {
            let few = self.dataset.groups.iter().map(|g| g.images()[split as usize]);
            let few = few.into_iter().find(|n| (1..FURTHER_VALUES).contains(n));
            Invalid::unless(
                few.is_none(),
                &format!("dataset.groups.{}", split.name()),
                few.unwrap_or_default(),
                format!(
                    "0, or at least {FURTHER_VALUES} with {field}: one at each shift of the further coefficients"
                ),
            )?;
        }
        let known = match &architecture {
            AnyArchitecture::Residual(a) => a.references.is_empty(),
            AnyArchitecture::Set(a) => a.supervision != Supervision::Event,
        };
        Invalid::unless(
            known,
            field,
            "further coefficients with this network",
            "with the presets score, set, or resnet34, resnet18, resnet10 that learn labels",
        )
    }
}
