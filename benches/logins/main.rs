//! `make bench`: logins per second and their delay through the real server, side by side in one run.
//!
//! Every contender stands in the same place of the same server: `rlm_always`, which decides nothing; Debian's `rlm_totp`;
//! and the module with stores of 1,000 and of 1,000,000 users. Each login carries a code that has not been used. Rounds take
//! turns, and medians are reported. Load generator and servers share the machine, which is said beside the figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails may panic"
)]

mod load;
mod people;
mod refusals;

use harness::wire::Packet;
use harness::{Server, Site, oath};
use load::{Run, median};
use mfa_harness as harness;
use people::{People, secret};
use std::path::Path;
use std::time::Instant;

/// Logins of one contender in one round.
const LOGINS: usize = 20_000;
const ROUNDS: usize = 5;

/// A configuration under load.
struct Contender {
    name: &'static str,
    server: Server,
    login: fn(usize, usize) -> (String, String),
    runs: Vec<Run>,
}

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    print_machine(&folder);
    let million = People::prepare(&folder, 1_000_000);
    let thousand = People::prepare(&folder, 1_000);
    let mut contenders = vec![
        contender("rlm_always", start(always(), &folder, None), |_, n| {
            (people::hotp_user(n % 1000), "123456".into())
        }),
        contender("rlm_totp (stock, no replay protection)", start(totp(), &folder, None), |_, n| {
            (people::hotp_user(n % 1000), oath::hotp(oath::Hash::Sha1, &secret(0), oath::step(), 6))
        }),
        contender("mfa hotp, 1,000 users", start(module(), &folder, Some(&thousand)), |round, n| {
            let (user, counter) = (n % 500, n / 500 + round * LOGINS / 500);
            (people::hotp_user(user), people::hotp_code(user, counter as u64))
        }),
        contender("mfa hotp, 1,000,000 users", start(module(), &folder, Some(&million)), |round, n| {
            let user = scatter(round * LOGINS + n);
            (people::hotp_user(user), people::hotp_code(user, 0))
        }),
        contender("mfa totp, 1,000,000 users", start(module(), &folder, Some(&million)), |round, n| {
            let user = scatter(round * LOGINS + n);
            (people::totp_user(user), people::totp_code(user, oath::step()))
        }),
    ];
    // `cargo bench --bench logins -- WORD` keeps to contenders of that name, beside the first.
    if let Some(word) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        let names = |contender: &Contender| contender.name.contains(&word);
        contenders =
            contenders.into_iter().enumerate().filter(|(n, c)| *n == 0 || names(c)).map(|(_, c)| c).collect();
    }
    println!("\n{LOGINS} logins a round, {ROUNDS} rounds in turns, {} outstanding\n", load::OUTSTANDING);
    for round in 0..ROUNDS {
        for contender in &mut contenders {
            let packets: Vec<Vec<u8>> = (0..LOGINS)
                .map(|n| {
                    let (user, code) = (contender.login)(round, n);
                    Packet::pap((round * LOGINS + n) as u64, user.as_bytes(), code.as_bytes()).finish()
                })
                .collect();
            print!(".");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            let run = load::run(contender.server.port, &packets);
            // One code in a million equals one that was used shortly before, and is refused for it.
            let short = LOGINS - run.accepted;
            assert!(short < 5, "{}: {short} right logins refused", contender.name);
            contender.runs.push(run);
        }
    }
    println!();
    print_table(&contenders);
    drop(contenders);
    refusals::measure(&folder);
}

fn contender(name: &'static str, server: Server, login: fn(usize, usize) -> (String, String)) -> Contender {
    Contender { name, server, login, runs: Vec::new() }
}

/// A different user each time, all over the table: 7,919 is prime to half a million.
fn scatter(n: usize) -> usize {
    n * 7_919 % 500_000
}

/// Starts a site on the disk, with a copy of that store.
fn start(site: Site, folder: &Path, people: Option<&People>) -> Server {
    let home = tempfile::tempdir_in(folder).unwrap();
    let mut server = Server::prepare_in(site, home);
    match people {
        Some(people) => people.copy_to(&server.store),
        None => std::fs::remove_file(server.folder.join("mods-enabled/mfa")).unwrap(),
    }
    server.up().unwrap_or_else(|refused| panic!("the server does not start:\n{}", refused.0));
    server
}

fn module() -> Site {
    let mut site = Site::passcode();
    site.authorize = "mfa".into();
    site.authenticate = "Auth-Type mfa {\nmfa\n}".into();
    site
}

fn always() -> Site {
    let mut site = module();
    site.authorize = "update control {\nAuth-Type := Stand-In\n}".into();
    site.authenticate = "Auth-Type Stand-In {\nok\n}".into();
    site.post_auth = "ok".into();
    site
}

fn totp() -> Site {
    let mut site = module();
    site.modules = "totp {\n}".into();
    site.authorize = format!(
        "update control {{\nAuth-Type := Stand-In\nTOTP-Secret := \"{}\"\n}}\n\
         update request {{\nTOTP-Password := \"%{{User-Password}}\"\n}}",
        oath::base32(&secret(0))
    );
    site.authenticate = "Auth-Type Stand-In {\ntotp\n}".into();
    site.post_auth = "ok".into();
    site
}

/// What the server holds in memory after all rounds, in MB.
fn memory(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// What the figures were taken on.
fn print_machine(folder: &Path) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let sync = sync_time(folder);
    println!("{cores} cores, shared by server and load generator; {}", filesystem(folder));
    println!(
        "fdatasync of 4 KiB there: median {:.2} ms, p99 {:.2} ms",
        sync[sync.len() / 2],
        sync[sync.len() * 99 / 100]
    );
}

/// How long a durable write of one page takes, in milliseconds, sorted.
fn sync_time(folder: &Path) -> Vec<f64> {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[7; 4096]).unwrap();
            let start = Instant::now();
            file.sync_data().unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn filesystem(folder: &Path) -> String {
    let output =
        std::process::Command::new("df").args(["--output=fstype,source"]).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().nth(1).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" on ");
    assert!(!line.starts_with("tmpfs"), "{} is not a disk: syncs cost nothing there", folder.display());
    format!("stores on {line}")
}

fn print_table(contenders: &[Contender]) {
    let rate = |c: &Contender| median(c.runs.iter().map(|run| run.per_second));
    let base = rate(&contenders[0]);
    println!("{:<40} {:>10} {:>8} {:>9} {:>9} {:>8}", "", "logins/s", "ratio", "median ms", "p99 ms", "MB");
    for contender in contenders {
        println!(
            "{:<40} {:>10.0} {:>8.2} {:>9.2} {:>9.2} {:>8.0}",
            contender.name,
            rate(contender),
            rate(contender) / base,
            median(contender.runs.iter().map(|run| run.delay(0.5))),
            median(contender.runs.iter().map(|run| run.delay(0.99))),
            memory(&contender.server),
        );
    }
    if contenders.len() < 5 {
        return;
    }
    println!(
        "\na login among 1,000,000 users costs {:.2} times one among 1,000 (target: at most 1.2)",
        rate(&contenders[2]) / rate(&contenders[3])
    );
    println!("passcode logins reach {:.2} of rlm_always (target: 0.9)", rate(&contenders[4]) / base);
}
