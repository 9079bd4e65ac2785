//! What `build.rs` says when there is nothing to build against: one line, with the remedy.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest script that looks for headers: lints without the feature `server` build one that does not.
fn script() -> PathBuf {
    let builds = Path::new(env!("OUT_DIR")).parent().unwrap().parent().unwrap();
    let candidates = std::fs::read_dir(builds).unwrap().map(|entry| entry.unwrap().path());
    let ours = candidates.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("rlm_mfa-"));
    let scripts = ours.map(|path| path.join("build-script-build")).filter(|path| path.exists());
    let looks = |path: &PathBuf| {
        let octets = std::fs::read(path).unwrap();
        octets.windows(18).any(|part| part == b"FREERADIUS_INCLUDE")
    };
    scripts.filter(looks).max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}

/// The errors it gives for headers in that folder.
fn errors(include: &Path) -> Vec<String> {
    let out = tempfile::tempdir().unwrap();
    let mut run = Command::new(script());
    run.current_dir(env!("CARGO_MANIFEST_DIR")).env("OUT_DIR", out.path()).env("FREERADIUS_INCLUDE", include);
    let said = String::from_utf8(run.output().unwrap().stdout).unwrap();
    said.lines().filter_map(|line| line.strip_prefix("cargo::error=")).map(str::to_owned).collect()
}

/// A folder of headers of that version.
fn headers(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("freeradius");
    std::fs::create_dir(&server).unwrap();
    std::fs::write(server.join("radiusd.h"), "").unwrap();
    std::fs::write(server.join("features.h"), format!("#define RADIUSD_VERSION_STRING \"{version}\"\n"))
        .unwrap();
    folder
}

#[test]
fn missing_headers_are_one_line_that_names_the_package() {
    let errors = errors(Path::new("/nonexistent"));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors.iter().all(|e| e.contains("libfreeradius-dev") && e.contains("FREERADIUS_INCLUDE")),
        "{errors:?}"
    );
}

#[test]
fn server_of_another_series_is_one_line_that_names_it() {
    for version in ["3.0.19", "3.1.0", "4.0.0", ""] {
        let errors = errors(headers(version).path());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors.iter().all(|e| e.contains(version) && e.contains("3.2.x")), "{errors:?}");
    }
}

#[test]
fn headers_that_do_not_compile_are_an_error_and_no_crash() {
    let errors = errors(headers("3.2.99").path());
    assert_eq!(errors.len(), 1, "{errors:?}");
}
