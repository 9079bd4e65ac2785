//! Logins over EAP through the stock `eapol_test`, and the certificate they need.

use super::{SECRET, Server, process};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An EAP method with the method inside it.
#[derive(Clone, Copy, Debug)]
pub enum Method {
    TtlsPap,
    TtlsMsChap2,
    PeapMsChap2,
    PeapGtc,
}

/// What `eapol_test` reported.
pub struct Session {
    pub accepted: bool,
    /// The MPPE keys of the server are those the client computed.
    pub keys_match: bool,
    pub output: String,
}

/// One login.
pub fn login(server: &Server, method: Method, user: &str, password: &str) -> Session {
    logins(server, method, user, password, 0)
}

/// A login and so many after it on the same TLS session, if the server resumes it.
pub fn logins(server: &Server, method: Method, user: &str, password: &str, again: u32) -> Session {
    let (eap, phase2) = match method {
        Method::TtlsPap => ("TTLS", "auth=PAP"),
        Method::TtlsMsChap2 => ("TTLS", "auth=MSCHAPV2"),
        Method::PeapMsChap2 => ("PEAP", "auth=MSCHAPV2"),
        Method::PeapGtc => ("PEAP", "auth=GTC"),
    };
    let text = format!(
        "network={{\n  key_mgmt=WPA-EAP\n  eap={eap}\n  identity=\"{user}\"\n  anonymous_identity=\"anonymous\"\n  \
         password=\"{password}\"\n  phase2=\"{phase2}\"\n}}\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut command = Command::new("eapol_test");
    command.args(["-a", "127.0.0.1", "-p", &server.port.to_string(), "-s", SECRET, "-t", "10"]);
    command.args(["-r", &again.to_string(), "-c"]).arg(file.path());
    let output = process::both(&process::run(&mut command, ""));
    Session {
        accepted: output.lines().any(|line| line == "SUCCESS"),
        keys_match: output.contains("OK: 1  mismatch: 0") || output.contains("MPPE keys OK: 1"),
        output,
    }
}

/// A folder with `server.pem` and `server.key`, made once for all tests and kept with what cargo builds.
pub fn certificate() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificate");
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
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
