//! Tells the crate whether the HDF5 library can be asked not to lock files: 1.10.7 and later, but 1.12.0.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(hdf5_file_locking)");
    let has = |version: &str| env::var_os(format!("DEP_HDF5_VERSION_{version}")).is_some();
    if has("1_12_1") || (has("1_10_7") && !has("1_12_0")) {
        println!("cargo::rustc-cfg=hdf5_file_locking");
    }
}
