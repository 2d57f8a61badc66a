//! Blocks of compressed bytes: a header of nine bytes, then at most 16 MiB of what it says.

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use liblzma::stream::{Action, Status as LzmaStatus, Stream};
use xxhash_rust::xxh64::xxh64;

use crate::RootError;
use crate::error::{corrupt, refused};

/// Bytes before a block.
pub(crate) const HEADER: usize = 9;

/// The most bytes that a header can count.
pub(crate) const LARGEST: usize = 0xff_ffff;

/// ROOT's number for the setting of its own default.
pub(crate) const ZLIB_1: u32 = 101;

/// Bytes of the checksum before the data of an LZ4 block.
const CHECKSUM: usize = 8;

/// The most memory of an LZMA decoder: twice what the highest level takes.
const LZMA_MEMORY: u64 = 160 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Zlib,
    /// Of ROOT before version 3: deflate without zlib's header.
    Old,
    Lzma,
    Lz4,
    Zstd,
}

/// Header of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    method: Method,
    pub(crate) packed: usize,
    pub(crate) unpacked: usize,
}

impl Block {
    pub(crate) fn parse(header: &[u8]) -> Result<Self, RootError> {
        let &[a, b, _, p0, p1, p2, u0, u1, u2] = header else {
            return corrupt("the header of a compressed block is missing");
        };
        let method = match &[a, b] {
            b"ZL" => Method::Zlib,
            b"CS" => Method::Old,
            b"XZ" => Method::Lzma,
            b"L4" => Method::Lz4,
            b"ZS" => Method::Zstd,
            other => {
                let name = other.escape_ascii();
                return refused(format!(
                    "compression `{name}` is not known; allowed: ZL (zlib), L4 (LZ4), ZS (ZSTD), XZ (LZMA), CS"
                ));
            }
        };
        let size = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) as usize;
        let (packed, unpacked) = (size([p0, p1, p2]), size([u0, u1, u2]));
        if unpacked == 0 {
            return corrupt("an empty compressed block");
        }
        Ok(Self { method, packed, unpacked })
    }

    /// Unpacks the bytes behind the header into `to`, which has their size.
    pub(crate) fn unpack(self, from: &[u8], to: &mut [u8]) -> Result<(), RootError> {
        let unpacked = match self.method {
            Method::Zlib => inflate(from, to, true),
            Method::Old => inflate(from, to, false),
            Method::Lzma => unlzma(from, to),
            Method::Lz4 => unlz4(from, to),
            Method::Zstd => zstd::bulk::decompress_to_buffer(from, to).map_err(|e| e.to_string()),
        };
        match unpacked {
            Ok(size) if size == to.len() => Ok(()),
            Ok(size) => corrupt(format!("a block of {size} bytes where {} are due", to.len())),
            Err(what) => corrupt(format!("a block that cannot be unpacked: {what}")),
        }
    }
}

fn inflate(from: &[u8], to: &mut [u8], zlib: bool) -> Result<usize, String> {
    let mut inflater = Decompressor::new();
    let unpacked =
        if zlib { inflater.zlib_decompress(from, to) } else { inflater.deflate_decompress(from, to) };
    unpacked.map_err(|e| e.to_string())
}

fn unlzma(from: &[u8], to: &mut [u8]) -> Result<usize, String> {
    let mut decoder = Stream::new_stream_decoder(LZMA_MEMORY, 0).map_err(|e| e.to_string())?;
    match decoder.process(from, to, Action::Finish) {
        Ok(LzmaStatus::StreamEnd) => Ok(decoder.total_out() as usize),
        Ok(_) => Err("its end is missing".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

fn unlz4(from: &[u8], to: &mut [u8]) -> Result<usize, String> {
    let (checksum, data) = from.split_first_chunk::<CHECKSUM>().ok_or("its checksum is missing")?;
    if u64::from_be_bytes(*checksum) != xxh64(data, 0) {
        return Err("its checksum is another".to_owned());
    }
    lz4_flex::block::decompress_into(data, to).map_err(|e| e.to_string())
}

/// Bytes as a zlib block at ROOT's default level; `None` where that would not be smaller. At most [`LARGEST`] bytes.
pub(crate) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed = vec![0; bytes.len()];
    // The library's `fastest` is level 0, which compresses nothing.
    let mut deflater = Compressor::new(CompressionLvl::new(1).ok()?);
    // What does not fit is not smaller.
    let size = deflater.zlib_compress(bytes, packed.get_mut(HEADER..)?).ok()?;
    packed[..3].copy_from_slice(b"ZL\x08");
    packed[3..6].copy_from_slice(&(size as u32).to_le_bytes()[..3]);
    packed[6..HEADER].copy_from_slice(&(bytes.len() as u32).to_le_bytes()[..3]);
    packed.truncate(HEADER + size);
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_old_files_are_deflate_without_a_header() -> Result<(), RootError> {
        let bytes: Vec<u8> = (0..5000_u32).flat_map(|i| (i / 7).to_be_bytes()).collect();
        let packed = deflate(&bytes).unwrap_or_default();
        let block = Block::parse(&packed[..HEADER])?;
        let mut unpacked = vec![0; block.unpacked];
        block.unpack(&packed[HEADER..], &mut unpacked)?;
        assert_eq!(unpacked, bytes);
        unpacked.fill(0);
        let old = Block { method: Method::Old, ..block };
        // Two bytes of zlib's header, and four of its checksum.
        old.unpack(&packed[HEADER + 2..packed.len() - 4], &mut unpacked)?;
        assert_eq!(unpacked, bytes);
        Ok(())
    }

    #[test]
    fn an_unknown_compression_is_refused_by_its_name() {
        let refusal = Block::parse(b"QQ\x01\x05\0\0\x05\0\0").map_err(|e| e.to_string());
        assert!(refusal.is_err_and(|what| what.starts_with("compression `QQ` is not known; allowed: ZL")));
    }
}
