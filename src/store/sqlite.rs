//! The embedded store: made by [`SqliteStore::create_store`], opened by the server and by each `mfa` command. Several processes may have
//! it open at once.
//!
//! Logins read on their own thread, from a pool of connections (in WAL mode readers never wait), and are settled by the
//! [`writer`](super::writer).

use super::connection::{self, ConnectionPurpose};
use super::error::{StoreFault, from_text};
use super::key_id::KeyId;
use super::keyring::{Keyring, LiveKeyring, SealingKey};
use super::seal::{self, SealedPlace};
use super::writer::WriterHandle;
use super::{Error, attempts, challenges, file_identity, pending_passcodes, remembered_logins, schema};
use crate::config;
use crate::config::FailureLimits;
use crate::engine::challenge::ChallengeState;
use crate::engine::port::{
    Account, AttemptCommit, CodeSending, NewCode, PasswordConfirmation, RememberedLoginDigest, StateDigest,
    Store, StoreFuture, Unavailable,
};
use crate::engine::{AttemptSource, Gate, PasswordProof, Reason};
use crate::types::{Secret, Timestamp, UserName};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Reading connections that are kept open; more are opened while more are needed.
const READERS: usize = 32;

/// The embedded store. Dropped, it finishes what has been queued, waiting at most 2 s.
pub struct SqliteStore {
    pub(super) shared: Arc<StoreState>,
    writer: WriterHandle,
    admin: Mutex<Connection>,
}

/// What the futures of logins hold on to.
pub(super) struct StoreState {
    pub(super) config: config::StoreOptions,
    pub(super) keys: LiveKeyring,
    readers: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("filename", &self.shared.config.filename).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Makes folder, key file and database for a new site, all of them private to the user who runs this. Nothing that exists is
    /// overwritten, but a key file that exists is used: it may be the copy from a machine that was lost.
    pub fn create_store(store: &config::StoreOptions) -> Result<(), Error> {
        let filename = &store.filename;
        if std::fs::symlink_metadata(filename).is_ok() {
            return Err(Error::Other(format!(
                "{} exists already: nothing was changed; move it away to start anew",
                filename.display()
            )));
        }
        make_folder(connection::parent_folder(filename))?;
        if let config::KeySource::File(path) = &store.key
            && std::fs::symlink_metadata(path).is_err()
        {
            make_folder(connection::parent_folder(path))?;
            make_key_file(path).map_err(|fault| fault.into_error(path))?;
        }
        let keys = Keyring::read(&store.key)?;
        make_database(filename, &keys).map_err(|fault| fault.into_error(filename))
    }

    /// Opens the store that [`create_store`](Self::create_store) made, bringing its schema up to date. Refuses a database from the future
    /// and one whose key is not here.
    pub fn open(store: &config::StoreOptions) -> Result<Self, Error> {
        let filename = &store.filename;
        let tell = |fault: StoreFault| fault.into_error(filename);
        let mut admin = connection::open(filename, ConnectionPurpose::Administer)?;
        schema::migrate_schema(&mut admin).map_err(tell)?;
        let keys = LiveKeyring::open(&store.key)?;
        check_key(&admin, &keys, &store.key).map_err(tell)?;
        let writer = WriterHandle::start(filename, store.audit_keep, store.audit_refusals)?;
        let shared = StoreState { config: store.clone(), keys, readers: Mutex::new(Vec::new()) };
        Ok(Self { shared: Arc::new(shared), writer, admin: Mutex::new(admin) })
    }

    /// Finishes what has been queued and closes; waits for a slow disk at most 2 s.
    pub fn close(self) {}

    /// What a login writes.
    fn queue_write<T: Send + 'static>(
        &self,
        at: Timestamp,
        work: impl Fn(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> StoreFuture<T> {
        let sent = self.writer.send(at, work);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let ended = |_| {
                let file = shared.config.filename.display();
                Unavailable(format!("{file}: the writer gave no answer: see the server's log, restart it"))
            };
            sent?.await.map_err(ended)?
        })
    }

    /// Administration in one durable transaction.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, Error> {
        let mut conn = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        run().map_err(|fault: StoreFault| fault.into_error(&self.shared.config.filename))
    }

    /// What administration would come to; nothing is written.
    pub(super) fn run_undone<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, Error> {
        let mut conn = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        // A transaction that is not committed is rolled back.
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreFault::from);
        tx.and_then(|tx| work(&tx))
            .map_err(|fault: StoreFault| fault.into_error(&self.shared.config.filename))
    }

    /// Work on the connection of administration that writes nothing, or only what no other connection sees.
    pub(super) fn run_aside<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreFault>,
    ) -> Result<T, Error> {
        let conn = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        work(&conn).map_err(|fault| fault.into_error(&self.shared.config.filename))
    }

    /// Reading, on a connection of its own.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreFault>,
    ) -> Result<T, Error> {
        self.shared.read(work).map_err(|fault| fault.into_error(&self.shared.config.filename))
    }
}

impl StoreState {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => connection::open(&self.config.filename, ConnectionPurpose::Read)?,
        };
        let done = work(&conn);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(conn);
        }
        done
    }

    fn find_with_keys(&self, name: &UserName) -> Result<Option<Account>, StoreFault> {
        self.read(|conn| self.keys.with_current_keys(|keys| attempts::find_account(conn, keys, name)))
    }
}

impl Store for SqliteStore {
    /// Answers when first polled: it reads on the thread that asks.
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        Box::pin(async move {
            shared
                .find_with_keys(&name)
                .map_err(|fault| Unavailable(fault.into_error(&shared.config.filename).to_string()))
        })
    }

    /// Answers when first polled.
    fn find_password_hash(&self, name: &UserName) -> StoreFuture<Option<String>> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        Box::pin(async move {
            let hash = shared.read(|conn| {
                shared.keys.with_current_keys(|keys| attempts::find_password_hash(conn, keys, &name))
            });
            hash.map_err(|fault| Unavailable(fault.into_error(&shared.config.filename).to_string()))
        })
    }

    /// Answers when first polled.
    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate> {
        let (shared, name, source) = (Arc::clone(&self.shared), name.clone(), source.clone());
        Box::pin(async move {
            let gate = shared.read(|conn| attempts::check_gate(conn, &name, &source, &limits, standing, now));
            gate.map_err(|fault| Unavailable(fault.into_error(&shared.config.filename).to_string()))
        })
    }

    fn remembered_login_digest(
        &self,
        name: &UserName,
        source: &AttemptSource,
        password: &Secret,
    ) -> Option<RememberedLoginDigest> {
        let (client, station) = (source.client.as_bytes(), source.calling_station.as_bytes());
        let parts = [name.as_str().as_bytes(), client, station, password.expose()];
        self.shared
            .keys
            .with_current_keys(|keys| Ok(remembered_logins::remembered_login_digest(keys, parts)))
            .ok()
            .flatten()
    }

    /// Answers when first polled.
    fn is_remembered(
        &self,
        name: &UserName,
        source: &AttemptSource,
        mark: &RememberedLoginDigest,
        now: Timestamp,
    ) -> StoreFuture<bool> {
        let shared = Arc::clone(&self.shared);
        let (name, source, mark) = (name.clone(), source.clone(), mark.clone());
        Box::pin(async move {
            let place = (name.as_str(), source.client.as_str(), source.calling_station.as_str());
            let found = shared.read(|conn| remembered_logins::is_remembered(conn, place, &mark, now));
            found.map_err(|fault| Unavailable(fault.into_error(&shared.config.filename).to_string()))
        })
    }

    /// Answers when first polled.
    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        Box::pin(async move {
            let until = shared.read(|conn| attempts::locked_until(conn, &name));
            until.map_err(|fault| Unavailable(fault.into_error(&shared.config.filename).to_string()))
        })
    }

    /// Is queued at once, polled or not.
    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason> {
        self.queue_write(settlement.record.at, move |conn| attempts::commit_attempt(conn, &settlement))
    }

    /// Is queued at once, polled or not.
    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason> {
        self.queue_write(confirmation.record.at, move |conn| {
            pending_passcodes::confirm_pending(conn, &confirmation)
        })
    }

    /// Is queued at once, polled or not.
    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>> {
        let (name, source) = (name.clone(), source.clone());
        self.queue_write(now, move |conn| challenges::redeem_challenge(conn, state, &name, &source, now))
    }

    /// Is queued at once, polled or not.
    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()> {
        self.queue_write(code.at, move |conn| challenges::not_sent(conn, &code))
    }

    /// Is queued at once, polled or not.
    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending> {
        self.queue_write(code.at, move |conn| challenges::insert_code(conn, &code))
    }
}

/// Name of the setting that tells which key is in use: a sealed value that only this key opens.
const CANARY: &str = "key";
const CANARY_PLACE: SealedPlace<'static> = SealedPlace { column: "setting.value", row: 0, user: "" };

/// Makes `key` the one under which values are sealed from now on.
pub(super) fn use_key(conn: &Connection, key: &SealingKey) -> Result<(), StoreFault> {
    Ok(schema::set_setting(conn, CANARY, seal::seal(key, CANARY_PLACE, b"mfa")?)?)
}

/// The key under which values are sealed.
pub(super) fn key_in_use(conn: &Connection) -> Result<KeyId, StoreFault> {
    let canary: Option<Vec<u8>> = schema::read_setting(conn, CANARY)?;
    let id = canary.as_deref().and_then(seal::key_of);
    id.ok_or_else(|| StoreFault::Row("row \"key\" of setting is missing or damaged".into()))
}

/// Whether we have the key of this database; the error names the key and where it was looked for.
pub(super) fn check_key(
    conn: &Connection,
    keys: &LiveKeyring,
    from: &config::KeySource,
) -> Result<(), StoreFault> {
    let canary: Vec<u8> = schema::read_setting(conn, CANARY)?
        .ok_or_else(|| StoreFault::Row("row \"key\" of setting is missing".into()))?;
    match keys.with_current_keys(|keys| seal::open(keys, CANARY_PLACE, &canary)) {
        Err(StoreFault::UnknownKey(id)) => {
            let (place, has) =
                (key_place(from), keys.get().key_ids().map(|id| id.to_string()).collect::<Vec<_>>());
            Err(from_text(format!(
                "wrong key: the database is sealed under key {id}, but {place} holds {}: put the right one back, or add it as the last line",
                has.join(", ")
            )))
        }
        done => done.map(drop),
    }
}

/// Where keys come from, in words.
pub(super) fn key_place(from: &config::KeySource) -> String {
    match from {
        config::KeySource::File(path) => format!("key file {}", path.display()),
        config::KeySource::Text(_) => "`key` in store { }".into(),
    }
}

/// A folder that is there stays as it is.
fn make_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let shown = folder.display();
    file_identity::create_private_folder(folder).map_err(|e| {
        Error::Other(format!(
            "folder {shown} cannot be made: {e}: make the folder above it first, or run as root"
        ))
    })
}

fn make_key_file(path: &Path) -> Result<(), StoreFault> {
    use std::io::Write;
    let ring = Keyring::from(vec![SealingKey::generate_key()?]);
    let write = || {
        let mut file = file_identity::create_private(path)?;
        file.write_all(ring.print().expose())?;
        file.sync_all()?;
        file_identity::sync_folder(path)
    };
    write().map_err(|e| from_text(format!("key file {} cannot be made: {e}: run as root", path.display())))
}

/// Makes a database that can be opened, or leaves nothing behind.
pub(super) fn make_database(path: &Path, keys: &Keyring) -> Result<(), StoreFault> {
    file_identity::create_private(path)
        .map_err(|e| from_text(format!("{} cannot be made: {e}: run as root", path.display())))?;
    let fill = || {
        let conn = connection::open_or_create(path)?;
        let key = keys.newest_key().ok_or_else(|| from_text("there is no key"))?;
        use_key(&conn, key)?;
        let _ = file_identity::sync_folder(path);
        Ok(())
    };
    fill().inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}
