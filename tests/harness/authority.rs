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
subjectAltName = IP:127.0.0.1, IP:127.0.0.2, DNS:localhost
[elsewhere]
basicConstraints = CA:FALSE
subjectAltName = DNS:elsewhere.example.test
[ca]
default_ca = old
[old]
certificate = ca.pem
private_key = ca.key
new_certs_dir = .
database = index
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = here
[any]
commonName = supplied
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

    /// The same by an authority that no client trusts.
    pub fn forge(&self, name: &str) {
        self.make("unknown", "authority", &[]);
        self.make(name, "here", &["-CA", "unknown.pem", "-CAkey", "unknown.key"]);
    }

    /// One that was good in January 2020.
    pub fn issue_expired(&self, name: &str) {
        let (key, request, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        std::fs::write(self.folder.path().join("index"), "").unwrap();
        self.openssl(
            &["req", "-new", "-config", "options", "-nodes", "-newkey", "ec", "-pkeyopt"],
            |openssl| {
                openssl.args(["ec_paramgen_curve:prime256v1", "-subj", &format!("/CN={name}")]);
                openssl.args(["-keyout", &key, "-out", &request])
            },
        );
        self.openssl(
            &["ca", "-batch", "-notext", "-config", "options", "-startdate", "20200101000000Z"],
            |openssl| openssl.args(["-enddate", "20200201000000Z", "-in", &request, "-out", &pem]),
        );
    }

    /// NAME.pem and NAME.key with RSA, self-signed.
    pub fn issue_rsa(&self, name: &str) {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        self.openssl(
            &["req", "-x509", "-config", "options", "-extensions", "authority", "-days", "2", "-nodes"],
            |openssl| {
                openssl.args(["-newkey", "rsa:2048", "-subj", &format!("/CN={name}")]);
                openssl.args(["-keyout", &key, "-out", &pem])
            },
        );
    }

    fn openssl(&self, first: &[&str], more: impl FnOnce(&mut Command) -> &mut Command) {
        let mut openssl = Command::new("openssl");
        openssl.args(first).current_dir(self.folder.path());
        let output = process::run(more(&mut openssl), "");
        assert!(output.status.success(), "openssl: {}", process::both(&output));
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
