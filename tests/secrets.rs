//! No derived `Debug` prints what may be a secret: a panic message, an assertion or a careless log line would.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

/// Names of fields that hold a secret, or let its holder answer for a user.
const SECRET_NAMES: [&str; 10] =
    ["password", "secret", "passcode", "state", "response", "challenge", "body", "plaintext", "pin", "proof"];
/// Types in clear. `Secret` hides itself.
const CLEAR_TYPES: [&str; 4] = ["String", "Vec<u8>", "[u8;", "&[u8]"];

/// A field whose name says secret and whose type is text in clear.
fn clear_secret(line: &str) -> bool {
    let line = line
        .trim()
        .trim_start_matches("pub(super) ")
        .trim_start_matches("pub(crate) ")
        .trim_start_matches("pub ");
    let Some((name, kind)) = line.split_once(':') else { return false };
    SECRET_NAMES.contains(&name.trim()) && CLEAR_TYPES.iter().any(|clear| kind.contains(clear))
}

/// The types in `text` that derive `Debug` and hold such a field.
fn printing_types(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !(line.starts_with("#[derive(") && line.contains("Debug")) {
            continue;
        }
        let Some(start) =
            (at..lines.len()).find(|at| !lines[*at].starts_with('#') && !lines[*at].starts_with("//"))
        else {
            continue;
        };
        let body = lines[start..].iter().take_while(|line| **line != "}");
        if lines[start].ends_with('{') && body.clone().any(|line| clear_secret(line)) {
            found.push(lines[start].trim_end_matches('{').trim().to_owned());
        }
    }
    found
}

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn no_derived_debug_prints_a_secret() {
    let mut files = Vec::new();
    source_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let types = printing_types(&std::fs::read_to_string(file).unwrap());
            types.into_iter().map(move |name| format!("{}: {name}", file.display()))
        })
        .collect();
    assert!(files.len() > 100);
    assert!(found.is_empty(), "write Debug by hand, or hold a Secret:\n{}", found.join("\n"));
}

#[test]
fn printing_types_are_seen() {
    let derived = "#[derive(Clone, Debug)]\npub struct Answer {\n    pub body: Vec<u8>,\n}\n";
    assert_eq!(printing_types(derived), ["pub struct Answer"]);
    for fine in [
        "#[derive(Clone)]\npub struct Answer {\n    pub body: Vec<u8>,\n}\n",
        "#[derive(Debug)]\npub struct Answer {\n    pub body: Secret,\n}\n",
        "#[derive(Debug)]\npub struct Answer {\n    pub status: u16,\n}\n",
    ] {
        assert!(printing_types(fine).is_empty(), "{fine}");
    }
}
