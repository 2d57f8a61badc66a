//! Three calls of the HDF5 library that its Rust binding does not offer: raw access to one chunk.
//!
//! They let compression and decompression run in parallel, outside the library's process-wide lock.
#![expect(
    unsafe_code,
    reason = "calls into the HDF5 C library; each checks the rank that the C side assumes"
)]

use hdf5::sync::sync;
use hdf5::{Dataset, h5check};
use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5d::{H5Dread_chunk, H5Dwrite_chunk};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;

// In the library since 1.10.2, but not in `hdf5_sys`.
unsafe extern "C" {
    fn H5Dget_chunk_storage_size(dataset: hid_t, offset: *const hsize_t, bytes: *mut hsize_t) -> herr_t;
}

/// Rank of the images: `(image, cos_theta_l, cos_theta_k, chi)`.
const RANK: usize = 4;

/// Writes the bytes of the chunk of `image`, already filtered as the dataset demands.
pub(super) fn write_chunk(images: &Dataset, image: usize, bytes: &[u8]) -> hdf5::Result<()> {
    check_rank(images)?;
    let offset = [image as hsize_t, 0, 0, 0];
    sync(|| {
        // SAFETY: the handle is open while `images` is borrowed, `offset` has as many entries as the dataset has
        // dimensions, `bytes` is as long as said, and `sync` holds the library's lock.
        h5check(unsafe {
            H5Dwrite_chunk(images.id(), H5P_DEFAULT, 0, offset.as_ptr(), bytes.len(), bytes.as_ptr().cast())
        })
    })?;
    Ok(())
}

/// Reads the chunk of `image` as it is in the file, at most `limit` bytes, into `bytes`; gives the mask of the
/// filters that were skipped when it was written.
pub(super) fn read_chunk(
    images: &Dataset,
    image: usize,
    limit: usize,
    bytes: &mut Vec<u8>,
) -> hdf5::Result<u32> {
    check_rank(images)?;
    let offset = [image as hsize_t, 0, 0, 0];
    sync(|| {
        let mut size = 0;
        // SAFETY: as in `write_chunk`; the size is written through a valid pointer.
        h5check(unsafe { H5Dget_chunk_storage_size(images.id(), offset.as_ptr(), &raw mut size) })?;
        if size == 0 || size > limit as hsize_t {
            return Err(format!("its chunk has {size} bytes").into());
        }
        bytes.resize(size as usize, 0);
        let mut skipped = 0;
        #[cfg(hdf5_sized_chunks)]
        let mut room = bytes.len();
        let (into, skip) = (bytes.as_mut_ptr().cast(), &raw mut skipped);
        #[cfg(hdf5_sized_chunks)]
        // SAFETY: as above; `bytes` has room for the chunk, whose size cannot change under the library's lock.
        let status =
            unsafe { H5Dread_chunk(images.id(), H5P_DEFAULT, offset.as_ptr(), skip, into, &raw mut room) };
        #[cfg(not(hdf5_sized_chunks))]
        // SAFETY: as above; `bytes` has room for the chunk, whose size cannot change under the library's lock.
        let status = unsafe { H5Dread_chunk(images.id(), H5P_DEFAULT, offset.as_ptr(), skip, into) };
        h5check(status)?;
        Ok(skipped)
    })
}

fn check_rank(images: &Dataset) -> hdf5::Result<()> {
    if images.ndim() == RANK { Ok(()) } else { Err("images do not have four axes".into()) }
}
