//! A mail server: aiosmtpd on free ports of 127.0.0.1 (`tests/gear/smtp.py`), with TLS, STARTTLS and AUTH, whose mails can be
//! read. Ends when it is dropped, and with the test.

use super::authority::Authority;
use super::{SOON, process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The login that it takes.
pub const USER: &str = "radius";
/// Its password.
pub const PASSWORD: &str = "mailpw";

/// A mail server that has started.
pub struct Smtp {
    /// Where TLS is asked for by STARTTLS, and then a login.
    pub starttls: u16,
    /// Where TLS is spoken from the beginning, and a login asked for.
    pub tls: u16,
    /// Where there is neither TLS nor a login.
    pub plain: u16,
    authority: Authority,
    child: Child,
}

/// A mail that has arrived.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Mail {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// Headers and body as they were sent.
    pub data: String,
}

impl Smtp {
    /// With a certificate for this machine.
    pub fn start() -> Self {
        let authority = Authority::new();
        authority.issue("server");
        Self::start_as(authority)
    }

    /// With the certificate `server` of that authority.
    pub fn start_as(authority: Authority) -> Self {
        let made = Command::new("tests/make/gear").arg("smtp").output().unwrap();
        assert!(made.status.success(), "tests/make/gear smtp: run `make deps`: {}", process::both(&made));
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let folder = Path::new(crate::PROJECT);
        let mut child = Command::new(folder.join(target).join("gear/smtp/bin/python"))
            .arg("-B")
            .arg(folder.join("tests/gear/smtp.py"))
            .arg(authority.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(authority.folder().join("log")).unwrap())
            .spawn()
            .expect("the mail server does not start: run `make deps`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("smtp.py does not start"));
        let port = |name: &str| ports[name].as_u64().unwrap().try_into().unwrap();
        Self { starttls: port("starttls"), tls: port("tls"), plain: port("plain"), authority, child }
    }

    /// What has to be trusted to believe it.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// What to write into the instance to have mails sent through it, by STARTTLS and with the login.
    pub fn options(&self) -> String {
        format!("email {{\nfrom = \"VPN <vpn@example.test>\"\ntimeout = 20\n{}}}\n", self.relay("first"))
    }

    /// One such relay.
    pub fn relay(&self, name: &str) -> String {
        format!(
            "relay {name} {{\nhost = 127.0.0.1\nport = {}\nusername = {USER}\npassword = {PASSWORD}\nca_file = {}\n}}\n",
            self.starttls,
            self.ca_file().display()
        )
    }

    /// All mails to a mailbox, from the oldest.
    pub fn mails_to(&self, mailbox: &str) -> Vec<Mail> {
        let folder = self.authority.folder().join("mail");
        let mails = (1..).map_while(|n: u32| std::fs::read(folder.join(n.to_string())).ok());
        let mails = mails.map(|octets| serde_json::from_slice::<Mail>(&octets).unwrap());
        mails.filter(|mail| mail.to == [mailbox]).collect()
    }

    /// The `count`th mail to a mailbox, from 1, as soon as it is there.
    pub fn wait_for(&self, mailbox: &str, count: usize) -> Mail {
        let start = Instant::now();
        loop {
            let mut mails = self.mails_to(mailbox);
            if mails.len() >= count {
                return mails.swap_remove(count - 1);
            }
            assert!(start.elapsed() < SOON, "{} of {count} mails", mails.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Mail {
    /// The text behind the headers, where it is ASCII.
    pub fn text(&self) -> &str {
        self.data.split_once("\r\n\r\n").unwrap().1.trim_end()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.data.split("\r\n\r\n").next().unwrap();
        headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
