//! `make bench`: logins whose password a directory checks, side by side with FreeRADIUS's own `rlm_ldap`.
//!
//! Throughput: password and code in one field, against the password alone by `rlm_ldap`, and against the password by `rlm_ldap` and
//! the code by this module, same place, same slapd, same transport, rounds in turns. Slow: 500 logins at once at a directory that takes 2 s for each bind, while others log in with codes alone.
//! Fail-over: 200 logins a second while the first of two directories is killed, or hangs. slapd, server and load generator share
//! the machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails may panic"
)]

mod directory;
#[path = "../waits/fleet.rs"]
mod fleet;
#[allow(dead_code, reason = "the other benchmark needs more of it")]
#[path = "../logins/load.rs"]
mod load;
#[allow(dead_code, reason = "as above")]
#[path = "../logins/people.rs"]
mod people;
mod slow;

use directory::{Groups, Transport, code, password};
use fleet::{Arrival, Trip};
use harness::slapd::{SERVICE, Slapd};
use harness::wire::Packet;
use harness::{Code, Server, Site};
use load::{Run, median};
use mfa_harness as harness;
use people::{People, hotp_user, secret};
use rlm_mfa::store::SqliteStore;
use rlm_mfa::types::Factor;
use std::path::Path;
use std::time::{Duration, Instant};

/// Users in the directory, with a token each: so many that none logs in again while their last login may still wait.
const USERS: usize = 1_500;
/// Of each group.
const MEMBERS: usize = 50;
/// Logins of one contender in one round, and rounds.
const LOGINS: usize = 5_000;
const ROUNDS: usize = 9;
/// What a bind takes at the slow directory, and logins there at once.
const TAKES: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 500;
/// Logins of others beside them, a second, and who they are.
const OTHERS: usize = 100;
const STRANGERS: usize = 300;
/// Logins a second while a directory fails.
const STEADY: usize = 200;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |word: &str| words.is_empty() || words.iter().any(|wanted| wanted == word);
    println!(
        "{} cores, shared by server, slapd and load generator",
        std::thread::available_parallelism().unwrap()
    );
    let people = People::prepare(&folder, 2 * USERS);
    let mut slapd = directory::start();
    for (word, transport) in [("clear", Transport::Clear), ("ldaps", Transport::Ldaps)] {
        if wants(word) || wants("throughput") {
            throughput(&slapd, transport, &folder, &people);
        }
    }
    if wants("slow") {
        slow_directory(&slapd, &folder, &people);
    }
    for (word, way) in [("killed", Way::Killed), ("hangs", Way::Hangs)] {
        if wants(word) || wants("failover") {
            fail_over(&mut slapd, way, &folder, &people);
        }
    }
}

/// Starts a site on the disk, with a copy of that store if it has the module.
fn start(site: Site, folder: &Path, people: Option<&People>) -> Server {
    let mut server = Server::prepare_in(site, tempfile::tempdir_in(folder).unwrap());
    match people {
        Some(people) => {
            people.copy_to(&server.store);
            let store = SqliteStore::open(&people::store(&server.store)).unwrap();
            (0..STRANGERS).for_each(|n| people::add(&store, &stranger(n), Some((Factor::Hotp, secret(n)))));
            store.close();
        }
        None => std::fs::remove_file(server.folder.join("mods-enabled/mfa")).unwrap(),
    }
    server.up().unwrap_or_else(|refused| panic!("the server does not start:\n{}", refused.0));
    server
}

/// Who is in no directory, and logs in with a code alone.
fn stranger(n: usize) -> String {
    format!("other{n}")
}

/// A configuration under load.
struct Contender {
    name: &'static str,
    server: Server,
    has_code: bool,
    runs: Vec<Run>,
    /// Processor time of the server and of slapd, in seconds.
    work: [f64; 2],
}

fn throughput(slapd: &Slapd, transport: Transport, folder: &Path, people: &People) {
    let (port, shown) = match transport {
        Transport::Clear => (slapd.port, "without TLS"),
        Transport::Ldaps => (slapd.tls_port, "LDAPS"),
    };
    let three = |groups| {
        let contender = |name, site, has_code: bool| {
            let server = start(site, folder, has_code.then_some(people));
            Contender { name, server, has_code, runs: Vec::new(), work: [0.0; 2] }
        };
        let with_mfa = directory::rlm_ldap_and_module(slapd, transport, groups, port);
        let own = directory::module(slapd, transport, groups, &["127.0.0.1"], port);
        [
            contender("rlm_ldap", directory::rlm_ldap(slapd, transport, groups, port), false),
            contender("rlm_ldap, mfa for the code", with_mfa, true),
            contender("mfa for both", own, true),
        ]
    };
    let kinds = [("no groups", Groups::None), ("direct groups", Groups::Direct)];
    let mut contenders: Vec<_> = kinds.iter().flat_map(|(_, groups)| three(*groups)).collect();
    println!(
        "\n{shown}: {LOGINS} logins a round, {ROUNDS} rounds in turns, {} outstanding\n",
        load::OUTSTANDING
    );
    for round in 0..ROUNDS {
        for contender in &mut contenders {
            let packets: Vec<Vec<u8>> = (0..LOGINS)
                .map(|n| {
                    let n = round * LOGINS + n;
                    let (user, counter) = (n % USERS, n / USERS);
                    let code = if contender.has_code { code(user, counter) } else { String::new() };
                    let field = password(user) + &code;
                    Packet::pap(n as u64, hotp_user(user).as_bytes(), field.as_bytes()).finish()
                })
                .collect();
            print!(".");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            let before = [contender.server.id(), slapd.id()].map(work);
            let run = load::run(contender.server.port, &packets);
            let after = [contender.server.id(), slapd.id()].map(work);
            (0..2).for_each(|who| contender.work[who] += after[who] - before[who]);
            assert!(LOGINS - run.accepted < 5, "{}: {} accepted", contender.name, run.accepted);
            contender.runs.push(run);
        }
    }
    println!();
    for ((kind, _), three) in kinds.iter().zip(contenders.chunks(3)) {
        println!(
            "{kind:<28} {:>8} {:>13} {:>11} {:>9} {:>7} {:>9} {:>8}",
            "logins/s", "to rlm_ldap", "to both", "median ms", "p99 ms", "server us", "slapd us"
        );
        for contender in three {
            // Of rounds side by side: the machine is not the same all the time.
            let ratio = |to: &Contender| {
                median(
                    contender.runs.iter().zip(&to.runs).map(|(own, other)| own.per_second / other.per_second),
                )
            };
            println!(
                "{:<28} {:>8.0} {:>13.2} {:>11.2} {:>9.2} {:>7.2} {:>9.0} {:>8.0}",
                contender.name,
                median(contender.runs.iter().map(|run| run.per_second)),
                ratio(&three[0]),
                ratio(&three[1]),
                median(contender.runs.iter().map(|run| run.delay(0.5))),
                median(contender.runs.iter().map(|run| run.delay(0.99))),
                contender.work[0] * 1e6 / (LOGINS * ROUNDS) as f64,
                contender.work[1] * 1e6 / (LOGINS * ROUNDS) as f64,
            );
        }
    }
}

/// What a process has had of the processors, in seconds.
fn work(id: u32) -> f64 {
    let told = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = told.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
    // Linux counts 100 a second, whatever it does itself.
    ticks.sum::<f64>() / 100.0
}

/// 500 at once at a directory that is slow, and the others.
fn slow_directory(slapd: &Slapd, folder: &Path, people: &People) {
    let port = slow::open(slapd.port, SERVICE.0, TAKES);
    println!(
        "\n{AT_ONCE} logins at once, {} s for each bind; others log in with codes, {OTHERS} a second",
        TAKES.as_secs()
    );
    let others = "if (&User-Name =~ /^other/) {\nupdate control {\n";
    let module = directory::module(slapd, Transport::Clear, Groups::None, &["127.0.0.1"], port)
        .first(&format!("{others}MFA-Mode := passcode\n}}\n}}"));
    slow_contender("mfa", start(module, folder, Some(people)), true);
    let mut rlm_ldap = directory::rlm_ldap(slapd, Transport::Clear, Groups::None, port);
    rlm_ldap.authorize =
        format!("{others}Auth-Type := Stand-In\n}}\n}}\nelse {{\n{}\n}}", rlm_ldap.authorize);
    slow_contender("rlm_ldap", start(rlm_ldap, folder, None), false);
}

fn slow_contender(name: &str, server: Server, has_code: bool) {
    let length = Duration::from_secs(12);
    let count = OTHERS * usize::try_from(length.as_secs()).unwrap();
    let others = |round: usize| -> Vec<Trip> {
        let trip = |n: usize| {
            let counter = (round * count + n) / STRANGERS;
            Trip {
                at: Duration::from_secs_f64(n as f64 / OTHERS as f64),
                packet: fleet::packet(n, &stranger(n % STRANGERS), &code(n % STRANGERS, counter)),
            }
        };
        (0..count).map(trip).collect()
    };
    // A packet that is lost, as some of so many at once are, comes again, twice before its user's next code.
    let again = Duration::from_secs(1);
    let patience = Duration::from_secs(60);
    println!("  {name}");
    let idle = fleet::run(server.port, &others(0), again, patience);
    Delays::of(&idle).print("others alone");
    let port = server.port;
    let trips = others(1);
    let meanwhile = std::thread::spawn(move || fleet::run(port, &trips, again, patience));
    std::thread::sleep(Duration::from_secs(1));
    let trips: Vec<Trip> = (0..AT_ONCE)
        .map(|n| {
            let field = password(n % USERS) + &if has_code { code(n % USERS, 0) } else { String::new() };
            Trip { at: Duration::ZERO, packet: fleet::packet(n, &hotp_user(n % USERS), &field) }
        })
        .collect();
    let slow = fleet::run(port, &trips, 2 * again, patience);
    Delays::of(&meanwhile.join().unwrap()).print("others meanwhile");
    Delays::of(&slow).print("at the directory");
    print_refusals(&server);
}

/// What the server's log says of those who were not let in.
fn print_refusals(server: &Server) {
    let log = server.log();
    let refused =
        |line: &&str| [": reject: ", ": unavailable: "].iter().any(|verdict| line.contains(verdict));
    log.lines().filter(refused).take(5).for_each(|line| println!("    {line}"));
}

/// What happens to the first of two directories.
#[derive(Clone, Copy)]
enum Way {
    Killed,
    Hangs,
}

/// 200 logins a second, of which none may be lost.
fn fail_over(slapd: &mut Slapd, way: Way, folder: &Path, people: &People) {
    let mut twin = slapd.twin();
    directory::fill(&mut twin);
    let hosts = ["127.0.0.1", "127.0.0.2"];
    let site = directory::module(slapd, Transport::Ldaps, Groups::None, &hosts, slapd.tls_port);
    let server = start(site, folder, Some(people));
    let parts = [Duration::from_secs(5), Duration::from_secs(8), Duration::from_secs(10)];
    let count = STEADY * usize::try_from(parts.iter().sum::<Duration>().as_secs()).unwrap();
    let trips: Vec<Trip> = (0..count)
        .map(|n| Trip {
            at: Duration::from_secs_f64(n as f64 / STEADY as f64),
            packet: fleet::packet(
                n,
                &hotp_user(n % USERS),
                &(password(n % USERS) + &code(n % USERS, n / USERS)),
            ),
        })
        .collect();
    let port = server.port;
    let start = Instant::now();
    let sent = std::thread::spawn(move || {
        fleet::run(port, &trips, Duration::from_secs(10), Duration::from_secs(30))
    });
    // A moment later, so that no login of the first part is still under way.
    let late = Duration::from_millis(300);
    std::thread::sleep((parts[0] + late).saturating_sub(start.elapsed()));
    match way {
        Way::Killed => slapd.kill(),
        Way::Hangs => slapd.hang(),
    }
    std::thread::sleep((parts[0] + parts[1] + late).saturating_sub(start.elapsed()));
    match way {
        Way::Killed => slapd.restart(),
        Way::Hangs => slapd.go_on(),
    }
    let arrivals = sent.join().unwrap();
    let (what, back) = match way {
        Way::Killed => ("killed", "restarted"),
        Way::Hangs => ("stopped with SIGSTOP", "let go on"),
    };
    println!(
        "\n{STEADY} logins/s, LDAPS, two directories, the first {what} after {} s and {back} {} s later",
        parts[0].as_secs(),
        parts[1].as_secs()
    );
    let mut rest = &arrivals[..];
    for (name, part) in ["before", "while it is away", "afterwards"].iter().zip(parts) {
        let (own, others) = rest.split_at(STEADY * usize::try_from(part.as_secs()).unwrap());
        Delays::of(own).print(name);
        rest = others;
    }
    print_refusals(&server);
}

/// Milliseconds.
struct Delays {
    sent: usize,
    /// Of those who were accepted, sorted.
    delays: Vec<f64>,
    refused: usize,
}

impl Delays {
    fn of(arrivals: &[Option<Arrival>]) -> Self {
        let accepted = arrivals.iter().flatten().filter(|arrival| arrival.code == Code::Accept);
        let mut delays: Vec<f64> = accepted
            .map(|arrival| arrival.answered.duration_since(arrival.sent).as_secs_f64() * 1e3)
            .collect();
        delays.sort_by(f64::total_cmp);
        let refused = arrivals.iter().flatten().count() - delays.len();
        Self { sent: arrivals.len(), delays, refused }
    }

    fn share(&self, share: f64) -> f64 {
        let at = ((self.delays.len() as f64 * share) as usize).min(self.delays.len().saturating_sub(1));
        self.delays.get(at).copied().unwrap_or(f64::NAN)
    }

    fn print(&self, name: &str) {
        println!(
            "    {name:<18} {:>5} of {:>5} accepted, {} refused; ms: median {:.2}, p99 {:.2}, longest {:.2}",
            self.delays.len(),
            self.sent,
            self.refused,
            self.share(0.5),
            self.share(0.99),
            self.share(1.0),
        );
    }
}
