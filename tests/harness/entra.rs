//! Entra ID as far as password checks go: the token endpoint of one tenant on a free port of 127.0.0.1, by TLS with a
//! certificate of our own authority. Its answers have the shape of real ones. Ends when it is dropped.

use super::SILENCE;
use super::authority::Authority;
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The tenant.
pub const TENANT: &str = "example.onmicrosoft.com";
/// The application.
pub const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
/// Its secret, if it has one.
pub const SECRET: &str = "Xy8Q~the.secret~of-the-application";
/// What its users have behind their names.
pub const DOMAIN: &str = "example.test";
/// The token for a right password; it must not be printed.
pub const TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.marker-of-a-token.c2ln";

/// An Entra ID that has started.
pub struct Entra {
    port: u16,
    authority: Authority,
    state: Arc<State>,
}

/// How the application has to prove itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// It is a public client.
    #[default]
    None,
    /// By [`SECRET`].
    Secret,
    /// By an assertion, signed with the key of `client.pem`.
    Certificate,
}

/// What it does instead of what it should.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with these codes, and this status.
    Codes(u16, Vec<u64>),
    /// Answers with a status, more lines of the head, and a body.
    Says(u16, String, String),
    /// Nothing, for a long time.
    Nothing,
    /// Ends the connection.
    HangsUp,
    /// Ends it in the middle of its answer.
    Cuts,
    /// Answers without end.
    Floods,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    proof: Mutex<Proof>,
    users: Mutex<BTreeMap<String, (String, Vec<u64>)>>,
    does: Mutex<Option<Does>>,
    forms: Mutex<Vec<BTreeMap<String, String>>>,
    /// By how many seconds its clock is ahead of ours.
    ahead: Mutex<i64>,
    folder: PathBuf,
}

impl Entra {
    /// With alice@[`DOMAIN`], whose password is `alice-pw`, and who has MFA; and bob, `bob-pw`, who has none.
    pub fn start() -> Self {
        let authority = Authority::new();
        authority.issue("server");
        Self::start_as(authority)
    }

    /// The same with the certificate `server` of that authority.
    pub fn start_as(authority: Authority) -> Self {
        let file = |name: &str| authority.folder().join(name);
        let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { folder: authority.folder().to_owned(), ..State::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (config, state) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let tls = ServerConnection::new(config).unwrap();
                    // A client that goes away is not an error here.
                    let _ = serve(StreamOwned::new(tls, stream), &state);
                });
            }
        });
        let entra = Self { port, authority, state };
        entra.user("alice", "alice-pw", &[50076]);
        entra.user("bob", "bob-pw", &[]);
        entra
    }

    /// `https://127.0.0.1:PORT`.
    pub fn place(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// What has to be trusted to believe it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What to write into `entra { }`.
    pub fn options(&self) -> String {
        format!(
            "tenant = {TENANT}\nclient_id = {CLIENT}\ndomain = {DOMAIN}\nauthority = \"{}\"\nca_file = {}\ntimeout = 20\n",
            self.place(),
            self.authority.file().display()
        )
    }

    /// Adds a user, of [`DOMAIN`] if without a domain, with the answer to the right password; empty: a token.
    pub fn user(&self, name: &str, password: &str, codes: &[u64]) {
        let user = (password.to_owned(), codes.to_vec());
        let name = if name.contains('@') { name.to_owned() } else { format!("{name}@{DOMAIN}") };
        self.state.users.lock().unwrap().insert(name, user);
    }

    /// What it asks of the application; makes `client.pem` and `client.key` if that is a certificate.
    pub fn wants(&self, proof: Proof) {
        if proof == Proof::Certificate {
            self.authority.issue_rsa("client");
        }
        *self.state.proof.lock().unwrap() = proof;
    }

    /// What it does from now on.
    pub fn does(&self, does: Does) {
        *self.state.does.lock().unwrap() = Some(does);
    }

    /// It is well again.
    pub fn heal(&self) {
        *self.state.does.lock().unwrap() = None;
    }

    /// The same for a client that waits no longer than a test can.
    pub fn hasty(&self) -> String {
        self.options().replace("timeout = 20", "timeout = 2")
    }

    /// Puts its clock ahead of ours.
    pub fn ahead(&self, seconds: i64) {
        *self.state.ahead.lock().unwrap() = seconds;
    }

    /// The forms that were posted, the newest last.
    pub fn forms(&self) -> Vec<BTreeMap<String, String>> {
        self.state.forms.lock().unwrap().clone()
    }
}

impl Drop for Entra {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: StreamOwned<ServerConnection, TcpStream>, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 || state.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        if method == "POST" {
            state.forms.lock().unwrap().push(form.clone());
        }
        let does = state.does.lock().unwrap().clone();
        let (status, head, body) = match does {
            Some(Does::Codes(status, codes)) => (status, String::new(), refusal(&codes).to_string()),
            Some(Does::Says(status, head, body)) => (status, head, body),
            Some(Does::Nothing) => {
                std::thread::sleep(SILENCE);
                return Ok(());
            }
            Some(Does::HangsUp) => return Ok(()),
            Some(Does::Cuts) => {
                write!(
                    stream.get_mut(),
                    "HTTP/1.1 200 x\r\nContent-Length: 2000\r\n\r\n{{\"access_token\": \"a"
                )?;
                return stream.get_mut().flush();
            }
            Some(Does::Floods) => {
                write!(stream.get_mut(), "HTTP/1.1 200 x\r\n\r\n")?;
                loop {
                    stream.get_mut().write_all(&[b' '; 4096])?;
                }
            }
            None => {
                let (status, body) = answer(method, target, &form, state);
                (status, String::new(), body.to_string())
            }
        };
        let date = jiff::Timestamp::from_second(now(state)).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let length = body.len();
        let head = format!("Content-Type: application/json; charset=utf-8\r\nDate: {date}\r\n{head}");
        write!(stream.get_mut(), "HTTP/1.1 {status} x\r\n{head}Content-Length: {length}\r\n\r\n{body}")?;
        stream.get_mut().flush()?;
    }
}

/// Unix time, by its clock.
fn now(state: &State) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + *state.ahead.lock().unwrap()
}

/// As Entra ID would.
fn answer(method: &str, target: &str, form: &BTreeMap<String, String>, state: &State) -> (u16, Value) {
    let Some(path) = target.strip_prefix(&format!("/{TENANT}/")) else { return (400, refusal(&[90002])) };
    match (method, path) {
        ("GET", "v2.0/.well-known/openid-configuration") => (200, json!({"token_endpoint": "https://..."})),
        ("POST", "oauth2/v2.0/token") => token(form, state),
        _ => (404, Value::Null),
    }
}

fn token(form: &BTreeMap<String, String>, state: &State) -> (u16, Value) {
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!((get("grant_type"), get("scope")), ("password", "openid"));
    if get("client_id") != CLIENT {
        return (400, refusal(&[700016]));
    }
    let proof = *state.proof.lock().unwrap();
    let refused = match proof {
        Proof::None => None,
        Proof::Secret if get("client_secret") == SECRET => None,
        Proof::Secret if !get("client_secret").is_empty() => Some(7000215),
        Proof::Certificate if !get("client_assertion").is_empty() => {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            assert_eq!(get("client_assertion_type"), kind);
            assertion(get("client_assertion"), state)
        }
        Proof::Secret | Proof::Certificate => Some(7000218),
    };
    if let Some(code) = refused {
        return (401, refusal(&[code]));
    }
    let users = state.users.lock().unwrap();
    match users.get(get("username")) {
        None => (400, refusal(&[50034])),
        Some((password, _)) if get("password") != password => (400, refusal(&[50126])),
        Some((_, codes)) if !codes.is_empty() => (400, refusal(codes)),
        Some(_) => (200, granted()),
    }
}

/// What is wrong with an assertion.
fn assertion(token: &str, state: &State) -> Option<u64> {
    let pem = std::fs::read(state.folder.join("client.pem")).unwrap();
    let mark = BASE64URL_NOPAD.encode(&Sha256::digest(CertificateDer::from_pem_slice(&pem).unwrap()));
    let header: Value = part(token, 0);
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::PS256);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let key = jsonwebtoken::DecodingKey::from_rsa_pem(&public(&pem)).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules);
    let Ok(claims) = claims.map(|token| token.claims) else { return Some(700027) };
    if header["x5t#S256"] != mark || header["typ"] != "JWT" {
        return Some(700027);
    }
    let audience = claims["aud"].as_str().unwrap();
    assert!(audience.starts_with("https://") && audience.ends_with("/oauth2/v2.0/token"), "{audience}");
    assert_eq!((&claims["iss"], &claims["sub"]), (&CLIENT.into(), &CLIENT.into()));
    assert!(claims["jti"].as_str().unwrap().len() > 20);
    let (from, until) = (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((300..=600).contains(&(until - from)));
    let now = now(state);
    (now < from - 300 || now > until + 300).then_some(700024)
}

/// The public key of a certificate.
fn public(pem: &[u8]) -> Vec<u8> {
    let mut openssl = std::process::Command::new("openssl");
    let output =
        super::process::run(openssl.args(["x509", "-noout", "-pubkey"]), std::str::from_utf8(pem).unwrap());
    output.stdout
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

/// A token, as Entra ID gives one out.
pub fn granted() -> Value {
    json!({
        "token_type": "Bearer",
        "scope": "openid profile email 00000003-0000-0000-c000-000000000000/.default",
        "expires_in": 4783,
        "ext_expires_in": 4783,
        "access_token": TOKEN,
        "id_token": TOKEN,
    })
}

/// A refusal in Entra ID's form: the same text whatever the code, since the text must not decide.
pub fn refusal(codes: &[u64]) -> Value {
    let first = codes.first().copied().unwrap_or_default();
    let error = match first {
        50072 | 50074 | 50076 | 50079 | 50158 | 53000..=53004 => "interaction_required",
        700016 => "unauthorized_client",
        70002 | 50012 | 700024 | 700027 | 7000215 | 7000218 | 7000222 => "invalid_client",
        90002 => "invalid_tenant",
        90033 | 90006 | 90024 => "temporarily_unavailable",
        _ => "invalid_grant",
    };
    let (trace, correlation) =
        ("6ee9ec92-0000-422a-85ce-86a1a6502800", "521b9148-0000-455a-ace1-c13802e053eb");
    let timestamp = "2026-01-09 02:02:12Z";
    json!({
        "error": error,
        "error_description": format!(
            "AADSTS{first}: AADSTS50076 AADSTS50126 marker of a description \"access_token\": \"x\". Trace ID: {trace} \
             Correlation ID: {correlation} Timestamp: {timestamp}"
        ),
        "error_codes": codes,
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={first}"),
    })
}
