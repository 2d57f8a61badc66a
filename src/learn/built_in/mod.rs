//! Networks that come with the program, each trained by the card of its name or, the first, by `cards/score.toml`.

use std::path::Path;

use super::device::Compute;
use super::error::LearnError;
use super::model::{Model, ModelInfo, NETWORK_FILE, model_folder, network_from};
use super::state_dict::StateDict;

/// A network that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Its name, behind `builtin:`.
    pub name: &'static str,
    /// Use of it, in a line.
    pub about: &'static str,
    info: &'static str,
    weights: &'static [u8],
}

macro_rules! built_in {
    ($name:literal, $about:literal) => {
        BuiltIn {
            name: $name,
            about: $about,
            info: include_str!(concat!($name, "/network.json")),
            weights: include_bytes!(concat!($name, "/weights.safetensors")),
        }
    };
}

/// All of them; the first is the one that `builtin` alone names.
pub const BUILT_IN: [BuiltIn; 3] = [
    built_in!("npr", "C9 by the amplitudes of EvtGen's new-physics model, all of q2"),
    built_in!("full", "C9 by the full amplitudes, without the q2 of the J/psi and the psi(2S)"),
    built_in!("six", "C7, C9, C10 and their primed partners at once, by the amplitudes of `npr`"),
];

impl BuiltIn {
    /// The network that `builtin` or `builtin:NAME` names; none of other words.
    fn find(words: &Path) -> Option<&'static Self> {
        match words.to_str()?.strip_prefix("builtin")? {
            "" => BUILT_IN.first(),
            name => BUILT_IN.iter().find(|own| name.strip_prefix(':') == Some(own.name)),
        }
    }

    /// Its description.
    ///
    /// # Errors
    /// Never, unless the program was built from damaged files.
    pub fn info(&self) -> Result<ModelInfo, LearnError> {
        let path = Path::new(self.name);
        let info = serde_json::from_str::<ModelInfo>(self.info);
        info.map_err(|error| LearnError::corrupt(path, error.to_string()))?.checked(path)
    }

    /// The network.
    ///
    /// # Errors
    /// Never, unless the program was built from damaged files.
    pub fn open(&self, compute: &Compute) -> Result<Model, LearnError> {
        let (path, info) = (Path::new(self.name), self.info()?);
        let weights = StateDict::from_bytes(self.weights, path)?;
        let network = network_from(&info, weights, path, compute.device())?;
        Ok(Model::new(&network, info, compute))
    }
}

/// The network that a user names by `field`: `builtin`, `builtin:NAME`, the folder of a run, or one with a `network.json`.
///
/// # Errors
/// When there is none; as [`Model::load`].
pub fn open(field: &'static str, name: &Path, compute: &Compute) -> Result<Model, LearnError> {
    if let Some(own) = BuiltIn::find(name) {
        return own.open(compute);
    }
    let folder = model_folder(name);
    if !folder.join(NETWORK_FILE).exists() {
        let built_in = BUILT_IN.map(|own| format!("builtin:{}", own.name)).join(", ");
        return Err(LearnError::NoNetwork { field, name: name.to_owned(), built_in });
    }
    Model::load(&folder, compute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_open_and_names_are_found() {
        for own in &BUILT_IN {
            let named = format!("builtin:{}", own.name);
            let found = BuiltIn::find(Path::new(&named)).unwrap();
            assert_eq!(found.name, own.name);
            let model = found.open(&Compute::cpu()).unwrap();
            assert!(model.info().calibration.is_some(), "{named}");
        }
        assert_eq!(BuiltIn::find(Path::new("builtin")).unwrap().name, "npr");
        for other in ["builtin:", "builtin:none", "builtinnpr", "npr", "folder/builtin"] {
            assert!(BuiltIn::find(Path::new(other)).is_none(), "{other}");
        }
    }
}
