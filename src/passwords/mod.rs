//! Verification of passwords: routing to a backend, the cache of its answers, and hashed passwords in the store.

pub(crate) mod backend_router;
mod fair_queue;
mod local;
mod password_cache;
pub(crate) mod password_hash;

pub use password_hash::hash_password;
