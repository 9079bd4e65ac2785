//! Stores full of users. Made once, in memory, through the same interface as the command, and kept beside what cargo builds;
//! each measurement works on a copy.

use crate::harness::oath;
use rlm_mfa::config;
use rlm_mfa::store::{Administration, NewToken, SqliteStore};
use rlm_mfa::types::{Factor, Secret, Timestamp, UserName};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A store that is ready to be copied.
pub struct People {
    folder: PathBuf,
}

impl People {
    /// A store of so many users, half of them with a HOTP token, half with TOTP.
    pub fn prepare(folder: &Path, count: usize) -> Self {
        let kept = folder.join(format!("{count}-users"));
        if SqliteStore::open(&store(&kept))
            .is_ok_and(|store| store.read_health().is_ok_and(|h| h.users == count as u64))
        {
            return Self { folder: kept };
        }
        println!("making a store of {count} users (once)");
        let _ = std::fs::remove_dir_all(&kept);
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        let made = fill(memory.path(), count);
        made.close();
        copy(memory.path(), &kept);
        Self { folder: kept }
    }

    /// Copies it.
    pub fn copy_to(&self, folder: &Path) {
        copy(&self.folder, folder);
    }
}

/// Where the harness's configuration expects it.
pub fn store(folder: &Path) -> config::StoreOptions {
    config::StoreOptions {
        filename: folder.join("mfa.db"),
        key: config::KeySource::File(folder.join("mfa.key")),
        ..Default::default()
    }
}

fn fill(folder: &Path, count: usize) -> SqliteStore {
    let description = store(folder);
    SqliteStore::create_store(&description).unwrap();
    let people = SqliteStore::open(&description).unwrap();
    for n in 0..count / 2 {
        add(&people, &hotp_user(n), Some((Factor::Hotp, secret(n))));
        add(&people, &totp_user(n), Some((Factor::Totp, totp_secret(n))));
    }
    people
}

/// Adds a user, with a token if one is given.
pub fn add(people: &SqliteStore, name: &str, token: Option<(Factor, [u8; 20])>) {
    let (name, now) = (UserName::from_canonical(name), Timestamp::from(SystemTime::now()));
    people.add_user(&name, "", now).unwrap();
    if let Some((factor, secret)) = token {
        let new = NewToken {
            factor,
            serial: None,
            algorithm: Default::default(),
            digits: Default::default(),
            period: Default::default(),
            secret: Secret::new(secret),
            pin: None,
            next: 0,
            codes: Vec::new(),
        };
        people.add_token(&name, new, now).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// Names are spread over the table as people's are.
pub fn hotp_user(n: usize) -> String {
    format!("{:08x}-hotp", (n as u32).wrapping_mul(2_654_435_761))
}

/// The same for the other half.
pub fn totp_user(n: usize) -> String {
    format!("{:08x}-totp", (n as u32).wrapping_mul(2_654_435_761))
}

/// Everybody has another one.
pub fn secret(n: usize) -> [u8; 20] {
    let mut secret = [0x5a; 20];
    secret[..8].copy_from_slice(&(n as u64).to_be_bytes());
    secret
}

/// The same for the other half.
pub fn totp_secret(n: usize) -> [u8; 20] {
    let mut secret = secret(n);
    secret[19] = 0xa5;
    secret
}

/// The code of a counter.
pub fn hotp_code(n: usize, counter: u64) -> String {
    oath::hotp(oath::Hash::Sha1, &secret(n), counter, 6)
}

/// The code of a time step.
pub fn totp_code(n: usize, step: u64) -> String {
    oath::hotp(oath::Hash::Sha1, &totp_secret(n), step, 6)
}
