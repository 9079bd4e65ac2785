//! Passwords that are kept in the store: `first_factor = local`, for sites without a directory.

use super::password_hash::{HashOwner, PasswordHasher};
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
};
use crate::engine::port::Store;
use crate::engine::provider::ProviderFuture;
use crate::types::normalise_password;
use std::sync::Arc;

/// The store as a password backend. A user without a password and a user who does not exist are refused like a wrong
/// password, in the same time.
pub(crate) struct LocalPasswords {
    pub(super) store: Arc<dyn Store>,
    pub(super) slow: Arc<PasswordHasher>,
}

impl PasswordBackend for LocalPasswords {
    fn name(&self) -> &'static str {
        "local"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        let kept = self.store.find_password_hash(&claim.user);
        let slow = Arc::clone(&self.slow);
        Box::pin(async move {
            let password = match &claim.password {
                SubmittedPassword::Plain(password) => {
                    normalise_password(password.expose()).map_err(|_| AuthFailure::Wrong)?
                }
                SubmittedPassword::Absent | SubmittedPassword::Separate { .. } => {
                    return Err(AuthFailure::Wrong);
                }
                SubmittedPassword::Chap { .. }
                | SubmittedPassword::MsChap { .. }
                | SubmittedPassword::MsChap2 { .. } => {
                    return Err(AuthFailure::NeedsPap);
                }
            };
            let hash = kept.await.map_err(|why| BackendUnavailable(why.to_string()))?;
            let owner = HashOwner { user: claim.user.as_str(), client: &claim.client };
            match slow.verify(password, hash, owner).await? {
                true => Ok(DirectoryUser { name: claim.user.to_string(), ..DirectoryUser::default() }.into()),
                false => Err(AuthFailure::Wrong),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{Memory, Mood};
    use crate::passwords::password_hash::hash_password;
    use crate::types::{Secret, UserName};

    fn local() -> (Arc<Memory>, LocalPasswords) {
        let store = Arc::new(Memory::with("alice", []));
        let hash = hash_password(&normalise_password("p\u{e4}ss".as_bytes()).unwrap()).unwrap();
        store.set_password("alice", &hash);
        let local = LocalPasswords {
            store: Arc::clone(&store) as Arc<dyn Store>,
            slow: Arc::new(PasswordHasher::new(crate::passwords::password_hash::HashMemory::OnDemand)),
        };
        (store, local)
    }

    async fn ask(
        local: &LocalPasswords,
        user: &str,
        password: SubmittedPassword,
    ) -> Result<PasswordResponse, AuthFailure> {
        let (user, typed) = (UserName::from_canonical(user), user.as_bytes().to_vec());
        let client = String::new();
        local
            .verify_password(Credentials { user, typed, client, password, packet: Vec::new(), state: None })
            .await
    }

    fn plain(password: impl Into<Vec<u8>>) -> SubmittedPassword {
        SubmittedPassword::Plain(Secret::new(password))
    }

    #[tokio::test]
    async fn right_password_is_right_however_it_is_composed() {
        let (_, local) = local();
        for typed in ["p\u{e4}ss".as_bytes(), "pa\u{308}ss".as_bytes(), b"p\xe4ss"] {
            let Ok(PasswordResponse::Person(person)) = ask(&local, "alice", plain(typed)).await else {
                panic!()
            };
            assert_eq!(person.name, "alice");
        }
    }

    #[tokio::test]
    async fn everything_else_is_wrong() {
        let (_, local) = local();
        for typed in [&b"pass"[..], b"", b"\0", "P\u{e4}ss".as_bytes(), "p\u{e4}ss\0".as_bytes()] {
            assert_eq!(ask(&local, "alice", plain(typed)).await.unwrap_err(), AuthFailure::Wrong);
        }
        assert_eq!(ask(&local, "mallory", plain("p\u{e4}ss")).await.unwrap_err(), AuthFailure::Wrong);
        assert_eq!(ask(&local, "alice", SubmittedPassword::Absent).await.unwrap_err(), AuthFailure::Wrong);
    }

    #[tokio::test]
    async fn digest_of_a_password_cannot_be_checked() {
        let (_, local) = local();
        let digest = SubmittedPassword::Chap { id: 1, challenge: vec![0; 16], response: [0; 16] };
        assert_eq!(ask(&local, "alice", digest).await.unwrap_err(), AuthFailure::NeedsPap);
    }

    #[tokio::test]
    async fn store_that_fails_or_holds_no_hash_is_neither_yes_nor_no() {
        let (store, local) = local();
        store.be(Mood::CannotFind);
        assert!(matches!(ask(&local, "alice", plain("x")).await, Err(AuthFailure::Unavailable(_))));
        store.be(Mood::Well);
        store.set_password("alice", "x");
        assert!(matches!(ask(&local, "alice", plain("x")).await, Err(AuthFailure::Unavailable(_))));
    }
}
