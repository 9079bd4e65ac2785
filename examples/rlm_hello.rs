//! A whole module on the wrapper, without anything about MFA: what to copy for a module of your own.
//!
//! ```text
//! hello {
//!     greeting = "Welcome"
//! }
//! ```
//!
//! In `post-auth`, it adds `Reply-Message = "Welcome, NAME"` to an accept. The crate is a `cdylib` that exports one symbol of the
//! file's name; `freeradius/` has the unsafe code, catches panics and turns results into the server's codes.

use rlm_mfa::freeradius::{
    Attribute, AttributeList, InstanceSetup, LogLevel, Module, ModuleTable, Rcode, Request, code,
    find_attribute,
};
use std::ffi::CStr;

/// An instance: what its section says, and the attributes it uses. Shared by all threads of the server.
struct Hello {
    greeting: String,
    user_name: Attribute,
    reply_message: Attribute,
}

impl Module for Hello {
    const NAME: &'static CStr = c"hello";

    fn bootstrap(_: &InstanceSetup) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        let find = |name: &str| find_attribute(name).map_err(|missing| vec![missing.to_string()]);
        Ok(Self {
            greeting: setup.section.value("greeting").unwrap_or("Hello").to_owned(),
            user_name: find("User-Name")?,
            reply_message: find("Reply-Message")?,
        })
    }

    fn post_auth(&self, request: &mut Request<'_>) -> Rcode {
        if request.reply_code() != code::ACCESS_ACCEPT {
            return Rcode::Noop;
        }
        let names = request.values(AttributeList::Request, self.user_name);
        let [name] = names.as_slice() else { return Rcode::Noop };
        let text = format!("{}, {}", self.greeting, String::from_utf8_lossy(name));
        match request.add(AttributeList::Reply, self.reply_message, text.as_bytes()) {
            true => Rcode::Updated,
            false => {
                request.log(LogLevel::Error, "hello: the reply has no room for the greeting");
                Rcode::Fail
            }
        }
    }
}

/// What the server looks up in `rlm_hello.so`.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static rlm_hello: ModuleTable = ModuleTable::of::<Hello>();
