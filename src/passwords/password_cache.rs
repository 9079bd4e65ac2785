//! Spares password backends: a password that was just refused is not asked about again, so that retransmissions lock
//! no account; a question that is under way is not asked twice; and, if configured, an accepted password is accepted
//! for a while.
//!
//! All of it is in the memory of this process alone: wrong passwords as digests under a key that dies with it, right
//! ones as slow hashes ([`super::password_hash`]).

use super::password_hash::{HashOwner, PasswordHasher};
use crate::config::{PasswordBackendKind, PasswordSource};
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
};
use crate::engine::provider::ProviderFuture;
use crate::types::SetupError;
use crate::types::keyed_digest;
use crate::types::{Secret, UserName};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Maximum number of cached wrong passwords; beyond it the oldest is dropped.
const WRONG: usize = 16_384;
/// The same for right passwords.
const RIGHT: usize = 4_096;

/// Attributes that a RADIUS server may decide by, beside name and password: NAS-IP-Address, Service-Type, Called-Station-Id, Calling-Station-Id,
/// NAS-Identifier, NAS-Port-Type, NAS-IPv6-Address. Other attributes may differ in a retransmission.
const PLACE: [u8; 7] = [4, 6, 30, 31, 32, 61, 95];

type BackendAnswer = Result<PasswordResponse, AuthFailure>;
type PasswordDigest = [u8; 32];

/// A password backend and its recent answers.
pub(crate) struct PasswordCache(Arc<CacheState>);

struct CacheState {
    by: PasswordBackendKind,
    authority: Arc<dyn PasswordBackend>,
    slow: Arc<PasswordHasher>,
    key: Secret,
    asking: Mutex<HashMap<PasswordDigest, watch::Receiver<Option<BackendAnswer>>>>,
    wrong: Mutex<RejectedPasswords>,
    right: Mutex<AcceptedPasswords>,
}

/// Result of a lookup.
enum CacheLookup {
    Known(BackendAnswer),
    Asked(watch::Receiver<Option<BackendAnswer>>),
}

/// Removes the pending query when dropped, even if the backend panics.
struct InFlightGuard<'i>(&'i CacheState, PasswordDigest);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        lock(&self.0.asking).remove(&self.1);
    }
}

impl PasswordCache {
    /// An empty cache.
    ///
    /// # Errors
    ///
    /// The system provides no random numbers.
    pub(crate) fn new(
        by: PasswordBackendKind,
        authority: Arc<dyn PasswordBackend>,
        passwords: &PasswordSource,
        slow: &Arc<PasswordHasher>,
    ) -> Result<Self, SetupError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(SetupError::no_random_numbers)?;
        // Rejections cached here can be changed here, so no caller waits; a password that is right elsewhere may be
        // right only once.
        let (wrong, right) = match by {
            PasswordBackendKind::Local => (Duration::ZERO, Duration::ZERO),
            PasswordBackendKind::Radius => (passwords.wrong_cache, Duration::ZERO),
            PasswordBackendKind::Ldap | PasswordBackendKind::Entra => {
                (passwords.wrong_cache, passwords.right_cache)
            }
        };
        Ok(Self(Arc::new(CacheState {
            by,
            authority,
            slow: Arc::clone(slow),
            key: Secret::new(key),
            asking: Mutex::default(),
            wrong: Mutex::new(RejectedPasswords {
                keep: wrong,
                order: VecDeque::new(),
                known: HashSet::new(),
            }),
            right: Mutex::new(AcceptedPasswords { keep: right, of: HashMap::new() }),
        })))
    }
}

impl PasswordBackend for PasswordCache {
    fn name(&self) -> &'static str {
        self.0.authority.name()
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<BackendAnswer> {
        let Some(digest) = self.0.credentials_digest(&claim) else {
            return self.0.authority.verify_password(claim);
        };
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut answer = match inner.lookup(claim, digest) {
                CacheLookup::Known(said) => return said,
                CacheLookup::Asked(answer) => answer,
            };
            let said = answer.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
            let why = "an answer that no backend gives, or a mistake of this module";
            said.unwrap_or_else(|| Err(BackendUnavailable(why.to_owned()).into()))
        })
    }
}

impl CacheState {
    /// The digest that identifies these credentials.
    fn credentials_digest(&self, claim: &Credentials) -> Option<PasswordDigest> {
        let place = claim
            .packet
            .iter()
            .filter(|raw| self.by == PasswordBackendKind::Radius && PLACE.contains(&raw.kind));
        let place: Vec<_> = place.flat_map(|raw| [std::slice::from_ref(&raw.kind), &raw.value[..]]).collect();
        let (answers, state) = (u8::from(claim.state.is_some()), claim.state.as_deref().unwrap_or_default());
        let count = place.len().to_be_bytes();
        let mut parts =
            vec![claim.user.as_str().as_bytes(), &claim.typed, std::slice::from_ref(&answers), state, &count];
        parts.extend(place);
        parts.extend(claim.password.distinguishing_parts());
        keyed_digest(&self.key, parts)
    }

    fn lookup(self: &Arc<Self>, claim: Credentials, digest: PasswordDigest) -> CacheLookup {
        let mut asking = lock(&self.asking);
        if let Some(answer) = asking.get(&digest) {
            return CacheLookup::Asked(answer.clone());
        }
        // The result of a query that is no longer pending has been cached by now.
        if lock(&self.wrong).contains(&digest, Instant::now()) {
            return CacheLookup::Known(Err(AuthFailure::Wrong));
        }
        let (tell, answer) = watch::channel(None);
        asking.insert(digest, answer.clone());
        // A task of its own: one caller may give up while another still waits.
        tokio::spawn(Arc::clone(self).ask_backend(claim, digest, tell));
        CacheLookup::Asked(answer)
    }

    async fn ask_backend(
        self: Arc<Self>,
        claim: Credentials,
        digest: PasswordDigest,
        tell: watch::Sender<Option<BackendAnswer>>,
    ) {
        let asking = InFlightGuard(&self, digest);
        let password = match &claim.password {
            SubmittedPassword::Plain(password) if claim.state.is_none() => Some(password.clone()),
            _ => None,
        };
        if let Some(person) = self.recall_password(&claim, password.as_ref()).await {
            drop(asking);
            let _ = tell.send(Some(Ok(PasswordResponse::Person(person))));
            return;
        }
        let (user, typed, is_first) = (claim.user.clone(), claim.typed.clone(), claim.state.is_none());
        let said = self.authority.verify_password(claim).await;
        let now = Instant::now();
        match &said {
            Err(AuthFailure::Wrong) if is_first => lock(&self.wrong).add(digest, now),
            _ => {}
        }
        if !matches!(said, Ok(_) | Err(AuthFailure::Unavailable(_))) {
            lock(&self.right).forget_user(&user);
        }
        drop(asking);
        let right = match &said {
            Ok(PasswordResponse::Person(person)) if lock(&self.right).keeps_passwords() => {
                password.map(|password| (password, person.clone()))
            }
            _ => None,
        };
        // No caller waits for what follows.
        let _ = tell.send(Some(said));
        if let Some((password, person)) = right
            && let Ok(hash) = self.slow.hash(password, user.as_str()).await
        {
            let mut right = lock(&self.right);
            let until = now + right.keep;
            right.put_entry(user, AcceptedEntry { typed, hash, person, until });
        }
    }

    /// The user, if the password was accepted a while ago. One try: a wrong password ends the entry, whatever the
    /// backend then says, so that passwords cannot be tried one after the other without being counted.
    async fn recall_password(
        &self,
        claim: &Credentials,
        password: Option<&Secret>,
    ) -> Option<Box<DirectoryUser>> {
        let password = password?.clone();
        let entry = lock(&self.right).take_entry(&claim.user, &claim.typed, Instant::now())?;
        let owner = HashOwner { user: claim.user.as_str(), client: &claim.client };
        if self.slow.verify(password, Some(entry.hash.clone()), owner).await != Ok(true) {
            return None;
        }
        let person = entry.person.clone();
        lock(&self.right).put_entry(claim.user.clone(), entry);
        Some(person)
    }
}

/// Digests of wrong credentials.
struct RejectedPasswords {
    keep: Duration,
    order: VecDeque<(Instant, PasswordDigest)>,
    known: HashSet<PasswordDigest>,
}

impl RejectedPasswords {
    fn contains(&mut self, digest: &PasswordDigest, now: Instant) -> bool {
        while let Some((since, oldest)) = self.order.front()
            && (now.saturating_duration_since(*since) >= self.keep || self.order.len() > WRONG)
        {
            self.known.remove(oldest);
            self.order.pop_front();
        }
        self.known.contains(digest)
    }

    fn add(&mut self, digest: PasswordDigest, now: Instant) {
        if !self.keep.is_zero() && !self.contains(&digest, now) {
            self.known.insert(digest);
            self.order.push_back((now, digest));
        }
    }
}

/// Right passwords, one for each user.
struct AcceptedPasswords {
    keep: Duration,
    of: HashMap<UserName, AcceptedEntry>,
}

struct AcceptedEntry {
    typed: Vec<u8>,
    hash: String,
    person: Box<DirectoryUser>,
    until: Instant,
}

impl AcceptedPasswords {
    fn keeps_passwords(&self) -> bool {
        !self.keep.is_zero()
    }

    /// The entry for the name as typed. The caller puts it back.
    fn take_entry(&mut self, user: &UserName, typed: &[u8], now: Instant) -> Option<AcceptedEntry> {
        if self.of.get(user)?.typed != typed {
            return None;
        }
        self.of.remove(user).filter(|entry| now < entry.until)
    }

    fn put_entry(&mut self, user: UserName, entry: AcceptedEntry) {
        if self.of.len() >= RIGHT && !self.of.contains_key(&user) {
            let oldest = self.of.iter().min_by_key(|(_, entry)| entry.until).map(|(user, _)| user.clone());
            oldest.and_then(|oldest| self.of.remove(&oldest));
        }
        self.of.insert(user, entry);
    }

    fn forget_user(&mut self, user: &UserName) {
        self.of.remove(user);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
