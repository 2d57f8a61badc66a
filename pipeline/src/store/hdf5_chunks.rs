//! Two calls of the HDF5 library that its Rust binding does not offer: raw access to one chunk.
//!
//! They let compression run in parallel, outside the library's process-wide lock.
#![expect(
    unsafe_code,
    reason = "calls into the HDF5 C library; each checks the rank that the C side assumes"
)]

use hdf5::sync::sync;
use hdf5::{Dataset, h5check};
use hdf5_sys::h5d::{H5Dget_chunk_info_by_coord, H5Dwrite_chunk};
use hdf5_sys::h5p::H5P_DEFAULT;

/// Rank of the images: (image, cos_theta_l, cos_theta_k, chi).
const RANK: usize = 4;

/// Address of a chunk that was never written.
const UNDEFINED: u64 = u64::MAX;

/// Writes the bytes of the chunk of `image`, already filtered as the dataset demands.
pub(super) fn write_chunk(images: &Dataset, image: usize, bytes: &[u8]) -> hdf5::Result<()> {
    check_rank(images)?;
    let offset = [image as u64, 0, 0, 0];
    sync(|| {
        // SAFETY: the handle is open while `images` is borrowed, `offset` has as many entries as the dataset has
        // dimensions, `bytes` is as long as said, and `sync` holds the library's lock.
        h5check(unsafe {
            H5Dwrite_chunk(images.id(), H5P_DEFAULT, 0, offset.as_ptr(), bytes.len(), bytes.as_ptr().cast())
        })
    })?;
    Ok(())
}

/// Address and size of the chunk of `image`, and the mask of the filters that it skipped; none if never written.
pub(super) fn chunk_at(images: &Dataset, image: usize) -> hdf5::Result<Option<(u64, u64, u32)>> {
    check_rank(images)?;
    let offset = [image as u64, 0, 0, 0];
    let (mut skipped, mut address, mut size) = (0, 0, 0);
    sync(|| {
        // SAFETY: as in `write_chunk`; the three results are written through valid pointers.
        h5check(unsafe {
            H5Dget_chunk_info_by_coord(
                images.id(),
                offset.as_ptr(),
                &raw mut skipped,
                &raw mut address,
                &raw mut size,
            )
        })
    })?;
    Ok((address != UNDEFINED).then_some((address, size, skipped)))
}

fn check_rank(images: &Dataset) -> hdf5::Result<()> {
    if images.ndim() == RANK { Ok(()) } else { Err("images do not have four axes".into()) }
}
