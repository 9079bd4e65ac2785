//! Entra ID, as a program of this machine that answers as it does, and as it should not.

use super::harness::authority::Authority;
use super::harness::entra::{CLIENT, DOMAIN, Does, Entra, Proof, SECRET, TENANT, TOKEN, granted, refusal};
use super::harness::{SOON, proxy};
use super::unavailable;
use rlm_mfa::config::{self, Config};
use rlm_mfa::directory;
use rlm_mfa::engine::SubmittedPassword;
use rlm_mfa::engine::directory::{
    AuthFailure, Credentials, DirectoryUser, PasswordBackend as _, PasswordResponse,
};
use rlm_mfa::types::{Secret, UserName};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A password backend with these options.
struct Asker {
    entra: directory::EntraBackend,
    runtime: Runtime,
}

impl Asker {
    fn new(options: &str) -> Self {
        Self::open(options).unwrap()
    }

    fn open(options: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let entra = directory::entra_backend(&configured(options)).map_err(|why| why.to_string())?.unwrap();
        Ok(Self { entra, runtime: runtime.unwrap() })
    }

    fn claim(&self, user: &str, password: SubmittedPassword) -> Result<DirectoryUser, AuthFailure> {
        let (typed, user) = (user.as_bytes().to_vec(), super::canonical(user));
        let client = String::new();
        let claim = Credentials { user, typed, client, password, packet: Vec::new(), state: None };
        match self.runtime.block_on(self.entra.verify_password(claim))? {
            PasswordResponse::Person(person) => Ok(*person),
            asks => panic!("{asks:?}"),
        }
    }

    fn login(&self, user: &str, password: &str) -> Result<DirectoryUser, AuthFailure> {
        let answer = self.claim(user, SubmittedPassword::Plain(Secret::new(password)));
        without_secrets(&format!("{answer:?}"), password);
        answer
    }

    fn why(&self, user: &str, password: &str) -> AuthFailure {
        self.login(user, password).expect_err("refused")
    }

    fn probe(&self) -> Result<String, String> {
        let found = self.runtime.block_on(self.entra.probe_tenant()).found;
        without_secrets(&format!("{found:?}"), "marker");
        found.map_err(|why| why.to_string())
    }
}

#[track_caller]
fn without_secrets(told: &str, password: &str) {
    for secret in [password, SECRET, TOKEN, "marker", "eyJ", "assertion="] {
        assert!(secret.is_empty() || !told.contains(secret), "{secret} in {told}");
    }
    assert!(told.len() < 500 && !told.contains("\\n"), "{told}");
}

fn configured(options: &str) -> Config {
    let text = format!("mfa {{\nusername {{\ndomain = keep\n}}\nentra {{\n{options}\n}}\n}}\n");
    let tree = config::read_text(text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
    Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// What a row of the table comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    In,
    Expired,
    Locked,
    Blocked,
    Wrong,
    Unavailable,
}

fn is(answer: &Result<DirectoryUser, AuthFailure>) -> Is {
    match answer {
        Ok(_) => Is::In,
        Err(AuthFailure::Expired) => Is::Expired,
        Err(AuthFailure::Locked) => Is::Locked,
        Err(AuthFailure::Blocked(_)) => Is::Blocked,
        Err(AuthFailure::Wrong) => Is::Wrong,
        Err(AuthFailure::Unavailable(_)) => Is::Unavailable,
        Err(other) => panic!("{other:?}"),
    }
}

/// Every code that is known, and what is made of it. Written by what Microsoft says of the codes, not by the module's table.
const CODES: [(Is, &[u64]); 6] = [
    // MFA, or enrolling for it, comes next: the password was right.
    (Is::In, &[50072, 50074, 50076, 50079, 50158]),
    (Is::Expired, &[50055, 50144]),
    (Is::Locked, &[50053]),
    // A policy; a disabled account; not assigned to the application.
    (Is::Blocked, &[53000, 53001, 53002, 53003, 53004, 50131, 530032, 530035, 50057, 50105]),
    (Is::Wrong, &[50126, 50056, 50064, 50034, 51004, 50014, 50020, 90072]),
    (
        Is::Unavailable,
        &[
            // The tenant or the application is wrong.
            50128, 50059, 90002, 900023, 700016, 7000112, 7000215, 7000218, 7000222, 70001, 70002, 50012,
            700024, 700027, 65001, 900144, // Throttled, or it fails for a while, or its agent does.
            50196, 90055, 50087, 50088, 50033, 90006, 90024, 90033, 80001, 80002, 80005, 80007, 80014,
        ],
    ),
];

#[test]
fn every_code_means_what_it_should() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    let mut tried = 0;
    for (expected, codes) in CODES {
        for code in codes {
            for status in [400, 401] {
                entra.does(Does::Codes(status, vec![*code]));
                let answer = asker.login("alice", "alice-pw");
                assert_eq!(is(&answer), expected, "AADSTS{code}: {answer:?}");
                if let Err(AuthFailure::Blocked(_) | AuthFailure::Unavailable(_)) = &answer {
                    let told = answer.unwrap_err().to_string();
                    assert!(told.contains(&format!("AADSTS{code}")), "{told}");
                }
            }
            tried += 1;
        }
    }
    assert_eq!(tried, config::entra::TABLE.len(), "a code is in the table and not in this test");
}

#[test]
fn right_password_is_right_and_nothing_else_is() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    for user in ["alice", "bob"] {
        let person = asker.login(user, &format!("{user}-pw")).unwrap();
        let name = format!("{user}@{DOMAIN}");
        assert_eq!((person.name.as_str(), person.upn.as_deref()), (name.as_str(), Some(name.as_str())));
        assert!(person.groups.is_none() && person.dn.is_none());
        assert!(asker.login(&name, &format!("{user}-pw")).is_ok());
        assert_eq!(asker.why(user, "wrong-pw"), AuthFailure::Wrong);
    }
    assert_eq!(asker.why("nobody", "wrong-pw"), AuthFailure::Wrong);
    assert_eq!(asker.why("alice@other.test", "alice-pw"), AuthFailure::Wrong);
    entra.user("o'neill#1", "p\u{e4}ss&w=r+d %", &[]);
    assert!(asker.login("o'neill#1", "p\u{e4}ss&w=r+d %").is_ok());
    assert_eq!(asker.why("alice", "wrong-pw&password=alice-pw"), AuthFailure::Wrong);
}

#[test]
fn what_need_not_be_asked_is_not_sent() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    for password in ["", "\0", "secret\0"] {
        assert_eq!(asker.why("alice", password), AuthFailure::Wrong);
    }
    assert_eq!(asker.claim("alice", SubmittedPassword::Absent), Err(AuthFailure::Wrong));
    let chap = SubmittedPassword::Chap { id: 1, challenge: vec![0; 16], response: [0; 16] };
    let mschap = SubmittedPassword::MsChap { id: 0, challenge: [0; 8], response: [0; 24] };
    for digest in [chap, mschap] {
        assert_eq!(asker.claim("alice", digest), Err(AuthFailure::NeedsPap));
    }
    // The last three are "alice", "gross" and "boss" by our rules, and may be other people by Entra ID's.
    let spellings = ["a\u{2113}ice", "gro\u{df}", "bo\u{17f}s"];
    let bad = ["", "a\nb", "a\0", "alic\u{e9}", "alice&password=alice-pw"];
    for user in bad.into_iter().chain(spellings) {
        assert_eq!(asker.why(user, "alice-pw"), AuthFailure::Unknown);
    }
    assert!(entra.forms().is_empty());
}

#[test]
fn of_several_codes_the_worst_counts_and_unknown_ones_let_nobody_in() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    for (codes, expected) in [
        (vec![50076, 50079], Is::In),
        (vec![50076, 53003], Is::Blocked),
        (vec![50076, 50126], Is::Wrong),
        (vec![50053, 50126], Is::Wrong),
        (vec![50076, 90033], Is::Unavailable),
        // It has said no: no other backend is asked instead.
        (vec![90033, 50126], Is::Wrong),
        (vec![7000218, 50053], Is::Locked),
        (vec![4711], Is::Blocked),
        (vec![50076, 4711], Is::Blocked),
        (vec![50055, 4711], Is::Blocked),
        (vec![90033, 4711], Is::Blocked),
        (vec![0], Is::Blocked),
        (vec![u64::MAX], Is::Blocked),
        (vec![50076 + (1 << 32)], Is::Blocked),
        ((1..10_000).collect(), Is::Blocked),
    ] {
        entra.does(Does::Codes(400, codes.clone()));
        let answer = asker.login("alice", "alice-pw");
        assert_eq!(is(&answer), expected, "{codes:?}: {answer:?}");
    }
}

#[test]
fn site_decides_otherwise() {
    let entra = Entra::start();
    let changed =
        "verdicts {\n53003 = accept\n4711 = must_change\n50076 = blocked\n50105 = misconfigured\n}\n";
    let asker = Asker::new(&format!("{}{changed}", entra.options()));
    let answer = |codes: &[u64]| {
        entra.does(Does::Codes(400, codes.to_vec()));
        asker.login("alice", "alice-pw")
    };
    assert!(answer(&[53003]).is_ok());
    assert_eq!(answer(&[4711]), Err(AuthFailure::MustChange));
    assert_eq!(is(&answer(&[50076])), Is::Blocked);
    assert_eq!(is(&answer(&[53003, 50126])), Is::Wrong);
    let told = unavailable(answer(&[50105]).unwrap_err());
    assert_eq!(told, "the user is not assigned to the application (AADSTS50105): see entra { }");
}

#[test]
fn whoever_has_no_mfa_there_is_refused_if_that_is_wanted() {
    let entra = Entra::start();
    let asker = Asker::new(&format!("{}require_entra_mfa = yes\n", entra.options()));
    assert!(asker.login("alice", "alice-pw").is_ok());
    let AuthFailure::Blocked(told) = asker.why("bob", "bob-pw") else { panic!() };
    assert!(told.contains("require_entra_mfa"), "{told}");
    assert_eq!(asker.why("bob", "wrong-pw"), AuthFailure::Wrong);
}

#[test]
fn application_proves_itself_by_its_secret() {
    let entra = Entra::start();
    entra.wants(Proof::Secret);
    let with = |more: &str| Asker::new(&format!("{}{more}\n", entra.options()));
    assert!(with(&format!("client_secret = \"{SECRET}\"")).login("alice", "alice-pw").is_ok());
    assert_eq!(
        unavailable(with("").why("alice", "alice-pw")),
        "the application is not a public client (AADSTS7000218): allow public client flows, or set \"client_secret\""
    );
    let told = unavailable(with("client_secret = other-secret").why("alice", "alice-pw"));
    assert!(told.contains("AADSTS7000215") && !told.contains("other-secret"), "{told}");
}

#[test]
fn application_proves_itself_by_its_certificate() {
    let entra = Entra::start();
    entra.wants(Proof::Certificate);
    let folder = entra.authority().folder().to_owned();
    let with = |certificate: &str, key: &str| {
        let file = |name: &str| folder.join(name).display().to_string();
        let (certificate, key) = (file(certificate), file(key));
        let more = format!("certificate_file = {certificate}\nprivate_key_file = {key}\n");
        Asker::open(&format!("{}{more}", entra.options()))
    };
    let asker = with("client.pem", "client.key").unwrap();
    assert!(asker.login("alice", "alice-pw").is_ok());
    assert_eq!(asker.why("alice", "wrong-pw"), AuthFailure::Wrong);
    // What was said once is not said again.
    let marks: Vec<_> = entra.forms().iter().map(|form| form["client_assertion"].clone()).collect();
    assert_ne!(marks[0], marks[1]);
    for (ahead, words) in [(2000, "2000 s behind"), (-2000, "2000 s ahead")] {
        entra.ahead(ahead);
        let told = unavailable(asker.why("alice", "alice-pw"));
        assert!(told.contains("AADSTS700024") && told.contains("set this machine's clock"), "{told}");
        let near = words.replace("2000", "1999");
        let far = words.replace("2000", "2001");
        assert!(told.contains(words) || told.contains(&near) || told.contains(&far), "{told}");
    }
    for small in [250, -250] {
        entra.ahead(small);
        assert!(asker.login("alice", "alice-pw").is_ok(), "{small}");
    }
    entra.ahead(0);
    entra.authority().issue_rsa("other");
    assert!(
        unavailable(with("other.pem", "other.key").unwrap().why("alice", "alice-pw"))
            .contains("AADSTS700027")
    );
    for (certificate, key, words) in [
        ("client.pem", "other.key", "certificate_file"),
        ("client.pem", "server.key", "has to be RSA"),
        ("client.pem", "missing", "private_key_file"),
        ("missing", "client.key", "certificate_file"),
        ("client.key", "client.key", "certificate_file"),
    ] {
        let refused = with(certificate, key).map(drop).unwrap_err();
        assert!(refused.contains(words) && refused.contains("entra: "), "{certificate} {key}: {refused}");
    }
}

#[test]
fn what_is_no_answer_is_neither_yes_nor_no() {
    let entra = Entra::start();
    let (asker, hasty) = (Asker::new(&entra.options()), Asker::new(&entra.hasty()));
    let says = |status: u16, body: &str| Does::Says(status, String::new(), body.to_owned());
    let (token, right) = (granted().to_string(), refusal(&[50076]).to_string());
    let text = "{\"error\": \"invalid_grant\", \"error_description\": \"AADSTS50076: MFA is needed\"}";
    for (does, words) in [
        (says(200, "<html><script>marker</script></html>"), "HTML"),
        (says(400, "\n<!DOCTYPE html>"), "HTML"),
        (says(200, ""), "an empty answer"),
        (says(200, "null"), "no answer of Entra ID"),
        (says(200, "{}"), "does not give"),
        (says(200, "[{\"access_token\": \"a\"}]"), "no answer of Entra ID"),
        (says(200, "{\"access_token\": \"\"}"), "does not give"),
        (says(200, "{\"access_token\": null}"), "does not give"),
        (says(200, "{\"access_token\": true}"), "does not give"),
        (says(200, "{\"access_token\": \"a\", \"access_token\": \"b\"}"), "does not give"),
        (says(200, "{\"access_token\": \"a\", \"error\": \"invalid_grant\"}"), "does not give"),
        (says(200, "{\"access_token\": \"a\", \"error_codes\": [50126]}"), "does not give"),
        (says(200, token.trim_end_matches('}')), "does not give"),
        (says(200, &right), "does not give"),
        (says(201, &token), "HTTP 201"),
        (says(204, ""), "HTTP 204"),
        (says(400, &token), "does not give"),
        (says(400, text), "does not give"),
        (says(400, "{\"error_codes\": []}"), "does not give"),
        (says(400, "{\"error_codes\": [\"50076\"]}"), "does not give"),
        (says(400, "{\"error_codes\": [-1]}"), "does not give"),
        (says(400, "{\"error_codes\": 50076}"), "does not give"),
        (says(400, "{\"error_codes\": [50076], \"error_codes\": [50126]}"), "does not give"),
        (says(400, &"[".repeat(100_000)), "no answer of Entra ID"),
        (says(404, &right), "HTTP 404"),
        (says(407, &right), "HTTP 407"),
        (says(500, &token), "HTTP 500"),
        (says(502, "<html>marker</html>"), "HTTP 502"),
        (Does::Codes(503, vec![50076]), "HTTP 503 (AADSTS50076)"),
        (Does::Codes(504, vec![90033]), "HTTP 504 (AADSTS90033)"),
        (Does::HangsUp, "/token: "),
        (Does::Cuts, "/token: "),
        (Does::Floods, "more than 256 KiB"),
        (Does::Nothing, "/token: "),
    ] {
        entra.does(does.clone());
        let asker = if matches!(does, Does::Nothing) { &hasty } else { &asker };
        let start = Instant::now();
        let told = unavailable(asker.why("alice", "alice-pw"));
        assert!(told.contains(words), "{does:?}: {told}");
        assert!(start.elapsed() < SOON, "{does:?}: {:?}", start.elapsed());
    }
    entra.heal();
    assert!(asker.login("alice", "alice-pw").is_ok());
}

#[test]
fn redirects_are_not_followed() {
    let (entra, other) = (Entra::start(), Entra::start());
    let asker = Asker::new(&entra.options());
    for status in [301, 302, 303, 307, 308] {
        let to = format!("Location: {}/{TENANT}/oauth2/v2.0/token\r\n", other.place());
        entra.does(Does::Says(status, to, granted().to_string()));
        assert!(unavailable(asker.why("alice", "alice-pw")).contains("redirect"));
    }
    assert!(other.forms().is_empty());
}

#[test]
fn whoever_wants_peace_has_it() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    let says = |status: u16, head: &str| Does::Says(status, head.to_owned(), refusal(&[50196]).to_string());
    for (status, head) in [(429, "Retry-After: 2\r\n"), (503, "Retry-After: 2\r\n")] {
        entra.does(says(status, head));
        let told = unavailable(asker.why("alice", "alice-pw"));
        assert!(told.contains(&format!("HTTP {status} (AADSTS50196), wants no logins for 2 s")), "{told}");
        entra.heal();
        let before = entra.forms().len();
        let told = unavailable(asker.why("alice", "alice-pw"));
        assert!(told.contains("wants no logins for") && told.contains("s more"), "{told}");
        assert_eq!(entra.forms().len(), before);
        std::thread::sleep(Duration::from_millis(2100));
        assert!(asker.login("alice", "alice-pw").is_ok());
    }
    // For how long is not said, or in a way that is not understood, or for ever.
    for (head, most) in [("", 6), ("Retry-After: soon\r\n", 6), ("Retry-After: 99999999999\r\n", 61)] {
        let asker = Asker::new(&entra.options());
        entra.does(says(429, head));
        unavailable(asker.why("alice", "alice-pw"));
        let told = unavailable(asker.why("alice", "alice-pw"));
        let left = told.split("for ").nth(1).unwrap().split(' ').next().unwrap().parse::<u32>().unwrap();
        assert!((most / 2..=most).contains(&left), "{head}: {told}");
    }
    let asker = Asker::new(&entra.options());
    entra.does(says(503, ""));
    unavailable(asker.why("alice", "alice-pw"));
    entra.heal();
    assert!(asker.login("alice", "alice-pw").is_ok());
}

#[test]
fn stranger_gets_no_password() {
    for (make, word) in [
        ((|authority| authority.issue_for_another("server")) as fn(&Authority), "name"),
        (|authority| authority.forge("server"), "UnknownIssuer"),
        (|authority| authority.issue_expired("server"), "xpired"),
    ] {
        let authority = Authority::new();
        make(&authority);
        let entra = Entra::start_as(authority);
        let told = unavailable(Asker::new(&entra.options()).why("alice", "alice-pw"));
        assert!(told.contains("certificate") && told.contains(word), "{told}");
        assert!(entra.forms().is_empty());
    }
}

#[test]
fn nobody_there_is_told_in_time() {
    let entra = Entra::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = |place: &str| entra.hasty().replace(&entra.place(), place);
    let told = unavailable(Asker::new(&options(&format!("https://{free}"))).why("alice", "alice-pw"));
    assert!(told.contains("refused"), "{told}");
    // It takes the connection and says nothing: half open, for all that is seen from here.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("https://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let told = unavailable(Asker::new(&options(&place)).why("alice", "alice-pw"));
    assert!(told.contains(&place) && start.elapsed() < SOON, "{told}");
    let told = unavailable(Asker::new(&options("https://login.invalid")).why("alice", "alice-pw"));
    assert!(told.contains("login.invalid"), "{told}");
}

#[test]
fn proxy_sees_nothing_but_where_to() {
    let entra = Entra::start();
    let with = |proxy: &str| Asker::new(&format!("{}proxy = \"{proxy}\"\n", entra.hasty()));
    let between = proxy::Proxy::start(proxy::Does::Connect);
    assert!(with(between.url.as_str()).login("alice", "alice-pw").is_ok());
    let place = entra.place();
    assert_eq!(between.asked(), [format!("CONNECT {} HTTP/1.1", place.trim_start_matches("https://"))]);
    let asked = entra.forms().len();
    for does in [proxy::Does::Refuse, proxy::Does::Nothing] {
        let between = proxy::Proxy::start(does);
        unavailable(with(between.url.as_str()).why("alice", "alice-pw"));
    }
    assert_eq!(entra.forms().len(), asked);
}

#[test]
fn many_logins_go_side_by_side() {
    let entra = Entra::start();
    let asker = Asker::new(&entra.options());
    let is_right = |n: u8| n.is_multiple_of(2);
    let claim = |n: u8| Credentials {
        user: UserName::from_canonical("bob"),
        typed: b"bob".to_vec(),
        client: String::new(),
        password: SubmittedPassword::Plain(Secret::new(if is_right(n) { "bob-pw" } else { "wrong-pw" })),
        packet: Vec::new(),
        state: None,
    };
    let logins: Vec<_> =
        (0..200).map(|n| (n, asker.runtime.spawn(asker.entra.verify_password(claim(n))))).collect();
    for (n, login) in logins {
        let answer = asker.runtime.block_on(login).unwrap();
        assert_eq!(answer.is_ok(), is_right(n), "{answer:?}");
    }
    assert_eq!(entra.forms().len(), 200);
}

#[test]
fn probe_tells_what_is_wrong() {
    let entra = Entra::start();
    let with = |from: &str, to: &str| Asker::new(&entra.options().replace(from, to)).probe();
    assert_eq!(with("", "").unwrap(), "has the tenant, and takes the application");
    let form = entra.forms().remove(0);
    assert!(form["username"].starts_with("mfa-doctor-") && form["username"].ends_with(DOMAIN), "{form:?}");
    let told = with(TENANT, "other.onmicrosoft.com").unwrap_err();
    assert_eq!(told, "there is no such tenant here (AADSTS90002): see \"tenant\" and \"cloud\"");
    let told = with(CLIENT, "22222222-2222-3333-4444-555555555555").unwrap_err();
    assert_eq!(told, "the tenant has no such application (AADSTS700016): see \"client_id\" and \"tenant\"");
    entra.wants(Proof::Secret);
    assert!(with("", "").unwrap_err().contains("allow public client flows"));
    entra.wants(Proof::None);
    assert!(with(&entra.place(), "https://127.0.0.1:1").unwrap_err().contains("refused"));
    assert!(with("ca_file", "#").unwrap_err().contains("certificate"));
    let everybody = serde_json::json!({"access_token": TOKEN, "token_endpoint": "x"}).to_string();
    entra.does(Does::Says(200, String::new(), everybody));
    assert!(with("", "").unwrap_err().contains("who does not exist"));
    entra.does(Does::Says(200, String::new(), "<html>".to_owned()));
    assert!(with("", "").unwrap_err().contains("HTML"));
}
