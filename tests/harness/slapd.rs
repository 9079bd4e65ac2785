//! OpenLDAP's slapd on free ports of 127.0.0.1, from a folder of its own: TLS, password policy, people and groups. Ends when it is
//! dropped.

use super::authority::Authority;
use super::{SOON, process};
use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything is below this.
pub const TOP: &str = "dc=example,dc=test";
/// The service account, and its password.
pub const SERVICE: (&str, &str) = ("uid=svc,ou=people,dc=example,dc=test", "svc-pw");
const ADMIN: &str = "cn=admin,dc=example,dc=test";
const ADMIN_PASSWORD: &str = "admin-pw";

/// A server that has started. Each of [`PEOPLE`] has the password `NAME-pw`.
pub struct Slapd {
    /// Where STARTTLS is asked for.
    pub port: u16,
    /// Where TLS is spoken from the beginning.
    pub tls_port: u16,
    /// Who issued its certificate.
    pub authority: Arc<Authority>,
    address: &'static str,
    /// Whether it logs what it is asked.
    logs: bool,
    child: Option<Child>,
    folder: tempfile::TempDir,
}

/// Who is there, below `ou=people`.
pub const PEOPLE: [&str; 6] = ["alice", "bob", "expired", "reset", "disabled", "locked"];

impl Slapd {
    /// With a certificate for 127.0.0.1 and localhost.
    pub fn start() -> Self {
        Self::start_with(|authority| authority.issue("server"))
    }

    /// With the certificate `server` that this makes.
    pub fn start_with(certificate: impl FnOnce(&Authority)) -> Self {
        let authority = Authority::new();
        authority.issue("own");
        certificate(&authority);
        Self::start_at("127.0.0.1", free_ports(), Arc::new(authority))
    }

    /// Another one at 127.0.0.2 and the same ports, with the same certificate and the same [`PEOPLE`].
    pub fn twin(&self) -> Self {
        Self::start_at("127.0.0.2", [self.port, self.tls_port], Arc::clone(&self.authority))
    }

    fn start_at(address: &'static str, [port, tls_port]: [u16; 2], authority: Arc<Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(folder.path().join("slapd.conf"), configuration(folder.path(), &authority)).unwrap();
        let mut slapd = Self { port, tls_port, authority, address, logs: true, child: None, folder };
        slapd.run("/usr/sbin/slapadd", &["-q", "-f", "slapd.conf"], &people());
        slapd.restart();
        // The policy's own attributes are refused by slapadd's checks.
        slapd.modify(
            "dn: uid=reset,ou=people,dc=example,dc=test\nchangetype: modify\nadd: pwdReset\npwdReset: TRUE\n\n\
             dn: uid=disabled,ou=people,dc=example,dc=test\nchangetype: modify\nadd: pwdAccountLockedTime\n\
             pwdAccountLockedTime: 000001010000Z\n\n\
             dn: uid=expired,ou=people,dc=example,dc=test\nchangetype: modify\nadd: pwdPolicySubentry\n\
             pwdPolicySubentry: cn=short,ou=policies,dc=example,dc=test\n-\n\
             replace: userPassword\nuserPassword: expired-pw\n",
        );
        slapd
    }

    /// Starts it again, at the same ports.
    pub fn restart(&mut self) {
        self.stop();
        let urls = format!("ldap://{0}:{1} ldaps://{0}:{2}", self.address, self.port, self.tls_port);
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new("/usr/sbin/slapd")
            .args(["-f", "slapd.conf", "-d", if self.logs { "stats" } else { "none" }, "-h", &urls])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("slapd: {error}: run `make deps`"));
        self.child = Some(child);
        let start = Instant::now();
        while TcpStream::connect((self.address, self.tls_port)).is_err() {
            assert!(start.elapsed() < SOON, "slapd does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            process::signal(child.id(), "CONT");
            process::signal(child.id(), "TERM");
            if !process::ended(&mut child, SOON) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// For measurements: it takes passwords without TLS as well, and logs nothing.
    pub fn unguarded(&mut self) {
        let file = self.folder.path().join("slapd.conf");
        let text = process::text(&file).replace("security simple_bind=128\n", "");
        std::fs::write(file, text).unwrap();
        self.logs = false;
        self.restart();
    }

    /// Has it take connections and say nothing.
    pub fn hang(&self) {
        process::signal(self.id(), "STOP");
    }

    /// Has it go on.
    pub fn go_on(&self) {
        process::signal(self.id(), "CONT");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("slapd runs").id()
    }

    /// What it was asked.
    pub fn log(&self) -> String {
        process::text(&self.folder.path().join("log"))
    }

    /// Changes entries, by the administrator (LDIF).
    pub fn modify(&self, ldif: &str) {
        let url = format!("ldaps://{}:{}", self.address, self.tls_port);
        let output = process::run(
            Command::new("ldapmodify")
                .args(["-x", "-H", &url, "-D", ADMIN, "-w", ADMIN_PASSWORD])
                .env("LDAPTLS_REQCERT", "never"),
            ldif,
        );
        assert!(output.status.success(), "ldapmodify: {}", process::both(&output));
    }

    /// Adds entries while it does not run (LDIF): many at once.
    pub fn add_offline(&mut self, ldif: &str) {
        self.stop();
        self.run("/usr/sbin/slapadd", &["-q", "-f", "slapd.conf"], ldif);
        self.restart();
    }

    /// What to write into the instance, but for the account.
    pub fn options(&self) -> String {
        format!(
            "host = {}\nport = {}\nca_file = {}\nsearch_dn = \"ou=people,{TOP}\"\nusername_attribute = uid\n\
             at_attribute = mail\n",
            self.address,
            self.tls_port,
            self.authority.file().display()
        )
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let output =
            process::run(Command::new(program).args(arguments).current_dir(self.folder.path()), input);
        assert!(output.status.success(), "{program}: {}", process::both(&output));
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The options of the service account.
pub fn service() -> String {
    format!("service_account_username = \"{}\"\nservice_account_password = \"{}\"\n", SERVICE.0, SERVICE.1)
}

fn configuration(folder: &Path, authority: &Authority) -> String {
    let tls = |name: &str| authority.folder().join(name).display().to_string();
    let mut text = String::new();
    for schema in ["core", "cosine", "nis", "inetorgperson"] {
        writeln!(text, "include /etc/ldap/schema/{schema}.schema").unwrap();
    }
    write!(
        text,
        "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload ppolicy\n\
         TLSCACertificateFile {}\nTLSCertificateFile {}\nTLSCertificateKeyFile {}\nTLSVerifyClient never\n\
         security simple_bind=128\n\
         database mdb\nsuffix \"{TOP}\"\nrootdn \"{ADMIN}\"\nrootpw {ADMIN_PASSWORD}\ndirectory {}\n\
         maxsize 2147483648\nindex objectClass,uid,mail,member,memberUid,entryUUID,modifyTimestamp eq\nsizelimit unlimited\n\
         overlay ppolicy\nppolicy_default \"cn=default,ou=policies,{TOP}\"\nppolicy_use_lockout\n\
         access to attrs=userPassword by self write by anonymous auth by * none\n\
         access to * by users read by anonymous auth\n",
        tls("ca.pem"),
        tls("server.pem"),
        tls("server.key"),
        folder.join("db").display(),
    )
    .unwrap();
    text
}

fn people() -> String {
    let mut ldif = format!("dn: {TOP}\nobjectClass: domain\ndc: example\n\n");
    for unit in ["policies", "people", "groups"] {
        write!(ldif, "dn: ou={unit},{TOP}\nobjectClass: organizationalUnit\nou: {unit}\n\n").unwrap();
    }
    for (name, more) in [
        (
            "default",
            "pwdMaxAge: 7776000\npwdMustChange: TRUE\npwdLockout: TRUE\npwdMaxFailure: 3\npwdLockoutDuration: 60",
        ),
        ("short", "pwdMaxAge: 1\npwdGraceAuthNLimit: 0"),
    ] {
        write!(
            ldif,
            "dn: cn={name},ou=policies,{TOP}\nobjectClass: pwdPolicy\nobjectClass: device\ncn: {name}\n\
             pwdAttribute: userPassword\n{more}\n\n"
        )
        .unwrap();
    }
    for name in PEOPLE.iter().chain(&["svc"]) {
        ldif.push_str(&person(name, &format!("uid={name},ou=people,{TOP}")));
    }
    for (name, members) in [
        ("it", &["uid=alice,ou=people"][..]),
        ("staff", &["cn=it,ou=groups"]),
        ("vpn", &["cn=staff,ou=groups", "uid=bob,ou=people"]),
        ("others", &["uid=svc,ou=people"]),
    ] {
        write!(ldif, "dn: cn={name},ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: {name}\n").unwrap();
        for member in members {
            writeln!(ldif, "member: {member},{TOP}").unwrap();
        }
        ldif.push('\n');
    }
    for (name, gid, member) in [("unix", 100, "alice"), ("wheel", 200, "bob")] {
        write!(
            ldif,
            "dn: cn={name},ou=groups,{TOP}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: {gid}\n\
             memberUid: {member}\n\n"
        )
        .unwrap();
    }
    ldif
}

/// A person as LDIF, with the password `NAME-pw`.
pub fn person(name: &str, dn: &str) -> String {
    // The attribute takes nothing else.
    let mail: String = name.chars().filter(char::is_ascii).collect();
    format!(
        "dn: {dn}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nmail: {mail}@example.test\n\
         mobile: 079 123 45 67\ndescription: about {name}\nuserPassword: {name}-pw\n\n"
    )
}

fn free_ports<const N: usize>() -> [u16; N] {
    let open = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    open.map(|listener| listener.local_addr().unwrap().port())
}
