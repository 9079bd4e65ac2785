//! Verification of passwords: which backend is asked, what is cached of its answers, and passwords in the store.

pub(crate) mod backend_router;
mod fair_queue;
mod local;
mod password_cache;
pub(crate) mod password_hash;

pub use password_hash::hash_password;
