//! `make bench`: logins that wait for their users, thousands at once in one server with its default threads, while others log in
//! with passcodes.
//!
//! Others alone, 100 passcode logins a second; the same while 10,000 users take 50 s to say yes; the same load where waits block
//! a thread, as far as that goes; and 100,000 waits one after the other, for what they leave behind. Load generator, webhook and
//! server share the machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails may panic"
)]

mod fleet;
mod webhook;

use fleet::{Arrival, Trip};
use harness::wire::Packet;
use harness::{Code, Server, Site, oath};
use mfa_harness as harness;
use std::path::Path;
use std::time::Duration;
use webhook::Webhook;

/// Passcode logins a second beside the waits.
const OTHERS: usize = 100;
/// Users with tokens, who log in in turns: so many that a packet which is lost and sent again comes before the same user's next
/// code.
const USERS: usize = 600;
/// How long a user takes.
const TAKES: Duration = Duration::from_secs(50);
/// New waits a second while they come in.
const COMING: f64 = 1000.0;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-waits");
    std::fs::create_dir_all(&folder).unwrap();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |word: &str| words.is_empty() || words.iter().any(|wanted| word.contains(wanted.as_str()));
    let webhook = Webhook::start(&folder);
    println!(
        "{} cores, shared by server, webhook and load generator",
        std::thread::available_parallelism().unwrap()
    );

    let mut bench = Bench::start(&webhook, &folder, true);
    if wants("others") || wants("parked") || wants("more") {
        let alone = bench.others(Duration::from_secs(30)).join().unwrap();
        let idle = Delays::of(&alone);
        println!("\n{:<28} {:>9} {:>9} {:>9}", "passcode logins, 100/s", "median ms", "p99 ms", "refused");
        println!("{:<28} {:>9.2} {:>9.2} {:>9}", "alone", idle.median, idle.p99, idle.refused);
        if wants("parked") {
            bench.parked(10_000, &webhook, &idle);
        }
        // How far it goes; not part of the whole.
        if words.iter().any(|word| word == "more") {
            bench.parked(40_000, &webhook, &idle);
        }
    }
    if wants("sequence") {
        bench.sequence(&webhook);
    }
    drop(bench);
    if wants("blocking") {
        let mut bench = Bench::start(&webhook, &folder, false);
        bench.blocking(&webhook);
    }
}

/// A server with its users.
struct Bench {
    server: Server,
    /// The next code of each user.
    counter: usize,
    /// So that no user is asked twice.
    waited: usize,
}

impl Bench {
    fn start(webhook: &Webhook, folder: &Path, proxies: bool) -> Self {
        let options = webhook.options();
        let mut site = Site::passcode().with(&format!(
            "push {{\n{options}\nlimit = 55\nper_hour_unproven = 1000\n}}\nhotp {{\nlook_ahead = 100\n}}"
        ));
        site.authenticate = "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nmfa\nchap\nmfa\n}".into();
        site.authorize = "mfa\nchap".into();
        site.max_request_time = 120;
        site.max_requests = 200_000;
        site.proxies = proxies;
        let server = Server::prepare_in(site, tempfile::tempdir_in(folder).unwrap());
        let mut server = server;
        assert!(server.mfa(&["init"]).ok);
        for user in 0..USERS {
            server.enrol_with(&format!("other{user}"), "hotp", &secret(user), &[]);
        }
        server.up().unwrap_or_else(|refused| panic!("{}", refused.0));
        Self { server, counter: 0, waited: 0 }
    }

    /// Others log in with passcodes, for so long, on a thread of their own.
    fn others(&mut self, length: Duration) -> std::thread::JoinHandle<Vec<Option<Arrival>>> {
        let count = usize::try_from(length.as_secs()).unwrap() * OTHERS;
        let trips: Vec<Trip> = (0..count)
            .map(|n| {
                let (user, counter) = (n % USERS, self.counter + n / USERS);
                let code = oath::hotp(oath::Hash::Sha1, &secret(user), counter as u64, 6);
                let at = Duration::from_secs_f64(n as f64 / OTHERS as f64);
                Trip { at, packet: fleet::packet(n, &format!("other{user}"), &code) }
            })
            .collect();
        self.counter += count / USERS;
        let port = self.server.port;
        std::thread::spawn(move || fleet::run(port, &trips, Duration::from_secs(3), Duration::from_secs(10)))
    }

    /// So many wait at once, each for 50 s.
    fn parked(&mut self, waits: usize, webhook: &Webhook, idle: &Delays) {
        webhook.say_yes_after(TAKES);
        let (before, asked) = (memory(&self.server), webhook.asked());
        let first = self.waited;
        self.waited += waits;
        // More come in the same time, so that all of them are there at once.
        let coming = COMING.max(waits as f64 / 30.0);
        let trips: Vec<Trip> = (0..waits)
            .map(|n| Trip {
                at: Duration::from_secs_f64(n as f64 / coming),
                packet: fleet::packet(n, &format!("user{}", first + n), "push"),
            })
            .collect();
        let whole = Duration::from_secs_f64(waits as f64 / coming) + TAKES;
        let others = self.others(whole);
        let port = self.server.port;
        let sent = std::thread::spawn(move || {
            fleet::run(port, &trips, Duration::from_secs(10), TAKES + Duration::from_secs(15))
        });
        std::thread::sleep(whole - TAKES / 4);
        let most = memory(&self.server);
        let arrivals = sent.join().unwrap();
        let others = Delays::of(&others.join().unwrap());
        let mut after: Vec<f64> = arrivals
            .iter()
            .enumerate()
            .filter_map(|(n, arrival)| {
                let arrival = (*arrival)?;
                let approved = webhook.approved(&format!("user{}", first + n))?;
                (arrival.code == Code::Accept)
                    .then(|| arrival.answered.saturating_duration_since(approved).as_secs_f64() * 1e3)
            })
            .collect();
        after.sort_by(f64::total_cmp);
        println!("\n{waits} waits of {} s at once, {:.0} new ones a second", TAKES.as_secs(), coming);
        println!(
            "  accepted                      {} of {waits}, questions at the provider {}",
            after.len(),
            webhook.asked() - asked
        );
        println!(
            "  from approval to accept       median {:.1} ms, p99 {:.1} ms, worst {:.1} ms, later than 100 ms: {}",
            share(&after, 0.5),
            share(&after, 0.99),
            share(&after, 1.0),
            after.iter().filter(|ms| **ms > 100.0).count()
        );
        println!(
            "  others meanwhile              median {:.2} ms, p99 {:.2} ms, refused {}; p99 is {:.2} times that of the idle server",
            others.median,
            others.p99,
            others.refused,
            others.p99 / idle.p99
        );
        print_refusals(&self.server);
        println!(
            "  memory                        {:.1} KB for each wait",
            (most - before) * 1024.0 / waits as f64
        );
    }

    /// The same where a wait keeps its thread: clients that cannot be challenged, a server that does not proxy.
    fn blocking(&mut self, webhook: &Webhook) {
        let takes = Duration::from_secs(5);
        webhook.say_yes_after(takes);
        let idle = Delays::of(&self.others(Duration::from_secs(10)).join().unwrap());
        let trips: Vec<Trip> = (0..100)
            .map(|n| Trip {
                at: Duration::from_millis(10 * n as u64),
                packet: chap(n, &format!("blocked{n}"), "push"),
            })
            .collect();
        let others = self.others(takes);
        let arrivals =
            fleet::run(self.server.port, &trips, Duration::from_secs(20), takes + Duration::from_secs(5));
        let others = Delays::of(&others.join().unwrap());
        let accepted = arrivals.iter().flatten().filter(|arrival| arrival.code == Code::Accept).count();
        println!(
            "\n100 waits of {} s where each keeps a thread (32 threads, a quarter of them may wait)",
            takes.as_secs()
        );
        println!("  accepted                      {accepted}, the others refused as busy");
        println!(
            "  others meanwhile              p99 {:.2} ms, {:.2} times that of the idle server, refused {}",
            others.p99,
            others.p99 / idle.p99,
            others.refused
        );
    }

    /// 100,000 waits, some hundred at a time: what memory does.
    fn sequence(&mut self, webhook: &Webhook) {
        webhook.say_yes_after(Duration::from_millis(50));
        let mut sizes = Vec::new();
        let mut accepted = 0;
        for round in 0..10 {
            let first = self.waited;
            self.waited += 10_000;
            let trips: Vec<Trip> = (0..10_000)
                .map(|n| Trip {
                    at: Duration::from_secs_f64(n as f64 / 1500.0),
                    packet: fleet::packet(n, &format!("user{}", (first + n) % 20_000), "push"),
                })
                .collect();
            let arrivals =
                fleet::run(self.server.port, &trips, Duration::from_secs(5), Duration::from_secs(15));
            accepted += arrivals.iter().flatten().filter(|arrival| arrival.code == Code::Accept).count();
            std::thread::sleep(Duration::from_secs(1));
            sizes.push(memory(&self.server));
            let _ = round;
        }
        println!("\n100,000 waits one after the other, {accepted} accepted");
        let sizes: Vec<String> = sizes.iter().map(|size| format!("{size:.1}")).collect();
        println!("  memory after each 10,000      {} MB", sizes.join(", "));
    }
}

/// Why logins were refused, as the log tells it.
fn print_refusals(server: &Server) {
    let mut reasons = std::collections::BTreeMap::<String, usize>::new();
    let log = server.log();
    let refused = log.lines().filter(|line| line.contains("mfa: ") && !line.contains(": accept: "));
    for line in refused.filter(|line| line.contains("client 127.0.0.1") || line.contains("cancelled")) {
        let words = line.split("mfa: ").nth(1).unwrap_or(line).split(':').skip(1).take(2);
        let reason = words.collect::<Vec<_>>().join(":").replace(", client 127.0.0.1", "");
        *reasons.entry(reason.trim().to_owned()).or_default() += 1;
    }
    println!("  refused                       {reasons:?}");
}

/// Milliseconds.
struct Delays {
    median: f64,
    p99: f64,
    refused: usize,
}

impl Delays {
    fn of(arrivals: &[Option<Arrival>]) -> Self {
        let accepted = arrivals.iter().flatten().filter(|arrival| arrival.code == Code::Accept);
        let mut delays: Vec<f64> = accepted
            .map(|arrival| arrival.answered.duration_since(arrival.sent).as_secs_f64() * 1e3)
            .collect();
        delays.sort_by(f64::total_cmp);
        Self {
            median: share(&delays, 0.5),
            p99: share(&delays, 0.99),
            refused: arrivals.len() - delays.len(),
        }
    }
}

/// The value that this share stays under.
fn share(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn secret(user: usize) -> [u8; 20] {
    std::array::from_fn(|i| (user * 7 + i) as u8)
}

/// CHAP (RFC 2865, section 5.3).
fn chap(index: usize, user: &str, password: &str) -> Packet {
    use md5::{Digest, Md5};
    let authenticator: [u8; 16] = Md5::digest(index.to_be_bytes()).into();
    let digest = Md5::new().chain_update([1]).chain_update(password).chain_update(authenticator).finalize();
    Packet::new((index % 256) as u8, authenticator)
        .with(harness::wire::USER_NAME, user.as_bytes())
        .with(harness::wire::CHAP_PASSWORD, &[&[1], digest.as_slice()].concat())
}

/// What the server holds in memory, in MB.
fn memory(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
