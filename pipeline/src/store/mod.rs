//! Events and images on disk.
//!
//! Every file holds its provenance and its angle convention, is written atomically ([`atomic`]), and can be read
//! without this program: by h5py, pyarrow and pandas. Readers go by a file's content, never by its name; they accept
//! files that others made; what they refuse, they refuse in one line, and they never believe a damaged file.
//!
//! - [`EventWriter`], [`EventReader`]: event tables, Parquet, Arrow IPC or ROOT
//! - [`ImageWriter`], [`ImageReader`]: images with labels, HDF5 or Arrow IPC, compact or dense ([`Layout`])
//! - [`MemoryPath`]: a table in memory that these readers and writers take for a file
//! - [`HepMcWriter`]: four-momenta of events, HepMC3 ASCII
//! - [`export`]: some images of a file into another file, of another layout or format
//! - [`write_atomically`], [`write_json`]: any small file

mod arrow;
mod arrow_batches;
mod arrow_compact;
pub(crate) mod arrow_file;
pub mod atomic;
mod bytes;
mod compact;
mod event_reader;
mod events;
mod export;
mod formats;
mod hdf5;
mod hdf5_chunks;
mod hdf5_compact;
mod hdf5_file;
mod hdf5_heap;
mod hepmc;
mod image_reader;
mod image_writer;
mod index;
mod labels;
mod memory;
mod metadata;
mod parquet_table;
mod table_address;
mod table_file;
pub(crate) mod table_reader;

pub use atomic::{write_atomically, write_json};
pub use event_reader::{EventReader, More};
pub use events::{EventFormat, EventWriter};
pub use export::{Export, export};
pub use hepmc::{BMomentum, HepMcWriter};
pub use humboldt_schemas::card::ImageLayout as Layout;
pub use image_reader::ImageReader;
pub use image_writer::ImageWriter;
pub use memory::{MemoryPath, MemoryTable};
pub use table_address::table_files;
