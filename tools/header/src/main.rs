//! Writes `include/usocket.h` from `src/ffi`; with `--check`, only says whether it is fresh.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let header = root.join("include/usocket.h");
    let config = match cbindgen::Config::from_file(root.join("cbindgen.toml")) {
        Ok(config) => config,
        Err(e) => return fail(&e),
    };
    let bindings =
        cbindgen::Builder::new().with_config(config).with_src(root.join("src/sys/address.rs"));
    let bindings = bindings.with_src(root.join("src/error/causes.rs"));
    // In the order of the header's sections.
    let sections = [
        "library",
        "address",
        "socket",
        "option",
        "stream",
        "name",
        "connection",
        "poll",
        "poller",
        "tls_context",
        "tls_trust",
        "tls",
    ];
    let bindings = sections
        .iter()
        .fold(bindings, |b, s| b.with_src(root.join("src/ffi").join(format!("{s}.rs"))))
        .generate();
    let mut text = Vec::new();
    match bindings {
        Ok(bindings) => bindings.write(&mut text),
        Err(e) => return fail(&e.to_string()),
    }
    let old = std::fs::read(&header).unwrap_or_default();
    if old == text {
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|a| a == "--check") {
        return fail("include/usocket.h is stale: run `make header` and commit the result");
    }
    match std::fs::write(&header, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("header: {why}");
    ExitCode::FAILURE
}
