//! Certificates for servers that speak TLS on 127.0.0.1.

use super::process;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate authority of its own, in a folder of its own; removed when it is dropped.
pub struct Authority {
    folder: tempfile::TempDir,
}

const OPTIONS: &str = "
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[here]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:localhost
[elsewhere]
basicConstraints = CA:FALSE
subjectAltName = DNS:elsewhere.example.test
";

impl Authority {
    /// With `ca.pem`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("options"), OPTIONS).unwrap();
        let authority = Self { folder };
        authority.make("ca", "authority", &[]);
        authority
    }

    /// What is written into `ca_file`.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where the certificates are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// NAME.pem and NAME.key of a server on this machine.
    pub fn issue(&self, name: &str) {
        self.make(name, "here", &["-CA", "ca.pem", "-CAkey", "ca.key"]);
    }

    /// The same of a server of another name.
    pub fn issue_for_another(&self, name: &str) {
        self.make(name, "elsewhere", &["-CA", "ca.pem", "-CAkey", "ca.key"]);
    }

    /// The same by an authority that nobody has heard of.
    pub fn forge(&self, name: &str) {
        self.make("unknown", "authority", &[]);
        self.make(name, "here", &["-CA", "unknown.pem", "-CAkey", "unknown.key"]);
    }

    fn make(&self, name: &str, extensions: &str, by: &[&str]) {
        let output = process::run(
            Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-config",
                    "options",
                    "-extensions",
                    extensions,
                    "-days",
                    "2",
                    "-nodes",
                ])
                .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")])
                .args(["-out", &format!("{name}.pem")])
                .args(by)
                .current_dir(self.folder.path()),
            "",
        );
        assert!(output.status.success(), "openssl: {}", process::both(&output));
    }
}
