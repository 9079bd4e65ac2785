//! A site as a running server, and the `mfa` command beside it.

use super::site::Site;
use super::{SOON, oath, process};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs. Stopped and removed when it is dropped; its log is printed if a test failed meanwhile.
pub struct Server {
    pub site: Site,
    pub port: u16,
    /// The raddb folder.
    pub folder: PathBuf,
    /// Where database and key are.
    pub store: PathBuf,
    child: Option<Child>,
    // Removed last.
    _home: tempfile::TempDir,
}

/// What a server that would not start said.
#[derive(Debug)]
pub struct Refused(pub String);

impl Server {
    /// A new store and the site on it.
    pub fn start(site: Site) -> Self {
        let mut server = Self::prepare(site);
        let init = server.mfa(&["init"]);
        assert!(init.ok, "mfa init: {}", init.text);
        server.up().unwrap_or_else(|Refused(log)| panic!("the server does not start:\n{log}"));
        server
    }

    /// The folder with the configuration; no store, nothing started.
    pub fn prepare(site: Site) -> Self {
        Self::prepare_in(site, tempfile::tempdir().unwrap())
    }

    /// The same in a folder of the caller's choice.
    pub fn prepare_in(site: Site, home: tempfile::TempDir) -> Self {
        let (folder, store) = (home.path().join("raddb"), home.path().join("store"));
        let port = free_port();
        site.write(&folder, port, &store);
        Self { site, port, folder, store, child: None, _home: home }
    }

    /// Another server of the same site on the same store.
    pub fn twin(&self) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (folder, port) = (home.path().join("raddb"), free_port());
        self.site.write(&folder, port, &self.store);
        let (site, store) = (self.site.clone(), self.store.clone());
        let mut twin = Self { site, port, folder, store, child: None, _home: home };
        twin.up().unwrap_or_else(|Refused(log)| panic!("the server does not start:\n{log}"));
        twin
    }

    /// Starts it and waits until it accepts requests; on another port if this one was taken meanwhile.
    pub fn up(&mut self) -> Result<(), Refused> {
        assert!(self.child.is_none(), "it runs already");
        for _ in 0..5 {
            match self.launch() {
                Err(Refused(log)) if log.contains("Address already in use") => {
                    self.port = free_port();
                    self.site.write(&self.folder, self.port, &self.store);
                }
                result => return result,
            }
        }
        Err(Refused("no free port".into()))
    }

    fn launch(&mut self) -> Result<(), Refused> {
        let before = self.log().len();
        let mut command = Command::new(process::radiusd());
        command.args(["-f", "-d"]).arg(&self.folder).args(&self.site.arguments);
        let output =
            std::fs::File::options().create(true).append(true).open(self.folder.join("output")).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < SOON {
            let log = self.log();
            if log.get(before..).is_some_and(|new| new.contains("Ready to process requests")) {
                self.child = Some(child);
                return Ok(());
            }
            if child.try_wait().unwrap().is_some() {
                let new = self.log().get(before..).unwrap_or_default().to_owned();
                return Err(Refused(new + &process::text(&self.folder.join("output"))));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        process::signal(child.id(), "KILL");
        let _ = child.wait();
        Err(Refused(format!("not ready within {SOON:?}\n{}", self.log())))
    }

    /// Asks it to end, and makes it if it does not. `true` if it ended by itself.
    pub fn down(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        process::signal(child.id(), "TERM");
        let willing = process::ended(&mut child, SOON);
        if !willing {
            process::signal(child.id(), "KILL");
            let _ = child.wait();
        }
        willing
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        if let Some(mut child) = self.child.take()
            && child.try_wait().unwrap().is_none()
        {
            process::signal(child.id(), "KILL");
            let _ = child.wait();
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it still runs.
    pub fn is_up(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// `radiusd -XC`: whether the configuration is good, and what it said.
    pub fn check(&self) -> Ran {
        let mut command = Command::new(process::radiusd());
        Ran::new(command.args(["-XC", "-d"]).arg(&self.folder), "")
    }

    /// `address:port`, as radclient takes it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        process::text(&self.log_file())
    }

    /// With `-X` the server logs to its standard output.
    fn log_file(&self) -> PathBuf {
        let debug = self.site.arguments.iter().any(|argument| argument.starts_with("-X"));
        self.folder.join(if debug { "output" } else { "radius.log" })
    }

    /// Waits until its log holds `text`.
    pub fn logged(&self, text: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < SOON {
            if self.log().contains(text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// `mfa -d RADDB ARGUMENTS`.
    pub fn mfa(&self, arguments: &[&str]) -> Ran {
        self.mfa_with(arguments, "")
    }

    /// The same with something on its standard input.
    pub fn mfa_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(crate::build_folder().join("mfa"));
        Ran::new(command.arg("-d").arg(&self.folder).args(arguments), input)
    }

    /// The same, which must succeed; its standard output.
    pub fn admin(&self, arguments: &[&str]) -> String {
        let ran = self.mfa(arguments);
        assert!(ran.ok, "mfa {arguments:?}: {}", ran.text);
        ran.out
    }

    /// The last recorded attempts of a user: verdict and reason, oldest first.
    pub fn audit(&self, user: &str) -> Vec<(String, String)> {
        self.audited(&["--user", user])
    }

    /// The last recorded attempts that these arguments ask for.
    pub fn audited(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let text = self.admin(&[&["audit", "--json"], arguments].concat());
        let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        // A list, or one object a line: both are read.
        serde_json::Deserializer::from_str(&text)
            .into_iter::<serde_json::Value>()
            .flat_map(|value| match value.expect("JSON") {
                serde_json::Value::Array(rows) => rows,
                row => vec![row],
            })
            .map(|row| (word(&row, "result"), word(&row, "reason")))
            .collect()
    }

    /// Adds a user with a HOTP token, and hands over what its codes are computed from.
    pub fn enrol(&self, user: &str) -> Token {
        // FNV-1a of the name, then a linear congruential generator: no two users have one secret.
        let hash = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        let mut state = user.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        let secret: [u8; 20] = std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        self.enrol_with(user, "hotp", &secret, &[])
    }

    /// Adds a user with a token of that kind, secret and options.
    pub fn enrol_with(&self, user: &str, kind: &str, secret: &[u8], options: &[&str]) -> Token {
        self.admin(&["user", "add", user]);
        self.add_token(user, kind, secret, options)
    }

    /// Adds a user with a HOTP token behind a PIN.
    pub fn enrol_with_pin(&self, user: &str, secret: &[u8], pin: &str) -> Token {
        self.admin(&["user", "add", user]);
        let text = oath::base32(secret);
        let arguments = ["token", "add", user, "hotp", "--secret", &text, "--pin-file", "-"];
        let ran = self.mfa_with(&arguments, pin);
        assert!(ran.ok, "mfa {arguments:?}: {}", ran.text);
        Token { secret: secret.to_vec() }
    }

    /// New recovery codes of a user, as they are shown.
    pub fn recovery(&self, user: &str) -> Vec<String> {
        let text = self.admin(&["recovery", user]);
        let is_code = |word: &&str| word.len() == 14 && word.split('-').all(|group| group.len() == 4);
        let codes: Vec<String> = text.split_whitespace().filter(is_code).map(str::to_owned).collect();
        assert!(!codes.is_empty(), "no recovery codes in: {text}");
        codes
    }

    /// Adds a token to a user.
    pub fn add_token(&self, user: &str, kind: &str, secret: &[u8], options: &[&str]) -> Token {
        let text = oath::base32(secret);
        let mut arguments = vec!["token", "add", user, kind, "--secret", &text];
        arguments.extend(options);
        self.admin(&arguments);
        Token { secret: secret.to_vec() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let (log, output) = (self.log(), process::text(&self.folder.join("output")));
            let tail = |text: &str| {
                text.lines()
                    .rev()
                    .take(120)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            eprintln!("--- {} ---\n{}\n{}\n---", self.folder.display(), tail(&log), tail(&output));
        }
    }
}

/// A program that ran to its end.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard output and error.
    pub text: String,
}

impl Ran {
    fn new(command: &mut Command, input: &str) -> Self {
        let output = process::run(command, input);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Self { ok: output.status.success(), code: output.status.code(), out, text: process::both(&output) }
    }
}

/// What an authenticator knows.
#[derive(Clone, Debug)]
pub struct Token {
    pub secret: Vec<u8>,
}

impl Token {
    /// The code of a counter, SHA-1 and six digits.
    pub fn code(&self, counter: u64) -> String {
        oath::hotp(oath::Hash::Sha1, &self.secret, counter, 6)
    }

    /// The code of the time step that lies so many steps from now.
    pub fn now(&self, steps: i64) -> String {
        self.code(oath::step().checked_add_signed(steps).unwrap())
    }
}

/// Two unused ports in a row: authentication and accounting.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        if let Some(next) = port.checked_add(1)
            && UdpSocket::bind(("127.0.0.1", next)).is_ok()
        {
            return port;
        }
    }
}

/// Names, lengths and times of all files below a folder: to see whether anything was touched.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let data = entry.metadata().unwrap();
            rows.push(format!("{} {} {:?}", entry.path().display(), data.len(), data.modified().unwrap()));
            if data.is_dir() {
                open.push(entry.path());
            }
        }
    }
    rows.sort();
    rows
}
