//! The wrapper on the real libfreeradius: see `tests/ffi/`.
#![cfg(feature = "server")]
