//! The folder of a run: its card, its lock, and where everything lies.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_pipeline::store::atomic::{is_part, sweep, write_atomically};
use humboldt_schemas::card::{Preset, RunCard};

use crate::campaign::Campaign;
use crate::error::{AtPath, Error, Work};
use crate::learn::model::NETWORK_FILE;
use crate::lock::{Kind, Lock, busy, lock};

/// A run's folder, locked against a second process for as long as this value lives, unless it is only read.
///
/// ```text
/// RUN/card.toml                         the card with every default written out
///     images/                           a campaign: shards/{train,validation,test}-*.h5
///     training/                         checkpoints, metrics.csv, metrics.jsonl
///     model/                            best weights (SafeTensors), network.json
///     results/                          ensembles, predictions, summary, figures, report.html, compare/
/// ```
pub struct RunFolder {
    root: PathBuf,
    card: RunCard,
    lock: Option<Lock>,
}

impl RunFolder {
    /// Opens a run's folder for `card`, made anew where there is none.
    ///
    /// # Errors
    /// When the folder belongs to another card, is in use, is not a run's, or cannot be written.
    pub fn for_card(root: &Path, card: RunCard) -> Result<Self, Error> {
        let card_file = root.join("card.toml");
        if card_file.exists() {
            let existing = RunCard::read(&card_file)?;
            if existing.hash() != card.hash() {
                let differs = difference(&existing, &card);
                return Err(Error::OtherCard { folder: root.to_owned(), work: Work::Run, differs });
            }
            return Self::lock(root, existing);
        }
        if root.exists() {
            let mut entries = fs::read_dir(root).at(root)?;
            // What a run killed in its first moment leaves.
            let ours = |name: &Path| name == Path::new(LOCK) || is_part(name);
            if entries.any(|e| e.is_ok_and(|e| !ours(e.file_name().as_ref()))) {
                return Err(Error::NotEmpty { folder: root.to_owned(), work: Work::Run });
            }
        }
        fs::create_dir_all(root).at(root)?;
        let run = Self::lock(root, card)?;
        write_atomically(&card_file, run.card.to_toml()?.as_bytes())?;
        Ok(run)
    }

    /// Opens an existing run's folder to write to it. One that cannot be written opens too, and refuses what is written.
    ///
    /// # Errors
    /// When it is no run's folder, or is in use.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let run = Self::read(root)?;
        Self::lock(root, run.card)
    }

    /// Opens an existing run's folder to read from it, whoever else works there.
    ///
    /// # Errors
    /// When it is no run's folder.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let card_file = root.join("card.toml");
        if !card_file.exists() {
            return Err(Error::NoWork { folder: root.to_owned(), work: Work::Run, missing: "card.toml" });
        }
        let card = RunCard::read(&card_file)?;
        Ok(Self { root: root.to_owned(), card, lock: None })
    }

    fn lock(root: &Path, card: RunCard) -> Result<Self, Error> {
        let lock = lock(&root.join(LOCK), Kind::Exclusive, || busy(root))?;
        let run = Self { root: root.to_owned(), card, lock: Some(lock) };
        for folder in [root.to_owned(), run.training(), run.model(), run.results()] {
            sweep(&folder);
        }
        Ok(run)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it was opened by [`RunFolder::read`].
    pub const fn is_only_read(&self) -> bool {
        self.lock.is_none()
    }

    /// Whether the run learns ratios of densities, by networks that see no images.
    pub fn learns_ratios(&self) -> bool {
        self.card.network.preset == Preset::Ratio
    }

    /// The run's card.
    pub fn card(&self) -> &RunCard {
        &self.card
    }

    /// The campaign of the run's images, begun where there is none.
    ///
    /// # Errors
    /// When the folder holds images of another card, or cannot be written.
    pub fn campaign(&self) -> Result<Campaign, Error> {
        Campaign::for_card(&self.root.join(IMAGES), &self.card.data())
    }

    /// Takes the images from another folder, by a link.
    ///
    /// # Errors
    /// When the run has images of its own, or the link cannot be made.
    pub fn use_images_of(&self, campaign: &Path) -> Result<(), Error> {
        let link = self.root.join(IMAGES);
        let campaign = campaign.canonicalize().at(campaign)?;
        if link.canonicalize().is_ok_and(|there| there == campaign) {
            return Ok(());
        }
        if link.exists() {
            let theirs = campaign.display();
            let what = format!("the run has images of its own; remove them to use those of {theirs}");
            return Err(Error::file(&link, what));
        }
        symlink(&campaign, &link).at(&link)
    }

    /// Folder of checkpoints and metrics.
    pub fn training(&self) -> PathBuf {
        self.root.join("training")
    }

    /// Folder of the best network.
    pub fn model(&self) -> PathBuf {
        self.root.join("model")
    }

    /// Whether the best network of a finished training is there: its description is written last.
    pub fn model_is_whole(&self) -> bool {
        self.model().join(NETWORK_FILE).exists()
    }

    /// Folder of tables and figures.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }
}

#[cfg(unix)]
use std::os::unix::fs::symlink;
#[cfg(windows)]
use std::os::windows::fs::symlink_dir as symlink;

const IMAGES: &str = "images";
const LOCK: &str = ".lock";

/// Refuses a card without images where these are needed.
///
/// # Errors
/// For preset `ratio`.
pub fn refuse_ratio(card: &RunCard) -> Result<(), Error> {
    if card.network.preset == Preset::Ratio { Err(Error::Ratio) } else { Ok(()) }
}

/// The first table of the card that differs, for an error message.
fn difference(a: &RunCard, b: &RunCard) -> String {
    let tables = [
        ("seed", a.seed == b.seed),
        ("[generator]", a.generator == b.generator),
        ("[images]", a.images == b.images),
        ("[dataset]", a.dataset == b.dataset),
        ("[network]", a.network == b.network),
        ("[training]", a.training == b.training),
        ("[figures]", a.figures == b.figures),
        ("[parameters]", a.parameters == b.parameters),
        ("[simulation]", a.simulation == b.simulation),
    ];
    let names: Vec<_> = tables.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    if names.is_empty() { "its name differs".to_owned() } else { format!("{} differ", names.join(", ")) }
}
