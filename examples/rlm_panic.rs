//! A module that does nothing but panic, for the host test of the boundary: the server must live on.

#![allow(clippy::panic, reason = "this is what it is for")]

use rlm_mfa::freeradius::{Module, Rcode, Request, Setup, Table};
use std::ffi::CStr;

struct Panic;

impl Module for Panic {
    const NAME: &'static CStr = c"panic";

    fn bootstrap(_: &Setup) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn instantiate(_: &Setup) -> Result<Self, Vec<String>> {
        Ok(Self)
    }

    fn authorize(&self, _: &mut Request<'_>) -> Rcode {
        panic!("hello-panic-text")
    }
}

/// What the server looks up in `rlm_panic.so`.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static rlm_panic: Table = Table::of::<Panic>();
