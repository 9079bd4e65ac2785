//! Slow hashes of passwords: argon2id (RFC 9106), in PHC string format. Each takes tens of milliseconds of one core and 19 MiB, so
//! that only a few are computed at once, never on a thread that others wait for, and in memory that is handed round: taken from the
//! allocator for each hash, it would stay with one thread's arena after the other.

use super::fair_queue::{FairQueue, QueueClass, QueueFull, QueueTurn};
use crate::engine::directory::BackendUnavailable;
use crate::types::Secret;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::time::Duration;

/// What a hash costs: the smallest memory of those costs that OWASP's "Password Storage Cheat Sheet" holds to be equal.
const KIBIBYTES: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Compared with where the user has no hash: same parameters as [`hash_password`], and not the hash of a known password.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Maximum time that a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory for one hash at a time.
#[derive(Default)]
struct HashBuffer(Vec<Block>);

impl HashBuffer {
    /// Provides this many blocks. Existing memory is reused; imported hashes may need more than ours.
    fn memory_blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }
}

fn hash_params() -> password_hash::Result<Params> {
    Ok(Params::new(KIBIBYTES, PASSES, LANES, None)?)
}

/// Why a password cannot be hashed or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// No memory, or a parameter that cannot be.
    #[error("the password cannot be hashed: {0}")]
    Hash(password_hash::Error),
    /// The stored hash cannot be read, or no memory.
    #[error("the password cannot be compared: {0}")]
    Compare(password_hash::Error),
}

/// Hashes a password with a random salt. Takes tens of milliseconds.
///
/// # Errors
///
/// The system provides no random numbers, or no memory.
pub fn hash_password(password: &Secret) -> Result<String, PasswordHashError> {
    hash_in(&mut HashBuffer::default(), password)
}

fn hash_in(memory: &mut HashBuffer, password: &Secret) -> Result<String, PasswordHashError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let mut hash = || -> password_hash::Result<PasswordHash> {
        let (params, salt) = (hash_params()?, Salt::new(&salt)?);
        let shown = ParamsString::try_from(&params)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = compute_hash(memory, &argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: shown,
            salt: Some(salt),
            hash: Some(hash),
        })
    };
    hash().map(|hash| hash.to_string()).map_err(PasswordHashError::Hash)
}

fn compute_hash(
    memory: &mut HashBuffer,
    argon2: &Argon2<'_>,
    password: &Secret,
    salt: &[u8],
    length: usize,
) -> password_hash::Result<Output> {
    let mut octets = [0; Output::MAX_LENGTH];
    let out = octets.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
    let blocks = memory.memory_blocks(argon2.params().block_count());
    argon2.hash_password_into_with_memory(password.expose(), salt, out, blocks)?;
    Ok(Output::new(out)?)
}

/// Whether the password matches the hash. Without a hash the result is `false`, at the same cost.
fn verify_password(
    memory: &mut HashBuffer,
    password: &Secret,
    hash: Option<&str>,
) -> Result<bool, PasswordHashError> {
    let is_right = matches_hash(memory, password, hash.unwrap_or(NOBODYS));
    is_right.map(|right| right && hash.is_some()).map_err(PasswordHashError::Compare)
}

fn matches_hash(memory: &mut HashBuffer, password: &Secret, hash: &str) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(password_hash::Error::OutputSize);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
    // Compared in constant time.
    Ok(*expected == compute_hash(memory, &argon2, password, salt, expected.len())?)
}

/// Computes hashes, a few at once.
pub(crate) struct PasswordHasher {
    turns: FairQueue<HashBuffer>,
    patience: Duration,
}

/// The user and client that a hash is computed for.
#[derive(Clone, Copy)]
pub(crate) struct HashOwner<'a> {
    /// The canonical name.
    pub(super) user: &'a str,
    /// The client's address.
    pub(super) client: &'a str,
}

/// When the memory for hashes is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashMemory {
    /// At start.
    Reserved,
    /// With the first hash.
    OnDemand,
}

impl PasswordHasher {
    /// Computes as many hashes at once as there are cores, 2 to 4.
    pub(crate) fn new(memory: HashMemory) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Self::with_room(cores.clamp(2, 4), memory, PATIENCE)
    }

    fn with_room(room: usize, reserved: HashMemory, patience: Duration) -> Self {
        let count = hash_params().map_or(0, |params| params.block_count());
        let memory = |_| {
            let mut memory = HashBuffer::default();
            if reserved == HashMemory::Reserved {
                memory.memory_blocks(count);
            }
            memory
        };
        Self { turns: FairQueue::new((0..room).map(memory).collect()), patience }
    }

    /// Whether the password matches the hash. Without a hash the result is `false`, at the same cost.
    ///
    /// If callers have to wait, users with a hash come first. A wrong password is reported no earlier than it would be without a hash,
    /// so that the response time does not reveal which users have a password.
    pub(crate) async fn verify(
        &self,
        password: Secret,
        hash: Option<String>,
        owner: HashOwner<'_>,
    ) -> Result<bool, BackendUnavailable> {
        let stranger = QueueClass::Stranger(owner.client.to_owned());
        let has_hash = hash.is_some();
        let class = if has_hash { QueueClass::User(owner.user.to_owned()) } else { stranger.clone() };
        let is_right =
            self.run(class, move |memory| verify_password(memory, &password, hash.as_deref())).await?;
        if has_hash && !is_right {
            let _ = tokio::time::timeout(self.patience, self.turns.acquire_turn(stranger)).await;
        }
        Ok(is_right)
    }

    /// [`hash_password`], of a user's right password.
    pub(crate) async fn hash(&self, password: Secret, user: &str) -> Result<String, BackendUnavailable> {
        self.run(QueueClass::User(user.to_owned()), move |memory| hash_in(memory, &password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        class: QueueClass,
        work: impl FnOnce(&mut HashBuffer) -> Result<T, PasswordHashError> + Send + 'static,
    ) -> Result<T, BackendUnavailable> {
        let mut turn = self.acquire_turn(class).await?;
        // A hash that was started continues after its caller is gone, and keeps its turn until then.
        let task = tokio::task::spawn_blocking(move || turn.item_mut().map(work));
        match task.await {
            Ok(Some(done)) => done.map_err(|why| BackendUnavailable(why.to_string())),
            Ok(None) | Err(_) => {
                Err(BackendUnavailable("passwords are not checked any more: the server stops".to_owned()))
            }
        }
    }

    async fn acquire_turn(&self, class: QueueClass) -> Result<QueueTurn<HashBuffer>, BackendUnavailable> {
        let why = match tokio::time::timeout(self.patience, self.turns.acquire_turn(class)).await {
            Ok(Ok(turn)) => return Ok(turn),
            Ok(Err(QueueFull)) => "too many wait for the same user or client already".to_owned(),
            Err(_elapsed) => format!("no turn within {} s", self.patience.as_secs()),
        };
        Err(BackendUnavailable(format!(
            "too many passwords are checked: {why}: see how many logins come, or give it more cores"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_of_one_password_and_never_the_same() {
        let (right, wrong) = (Secret::new("secret"), Secret::new("Secret"));
        let hash = hash_password(&right).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_password(&right).unwrap());
        assert_eq!(verify_password(&mut HashBuffer::default(), &right, Some(&hash)), Ok(true));
        assert_eq!(verify_password(&mut HashBuffer::default(), &wrong, Some(&hash)), Ok(false));
    }

    /// Computed with the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`.
    #[test]
    fn hash_of_others_with_costs_of_its_own_is_understood() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(
            verify_password(&mut HashBuffer::default(), &Secret::new("password"), Some(hash)),
            Ok(true)
        );
    }

    #[test]
    fn what_is_no_hash_is_neither_yes_nor_no() {
        for hash in ["", "secret", "$argon2id$", "$1$salt$hash"] {
            assert!(
                verify_password(&mut HashBuffer::default(), &Secret::new("secret"), Some(hash)).is_err(),
                "{hash}"
            );
        }
    }

    #[test]
    fn password_without_a_hash_costs_as_much_as_a_wrong_one() {
        let password = Secret::new("secret");
        let hash = hash_password(&Secret::new("other")).unwrap();
        // All but what the salt and the hash are.
        let costs = |hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            let lengths = (hash.salt.unwrap().as_ref().len(), hash.hash.unwrap().as_bytes().len());
            (hash.algorithm, hash.version, hash.params, lengths)
        };
        assert_eq!(costs(NOBODYS), costs(&hash));
        let mut memory = HashBuffer::default();
        assert_eq!(matches_hash(&mut memory, &password, NOBODYS), Ok(false), "computed to the end");
        let answers = [None, Some(hash.as_str())].map(|hash| verify_password(&mut memory, &password, hash));
        assert_eq!(answers, [Ok(false), Ok(false)]);
    }

    const ALICE: HashOwner<'_> = HashOwner { user: "alice", client: "192.0.2.1" };

    #[tokio::test]
    async fn login_without_a_turn_in_time_is_told_so() {
        let slow = PasswordHasher::with_room(1, HashMemory::OnDemand, Duration::from_millis(1));
        let held = slow.turns.acquire_turn(QueueClass::User("bob".into())).await.unwrap();
        assert!(slow.verify(Secret::new("secret"), None, ALICE).await.is_err());
        drop(held);
        assert_eq!(slow.verify(Secret::new("secret"), None, ALICE).await, Ok(false));
    }

    #[tokio::test]
    async fn memory_is_used_again_also_after_a_hash_that_needs_more() {
        let slow = PasswordHasher::with_room(1, HashMemory::Reserved, PATIENCE);
        let held = |turn: &mut QueueTurn<HashBuffer>| turn.item_mut().unwrap().0.len();
        let own = held(&mut slow.turns.acquire_turn(QueueClass::User("bob".into())).await.unwrap());
        assert_eq!(own, 19 * 1024);
        let hash = hash_password(&Secret::new("secret")).unwrap();
        assert_eq!(slow.verify(Secret::new("secret"), Some(hash), ALICE).await, Ok(true));
        assert_eq!(held(&mut slow.turns.acquire_turn(QueueClass::User("bob".into())).await.unwrap()), own);
        let other = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(slow.verify(Secret::new("password"), Some(other.into()), ALICE).await, Ok(true));
        assert_eq!(slow.verify(Secret::new("secret"), None, ALICE).await, Ok(false));
    }

    #[tokio::test]
    async fn flood_of_invented_names_does_not_stop_a_user_and_tells_nothing() {
        let slow = std::sync::Arc::new(PasswordHasher::with_room(1, HashMemory::OnDemand, PATIENCE));
        let hash = hash_password(&Secret::new("secret")).unwrap();
        let held = slow.turns.acquire_turn(QueueClass::User("bob".into())).await.unwrap();
        let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
        let login = |name: &'static str, hash: Option<String>, password: &'static str| {
            let (slow, done) = (std::sync::Arc::clone(&slow), done.clone());
            tokio::spawn(async move {
                let owner = HashOwner { user: name, client: "192.0.2.1" };
                let _ = done.send((name, slow.verify(Secret::new(password), hash, owner).await));
            })
        };
        for _ in 0..3 {
            drop(login("invented", None, "secret"));
        }
        tokio::task::yield_now().await;
        drop(login("wrong", Some(hash.clone()), "other"));
        drop(login("alice", Some(hash), "secret"));
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        drop(held);
        let mut told = Vec::new();
        for _ in 0..5 {
            told.push(order.recv().await.unwrap());
        }
        assert_eq!(told.first(), Some(&("alice", Ok(true))), "{told:?}");
        // At the end of the last turn of those before it at the earliest.
        let wrong = told.iter().position(|(name, _)| *name == "wrong");
        assert!(wrong >= Some(3), "not before those who have no password: {told:?}");
    }
}
