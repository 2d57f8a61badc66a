//! Tensors by name, as a PyTorch state dict has them: read from a file, checked against a network, written.
//!
//! A file may hold more than bare weights: wrappers put words before or into every name, a checkpoint holds an optimiser
//! too, counters belong to nobody, and half precision is common. All of that is taken as it is; what is missing, of
//! another shape or no number is refused by its name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use burn::module::Module;
use burn::store::burn_pack::Tensor as Entry;
use burn::store::{
    BurnToPyTorchAdapter, ModuleAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter, PytorchStore,
    SafetensorsStore, bridge, map_indices_contiguous,
};
use burn::tensor::{DType, Shape};
use humboldt_pipeline::store::atomic::PartFile;
use serde_json::{Map, Value, json};

use super::error::{LearnError, one_line};

/// Words that `torch.compile` and sharded training put into names.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// Numbers that PyTorch's batch norms and averaged models count, and that no network uses.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];
/// Beginnings of the name of a running variance in PyTorch and here.
const VARIANCES: [&str; 2] = ["running_var", "running_variance"];
/// Names that a message lists.
const LISTED: usize = 4;

/// Names and layout of a file's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// burn's, as in a network's own folder.
    Own,
    /// PyTorch's, with its layout of dense layers.
    PyTorch,
}

impl Spelling {
    /// Layers of ours by PyTorch's names: a norm's variance, the two parts of a shortcut.
    const PYTORCH: [(&str, &str); 3] = [
        ("running_variance", "running_var"),
        ("shortcut.conv.", "shortcut.0."),
        ("shortcut.norm.", "shortcut.1."),
    ];

    fn written(self, name: &str) -> String {
        self.spelled(name, |(own, pytorch)| (own, pytorch))
    }

    fn read(self, name: &str) -> String {
        self.spelled(name, |(own, pytorch)| (pytorch, own))
    }

    fn spelled(
        self,
        name: &str,
        pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
    ) -> String {
        match self {
            Self::Own => name.to_owned(),
            Self::PyTorch => Self::PYTORCH
                .into_iter()
                .map(pair)
                .fold(name.to_owned(), |name, (from, to)| name.replace(from, to)),
        }
    }

    /// A module's tensors as they stand in a file, not yet read from its device.
    fn tensors<M: Module>(self, module: &M) -> BTreeMap<String, Entry> {
        let adapter =
            (self == Self::PyTorch).then(|| Box::new(BurnToPyTorchAdapter) as Box<dyn ModuleAdapter>);
        let entries = module.collect(None, adapter, false).into_iter();
        entries.map(|entry| (self.written(&entry.name), entry)).collect()
    }
}

/// Writes a module as a `SafeTensors` file: the same weights and metadata give the same bytes.
///
/// # Errors
/// When the device does not give its numbers, or the file cannot be written.
pub(super) fn write<M: Module>(
    module: &M,
    spelling: Spelling,
    metadata: &[(&str, String)],
    path: &Path,
) -> Result<(), LearnError> {
    let mut told: Map<String, Value> =
        metadata.iter().map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
    told.insert("format".to_owned(), json!("pt"));
    let mut header = Map::from_iter([("__metadata__".to_owned(), Value::Object(told))]);
    let (tensors, mut end) = (spelling.tensors(module), 0);
    for (name, entry) in &tensors {
        let begin = end;
        end += size_of::<f32>() * entry.shape.num_elements();
        let tensor = json!({ "dtype": "F32", "shape": entry.shape.to_vec(), "data_offsets": [begin, end] });
        header.insert(name.clone(), tensor);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Numbers begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = PartFile::create(path)?;
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(LearnError::io(path));
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for entry in tensors.into_values() {
        put(&bytes(&numbers(entry).map_err(|what| LearnError::corrupt(path, what))?))?;
    }
    Ok(file.commit()?)
}

/// The numbers of a tensor in single precision.
fn numbers(entry: Entry) -> Result<Vec<f32>, String> {
    let name = entry.name.clone();
    let said = |error: String| format!("tensor {name}: {}", one_line(&error));
    let data = bridge::into_data(entry).map_err(|error| said(error.to_string()))?;
    data.try_into_vec_as().map_err(|error| said(error.to_string()))
}

/// Numbers as files have them.
fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().map(|x| x.to_le_bytes()).collect::<Vec<_>>().into_flattened()
}

/// The tensors of a file.
pub(super) struct StateDict {
    tensors: BTreeMap<String, Entry>,
}

impl StateDict {
    /// Opens a file of either kind, told apart by its first bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is neither.
    pub(super) fn open(path: &Path) -> Result<Self, LearnError> {
        let mut first = Vec::new();
        let file = std::fs::File::open(path).map_err(LearnError::io(path))?;
        file.take(9).read_to_end(&mut first).map_err(LearnError::io(path))?;
        if first.get(8) == Some(&b'{') {
            Self::of(SafetensorsStore::from_file(path), path)
        } else {
            Self::of(PytorchStore::from_file(path).map_indices_contiguous(false), path)
        }
    }

    /// The tensors of a `SafeTensors` file in memory; `path` is its name in errors.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, LearnError> {
        Self::of(SafetensorsStore::from_bytes(Some(bytes.to_vec())), path)
    }

    fn of(mut store: impl ModuleStore, path: &Path) -> Result<Self, LearnError> {
        let tensors = store.get_all_tensors().map_err(|error| {
            let what = one_line(&error.to_string());
            LearnError::corrupt(path, format!("not the weights of this network: {what}"))
        })?;
        Ok(Self { tensors: tensors.clone() })
    }

    /// Fills a module, and says which of the file's tensors it left aside: those beside the network in a checkpoint.
    ///
    /// # Errors
    /// By name, when a tensor is missing, too many, of another shape, or holds what is no finite number.
    pub(super) fn fill<M: Module>(
        self,
        module: &mut M,
        spelling: Spelling,
        path: &Path,
    ) -> Result<Vec<String>, LearnError> {
        let wrong =
            |what: String| LearnError::corrupt(path, format!("not the weights of this network: {what}"));
        let wanted: BTreeMap<String, Shape> =
            spelling.tensors(module).into_iter().map(|(name, entry)| (name, entry.shape)).collect();
        let (found, aside) = self.of_network(&wanted).map_err(wrong)?;
        let mut entries = Vec::with_capacity(found.len());
        for (name, entry) in found {
            entries.push(checked(&name, entry, &wanted[&name], spelling).map_err(wrong)?);
        }
        let adapter =
            (spelling == Spelling::PyTorch).then(|| Box::new(PyTorchToBurnAdapter) as Box<dyn ModuleAdapter>);
        let applied = module.apply(entries, None, adapter, false);
        match (applied.errors.first(), applied.missing.first(), applied.unused.first()) {
            (Some(error), ..) => Err(wrong(one_line(&error.to_string()))),
            (_, Some((name, _)), _) | (.., Some(name)) => Err(wrong(format!("tensor {name} does not fit"))),
            _ => Ok(aside),
        }
    }

    /// The network's own tensors by the names that it gives them, and the names of all others.
    fn of_network(
        self,
        wanted: &BTreeMap<String, Shape>,
    ) -> Result<(BTreeMap<String, Entry>, Vec<String>), String> {
        let named = self.plainly_named()?;
        let prefix = prefix(named.keys(), wanted)?;
        let (mut inside, mut aside) = (BTreeMap::new(), Vec::new());
        for (name, entry) in named {
            match name.strip_prefix(&prefix) {
                Some(name) => drop(inside.insert(name.to_owned(), entry)),
                None => aside.push(name),
            }
        }
        if !wanted.keys().eq(inside.keys()) {
            inside = renumbered(inside, wanted);
        }
        let missing: Vec<&String> = wanted.keys().filter(|name| !inside.contains_key(*name)).collect();
        let many: Vec<&String> = inside.keys().filter(|name| !wanted.contains_key(*name)).collect();
        if missing.len() == wanted.len() {
            return Err(format!("it has none of its tensors ({}) but {}", listed(&missing), listed(&many)));
        }
        if !missing.is_empty() {
            let others = if many.is_empty() {
                String::new()
            } else {
                format!("; not in the network: {}", listed(&many))
            };
            return Err(format!("missing: {}{others}", listed(&missing)));
        }
        if !many.is_empty() {
            return Err(format!("not in the network: {}", listed(&many)));
        }
        Ok((inside, aside))
    }

    /// All tensors but counters, without the words that wrappers put into names.
    fn plainly_named(self) -> Result<BTreeMap<String, Entry>, String> {
        let mut named: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, entry) in self.tensors {
            let words: Vec<&str> = name.split('.').filter(|word| !WRAPPERS.contains(word)).collect();
            if words.last().is_some_and(|last| COUNTERS.contains(last)) {
                continue;
            }
            let plain = words.join(".");
            if let Some(twin) = named.insert(plain.clone(), entry) {
                return Err(format!("tensor {plain} is there twice, as {} and as {name}", twin.name));
            }
        }
        Ok(named)
    }
}

/// Prefix of the network's names in a file: `module.`, `model.`, `state_dict.`, or nothing.
fn prefix<'a>(
    names: impl Iterator<Item = &'a String>,
    wanted: &BTreeMap<String, Shape>,
) -> Result<String, String> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        let ends = name.match_indices('.').map(|(dot, _)| dot + 1);
        for begin in std::iter::once(0).chain(ends).filter(|i| wanted.contains_key(&name[*i..])) {
            *votes.entry(&name[..begin]).or_default() += 1;
        }
    }
    let whole: Vec<&str> =
        votes.iter().filter(|(_, n)| **n == wanted.len()).map(|(prefix, _)| *prefix).collect();
    match whole[..] {
        [a, b, ..] => {
            Err(format!("it holds more than one network, `{a}*` and `{b}*`; save one of them alone"))
        }
        [one] => Ok(one.to_owned()),
        // Nearest to whole: its gaps are what to tell.
        [] => Ok(votes
            .into_iter()
            .max_by_key(|(_, n)| *n)
            .map_or_else(String::new, |(prefix, _)| prefix.to_owned())),
    }
}

/// Lists of layers counted without gaps, as of an `nn.Sequential` whose activations take numbers; as they are where that
/// does not make them the network's.
fn renumbered(found: BTreeMap<String, Entry>, wanted: &BTreeMap<String, Shape>) -> BTreeMap<String, Entry> {
    let named = |(name, entry): (&String, &Entry)| {
        let mut entry = entry.clone();
        entry.name.clone_from(name);
        entry
    };
    let (entries, _) = map_indices_contiguous(found.iter().map(named).collect());
    let renumbered: BTreeMap<String, Entry> =
        entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    if wanted.keys().eq(renumbered.keys()) { renumbered } else { found }
}

/// A tensor of the right shape in single precision and under our name; all of its numbers are finite.
fn checked(name: &str, entry: Entry, shape: &Shape, spelling: Spelling) -> Result<Entry, String> {
    if entry.shape != *shape {
        let (got, expected) = (entry.shape.to_vec(), shape.to_vec());
        return Err(format!("tensor {name} has the shape {got:?}, in the network it has {expected:?}"));
    }
    if !entry.dtype.is_float() {
        return Err(format!("tensor {name} holds {:?}; allowed: floating-point numbers", entry.dtype));
    }
    let values = numbers(entry)?;
    if let Some(x) = values.iter().find(|x| !x.is_finite()) {
        return Err(format!("tensor {name} holds {x}; allowed: finite numbers"));
    }
    if VARIANCES.iter().any(|variance| name.ends_with(variance))
        && let Some(x) = values.iter().find(|x| **x < 0.0)
    {
        return Err(format!("tensor {name} holds {x}; allowed: 0 and more, as it is a variance"));
    }
    let bytes = burn::tensor::Bytes::from_bytes_vec(bytes(&values));
    Ok(Entry::new(spelling.read(name), DType::F32, shape.clone(), None, bytes))
}

/// Some names and the number of the others.
fn listed(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(|name| name.as_str()).collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if shown.is_empty() { "nothing".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}

/// The metadata of a `SafeTensors` file by its keys; empty for files of other kinds.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn metadata(path: &Path) -> Result<BTreeMap<String, String>, LearnError> {
    let mut file = std::fs::File::open(path).map_err(LearnError::io(path))?;
    let (mut length, mut header) = ([0; 8], Vec::new());
    if file.read_exact(&mut length).is_err() {
        return Ok(BTreeMap::new());
    }
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header).map_err(LearnError::io(path))?;
    let told = serde_json::from_slice::<Value>(&header).unwrap_or_default();
    let told = told.get("__metadata__").cloned().unwrap_or_default();
    Ok(serde_json::from_value(told).unwrap_or_default())
}
