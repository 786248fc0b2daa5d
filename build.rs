//! Gives the shared library its soname. Nothing is generated here: `make header` does that.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libusocket.so.0");
}
