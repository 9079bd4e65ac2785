//! A home server pool that leads back into this process, made without a line of configuration: the place where requests wait
//! without holding one of the server's threads.
//!
//! The server lets a request leave its thread in one way only, by proxying it. So a pool is made whose only home server is a
//! UDP responder of ours on the loopback interface, and a virtual server of its own runs our `pre-proxy` and `post-proxy`
//! for what is proxied there, so that the site's own sections are not involved.

use super::bindings as c;
use super::table::Setup;
use super::{attr, register_value};
use crate::types::Secret;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

/// A pool that requests can be parked in. It lives as long as the process, since the server keeps it.
pub struct Pool {
    name: String,
    home: NonNull<c::home_server_t>,
}

// SAFETY: the home server lives until the process ends; of its fields we write one integer, `state`, with a single store, as
// the server's own threads do.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// The most that may wait: what the server allows for a home server.
const MAX_OUTSTANDING: u32 = 65_536 * 16;

impl Pool {
    /// Makes home server, pool and virtual server, all three called `name`, for a responder on that port of 127.0.0.1. `window`
    /// is how long the server waits for it. The virtual server runs the module's instance `module`.
    ///
    /// # Errors
    ///
    /// A sentence, if the server would not have it: a name is taken, or its structures are not those that we know.
    pub fn make(
        setup: &Setup,
        name: &str,
        module: &str,
        port: u16,
        secret: &Secret,
        window: Duration,
    ) -> Result<Self, String> {
        let secret =
            std::str::from_utf8(secret.expose()).map_err(|_| "a secret that is no text".to_owned())?;
        let top = Tree(setup.top);
        let waiting = top.add("server", Some(name))?;
        let pre = waiting.add("pre-proxy", None)?;
        pre.pair(module, None)?;
        let post = waiting.add("post-proxy", None)?;
        post.pair(module, None)?;
        for outcome in ["Reject", "Fail"] {
            define_type(outcome)?;
            post.add("Post-Proxy-Type", Some(outcome))?.pair(module, None)?;
        }
        let section = top.add("home_server", Some(name))?;
        for (key, value) in [
            ("type", "auth"),
            ("ipaddr", "127.0.0.1"),
            ("port", &port.to_string()),
            ("secret", secret),
            ("response_window", &window.as_secs().to_string()),
            ("status_check", "none"),
            ("zombie_period", "120"),
            ("revive_interval", "10"),
            ("max_outstanding", &MAX_OUTSTANDING.to_string()),
            ("response_timeouts", "1000"),
        ] {
            section.pair(key, Some(value))?;
        }
        let home = section.home_server()?;
        make_pool(name, section, home)?;
        Ok(Self { name: name.to_owned(), home })
    }

    /// The name that `Home-Server-Pool` takes.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Our responder answers for as long as the process lives: a server that has given it up (because sockets ran out for a
    /// moment, or an answer came late) takes it back.
    pub(super) fn revive(&self) {
        // SAFETY: it lives as long as the process (see Pool); one integer is stored.
        unsafe { (&raw mut (*self.home.as_ptr()).state).write_volatile(c::HOME_STATE_ALIVE as i32) };
    }
}

/// A section of the server's configuration while it starts.
#[derive(Clone, Copy)]
struct Tree(*mut c::CONF_SECTION);

impl Tree {
    /// A new section in this one.
    fn add(self, name1: &str, name2: Option<&str>) -> Result<Self, String> {
        let (first, second) = (text(name1)?, name2.map(text).transpose()?);
        // SAFETY: the tree is alive and, while the server starts, this thread's alone (S1); both names are copied.
        unsafe {
            let made = c::cf_section_alloc(
                self.0,
                first.as_ptr(),
                second.as_deref().map_or(std::ptr::null(), CStr::as_ptr),
            );
            if made.is_null() {
                return Err(format!("no memory for the section {name1}"));
            }
            c::cf_section_add(self.0, made);
            Ok(Self(made))
        }
    }

    /// A new `key = value`, or a word alone.
    fn pair(self, key: &str, value: Option<&str>) -> Result<(), String> {
        let (first, second) = (text(key)?, value.map(text).transpose()?);
        // SAFETY: as for `add`.
        unsafe {
            let made = c::cf_pair_alloc(
                self.0,
                first.as_ptr(),
                second.as_deref().map_or(std::ptr::null(), CStr::as_ptr),
                c::T_OP_EQ,
                c::T_BARE_WORD,
                c::T_BARE_WORD,
            );
            if made.is_null() {
                return Err(format!("no memory for {key}"));
            }
            c::cf_pair_add(self.0, made);
            Ok(())
        }
    }

    /// The home server that this section describes, known to the server from now on.
    fn home_server(self) -> Result<NonNull<c::home_server_t>, String> {
        // SAFETY: the section is complete and lives as long as the process; the server checks it and answers NULL if it would
        // not have it. What it answers is a talloc chunk, whose size tells whether its layout is the one we know (S5).
        unsafe {
            let home = c::home_server_afrom_cs(std::ptr::null_mut(), std::ptr::null_mut(), self.0);
            let Some(home) = NonNull::new(home) else {
                return Err("the server would not have the home server, see the line before".into());
            };
            let size = c::talloc_get_size(home.as_ptr().cast());
            if size != size_of::<c::home_server_t>() {
                return Err(format!(
                    "home_server_t has {size} octets instead of {}: build with this server's headers",
                    size_of::<c::home_server_t>()
                ));
            }
            (*home.as_ptr()).state = c::HOME_STATE_ALIVE as i32;
            match c::realm_home_server_add(home.as_ptr()) {
                true => Ok(home),
                false => Err("the server would not add the home server, see the line before".into()),
            }
        }
    }
}

/// The pool with that one home server.
fn make_pool(name: &str, section: Tree, home: NonNull<c::home_server_t>) -> Result<(), String> {
    let name = text(name)?.into_raw();
    // SAFETY: zeroes are a valid home_pool_t. Pool and name are never freed: the server keeps them until it ends. The type is
    // one that takes the only home server there is.
    unsafe {
        let pool = Box::into_raw(Box::new(std::mem::zeroed::<c::home_pool_t>()));
        (*pool).name = name;
        (*pool).type_ = c::HOME_POOL_FAIL_OVER;
        (*pool).server_type = c::HOME_TYPE_AUTH;
        (*pool).cs = section.0;
        (*pool).virtual_server = name;
        (*pool).num_home_servers = 1;
        (*pool).servers = [home.as_ptr()];
        match c::realm_pool_add(pool, section.0) {
            0 => Err("the server would not add the home server pool".into()),
            _ => Ok(()),
        }
    }
}

/// The server knows outcomes of proxying by number, and numbers only those that it finds before modules are loaded.
fn define_type(outcome: &str) -> Result<(), String> {
    let post_proxy_type = attr("Post-Proxy-Type").map_err(|missing| missing.to_string())?;
    if post_proxy_type.value(outcome).is_some() {
        return Ok(());
    }
    let number = (0x6d66..0xffff).find(|number| !post_proxy_type.has_value(u32::from(*number)));
    register_value("Post-Proxy-Type", outcome, number.ok_or("no number is free")?)
}

fn text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} holds a NUL"))
}
