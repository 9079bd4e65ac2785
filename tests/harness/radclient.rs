//! Logins through the stock `radclient`.

use super::{SECRET, SOON, Server, mschap, process};
use std::process::Command;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Accept,
    Reject,
    Challenge,
    Accounting,
    Silence,
}

/// An answer with its attributes.
#[derive(Clone, Debug)]
pub struct Reply {
    pub code: Code,
    pub attributes: Vec<(String, String)>,
}

impl Reply {
    /// The first attribute of that name, without its quotes.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// All of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.attributes.iter().filter(|(n, _)| n == name).map(|(_, value)| value.trim_matches('"')).collect()
    }
}

/// A login that is under way.
pub struct Under(std::thread::JoinHandle<Reply>);

impl Under {
    /// What it came to.
    pub fn reply(self) -> Reply {
        self.0.join().unwrap()
    }

    /// Whether there is no answer yet.
    pub fn waits(&self) -> bool {
        !self.0.is_finished()
    }
}

/// A login in the making.
#[derive(Clone, Debug)]
pub struct Login {
    lines: Vec<String>,
    kind: &'static str,
    transport: &'static str,
}

impl Login {
    /// PAP.
    pub fn pap(user: &str, password: &str) -> Self {
        Self::bare(user).with("User-Password", &quoted(password))
    }

    /// CHAP; radclient computes the digest.
    pub fn chap(user: &str, password: &str) -> Self {
        Self::bare(user).with("CHAP-Password", &quoted(password))
    }

    /// MS-CHAP (RFC 2433); radclient computes it.
    pub fn mschap(user: &str, password: &str) -> Self {
        Self::bare(user).with("MS-CHAP-Password", &quoted(password))
    }

    /// MS-CHAPv2 (RFC 2759).
    pub fn mschap2(user: &str, password: &str) -> Self {
        let (challenge, peer) = ([0x5b; 16], [0x21; 16]);
        let hex = |octets: &[u8]| format!("0x{}", data_encoding::HEXLOWER.encode(octets));
        Self::bare(user)
            .with("MS-CHAP-Challenge", &hex(&challenge))
            .with("MS-CHAP2-Response", &hex(&mschap::response(user, password, &challenge, &peer)))
    }

    /// A name and no password.
    pub fn bare(user: &str) -> Self {
        Self { lines: vec![format!("User-Name = {}", quoted(user))], ..Self::packet("auth") }
    }

    /// Any packet of that kind (`acct`, `status`), without attributes.
    pub fn packet(kind: &'static str) -> Self {
        Self { lines: Vec::new(), kind, transport: "udp" }
    }

    /// The same over TCP.
    pub fn over_tcp(self) -> Self {
        Self { transport: "tcp", ..self }
    }

    /// One more attribute, as radclient writes it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name} = {value}"));
        self
    }

    /// The same answer under another spelling of the name.
    pub fn renamed(mut self, user: &str) -> Self {
        self.lines[0] = format!("User-Name = {}", quoted(user));
        self
    }

    /// Sends it, once, and waits for the answer.
    pub fn send(&self, server: &Server) -> Reply {
        self.send_to(server.port, SOON.as_secs())
    }

    /// The same on a thread of its own: for a login that waits for its user, up to twice as long.
    pub fn start(self, server: &Server) -> Under {
        let port = server.port;
        Under(std::thread::spawn(move || self.send_to(port, 2 * SOON.as_secs())))
    }

    /// Sends it, once, and waits so many seconds.
    pub fn send_for(&self, server: &Server, seconds: u64) -> Reply {
        self.send_to(server.port, seconds)
    }

    fn send_to(&self, port: u16, seconds: u64) -> Reply {
        let mut lines = self.lines.join("\n");
        if self.kind != "acct" {
            lines.push_str("\nMessage-Authenticator = 0x00\n");
        }
        let mut radclient = Command::new("radclient");
        let (port, seconds) = (port + u16::from(self.kind == "acct"), seconds.to_string());
        radclient.args([
            "-P",
            self.transport,
            "-x",
            "-r",
            "1",
            "-t",
            &seconds,
            &format!("127.0.0.1:{port}"),
            self.kind,
            SECRET,
        ]);
        let output = process::both(&process::run(&mut radclient, &lines));
        let mut reply = Reply { code: Code::Silence, attributes: Vec::new() };
        let mut received = false;
        for line in output.lines() {
            if let Some(rest) = line.strip_prefix("Received ") {
                received = true;
                reply.code = match rest.split(' ').next() {
                    Some("Access-Accept") => Code::Accept,
                    Some("Access-Reject") => Code::Reject,
                    Some("Access-Challenge") => Code::Challenge,
                    Some("Accounting-Response") => Code::Accounting,
                    other => panic!("radclient received {other:?}"),
                };
            } else if let Some((name, value)) = line.strip_prefix('\t').and_then(|l| l.split_once(" = "))
                && received
            {
                reply.attributes.push((name.to_owned(), value.to_owned()));
            }
        }
        reply
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
