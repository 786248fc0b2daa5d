//! The settings of the library's own build script for such a build.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=USOCKET_FEATURES=poller=epoll tls=none");
}
