//! Tells the crate what the HDF5 library can do: be asked not to lock files (1.10.7 and later, but 1.12.0), and be told how much
//! room there is for a chunk that it reads (2.0).

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(hdf5_file_locking)");
    let has = |version: &str| env::var_os(format!("DEP_HDF5_VERSION_{version}")).is_some();
    if has("1_12_1") || (has("1_10_7") && !has("1_12_0")) {
        println!("cargo::rustc-cfg=hdf5_file_locking");
    }
    println!("cargo::rustc-check-cfg=cfg(hdf5_sized_chunks)");
    if has("2_0_0") {
        println!("cargo::rustc-cfg=hdf5_sized_chunks");
    }
}
