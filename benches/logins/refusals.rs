//! Whether the time of a refusal tells anything: unknown, not enrolled, locked and wrong, in turns, in one run.

use crate::harness::wire::Packet;
use crate::harness::{Server, Site};
use crate::load::{median, run_with};
use crate::people::{add, secret, store};
use rlm_mfa::store::{Administration, FOREVER, SqliteStore};
use rlm_mfa::types::{Factor, UserName};
use std::path::Path;

const TRIES: usize = 1_000;
const KINDS: [&str; 4] = ["unknown user", "not enrolled", "locked", "wrong code"];

/// Prints the median delay of each kind of refusal.
pub fn measure(folder: &Path) {
    for delay in [0.0, 1.0] {
        let mut site = Site::passcode();
        site.reject_delay = delay;
        let mut server = Server::prepare_in(site, tempfile::tempdir_in(folder).unwrap());
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        fill(memory.path());
        assert!(
            std::process::Command::new("cp")
                .arg("-r")
                .arg(memory.path())
                .arg(&server.store)
                .status()
                .unwrap()
                .success()
        );
        server.up().unwrap_or_else(|refused| panic!("the server does not start:\n{}", refused.0));
        // Each name is tried once, so that no name is slowed down.
        let packets: Vec<Vec<u8>> = (0..TRIES * KINDS.len())
            .map(|n| {
                Packet::pap(n as u64, name(n % KINDS.len(), n / KINDS.len()).as_bytes(), b"000000").finish()
            })
            .collect();
        let under_way = if delay > 0.0 { 250 } else { 4 };
        let run = run_with(server.port, &packets, under_way);
        assert_eq!(run.accepted, 0);
        println!("\nrefusals, {TRIES} tries each, {under_way} at once, reject_delay = {delay}: median ms");
        let medians = KINDS.iter().enumerate().map(|(kind, text)| {
            let middle = median(run.delays.iter().skip(kind).step_by(KINDS.len()).copied());
            println!("  {text:<14} {middle:>9.3}");
            middle
        });
        let medians: Vec<f64> = medians.collect();
        let spread = medians.iter().copied().fold(f64::MIN, f64::max)
            - medians.iter().copied().fold(f64::MAX, f64::min);
        println!("  they lie within {spread:.3} ms (target: 5)");
    }
}

fn name(kind: usize, n: usize) -> String {
    format!("{}{n}", ["unknown", "bare", "locked", "wrong"][kind])
}

fn fill(folder: &Path) {
    let description = store(folder);
    SqliteStore::create_store(&description).unwrap();
    let people = SqliteStore::open(&description).unwrap();
    for n in 0..TRIES {
        add(&people, &name(1, n), None);
        add(&people, &name(2, n), Some((Factor::Totp, secret(n))));
        // The store refuses a secret that another token has.
        add(&people, &name(3, n), Some((Factor::Totp, secret(TRIES + n))));
        people.lock_user(&UserName::from_canonical(name(2, n)), FOREVER).unwrap();
    }
    people.close();
}
