//! The arrows between the folders of `src/` run one way, and each third-party crate stays behind the folder it belongs to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each folder, and what it may use of ours.
const LAYERS: [(&str, &[&str]); 19] = [
    ("types", &[]),
    ("clock", &["types"]),
    ("files", &[]),
    ("config", &["types", "files"]),
    ("engine", &["types", "config"]),
    ("tls", &["types", "files"]),
    ("wire", &["types"]),
    ("http", &["types", "clock", "files", "config", "tls"]),
    ("factor", &["types", "clock", "config", "engine", "tls", "http"]),
    ("directory", &["types", "clock", "config", "engine", "tls", "http", "wire"]),
    ("store", &["types", "files", "config", "engine"]),
    ("text", &["types", "config", "engine"]),
    ("waiting", &["types", "config", "engine", "wire"]),
    ("operations", &["types", "config", "engine", "waiting"]),
    ("passwords", &["types", "config", "engine", "directory", "operations"]),
    (
        "app",
        &[
            "types",
            "clock",
            "config",
            "engine",
            "factor",
            "directory",
            "store",
            "text",
            "waiting",
            "passwords",
            "operations",
        ],
    ),
    ("freeradius", &["types", "config::tree"]),
    ("module", &["types", "config", "engine", "text", "waiting", "app", "freeradius"]),
    (
        "cli",
        &[
            "types",
            "files",
            "config",
            "engine",
            "factor",
            "store",
            "text",
            "waiting",
            "passwords",
            "operations",
            "app",
        ],
    ),
];

/// Crates (and parts of them), and the only folders that may use them; `""` is none.
const BEHIND: [(&str, &str); 32] = [
    ("rusqlite", "store"),
    ("chacha20poly1305", "store"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("comfy_table", "cli"),
    ("indicatif", "cli"),
    ("rpassword", "cli"),
    ("qrcode", "cli"),
    ("png", "cli"),
    ("libc", "freeradius files"),
    // Users, and files by descriptor, for what root does.
    ("nix", "cli"),
    ("totp_rs", "factor"),
    ("md4", "engine"),
    ("reqwest", "http"),
    ("httpdate", "http"),
    ("rustls", "tls"),
    ("rustls_platform_verifier", "tls"),
    ("ldap3", "directory"),
    ("tokio_rustls", "factor"),
    ("lettre", "factor"),
    ("jsonwebtoken", "factor http"),
    ("argon2", "passwords"),
    ("axum", "app"),
    ("prometheus_client", "operations"),
    ("ipnet", "config"),
    ("des", "engine"),
    ("unicode_segmentation", "text"),
    // The server reaps all children and owns the signals.
    ("std::process::Command", "cli"),
    ("process::Command", "cli"),
    ("tokio::process", ""),
    ("tokio::signal", ""),
];

/// What is wrong with one file, by its path below `src/` and its text.
fn faults(file: &Path, text: &str) -> Vec<String> {
    let parts: Vec<_> = file.iter().map(|part| part.to_str().unwrap()).collect();
    let folder = if parts.len() > 1 { parts[0] } else { "" };
    let code = without_tests(&code_only(text));
    let mut faults = Vec::new();
    for path in paths(&code) {
        if let Some(ours) = below_root(&path, file)
            && !folder.is_empty()
            && !may_use(folder, ours)
        {
            faults.push(format!("{}: {folder} may not use {ours}", file.display()));
        }
        for (name, home) in BEHIND {
            if starts_with(&path, name) && !home.split(' ').any(|home| home == folder) {
                faults.push(format!("{}: {name} belongs into {home:?}", file.display()));
            }
        }
    }
    // lib.rs exports the module table, a static with a fixed symbol.
    if folder != "freeradius" && file != Path::new("lib.rs") && words(&code).any(|word| word == "unsafe") {
        faults.push(format!("{}: unsafe outside freeradius", file.display()));
    }
    faults
}

fn may_use(folder: &str, ours: &str) -> bool {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == folder) else { return false };
    let known = |ours: &str| LAYERS.iter().any(|(name, _)| starts_with(ours, name));
    !known(ours) || starts_with(ours, folder) || allowed.iter().any(|a| starts_with(ours, a))
}

fn starts_with(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What follows the root of the crate in `path`, if it begins there: with `crate`, or with as many `super` as lead there.
fn below_root<'a>(path: &'a str, file: &Path) -> Option<&'a str> {
    let is_root_of_folder = file.file_name().is_some_and(|name| name == "mod.rs");
    let depth = file.components().count() - usize::from(is_root_of_folder);
    if let Some(rest) = path.strip_prefix("crate::").or_else(|| path.strip_prefix("rlm_mfa::")) {
        return Some(rest);
    }
    path.strip_prefix(&"super::".repeat(depth)).filter(|rest| !rest.starts_with("super"))
}

/// All paths in the code; `use a::{b, c::d};` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let tree = statement.rfind("use ").filter(|at| {
            let before = &statement[..*at];
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        if let Some(at) = tree {
            expand("", &statement[at + 4..], &mut found);
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(
        code.split(|c| !is_path(c)).filter(|p| p.contains("::")).map(|p| p.trim_matches(':').to_owned()),
    );
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        found.push(format!("{prefix}{}", path.trim_start_matches(':')).replace("::self", ""));
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let prefix = format!("{prefix}{}", head.trim());
    let (mut depth, mut start) = (0, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &inner[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &inner[start..], found);
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The text without comments and without what stands in quotes.
fn code_only(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if character == '"' {
            quoted(rest)
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            escape.get(1..).and_then(|after| after.find('\'')).map_or(rest.len(), |end| end + 4)
        } else if character == '\'' && rest.chars().nth(2) == Some('\'') {
            2 + rest.chars().nth(1).map_or(0, char::len_utf8)
        } else {
            code.push(character);
            character.len_utf8()
        };
        rest = &rest[skip..];
    }
    code
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The code without what stands at the foot of a file for tests; they may use what they like.
fn without_tests(code: &str) -> String {
    let foot = code.match_indices("#[cfg(test)]").find(|(at, _)| {
        let after = code[*at + 12..].split(['{', ';']).next().unwrap_or_default();
        let is_inline = code[*at + 12 + after.len()..].starts_with('{');
        is_inline && words(after).any(|word| word == "mod")
    });
    code[..foot.map_or(code.len(), |(at, _)| at)].to_owned()
}

/// The files that `#[cfg(test)] mod name;` names.
fn test_files(file: &Path, text: &str) -> Vec<PathBuf> {
    let code = code_only(text);
    let declared = code.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let (declaration, _) = after.split_once(';')?;
        declaration.trim().rsplit_once("mod ").filter(|_| !declaration.contains('{')).map(|(_, name)| name)
    });
    let home = match file.file_name().unwrap().to_str().unwrap() {
        "mod.rs" | "lib.rs" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    declared.map(|name| home.join(format!("{}.rs", name.trim()))).collect()
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

#[test]
fn arrows_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let tests: Vec<_> = found.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    let faults: Vec<_> = found
        .iter()
        .filter(|(path, _)| !tests.contains(path))
        .flat_map(|(path, text)| faults(path.strip_prefix(&root).unwrap(), text))
        .collect();
    assert!(found.len() > 20, "only {} files in {}", found.len(), root.display());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_folder_but_freeradius_forbids_unsafe_code() {
    let text = include_str!("../src/lib.rs");
    let lines: Vec<_> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';')) else { continue };
        let attributes = lines[..index].iter().rev().take_while(|line| line.starts_with("#["));
        let is_forbidden = attributes.into_iter().any(|line| *line == "#[forbid(unsafe_code)]");
        assert!(is_forbidden || name == "freeradius", "src/lib.rs: {name} without #[forbid(unsafe_code)]");
    }
}

/// What reaches outside of the process.
const OUTSIDE: [&str; 6] = [
    "std::fs",
    "std::env",
    "crate::files",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
];

/// Paths in one file of `config` that reach outside of the process.
fn paths_outside(text: &str) -> Vec<String> {
    let found = paths(&without_tests(&code_only(text)));
    found.into_iter().filter(|path| OUTSIDE.iter().any(|outside| starts_with(path, outside))).collect()
}

#[test]
fn only_the_loader_of_config_opens_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests: Vec<_> = files.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    for (path, text) in files.iter().filter(|(path, _)| !tests.contains(path)) {
        let is_loader = path.ends_with("loader.rs");
        let found = paths_outside(text);
        assert_eq!(is_loader, !found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn one_place_reads_the_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests: Vec<_> = files.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    for (path, text) in files.iter().filter(|(path, _)| !tests.contains(path)) {
        let code = without_tests(&code_only(text));
        let reads = ["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now"]
            .iter()
            .any(|call| code.contains(call));
        assert_eq!(reads, path.ends_with("clock/mod.rs"), "{}", path.display());
    }
}

#[test]
fn what_runs_the_wrong_way_is_seen() {
    for (file, text) in [
        ("types/user.rs", "use crate::config::Config;"),
        ("types/user.rs", "use super::super::config;"),
        ("engine/mod.rs", "use super::store;"),
        ("engine/mod.rs", "use crate::{types::{Secret, Mode}, factor::Factors};"),
        ("engine/mod.rs", "fn f() -> crate::app::App {}"),
        ("freeradius/request.rs", "use crate::config::Config;"),
        ("module/mod.rs", "use crate::store::Error;"),
        ("cli/mod.rs", "use crate::freeradius;"),
        ("new/mod.rs", "use crate::types::Secret;"),
        ("engine/mod.rs", "use rusqlite::Connection;"),
        ("store/mod.rs", r"let _ = ['a', '\'', '\n']; libc::chown(0, 0);"),
        ("main.rs", "use clap::Parser;"),
        ("app/mod.rs", "use std::{process::{self, Command}, sync::Arc};"),
        ("module/mod.rs", "pub use tokio::signal as s;"),
        ("config/mod.rs", "unsafe { f() }"),
    ] {
        assert!(!faults(Path::new(file), text).is_empty(), "{file}: {text}");
    }
}

#[test]
fn what_is_allowed_is_let_through() {
    for (file, text) in [
        ("engine/mod.rs", "use crate::{types::{Secret, Mode}, config};"),
        ("engine/split.rs", "use super::store; // use crate::store"),
        ("freeradius/tree.rs", "use crate::config::tree::Section; unsafe { f() }"),
        (
            "types/mod.rs",
            "#![forbid(unsafe_code)] const A: &str = \"crate::store unsafe\"; const Q: char = '\"';",
        ),
        ("types/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::store; }"),
        ("cli/doctor.rs", "use std::process::Command; fn describes::des() {}"),
        ("app/mod.rs", "let id = std::process::id();"),
    ] {
        assert_eq!(faults(Path::new(file), text), Vec::<String>::new(), "{file}: {text}");
    }
}

/// The files of one folder of `src/` as modules, and which of them each imports from.
struct ImportGraph {
    /// By module, such as `engine::limit`: its code, without tests.
    modules: BTreeMap<String, String>,
}

impl ImportGraph {
    fn of(files: &[(PathBuf, String)], root: &Path) -> Self {
        let modules = files.iter().map(|(path, text)| {
            let path = path.strip_prefix(root).unwrap().with_extension("");
            let path = if path.ends_with("mod") { path.parent().unwrap().to_owned() } else { path };
            let module: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
            (module.join("::"), without_tests(&code_only(text)))
        });
        Self { modules: modules.collect() }
    }

    /// What a module passes on: it depends on none of it.
    fn is_reexport(statement: &str) -> bool {
        let statement = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '}');
        let attribute_end = statement.rfind(']').map_or(0, |at| at + 1);
        let declaration = statement.get(attribute_end..).unwrap_or(statement).trim_start();
        declaration.starts_with("pub") && declaration.contains("use ") && !declaration.contains("fn ")
    }

    /// An imported path from the crate's root on, if it is one of ours.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        if let Some(rest) = path.strip_prefix("crate::") {
            return Some(rest.to_owned());
        }
        let (mut base, mut rest) = (module, path);
        if let Some(behind) = rest.strip_prefix("self::") {
            rest = behind;
        } else if rest.starts_with("super::") {
            while let Some(behind) = rest.strip_prefix("super::") {
                base = base.rsplit_once("::").map_or("", |(parent, _)| parent);
                rest = behind;
            }
            // What stands before the braces of a list is no import.
            if rest == "super" {
                return None;
            }
        } else if !self.modules.contains_key(&format!("{module}::{}", rest.split("::").next().unwrap())) {
            return None;
        }
        Some(if base.is_empty() { rest.to_owned() } else { format!("{base}::{rest}") })
    }

    /// The module that declares what `path` names; re-exports are followed.
    fn declaring_module(&self, path: &str, depth: usize) -> Option<String> {
        let mut module = path;
        while !self.modules.contains_key(module) {
            module = module.rsplit_once("::")?.0;
        }
        let item = path[module.len()..].trim_start_matches(':').split("::").next().unwrap();
        let code = &self.modules[module];
        let passed_on = code
            .split(';')
            .filter(|statement| Self::is_reexport(statement))
            .flat_map(|statement| paths(&format!("{statement};")))
            .find(|passed_on| !item.is_empty() && passed_on.rsplit("::").next() == Some(item));
        match passed_on.and_then(|passed_on| self.absolute(module, &passed_on)) {
            Some(passed_on) if depth > 0 => self.declaring_module(&passed_on, depth - 1),
            _ => Some(module.to_owned()),
        }
    }

    /// The modules of the same folder that `module` imports from.
    fn imports(&self, module: &str) -> BTreeSet<String> {
        let statements = self.modules[module].split(';').filter(|statement| !Self::is_reexport(statement));
        let code = statements.collect::<Vec<_>>().join(";");
        let folder = module.split("::").next();
        paths(&code)
            .iter()
            .filter_map(|path| self.declaring_module(&self.absolute(module, path)?, 4))
            .filter(|imported| imported != module && imported.split("::").next() == folder)
            .collect()
    }

    /// Groups of modules that import each other, directly or by way of others.
    fn circles(&self) -> Vec<BTreeSet<String>> {
        let imports: BTreeMap<_, _> =
            self.modules.keys().map(|module| (module.clone(), self.imports(module))).collect();
        let reach = |start: &String| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![start.clone()]);
            while let Some(module) = open.pop() {
                open.extend(imports[&module].iter().filter(|next| reached.insert((*next).clone())).cloned());
            }
            reached
        };
        let reached: BTreeMap<_, _> = imports.keys().map(|module| (module.clone(), reach(module))).collect();
        let circle = |module: &String| -> BTreeSet<String> {
            reached[module].iter().filter(|other| reached[*other].contains(module)).cloned().collect()
        };
        let circles: BTreeSet<_> = reached.keys().map(circle).filter(|circle| circle.len() > 1).collect();
        circles.into_iter().collect()
    }
}

#[test]
fn no_imports_run_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests: Vec<_> = files.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    let is_test =
        |path: &Path| tests.iter().any(|test| path == test || path.starts_with(test.with_extension("")));
    files.retain(|(path, _)| !is_test(path));
    let graph = ImportGraph::of(&files, &root);
    let circles = graph.circles();
    let arrows = |circle: &BTreeSet<String>| -> String {
        let arrow = |module: &String| {
            let imports = graph.imports(module);
            let within: Vec<_> = imports.intersection(circle).cloned().collect();
            format!("  {module} -> {}\n", within.join(", "))
        };
        circle.iter().map(arrow).collect()
    };
    let told: Vec<_> = circles.iter().map(arrows).collect();
    assert!(circles.is_empty(), "{} circles of imports:\n{}", told.len(), told.join("\n"));
}

#[test]
fn circles_of_imports_are_seen() {
    let graph = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        ImportGraph::of(&files, Path::new("")).circles().len()
    };
    let contract = ("a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub use c::{C, D};");
    assert_eq!(graph(&[contract, ("a/b.rs", "use super::C;"), ("a/c.rs", "struct C;")]), 0);
    assert_eq!(graph(&[contract, ("a/b.rs", "use super::C;"), ("a/c.rs", "use super::b::B;")]), 1);
    assert_eq!(graph(&[contract, ("a/b.rs", "use super::{C};"), ("a/c.rs", "use crate::a::B;")]), 1);
    assert_eq!(graph(&[("a/mod.rs", "mod b; use b::B; struct A;"), ("a/b.rs", "use super::A;")]), 1);
    assert_eq!(graph(&[("a/mod.rs", "mod b; struct A;"), ("a/b.rs", "fn f() -> super::A {}")]), 0);
}
