//! Events and images on disk.
//!
//! Every file holds its provenance and its angle convention, is written atomically ([`atomic`]), and can be read
//! without this program: by h5py, pyarrow and pandas. Readers go by a file's content, never by its name; they accept
//! files that others made; what they refuse, they refuse in one line, and they never believe a damaged file.
//!
//! - [`EventWriter`], [`EventReader`]: event tables, Parquet or Arrow IPC
//! - [`ImageWriter`], [`ImageReader`]: images with labels, HDF5 or Arrow IPC
//! - [`HepMcWriter`]: four-momenta of events, HepMC3 ASCII
//! - [`write_atomically`]: any small file

mod arrow;
pub mod atomic;
mod events;
mod hdf5;
mod hdf5_chunks;
mod hepmc;
mod images;
mod index;
mod metadata;
mod parquet_table;

pub use atomic::write_atomically;
pub use events::{EventReader, EventWriter};
pub use hepmc::{BMomentum, HepMcWriter};
pub use images::{ImageReader, ImageWriter};
