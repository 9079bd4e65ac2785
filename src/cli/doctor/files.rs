//! Key file, database and their folder: there, owned by the server's user, closed to others.

use super::finding::{DoctorReport, FindingState};
use crate::cli::context::LoadedConfig;
use crate::cli::host::{self, FileAccess};
use crate::config::KeySource;
use crate::types::QuotedText;
use std::path::{Path, PathBuf};

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    let owner = match found.account() {
        Ok(owner) => owner.map(|(uid, _)| uid),
        Err(error) => {
            report.told(FindingState::Fail, "account", error);
            None
        }
    };
    let store = &found.config.store;
    match &store.key {
        KeySource::File(key) => {
            let missing = match store.filename.exists() {
                true => "bring it back from where you keep it; without it all tokens must be enrolled anew",
                false => "mfa init makes it",
            };
            file(report, "key", key, owner, missing);
        }
        KeySource::Text(_) => report.ok("key", "from the configuration"),
    }
    file(report, "database", &store.filename, owner, "mfa init makes it, mfa restore brings it back");
    for beside in ["-wal", "-shm"] {
        let mut name = store.filename.clone().into_os_string();
        name.push(beside);
        let name = PathBuf::from(name);
        if name.exists() {
            file(report, "database", &name, owner, "");
        }
    }
    if let Some(folder) = store.filename.parent() {
        self::folder(report, folder, owner);
    }
}

fn file(report: &mut DoctorReport, subject: &'static str, file: &Path, owner: Option<u32>, missing: &str) {
    let name = file.display();
    let access = match host::access(file) {
        Ok(Some(access)) => access,
        Ok(None) => return report.ok(subject, name.to_string()),
        Err(error) => {
            return report.fail(subject, format!("{name}: {error}"), missing);
        }
    };
    if access.is_link {
        let text = format!("{name} is a link that user {} has made", access.uid);
        return report.fail(subject, text, "put the file itself there, and find out who has exchanged it");
    }
    let mut well = true;
    if access.mode & 0o077 != 0 {
        well = false;
        let text = format!("{name} is open to others (mode {:04o})", access.mode);
        report.fail(subject, text, change_mode(file, "600", access));
    }
    if access.mode & 0o600 != 0o600 {
        well = false;
        let text = format!("{name} is closed to its owner (mode {:04o})", access.mode);
        report.fail(subject, text, change_mode(file, "600", access));
    }
    if let Some(text) = foreign(access, owner) {
        well = false;
        report.fail(subject, format!("{name} {text}"), change_owner(file, owner));
    }
    if well {
        report.ok(subject, format!("{name}, mode {:04o}", access.mode));
    }
}

fn folder(report: &mut DoctorReport, folder: &Path, owner: Option<u32>) {
    let name = folder.display();
    // A folder that is not there has been told by the file in it.
    let Ok(Some(access)) = host::access(folder) else { return };
    if access.is_link {
        let text = format!("{name} is a link that user {} has made", access.uid);
        report.fail("folder", text, "have the folders above the store belong to root");
    } else if access.mode & 0o022 != 0 {
        let text = format!("{name} can be written by others (mode {:04o})", access.mode);
        report.fail("folder", text, change_mode(folder, "700", access));
    } else if access.mode & 0o300 != 0o300 {
        let text = format!("{name} cannot be written by its owner (mode {:04o})", access.mode);
        report.fail("folder", text, change_mode(folder, "700", access));
    } else if let Some(text) = foreign(access, owner) {
        report.fail("folder", format!("{name} {text}"), change_owner(folder, owner));
    } else {
        report.ok("folder", format!("{name}, mode {:04o}", access.mode));
    }
}

/// As root only what is root's: chmod follows links, and who owns the folder may have put one there by the time this is typed.
fn change_mode(path: &Path, mode: &str, access: FileAccess) -> String {
    let path = path.to_string_lossy();
    let change = format!("chmod {mode} {}", QuotedText(&path));
    match (access.uid, access.gid) {
        (0, _) => change,
        (user, group) => format!("setpriv --reuid {user} --regid {group} --clear-groups {change}"),
    }
}

/// Without -h it would give away what a link leads to.
fn change_owner(path: &Path, owner: Option<u32>) -> String {
    format!("chown -h {} {}", owner.unwrap_or(0), QuotedText(&path.to_string_lossy()))
}

fn foreign(access: FileAccess, owner: Option<u32>) -> Option<String> {
    let owner = owner.filter(|owner| *owner != access.uid)?;
    Some(format!("belongs to user {} of group {}, the server runs as user {owner}", access.uid, access.gid))
}
