//! A place where a store lives, and short words for what logins and administrators do with it.

use rlm_mfa::config::{self, FailureLimits};
use rlm_mfa::engine::port::{
    AttemptCommit, AttemptFinding, AuditRecord, EnrolledToken, SpendPasscode, Store, Unavailable,
};
use rlm_mfa::engine::{AttemptSource, PasscodeTag, PasswordStatus, PasswordVerifier, Reason};
use rlm_mfa::store::{self, Administration, NewToken};
use rlm_mfa::types::{Factor, Mode, Secret, Timestamp, UserName};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Both faces of an open store.
pub trait Opened: Store + Administration {}
impl<T: Store + Administration> Opened for T {}

/// A place where an engine keeps a store; opened as often as one likes, by several processes at once.
pub trait Site {
    fn new() -> Self
    where
        Self: Sized;
    /// What another process needs to open the same store with [`open_at`].
    fn address(&self) -> String;
    fn open(&self) -> Box<dyn Opened> {
        open_at(&self.address())
    }
}

/// Opens a store in another process of the suite.
pub fn open_at(address: &str) -> Box<dyn Opened> {
    Box::new(store::SqliteStore::open(&settings(Path::new(address))).unwrap())
}

/// The embedded engine in a folder of its own.
pub struct Sqlite(pub tempfile::TempDir);

impl Site for Sqlite {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        store::SqliteStore::create_store(&site.settings()).unwrap();
        site
    }
    fn address(&self) -> String {
        self.0.path().to_str().unwrap().to_owned()
    }
}

impl Sqlite {
    pub fn settings(&self) -> config::StoreOptions {
        settings(self.0.path())
    }
    pub fn sqlite(&self) -> store::SqliteStore {
        store::SqliteStore::open(&self.settings()).unwrap()
    }
    /// The database by other means.
    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.settings().filename).unwrap()
    }
}

pub fn settings(folder: &Path) -> config::StoreOptions {
    config::StoreOptions {
        filename: folder.join("mfa.db"),
        key: config::KeySource::File(folder.join("mfa.key")),
        ..config::StoreOptions::default()
    }
}

struct Unpark(std::thread::Thread);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub fn wait<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub fn name(text: &str) -> UserName {
    UserName::from_canonical(text)
}

/// Seconds after an arbitrary moment.
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

pub fn tag(text: &str) -> PasscodeTag {
    let mut tag = PasscodeTag::default();
    tag.0.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    tag
}

pub fn totp() -> NewToken {
    NewToken {
        factor: Factor::Totp,
        serial: None,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: Secret::new(*b"12345678901234567890"),
        pin: None,
        next: 0,
        codes: Vec::new(),
    }
}

/// A token with a secret that belongs to this user alone.
pub fn totp_of(user: &str) -> NewToken {
    NewToken { secret: Secret::new(format!("the secret of {user}")), ..totp() }
}

/// A second token for the same user: no two tokens have one secret.
pub fn second() -> NewToken {
    NewToken { secret: Secret::new(*b"another secret of his"), ..totp() }
}

fn third() -> NewToken {
    NewToken { secret: Secret::new(*b"the key of the codes"), ..totp() }
}

pub fn recovery(codes: u8) -> NewToken {
    NewToken { factor: Factor::Recovery, codes: (0..codes).map(|n| [n; 32]).collect(), ..third() }
}

/// Adds a user with one TOTP token.
pub fn enrol(store: &dyn Opened, user: &str) -> EnrolledToken {
    store.add_user(&name(user), "", at(0)).unwrap();
    store.add_token(&name(user), totp_of(user), at(0)).unwrap()
}

pub fn step(step: i64) -> SpendPasscode {
    SpendPasscode::Step { step, drift: 0, resynchronised: false }
}

pub fn wrong(text: &str) -> AttemptFinding {
    AttemptFinding::Wrong { tag: tag(text), drifted: None }
}

/// An attempt on its way to be settled.
#[derive(Clone)]
pub struct Try {
    pub user: String,
    pub finding: AttemptFinding,
    pub at: Timestamp,
    pub station: &'static str,
    pub password: PasswordStatus,
}

impl Try {
    pub fn new(user: &str, finding: AttemptFinding) -> Self {
        let (at, station, password) = (at(0), "", PasswordStatus::NotRequired);
        Self { user: user.into(), finding, at, station, password }
    }
    pub fn right(user: &str, token: &EnrolledToken, spend: SpendPasscode) -> Self {
        Self::new(user, AttemptFinding::Right { token: token.id, spend, tag: tag("right") })
    }
    pub fn at(self, seconds: u64) -> Self {
        Self { at: at(seconds), ..self }
    }
    pub fn from(self, station: &'static str) -> Self {
        Self { station, ..self }
    }
    pub fn proven(self) -> Self {
        Self { password: PasswordStatus::Verified { by: PasswordVerifier::Client }, ..self }
    }
    pub fn settlement(self, store: &dyn Store) -> AttemptCommit {
        let known = wait(store.find_account(&name(&self.user))).unwrap();
        AttemptCommit {
            user: known.map(|known| known.id),
            password_status: self.password,
            limits: FailureLimits::default(),
            second_code: Default::default(),
            finding: self.finding,
            remember: None,
            spends: None,
            pending: None,
            conversation: None,
            next: None,
            record: AuditRecord {
                at: self.at,
                user: self.user,
                source: AttemptSource {
                    client: "192.0.2.1".into(),
                    calling_station: self.station.into(),
                    request: Some(7),
                },
                mode: Mode::Passcode,
                factor: None,
                token: None,
            },
        }
    }
    pub fn answer(self, store: &dyn Store) -> Result<Reason, Unavailable> {
        let settlement = self.settlement(store);
        wait(store.commit_attempt(settlement))
    }
    pub fn settle(self, store: &dyn Store) -> Reason {
        self.answer(store).unwrap()
    }
}
