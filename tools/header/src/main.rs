//! Writes what is made from the library's sources: `include/usocket.h` from `src/ffi`, and each host's
//! table of the causes in `src/error/causes.rs`. With `--check`, only says whether they are fresh.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[allow(dead_code)]
#[path = "../../../src/error/causes.rs"]
mod causes;
#[allow(dead_code)]
#[path = "../../../src/numbers.rs"]
mod numbers;

use causes::{CAUSES, Category};

/// The order of the header's sections.
const SECTIONS: &[&str] = &[
    "library",
    "address",
    "socket",
    "transfer",
    "message",
    "option",
    "interface",
    "stream",
    "file",
    "name",
    "connection",
    "poll",
    "poller",
    "tls_context",
    "tls_protocol",
    "tls_trust",
    "tls_cert",
    "tls",
    "tls_buffers",
];

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let check = std::env::args().any(|a| a == "--check");
    let files = header(&root).map(|header| {
        [
            ("include/usocket.h", header),
            ("python/usocket/_causes.py", python()),
            ("micropython/usocket/causes.h", micropython()),
        ]
    });
    let files = match files {
        Ok(files) => files,
        Err(why) => return fail(&why),
    };
    for (name, text) in files {
        let path = root.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            return fail(&format!("{name} is stale: run `make header` and commit the result"));
        }
        if let Err(e) = std::fs::write(&path, text) {
            return fail(&format!("{name}: {e}"));
        }
    }
    ExitCode::SUCCESS
}

fn fail(why: &str) -> ExitCode {
    eprintln!("header: {why}");
    ExitCode::FAILURE
}

fn header(root: &Path) -> Result<String, String> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let constants = Constants::write().map_err(|e| e.to_string())?;
    let mut bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/sys/address.rs"))
        .with_src(&constants.0)
        .with_src(root.join("src/error/causes.rs"))
        .with_src(root.join("src/numbers.rs"));
    for section in SECTIONS {
        bindings = bindings.with_src(root.join("src/ffi").join(format!("{section}.rs")));
    }
    let mut text = Vec::new();
    bindings.generate().map_err(|e| e.to_string())?.write(&mut text);
    String::from_utf8(text).map_err(|e| e.to_string())
}

/// A file of the causes' constants written out, while it is needed: cbindgen does not look into a
/// macro.
struct Constants(PathBuf);

impl Constants {
    fn write() -> std::io::Result<Constants> {
        let mut text = String::new();
        for cause in CAUSES {
            for line in cause.doc.lines() {
                let _ = writeln!(text, "///{line}");
            }
            let _ = writeln!(text, "pub const {}: i32 = {};", cause.name, cause.code);
        }
        let path = std::env::temp_dir().join(format!("usocket-causes-{}.rs", std::process::id()));
        std::fs::write(&path, text)?;
        Ok(Constants(path))
    }
}

impl Drop for Constants {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The name of a cause without its prefix.
fn short(name: &str) -> &str {
    name.trim_start_matches("USOCKET_ETLS_")
}

fn category(category: Category) -> String {
    format!("TLS_{}", format!("{category:?}").to_uppercase())
}

fn python() -> String {
    let mut text = String::from(
        "\"\"\"The causes of TLS errors. Generated from src/error/causes.rs by `make header`; do not edit.\"\"\"\n\n\
         from __future__ import annotations\n\n\
         class Cause:\n    \
         \"\"\"One code: `verify_code` is OpenSSL's X509_V_ERR_, 0 where it has none.\"\"\"\n\n    \
         __slots__ = (\"category\", \"reason\", \"verify_code\")\n\n    \
         def __init__(self, category: str, reason: str, verify_code: int) -> None:\n        \
         self.category, self.reason, self.verify_code = category, reason, verify_code\n\n\n",
    );
    for cause in CAUSES {
        let _ = writeln!(text, "{} = {}", short(cause.name), cause.code);
    }
    let _ = writeln!(text, "ALERT = {}\n", causes::USOCKET_ETLS_ALERT);
    text.push_str("CAUSES: dict[int, Cause] = {\n");
    for cause in CAUSES {
        let (name, category) = (short(cause.name), category(cause.category));
        let (reason, number) = cause.openssl;
        let _ = writeln!(text, "    {name}: Cause(\"{category}\", \"{reason}\", {number}),");
    }
    text.push_str("}\n");
    text
}

fn micropython() -> String {
    let mut text = String::from(
        "// The causes of TLS errors as mbedTLS's programs know them: CAUSE(code, category, words, number),\n\
         // number 0 for a ValueError. Generated from src/error/causes.rs by `make header`; do not edit.\n\n",
    );
    for cause in CAUSES.iter().filter(|c| !c.mbedtls.0.is_empty()) {
        let (words, number) = cause.mbedtls;
        let category = category(cause.category);
        let _ = writeln!(
            text,
            "CAUSE({}, USOCKET_CATEGORY_{category}, {words:?}, {number})",
            cause.name
        );
    }
    text
}
