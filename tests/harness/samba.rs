//! Samba as an Active Directory domain controller, LDAP only, from a folder of its own. Its ports are built into it (636 among
//! them), so that one runs at a time on a machine, behind a lock; it ends when it is dropped.

use super::authority::Authority;
use super::{SOON, process};
use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Everything is below this.
pub const TOP: &str = "DC=example,DC=test";
/// The service account, and its password.
pub const SERVICE: (&str, &str) = ("svc-radius@example.test", "Svc-Pw1");
/// The password of all others.
pub const PASSWORD: &str = "Secret-Pw1";

/// A domain controller that has started. `alice` is in `it-admins`, in `staff`, in `vpn-users`; `bob` in `vpn-users`. The others
/// are called by why they are not let in.
pub struct Samba {
    /// Who issued its certificate.
    pub authority: Authority,
    child: Child,
    folder: tempfile::TempDir,
    _lock: File,
}

impl Samba {
    /// Sets a domain up, which takes some seconds, and waits for its turn before.
    pub fn start() -> Self {
        let lock = File::create(std::env::temp_dir().join("rlm_mfa-samba.lock")).unwrap();
        lock.lock().unwrap();
        assert!(
            TcpStream::connect("127.0.0.1:636").is_err(),
            "somebody else has port 636, which Samba needs: stop it"
        );
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.issue("server");
        let domain = folder.path().join("dc");
        std::fs::create_dir(&domain).unwrap();
        tool(&[
            "domain",
            "provision",
            &format!("--targetdir={}", domain.display()),
            "--realm=EXAMPLE.TEST",
            "--domain=EXAMPLE",
            "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL",
            "--use-rfc2307",
            "--host-name=dc1",
            "--host-ip=127.0.0.1",
            "--adminpass=Adm1n-Passw0rd!",
            "--option=interfaces=lo",
            "--option=bind interfaces only=yes",
        ]);
        for name in ["cache", "ncalrpc", "winbindd", "ntp_signd", "log"] {
            std::fs::create_dir_all(domain.join(name)).unwrap();
        }
        std::fs::write(domain.join("etc/smb.conf"), configuration(&domain, &authority)).unwrap();
        populate(&domain);
        let out = File::create(folder.path().join("out")).unwrap();
        let child = Command::new("/usr/sbin/samba")
            .args(["-F", "--no-process-group", "-M", "single", "--debug-stdout", "-s"])
            .arg(domain.join("etc/smb.conf"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("samba: {error}: run `make deps`"));
        let samba = Self { authority, child, folder, _lock: lock };
        let start = Instant::now();
        while TcpStream::connect("127.0.0.1:636").is_err() {
            assert!(start.elapsed() < 2 * SOON, "samba does not start: {}", samba.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        samba
    }

    /// What it says.
    pub fn log(&self) -> String {
        process::text(&self.folder.path().join("out"))
    }

    /// What to write into the instance, but for the account.
    pub fn options(&self) -> String {
        format!("host = 127.0.0.1\nca_file = {}\nsearch_dn = \"{TOP}\"\n", self.authority.file().display())
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        process::signal(self.child.id(), "TERM");
        if !process::ended(&mut self.child, SOON) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The options of the service account.
pub fn service() -> String {
    format!("service_account_username = \"{}\"\nservice_account_password = \"{}\"\n", SERVICE.0, SERVICE.1)
}

fn tool(arguments: &[&str]) {
    let output = process::run(Command::new("samba-tool").args(arguments), "");
    assert!(output.status.success(), "samba-tool {}: {}", arguments.join(" "), process::both(&output));
}

fn configuration(domain: &Path, authority: &Authority) -> String {
    let (at, tls) = (domain.display(), authority.folder().display());
    format!(
        "[global]\nnetbios name = DC1\nrealm = EXAMPLE.TEST\nworkgroup = EXAMPLE\n\
         server role = active directory domain controller\ninterfaces = lo\nbind interfaces only = yes\n\
         private dir = {at}/private\nstate directory = {at}/state\ncache directory = {at}/cache\n\
         lock directory = {at}\npid directory = {at}\nncalrpc dir = {at}/ncalrpc\n\
         winbindd socket directory = {at}/winbindd\nntp signd socket directory = {at}/ntp_signd\n\
         binddns dir = {at}/bind-dns\nlog file = {at}/log/log.%m\nlogging = file\nlog level = 1\n\
         server services = ldap\ndcerpc endpoint servers = -winreg\n\
         tls enabled = yes\ntls keyfile = {tls}/server.key\ntls certfile = {tls}/server.pem\n\
         tls cafile = {tls}/ca.pem\nldap server require strong auth = yes\n"
    )
}

/// People and groups, written into the database before the server runs: by one program, since each start of `samba-tool` takes
/// seconds.
fn populate(domain: &Path) {
    // The distribution's own, which has the modules.
    let configuration: PathBuf = domain.join("etc/smb.conf");
    let gear = concat!(env!("CARGO_MANIFEST_DIR"), "/../gear/samba_people.py");
    let output = process::run(
        Command::new("/usr/bin/python3").arg(gear).arg(&configuration).env_remove("SMB_CONF_PATH"),
        "",
    );
    assert!(output.status.success(), "{gear}: {}", process::both(&output));
    // A password that has expired cannot be had by rules: it is written below them.
    let ldif = format!(
        "dn: CN=pwexpired,CN=Users,{TOP}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 130000000000000000\n"
    );
    let file = domain.join("expired.ldif");
    std::fs::write(&file, ldif).unwrap();
    let database = domain.join("private/sam.ldb.d/DC=EXAMPLE,DC=TEST.ldb");
    let output = process::run(Command::new("ldbmodify").arg("-H").arg(database).arg(file), "");
    assert!(output.status.success(), "ldbmodify: {}", process::both(&output));
}
