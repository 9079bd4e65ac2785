//! A configuration folder with a store, and the command run on it.

use rlm_mfa::app::App;
use rlm_mfa::config::{self, Config};
use rlm_mfa::engine::port::{EnrolledToken, Store};
use rlm_mfa::engine::{
    AttemptSource, Decision, LoginAttempt, LoginRequest, PasswordStatus, Step, SubmittedPassword,
};
use rlm_mfa::factor::passcode_at;
use rlm_mfa::store::SqliteStore;
use rlm_mfa::types::{Factor, Mode, OathParameters, OtpAuth, Secret, Timestamp, TokenId, UserName};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

/// A base32 secret, and a second one.
pub const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

pub struct Site {
    folder: tempfile::TempDir,
}

/// What a run of the command came to.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// It worked; what it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.out
    }

    /// It ended with this status, printed nothing, and said what is wrong, a line for each thing; those lines.
    #[track_caller]
    pub fn refused(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert!(status == 1 || self.out.is_empty(), "{self:?}");
        assert!(self.err.lines().all(|line| line.starts_with("mfa: ")), "{self:?}");
        self.err
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Site {
    /// Configured and enabled, without a store.
    pub fn bare() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.write("radiusd.conf", "modules {\n\t$INCLUDE mods-enabled/\n}\n");
        site.configure("");
        site
    }

    /// With a store.
    pub fn new() -> Self {
        let site = Self::bare();
        site.mfa(["init"]).ok();
        site
    }

    /// With a store and the user alice.
    pub fn with_alice() -> Self {
        let site = Self::new();
        site.mfa(["user", "add", "alice"]).ok();
        site
    }

    /// Writes `mods-enabled/mfa` with these further options.
    pub fn configure(&self, options: &str) {
        let store = format!(
            "store {{\n\t\tfilename = {}\n\t\tkey_file = {}\n\t}}",
            self.database().display(),
            self.key().display()
        );
        self.write("mods-enabled/mfa", &format!("mfa {{\n\t{store}\n{options}}}\n"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("lib/mfa.db")
    }

    pub fn key(&self) -> PathBuf {
        self.path("lib/mfa.key")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The command, not yet run.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mfa"));
        command.arg("-d").arg(self.folder.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn mfa<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        outcome(self.command(arguments))
    }

    /// With this on the standard input.
    pub fn mfa_with<A: AsRef<OsStr>>(&self, input: &str, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        finished(child.wait_with_output().unwrap())
    }

    pub fn config(&self) -> Config {
        let server = config::read_server(&self.path("radiusd.conf"), &|_| None).unwrap();
        Config::read(config::instance_names(&server)[0]).unwrap()
    }

    /// The user's password hash, as stored.
    pub fn password(&self, user: &str) -> Option<String> {
        let store = SqliteStore::open(&self.config().store).unwrap();
        let mut asked = store.find_password_hash(&UserName::from_canonical(user));
        match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(hash) => hash.unwrap(),
            Poll::Pending => panic!("the store answers at once"),
        }
    }

    /// A login from a client, as the module would have it decided.
    pub fn login(&self, user: &str, code: &str) -> Decision {
        let app = App::open(Arc::new(self.config()), 4, Box::new(|_| ())).unwrap();
        let request = LoginRequest {
            at: now(),
            user: user.into(),
            source: AttemptSource {
                client: "192.0.2.1".into(),
                calling_station: "02-00-00-00-00-01\u{1b}[2J".into(),
                request: Some(7),
            },
            ..LoginRequest::default()
        };
        let password = SubmittedPassword::Plain(Secret::new(code));
        let attempt = LoginAttempt::new(request, Mode::Passcode, PasswordStatus::NotRequired, password);
        match app.start_here(attempt) {
            Step::Decided(decision) => *decision,
            Step::Ask(_) => panic!("nobody is asked here"),
        }
    }
}

fn outcome(mut command: Command) -> Outcome {
    finished(command.output().unwrap())
}

fn finished(output: std::process::Output) -> Outcome {
    Outcome {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The time step of now.
pub fn step() -> i64 {
    (now().as_seconds() / 30).try_into().unwrap()
}

/// The code of an app that has read this URI, at a time step or counter.
pub fn code(uri: &str, step: i64) -> String {
    let uri = OtpAuth::parse(uri).unwrap();
    let token = EnrolledToken {
        id: TokenId(0),
        serial: String::new(),
        factor: if matches!(uri.oath, OathParameters::Totp(_)) { Factor::Totp } else { Factor::Hotp },
        algorithm: uri.algorithm,
        digits: uri.digits,
        period: Default::default(),
        secret: uri.secret,
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        sent: Vec::new(),
        created: Timestamp::default(),
    };
    passcode_at(&token, step)
}

/// The otpauth URI in what was printed.
pub fn uri_in(printed: &str) -> String {
    let line = printed.lines().find(|line| line.starts_with("otpauth://"));
    line.unwrap_or_else(|| panic!("no URI: {printed}")).to_owned()
}

/// A QR code read back from a PNG file.
pub fn read_qr(path: &Path) -> String {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    let grey = |x: usize, y: usize| pixels[y * width + x];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    image.detect_grids()[0].decode().unwrap().1
}
