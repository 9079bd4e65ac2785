//! A module for host tests: its `authorize` panics, and the server must live on. With `read = FILE` it reads a file as its
//! instance is made, which lets a test hold the server there.

#![allow(clippy::panic, reason = "this is what it is for")]

use rlm_mfa::freeradius::{InstanceSetup, Module, ModuleTable, Rcode, Request};
use std::ffi::CStr;

struct Panic;

impl Module for Panic {
    const NAME: &'static CStr = c"panic";

    fn bootstrap(_: &InstanceSetup) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        if let Some(file) = setup.section.value("read") {
            let _ = std::fs::read(file);
        }
        Ok(Self)
    }

    fn authorize(&self, _: &mut Request<'_>) -> Rcode {
        panic!("hello-panic-text")
    }
}

/// What the server looks up in `rlm_panic.so`.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static rlm_panic: ModuleTable = ModuleTable::of::<Panic>();
