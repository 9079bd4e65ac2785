//! Logins over EAP through the stock `eapol_test`, and the certificate they need.

use super::{SECRET, Server, process};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// An EAP method with the method inside it, or alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    TtlsPap,
    TtlsMsChap2,
    TtlsEapMsChap2,
    TtlsGtc,
    PeapMsChap2,
    PeapGtc,
    MsChap2,
    Gtc,
}

/// Those with a tunnel.
pub const TUNNELS: [Method; 5] =
    [Method::TtlsPap, Method::TtlsMsChap2, Method::TtlsEapMsChap2, Method::PeapMsChap2, Method::PeapGtc];

impl Method {
    /// `eap` and `phase2` of the client's configuration.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::TtlsPap => ("TTLS", "auth=PAP"),
            Self::TtlsMsChap2 => ("TTLS", "auth=MSCHAPV2"),
            Self::TtlsEapMsChap2 => ("TTLS", "autheap=MSCHAPV2"),
            Self::TtlsGtc => ("TTLS", "autheap=GTC"),
            Self::PeapMsChap2 => ("PEAP", "auth=MSCHAPV2"),
            Self::PeapGtc => ("PEAP", "auth=GTC"),
            Self::MsChap2 => ("MSCHAPV2", ""),
            Self::Gtc => ("GTC", ""),
        }
    }
}

/// What `eapol_test` reported.
pub struct Session {
    pub accepted: bool,
    /// The MPPE keys of the server are those the client computed.
    pub keys_match: bool,
    pub output: String,
}

impl Session {
    /// The last packet that came: its code, and the number and octets (in hexadecimal digits) of each attribute.
    pub fn last(&self) -> (u8, Vec<(u8, String)>) {
        let (_, packet) = self.output.rsplit_once("Received RADIUS message").expect("an answer");
        let number = |line: &str, before: &str| -> Option<u8> {
            let digits = line.trim().strip_prefix(before)?;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let code = packet.lines().find_map(|line| number(line, "RADIUS message: code=")).expect("its code");
        let mut attributes: Vec<(u8, String)> = Vec::new();
        for line in packet.lines() {
            if let Some(attribute) = number(line, "Attribute ") {
                attributes.push((attribute, String::new()));
            } else if let (Some(value), Some(last)) =
                (line.trim().strip_prefix("Value: "), attributes.last_mut())
                && last.1.is_empty()
            {
                last.1 = value.to_owned();
            }
        }
        (code, attributes)
    }
}

/// A login that is under way.
pub struct Conversation(std::thread::JoinHandle<Session>);

impl Conversation {
    /// What it came to.
    pub fn session(self) -> Session {
        self.0.join().unwrap()
    }

    /// Whether it has not ended yet.
    pub fn waits(&self) -> bool {
        !self.0.is_finished()
    }
}

/// One login.
pub fn login(server: &Server, method: Method, user: &str, password: &str) -> Session {
    Peer::new(method, user, password).login(server)
}

/// A login and so many after it on the same TLS session, if the server resumes it.
pub fn logins(server: &Server, method: Method, user: &str, password: &str, again: u32) -> Session {
    Peer { again, ..Peer::new(method, user, password) }.login(server)
}

/// A user who logs in over EAP.
#[derive(Clone, Debug)]
pub struct Peer {
    pub method: Method,
    pub user: String,
    pub password: String,
    /// The name outside of the tunnel.
    pub outside: String,
    /// Calling-Station-Id.
    pub station: String,
    /// Number of further logins.
    pub again: u32,
    /// How long the user waits, in seconds.
    pub patience: u32,
}

impl Peer {
    /// Anonymous outside of the tunnel; waits for ten seconds.
    pub fn new(method: Method, user: &str, password: &str) -> Self {
        Self {
            method,
            user: user.into(),
            password: password.into(),
            outside: "anonymous".into(),
            station: "02:00:00:00:00:01".into(),
            again: 0,
            patience: 10,
        }
    }

    /// Logs in.
    pub fn login(self, server: &Server) -> Session {
        self.login_at(server.port)
    }

    /// The same on a thread of its own, waiting for up to 50 seconds.
    pub fn start(self, server: &Server) -> Conversation {
        let (port, patient) = (server.port, Self { patience: 50, ..self });
        Conversation(std::thread::spawn(move || patient.login_at(port)))
    }

    fn login_at(self, port: u16) -> Session {
        let password = format!("  password=\"{}\"\n", self.password);
        self.login_with(port, "", &password, &[])
    }

    /// Reads the questions and answers: the password first, then whatever `answer` says to the text. Returns what was
    /// read.
    pub fn talk(
        self,
        server: &Server,
        mut answer: impl FnMut(usize, &str) -> String,
    ) -> (Session, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (control, own) = (folder.path().join("control"), folder.path().join("own"));
        let head = format!("ctrl_interface={}\n", control.display());
        let (port, password) = (server.port, self.password.clone());
        let peer = Self { patience: 30, ..self };
        let session = std::thread::spawn(move || peer.login_with(port, &head, "", &["-W"]));
        let socket = UnixDatagram::bind(own).unwrap();
        while socket.connect(control.join("test")).is_err() {
            assert!(!session.is_finished(), "eapol_test has a control interface");
            std::thread::sleep(Duration::from_millis(10));
        }
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket.send(b"ATTACH").unwrap();
        let mut read = Vec::new();
        while !session.is_finished() {
            let mut octets = [0; 8192];
            let Ok(length) = socket.recv(&mut octets) else { continue };
            let event = String::from_utf8_lossy(&octets[..length]).into_owned();
            let asked = event
                .split_once("CTRL-REQ-OTP-0:")
                .and_then(|(_, rest)| rest.rsplit_once(" needed for SSID"));
            if let Some((text, _)) = asked {
                let typed = if read.is_empty() { password.clone() } else { answer(read.len(), text) };
                read.push(text.trim_matches(['[', ']']).to_owned());
                socket.send(format!("CTRL-RSP-OTP-0:{typed}").as_bytes()).unwrap();
            }
        }
        (session.join().unwrap(), read)
    }

    fn login_with(self, port: u16, head: &str, password: &str, arguments: &[&str]) -> Session {
        let (eap, phase2) = self.method.words();
        let Self { user, outside, station, .. } = &self;
        let mut text =
            format!("{head}network={{\n  key_mgmt=WPA-EAP\n  eap={eap}\n  identity=\"{user}\"\n{password}");
        if !phase2.is_empty() {
            text.push_str(&format!("  anonymous_identity=\"{outside}\"\n  phase2=\"{phase2}\"\n"));
        }
        text.push_str("}\n");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut command = Command::new("eapol_test");
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-s", SECRET, "-M", station]);
        command.args(["-t", &self.patience.to_string(), "-r", &self.again.to_string()]).args(arguments);
        if self.method == Method::Gtc {
            command.arg("-n");
        }
        let output = process::both(&process::run(command.arg("-c").arg(file.path()), ""));
        Session {
            accepted: output.lines().any(|line| line == "SUCCESS"),
            keys_match: output.contains("OK: 1  mismatch: 0") || output.contains("MPPE keys OK: 1"),
            output,
        }
    }
}

/// A folder with `server.pem` and `server.key`, made once for all tests and kept with what cargo builds.
pub fn certificate() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = crate::temporary_folder().join("certificate");
        let fresh = tempfile::tempdir_in(crate::temporary_folder()).unwrap();
        let output = process::run(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-nodes", "-days", "30", "-subj", "/CN=radius.example.test"])
                .args(["-keyout", "server.key", "-out", "server.pem"])
                .current_dir(fresh.path()),
            "",
        );
        assert!(output.status.success(), "openssl: {}", process::both(&output));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["server.key", "server.pem"] {
            std::fs::rename(fresh.path().join(name), folder.join(name)).unwrap();
        }
        folder
    })
}
