//! `pam_radius_auth`, as Debian packages it, behind `pamtester`: a client that shows prompts at a terminal. PAM reads
//! a folder of the test instead of `/etc/pam.d`, by `libpam_wrapper`.

use super::{SECRET, SOON, Server, process};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where the user sits (PAM_RHOST, sent as Calling-Station-Id).
pub const STATION: &str = "198.51.100.7";
/// What PAM asks for the password with.
pub const PASSWORD_PROMPT: &str = "Password: ";

/// A service of PAM that asks a server.
pub struct Pam(tempfile::TempDir);

impl Pam {
    /// `options` are arguments of `pam_radius_auth`.
    pub fn of(server: &Server, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("server.conf");
        std::fs::write(&conf, format!("{} {SECRET} 20\n", server.address())).unwrap();
        let line = format!("auth required {} conf={} {options}\n", module().display(), conf.display());
        std::fs::write(folder.path().join("vpn"), line).unwrap();
        std::fs::write(folder.path().join("other"), "auth required pam_deny.so\n").unwrap();
        Self(folder)
    }

    /// Starts a login.
    pub fn login(&self, user: &str) -> Terminal {
        let mut child = Command::new("pamtester")
            .args(["-I", &format!("rhost={STATION}"), "vpn", user, "authenticate"])
            .env("LD_PRELOAD", "libpam_wrapper.so")
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("pamtester: {error}: run `make deps`"));
        let screen = Arc::default();
        show(child.stdout.take().unwrap(), &screen);
        show(child.stderr.take().unwrap(), &screen);
        let keys = child.stdin.take().unwrap();
        Terminal { child, keys, screen, read: 0 }
    }
}

/// What the user sees and types.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much was read already.
    read: usize,
}

impl Terminal {
    /// Waits until exactly this stands there, and no more.
    pub fn reads(&mut self, text: &str) -> &mut Self {
        let start = Instant::now();
        loop {
            let rest = self.rest();
            if rest == text {
                self.read += rest.len();
                return self;
            }
            assert!(start.elapsed() < SOON, "expected {text:?}, but there is {rest:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) -> &mut Self {
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
        self
    }

    /// Whether nothing has come since, and the login goes on.
    pub fn waits(&mut self) -> bool {
        self.rest().is_empty() && self.child.try_wait().unwrap().is_none()
    }

    /// Whether the login succeeded, and the rest of the output.
    pub fn ends(mut self) -> (bool, String) {
        assert!(process::ended(&mut self.child, SOON), "{}", self.rest());
        // Both of its outputs are at their end soon.
        std::thread::sleep(Duration::from_millis(50));
        (self.child.wait().unwrap().success(), self.rest())
    }

    fn rest(&self) -> String {
        let screen = self.screen.lock().unwrap();
        String::from_utf8(screen[self.read..].to_vec()).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn show(mut from: impl Read + Send + 'static, screen: &Arc<Mutex<Vec<u8>>>) {
    let screen = Arc::clone(screen);
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut octets) {
            screen.lock().unwrap().extend(&octets[..length]);
        }
    });
}

/// In the folder of this machine's kind.
fn module() -> PathBuf {
    let mut folders = std::fs::read_dir("/lib").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    folders
        .find_map(|folder| Some(folder.join("security/pam_radius_auth.so")).filter(|path| path.exists()))
        .expect("pam_radius_auth is not installed: run `make deps`")
}
