//! Gives the shared library its soname and flags. Nothing is generated here: `make header` does that.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libusocket.so.0");
    // Its threads and its fork handler must not outlive its code.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
