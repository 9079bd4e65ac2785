//! Every crate that is built in, or builds or tests, has a licence that `deny.toml` allows: what `cargo deny check licenses`
//! says, for machines without it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

/// The licences between the brackets of `allow = [ .. ]`.
fn allowed() -> Vec<&'static str> {
    let text = include_str!("../deny.toml");
    let list = text.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether an SPDX expression can be met with the allowed licences. An old-style `/` is an `OR`; a licence with an exception
/// is met by the licence itself, since exceptions only add permissions.
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    let met = any(&mut words, allowed);
    met && words.is_empty()
}

fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while let ["OR", rest @ ..] = words {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while let ["AND", rest @ ..] = words {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, allowed);
            let [")", rest @ ..] = words else { return false };
            *words = rest;
            met
        }
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => {
            let met = allowed.contains(licence);
            *words = rest;
            met
        }
        [] => false,
    }
}

#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["tree", "--offline", "--locked", "--all-features", "--edges", "normal,build,dev"])
        .args(["--prefix", "none", "--format", "{p}|{l}", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo is there, since it runs this");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (allowed, mut crates, mut refused) = (allowed(), 0, Vec::new());
    for line in text.lines() {
        let (name, licence) = line.split_once('|').unwrap();
        crates += 1;
        if !is_met(licence.trim_end_matches("(*)"), &allowed) {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert!(crates > 50, "only {crates} crates: {text}");
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0", "Zlib"];
    for expression in [
        "MIT",
        "MIT/Apache-2.0",
        "Proprietary OR MIT",
        "(Proprietary OR MIT) AND Zlib",
        "Apache-2.0 WITH LLVM-exception",
        "Proprietary AND Foo OR MIT",
    ] {
        assert!(is_met(expression, &allowed), "{expression}");
    }
    for expression in ["", "Proprietary", "MIT AND Proprietary", "(MIT", "MIT AND (Foo OR Bar)", "MIT Foo"] {
        assert!(!is_met(expression, &allowed), "{expression}");
    }
}
