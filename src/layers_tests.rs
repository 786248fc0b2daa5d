//! "No step goes back up", read from the sources: whatever a file names of the crate is of its own
//! layer or of one before it in the table of `lib.rs` (and within `tls`, in that of `tls/mod.rs`).

use std::fs;
use std::path::{Path, PathBuf};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The names in the first column of a module's table, in their order.
fn table(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|l| l.strip_prefix("//! |")).skip(2);
    let cells = rows.filter_map(|row| row.split('|').next().map(str::to_owned));
    cells.flat_map(|cell| words(&cell.replace(['[', ']', '`', ','], " "))).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The parts of `path` (`crate::`, `crate::tls::`) that a file names outside its comments and
/// tests.
fn named(source: &str, path: &str) -> Vec<String> {
    let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = Vec::new();
    for rest in code.split(path).skip(1) {
        let ident = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        match rest.strip_prefix('{') {
            // use crate::{object, resolve::Resolve};
            Some(list) => {
                let list = list.split("};").next().unwrap_or_default();
                let mut depth = 0;
                for item in list.split_inclusive(['{', '}', ',']) {
                    if depth == 0 {
                        names.push(ident(item.trim()));
                    }
                    depth += item.matches('{').count();
                    depth -= item.matches('}').count().min(depth);
                }
            }
            None => names.push(ident(rest)),
        }
    }
    names
}

/// `rust-version` in Cargo.toml is 1.85, and chains of `let` came with 1.88: today's compiler takes
/// them without a word. (`make cross-test` builds with 1.85.)
#[test]
fn the_oldest_compiler_understands_it() {
    let files = sources(Path::new(SRC));
    let chain = concat!("&& ", "let ");
    let chains = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default().contains(chain);
    assert!(files.len() > 50);
    assert_eq!(files.into_iter().filter(chains).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found.retain(|p| {
        p.extension().is_some_and(|e| e == "rs") && !p.to_string_lossy().contains("tests")
    });
    found
}

/// The steps back up in `dir`, where `path` names what is in it.
fn steps_up(dir: &Path, index: &str, path: &str) -> Vec<String> {
    let order = table(&fs::read_to_string(dir.join(index)).unwrap_or_default());
    assert!(order.len() > 4, "no table in {index}");
    let place = |name: &str| order.iter().position(|o| o == name);
    let mut steps = Vec::new();
    for file in sources(dir) {
        let Ok(inner) = file.strip_prefix(dir) else { continue };
        let first = inner.iter().next().map(|f| f.to_string_lossy().into_owned());
        let layer = first.unwrap_or_default().trim_end_matches(".rs").to_owned();
        let Some(own) = place(&layer) else {
            let known = ["lib", "mod"].contains(&layer.as_str());
            assert!(known, "{} is in no layer of {index}", inner.display());
            continue;
        };
        for name in named(&fs::read_to_string(&file).unwrap_or_default(), path) {
            if place(&name).is_some_and(|at| at > own) {
                steps.push(format!("{}: {layer} uses {name}", inner.display()));
            }
        }
    }
    steps
}

#[test]
fn no_step_goes_back_up() {
    assert_eq!(steps_up(Path::new(SRC), "lib.rs", "crate::"), [""; 0]);
}

#[test]
fn nor_between_the_rooms_of_tls() {
    assert_eq!(steps_up(&Path::new(SRC).join("tls"), "mod.rs", "crate::tls::"), [""; 0]);
}

#[test]
fn the_reader_of_sources_sees_a_step() {
    let source =
        "use crate::{a, b::C, d::{E, f}};\n// crate::no\nuse crate::g;\nlet x = crate::h::i();\n";
    assert_eq!(named(source, "crate::"), ["a", "b", "d", "g", "h"]);
    assert_eq!(table("//! | m | w |\n//! |---|---|\n//! | [`x`], [`y`] | z |\n"), ["x", "y"]);
}
