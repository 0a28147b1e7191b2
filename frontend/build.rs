//! How the browser's half is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // What refers to what stays in the file: it is cut into parts along these references.
    println!("cargo::rustc-link-arg-cdylib=--emit-relocs");
}
