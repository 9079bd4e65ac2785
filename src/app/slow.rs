//! Slow hashes of passwords: argon2id (RFC 9106), in PHC string format. Each takes tens of milliseconds of one core and 19 MiB, so
//! that only a few are computed at once, and never on a thread that others wait for.

use crate::engine::directory::Unavailable;
use crate::types::Secret;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a hash costs: the smallest memory of those costs that OWASP's "Password Storage Cheat Sheet" holds to be equal.
const KIBIBYTES: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What is compared with where there is no hash: like those of [`hash_password`], and of no known password.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hash of a password with a salt of its own. Takes its time.
///
/// # Errors
///
/// The system gives no random numbers, or no memory.
pub fn hash_password(password: &Secret) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|why| format!("the system gives no random numbers: {why}"))?;
    let params = Params::new(KIBIBYTES, PASSES, LANES, None).map_err(password_hash::Error::from);
    let hash = params.and_then(|params| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_with_salt(password.expose(), &salt)
    });
    hash.map(|hash| hash.to_string()).map_err(|why| format!("the password cannot be hashed: {why}"))
}

/// Whether that is the password. Without a hash it is not, at the same cost.
fn verified(password: &Secret, hash: Option<&str>) -> Result<bool, String> {
    let is_right = matches(password, hash.unwrap_or(NOBODYS));
    is_right
        .map(|right| right && hash.is_some())
        .map_err(|why| format!("the password cannot be compared: {why}"))
}

fn matches(password: &Secret, hash: &str) -> password_hash::Result<bool> {
    match Argon2::default().verify_password(password.expose(), &PasswordHash::new(hash)?) {
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        said => said.map(|()| true),
    }
}

/// Where they are computed.
pub(super) struct Slow {
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Slow {
    /// With room for as many as there are cores: 2 to 4.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Self { room: Arc::new(Semaphore::new(cores.clamp(2, 4))), patience: PATIENCE }
    }

    /// Whether that is the password of this hash. Without a hash it is not, at the same cost.
    pub(super) async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, Unavailable> {
        self.run(move || verified(&password, hash.as_deref())).await
    }

    /// [`hash_password`].
    pub(super) async fn hash(&self, password: Secret) -> Result<String, Unavailable> {
        self.run(move || hash_password(&password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.room).acquire_owned()).await;
        let turn = turn.map_err(|_elapsed| {
            Unavailable(format!(
                "too many passwords are checked: no turn within {} s: see how many logins come, or give it more cores",
                self.patience.as_secs()
            ))
        })?;
        // What was begun goes on though nobody waits for it any more, and keeps its place until then.
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match task.await {
            Ok(done) => done.map_err(Unavailable),
            Err(_) => Err(Unavailable("passwords are not checked any more: the server stops".to_owned())),
        }
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
        assert_eq!(verified(&right, Some(&hash)), Ok(true));
        assert_eq!(verified(&wrong, Some(&hash)), Ok(false));
    }

    /// Computed with the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`.
    #[test]
    fn hash_of_others_with_costs_of_its_own_is_understood() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(verified(&Secret::new("password"), Some(hash)), Ok(true));
    }

    #[test]
    fn what_is_no_hash_is_neither_yes_nor_no() {
        for hash in ["", "secret", "$argon2id$", "$1$salt$hash"] {
            assert!(verified(&Secret::new("secret"), Some(hash)).is_err(), "{hash}");
        }
    }

    #[test]
    fn nobodys_password_costs_as_much_as_a_wrong_one() {
        let password = Secret::new("secret");
        let hash = hash_password(&Secret::new("other")).unwrap();
        // All but what the salt and the hash are.
        let costs = |hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            let lengths = (hash.salt.unwrap().as_ref().len(), hash.hash.unwrap().as_bytes().len());
            (hash.algorithm, hash.version, hash.params, lengths)
        };
        assert_eq!(costs(NOBODYS), costs(&hash));
        assert_eq!(matches(&password, NOBODYS), Ok(false), "computed to the end");
        assert_eq!((verified(&password, None), verified(&password, Some(&hash))), (Ok(false), Ok(false)));
    }

    #[tokio::test]
    async fn whoever_has_no_turn_in_time_is_told_so() {
        let slow = Slow { room: Arc::new(Semaphore::new(1)), patience: Duration::from_millis(1) };
        let held = Arc::clone(&slow.room).acquire_owned().await.unwrap();
        assert!(slow.verify(Secret::new("secret"), None).await.is_err());
        drop(held);
        assert_eq!(slow.verify(Secret::new("secret"), None).await, Ok(false));
    }
}
