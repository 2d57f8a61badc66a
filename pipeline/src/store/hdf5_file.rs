//! HDF5 files, whatever is in them: beginning one, opening one, its datasets and what its attributes say.

use std::fs::File;
use std::io;
use std::path::Path;

use hdf5::filters::Filter;
use hdf5::plist::dataset_create::Layout;
use hdf5::plist::file_access::{FileAccessBuilder, LibraryVersion};
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, Location};
use humboldt_schemas::voxels::{Axis, LABELS};

use super::atomic::PartFile;
use super::bytes::read_at;
use super::hdf5_heap;
use super::labels::Labels;
use super::metadata::{self, Entry, listed};
use crate::PipelineError;

/// The first bytes of an HDF5 file.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Attributes of `images` that say what it is.
const AXES_KEY: &str = "axes";
pub(super) const UNIT_KEY: &str = "unit";
pub(super) const UNIT: &str = "GeV^2";

/// Longest text of fixed length that is read [bytes].
const LONGEST: usize = 1 << 16;

/// Numbers and names of filters that the library may lack.
///
/// Source: HDF Group, registered filter plugins.
const FILTERS: [(i32, &str); 15] = [
    (4, "szip"),
    (305, "lzo"),
    (307, "bzip2"),
    (32000, "lzf"),
    (32001, "blosc"),
    (32004, "lz4"),
    (32008, "bitshuffle"),
    (32013, "zfp"),
    (32015, "zstd"),
    (32017, "sz"),
    (32019, "fcidecomp"),
    (32022, "lossy wavelets"),
    (32024, "sz3"),
    (32026, "blosc2"),
    (32028, "sperr"),
];

/// A file that says where it comes from, and neither when nor what it is.
pub(super) fn begin(part: &PartFile, entries: &[(String, String)]) -> hdf5::Result<hdf5::File> {
    let file = hdf5::FileBuilder::new()
        .with_fapl(checksummed)
        .with_fcpl(|properties| properties.obj_track_times(false))
        .create(part.part())?;
    for (key, value) in entries {
        write_text(&file, key, value)?;
    }
    Ok(file)
}

/// Names the axes of an image.
pub(super) fn write_axes(dataset: &Dataset) -> hdf5::Result<()> {
    let axes = Axis::ALL.map(|a| text(a.name())).into_iter().collect::<hdf5::Result<Vec<_>>>()?;
    dataset.new_attr::<VarLenUnicode>().shape(axes.len()).create(AXES_KEY)?.write_raw(&axes)
}

/// The format of HDF5 1.10, whose structures carry checksums: the older one lets the library follow damaged
/// pointers.
fn checksummed(properties: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    unlocked(properties).libver_bounds(LibraryVersion::V110, LibraryVersion::V110)
}

/// Without the library's lock, which some file systems do not have: what is read is not changed, and what is written
/// has a name of its own. Libraries before 1.10.7 and 1.12.1 lock unless `HDF5_USE_FILE_LOCKING` is FALSE.
fn unlocked(properties: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    #[cfg(hdf5_file_locking)]
    properties.file_locking(false);
    properties
}

fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|e| hdf5::Error::Internal(format!("{e}")))
}

pub(super) fn write_text(location: &Location, key: &str, value: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(key)?.write_scalar(&text(value)?)
}

/// Writes a group with the labels of each direction.
pub(super) fn write_labels(file: &hdf5::File, labels: &Labels) -> hdf5::Result<()> {
    let group = file.create_group_builder().with_gcpl(|p| p.obj_track_times(false)).create(LABELS)?;
    for (number, name) in labels.names().iter().enumerate() {
        let builder = group.new_dataset::<f64>().obj_track_times(false).shape(labels.len());
        builder.no_chunk().create(name.as_str())?.write_raw(&labels.column(number, 0))?;
    }
    Ok(())
}

/// An open file, of which the library has only looked at the structure.
pub(super) struct Hdf5File<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    /// Bytes.
    pub(super) len: u64,
    pub(super) library: hdf5::File,
}

impl<'a> Hdf5File<'a> {
    pub(super) fn open(path: &'a Path, file: &'a File, len: u64) -> Result<Self, PipelineError> {
        check_size(path, file, len)?;
        let opened = hdf5::FileBuilder::new().with_fapl(unlocked).open(path);
        let library = opened
            .map_err(|e| in_use(path, &e).unwrap_or_else(|| PipelineError::corrupt(path, one_line(&e))))?;
        hdf5_heap::check(path, file, len)?;
        Ok(Self { path, file, len, library })
    }

    /// Whether the file has something of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.library.link_exists(name)
    }

    /// Labels that the file should have, none of them read.
    pub(super) fn labels(&self) -> Labels {
        let group = if self.has(LABELS) { self.library.group(LABELS).ok() } else { None };
        let names = group.and_then(|group| group.member_names().ok()).unwrap_or_default();
        Labels::named(names.iter().map(String::as_str))
    }

    /// A dataset whose numbers the library can read.
    ///
    /// # Errors
    /// When there is none, a link to it leads nowhere, its compression is not known, or it has no numbers of its own.
    pub(super) fn dataset(&self, name: &str) -> Result<Dataset, PipelineError> {
        let refused = |what: String| PipelineError::refused(self.path, what);
        if !self.has(name) {
            let names = self.library.member_names().unwrap_or_default();
            return Err(refused(format!("no dataset `{name}`; the file has {}", listed(&names))));
        }
        let dataset = self.library.dataset(name).map_err(|e| {
            refused(format!("`{name}` is no dataset, or a link that leads to none ({})", one_line(&e)))
        })?;
        let properties = dataset.create_plist().map_err(|e| self.corrupt(&e))?;
        for filter in properties.get_filters().map_err(|e| self.corrupt(&e))? {
            if !filter.is_available() {
                return Err(refused(format!(
                    "`{name}` is compressed with {}; allowed: gzip or none (h5py: compression=\"gzip\")",
                    filter_name(&filter)
                )));
            }
        }
        if !properties.external().is_empty() {
            return Err(refused(format!(
                "`{name}` has its numbers in another file; allowed: a file with its own"
            )));
        }
        // Sources that are not there would be read as zeros, and the binding cannot name them.
        if properties.get_layout().map_err(|e| self.corrupt(&e))? == Layout::Virtual {
            let what = format!(
                "`{name}` is a virtual dataset; allowed: one with its own numbers, as h5repack makes"
            );
            return Err(refused(what));
        }
        Ok(dataset)
    }

    /// Whether a dataset lies in this file: a link may lead to another.
    pub(super) fn is_own(&self, dataset: &Dataset) -> bool {
        dataset.filename() == self.library.filename()
    }

    /// Metadata of the file and of datasets of it, and the files that links lead to.
    pub(super) fn said<'d>(&self, datasets: impl IntoIterator<Item = (&'d str, &'d Dataset)>) -> Vec<Entry> {
        let mut entries = said("", &self.library);
        for (name, dataset) in datasets {
            if !self.is_own(dataset)
                && let Ok(other) = dataset.file()
            {
                entries.extend(said(name, &other));
            }
            entries.extend(said(name, dataset));
        }
        metadata::of_images(entries)
    }

    pub(super) fn corrupt(&self, error: &hdf5::Error) -> PipelineError {
        PipelineError::corrupt(self.path, one_line(error))
    }
}

/// Attributes of a file or a dataset that mean something here.
fn said(owner: &str, location: &Location) -> Vec<Entry> {
    let names = location.attr_names().unwrap_or_default();
    let entry = |key: String| {
        let value = location.attr(&key).map_err(|e| one_line(&e)).and_then(|attribute| texts(&attribute));
        Entry { owner: owner.to_owned(), key, value }
    };
    names.into_iter().filter(|key| metadata::concerns(key)).map(entry).collect()
}

/// The texts of an attribute, in whichever way they are stored, or what it holds in their place.
///
/// h5py writes texts of any length and arrays of them, PyTables and C of fixed length, MATLAB either.
fn texts(attribute: &Attribute) -> Result<Vec<String>, String> {
    let holds = attribute.dtype().and_then(|t| t.to_descriptor()).map_err(|e| one_line(&e))?;
    if attribute.size() == 0 {
        return Ok(Vec::new());
    }
    let texts: hdf5::Result<Vec<Vec<u8>>> = match holds {
        TypeDescriptor::VarLenUnicode => attribute
            .read_raw::<VarLenUnicode>()
            .map(|all| all.iter().map(|t| t.as_bytes().to_vec()).collect()),
        TypeDescriptor::VarLenAscii => {
            attribute.read_raw::<VarLenAscii>().map(|all| all.iter().map(|t| t.as_bytes().to_vec()).collect())
        }
        TypeDescriptor::FixedAscii(n) if n <= LONGEST => attribute
            .read_raw::<FixedAscii<LONGEST>>()
            .map(|all| all.iter().map(|t| t.as_bytes().to_vec()).collect()),
        TypeDescriptor::FixedUnicode(n) if n <= LONGEST => attribute
            .read_raw::<FixedUnicode<LONGEST>>()
            .map(|all| all.iter().map(|t| t.as_bytes().to_vec()).collect()),
        other => return Err(other.to_string()),
    };
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
    texts.map(|texts| texts.iter().map(text).collect()).map_err(|e| one_line(&e))
}

/// Compares the size that the file's superblock records with the size that it has, before the library, which
/// trusts what it reads, sees the file.
///
/// Source: HDF5 file format specification 3.0, II.A.
fn check_size(path: &Path, file: &File, len: u64) -> Result<(), PipelineError> {
    let mut block = [0_u8; 52];
    let got = len.min(52) as usize;
    read_at(path, file, 0, &mut block[..got])?;
    let (offset_size, addresses) = match block[8] {
        0 => (block[13], 24),
        1 => (block[13], 28),
        2 | 3 => (block[9], 12),
        version => {
            return Err(PipelineError::corrupt(path, format!("HDF5 superblock of version {version}")));
        }
    };
    let number = |k: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block[addresses + 8 * k..addresses + 8 * (k + 1)]);
        u64::from_le_bytes(bytes)
    };
    if got == block.len() && offset_size != 8 {
        let what = format!("HDF5 with addresses of {offset_size} bytes; allowed: 8, as h5repack writes");
        return Err(PipelineError::refused(path, what));
    }
    if got == block.len() && number(0) != 0 {
        return Err(PipelineError::corrupt(path, format!("its HDF5 addresses count from {}", number(0))));
    }
    // The addresses are: base, free space or extension, end of file.
    let recorded = if got == block.len() { number(2) } else { u64::MAX };
    if len < recorded {
        let whole = if got == block.len() { format!(" of {recorded}") } else { String::new() };
        return Err(PipelineError::corrupt(path, format!("truncated: {len}{whole} bytes")));
    }
    Ok(())
}

fn filter_name(filter: &Filter) -> String {
    let id = filter.id();
    let known = FILTERS.iter().find(|(number, _)| *number == id);
    known.map_or_else(|| format!("filter {id}"), |(_, name)| (*name).to_owned())
}

pub(super) fn one_line(error: &hdf5::Error) -> String {
    format!("HDF5: {}", error.to_string().replace('\n', " "))
}

/// Message of the library for a whole file that another program writes, or wrote when it was killed.
fn in_use(path: &Path, error: &hdf5::Error) -> Option<PipelineError> {
    let message = error.to_string();
    let what = if message.contains("unable to lock file") {
        "another program holds its lock; close it there, or set HDF5_USE_FILE_LOCKING=FALSE"
    } else if message.contains("already open for write") {
        "another program has it open for writing, or was killed so; close it there, or clear that mark by `h5clear -s`"
    } else {
        return None;
    };
    Some(PipelineError::InUse { path: path.to_owned(), what })
}

/// An error while writing: the system's own, where the library passes it on.
pub(super) fn io_error(path: &Path, error: &hdf5::Error) -> PipelineError {
    if let Some(error) = in_use(path, error) {
        return error;
    }
    let message = one_line(error);
    let errno = message
        .split_once("errno = ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    PipelineError::io(path)(errno.map_or_else(|| io::Error::other(message), io::Error::from_raw_os_error))
}
