//! FreeRADIUS as safe Rust: the module table, requests, attributes, configuration, log. The only unsafe code there is.
//! It knows the server and nothing of what the module is for.
//!
//! The contract with the server, which every SAFETY comment leans on (`doc/safety.md` has it by number):
//!
//! - **S1** A pointer that a callback receives (instance, section, request) is valid until the callback returns.
//! - **S2** A request is worked on by one thread at a time, and what hangs on it (packets, pairs) changes only through it.
//! - **S3** Methods of one instance are called by many threads at once, between the end of `instantiate` and `detach`.
//! - **S4** Dictionary entries live as long as the process.
//! - **S5** The structures have the layout of the headers that bindgen read. The server checks the version at load
//!   (RADIUSD_MAGIC_NUMBER); [`table`] checks the sizes.
//!
//! And the contract with the server's threads: nothing unwinds into C ([`table`] catches every panic and answers `fail`).

#[cfg(not(panic = "unwind"))]
compile_error!(
    "a panic must unwind, so that it ends at the boundary and does not abort the server: set panic = \"unwind\""
);

mod attribute_list;
#[doc(hidden)]
pub mod bindings;
mod conf;
mod dictionary;
mod encoded_attributes;
mod error;
mod log;
mod note;
mod pair_value;
mod panics;
mod park;
mod pool;
mod request;
mod table;
mod text;

pub use attribute_list::AttributeList;
pub use dictionary::{
    Attribute, AttributeKind, attribute_by_number, find_attribute, register_attribute, register_value,
};
pub use error::{Error, MissingAttribute};
pub use log::{LogLevel, write_log};
pub use park::ParkError;
pub use pool::HomePool;
pub use request::{Request, code};
pub use table::{InstanceSetup, Module, ModuleTable, Rcode, SectionMethod};

/// The versions of the module and of the server that it was built for; `mfa doctor` finds this text in the installed module.
pub const BUILD: &str = concat!(
    "(rlm_mfa ",
    env!("CARGO_PKG_VERSION"),
    " built for FreeRADIUS ",
    env!("FREERADIUS_VERSION"),
    ")"
);

/// Whether the server itself refuses a Proxy-State in a packet that is not signed (`limit_proxy_state`): from 3.2.5 on. The version is
/// the one that this was built for: the server does not load a module of another.
pub fn limits_proxy_state() -> bool {
    let mut numbers =
        env!("FREERADIUS_VERSION").split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    [numbers.next(), numbers.next(), numbers.next()] >= [Some(3), Some(2), Some(5)]
}
