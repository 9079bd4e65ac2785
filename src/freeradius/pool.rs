//! The home server pool that requests are parked in. It leads back into this process, and needs no configuration by the site.
//!
//! The server lets a request leave its thread in one way only, by proxying it. So the only home server of the pool is a UDP
//! responder of the module on the loopback interface. A virtual server of the pool's own runs the module in `pre-proxy` and
//! `post-proxy`, so that the site's own sections are not involved.

use super::bindings as c;
use super::dictionary::find_attribute;
use super::error::Error;
use super::table::InstanceSetup;
use super::text::CText;
use crate::config::tree::Section;
use crate::types::Secret;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// A pool that requests can be parked in. The server keeps what it consists of until the process ends.
pub struct HomePool {
    name: String,
    home: NonNull<c::home_server_t>,
}

// SAFETY: the home server lives until the process ends; of its fields we write one integer, `state`, with a single store, as
// the server's own threads do.
unsafe impl Send for HomePool {}
// SAFETY: shared threads only store the one atomic integer `state` (see `keep_alive`), and read the immutable name.
unsafe impl Sync for HomePool {}

/// How many requests may be parked at once: the most that the server allows for a home server.
const MAX_OUTSTANDING: u32 = 65_536 * 16;

impl HomePool {
    /// Checks that no virtual server, home server or pool of the site has this name.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`].
    pub fn check_name(setup: &InstanceSetup, name: &str) -> Result<(), Error> {
        let kinds = ["server", "home_server", "home_server_pool", "server_pool"];
        let is_taken = |section: &&Section| {
            kinds.contains(&section.name.as_str()) && section.instance.as_deref() == Some(name)
        };
        let mut all =
            setup.server.sections().flat_map(|outer| std::iter::once(outer).chain(outer.sections()));
        all.find(is_taken).map_or(Ok(()), |taken| {
            Err(Error::NameTaken { at: taken.at.clone(), kind: taken.name.clone(), name: name.to_owned() })
        })
    }

    /// Makes a home server, its pool and a virtual server, all three called `name`. The home server is on `port` of 127.0.0.1 and has
    /// `secret`; the server waits for its answer for `window`. The virtual server runs the module's instance `module`.
    ///
    /// # Errors
    ///
    /// The server does not take it: a name is taken, or its structures are not those of the headers.
    pub fn make_pool(
        setup: &InstanceSetup,
        name: &str,
        module: &str,
        port: u16,
        secret: &Secret,
        window: Duration,
    ) -> Result<Self, Error> {
        let top = ConfigSection(setup.top);
        let waiting = top.add_section("server", Some(name))?;
        let pre = waiting.add_section("pre-proxy", None)?;
        pre.add_pair(module, None)?;
        let post = waiting.add_section("post-proxy", None)?;
        post.add_pair(module, None)?;
        // The server runs these subsections instead, if the dictionary has a value of the name. None is registered for it here:
        // that would keep the site's own `post-proxy` from running for what is proxied elsewhere.
        let post_proxy_type = find_attribute("Post-Proxy-Type")?;
        for outcome in ["Reject", "Fail", "Fail-Authentication"] {
            if post_proxy_type.value(outcome).is_some() {
                post.add_section("Post-Proxy-Type", Some(outcome))?.add_pair(module, None)?;
            }
        }
        let section = top.add_section("home_server", Some(name))?;
        for (key, value) in [
            ("type", "auth"),
            ("ipaddr", "127.0.0.1"),
            ("src_ipaddr", "127.0.0.1"),
            ("port", &port.to_string()),
            // Set below: the server prints its configuration in debug mode.
            ("secret", "unknown"),
            ("response_window", &window.as_secs().to_string()),
            ("status_check", "none"),
            // Our responder signs every answer; with `auto`, newer servers ask the administrator to say so.
            ("require_message_authenticator", "yes"),
            ("zombie_period", "120"),
            ("revive_interval", "10"),
            ("max_outstanding", &MAX_OUTSTANDING.to_string()),
            ("response_timeouts", "1000"),
        ] {
            section.add_pair(key, Some(value))?;
        }
        let home = section.add_home_server(secret)?;
        add_pool(name, section, home)?;
        Ok(Self { name: name.to_owned(), home })
    }

    /// The name of the pool, as a value of Home-Server-Pool.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Marks the home server as alive. The responder answers as long as the process lives, but the server may have given it up:
    /// because an answer came late, or there were no sockets for a moment.
    pub(super) fn keep_alive(&self) {
        // SAFETY: the home server lives as long as the process (`add_home_server` never frees it), so the field is valid; the
        // server's threads store to it without a lock, so it is only accessed as an atomic here. It is aligned as an `int`.
        let state = unsafe { AtomicI32::from_ptr(&raw mut (*self.home.as_ptr()).state) };
        state.store(c::HOME_STATE_ALIVE as i32, Ordering::Relaxed);
    }
}

/// A section of the server's own configuration, to which things are added while it starts.
#[derive(Clone, Copy)]
struct ConfigSection(*mut c::CONF_SECTION);

impl ConfigSection {
    /// Adds a section to this one.
    fn add_section(self, name1: &str, name2: Option<&str>) -> Result<Self, Error> {
        let (first, second) = (c_text(name1)?, name2.map(c_text).transpose()?);
        // SAFETY: the tree is alive and, while the server starts, this thread's alone (S1); both names are copied.
        unsafe {
            let made = c::cf_section_alloc(
                self.0,
                first.as_ptr(),
                second.as_ref().map_or(std::ptr::null(), CText::as_ptr),
            );
            if made.is_null() {
                return Err(Error::NoMemory(format!("the section {name1}")));
            }
            c::cf_section_add(self.0, made);
            Ok(Self(made))
        }
    }

    /// Adds `key = value`, or `key` alone.
    fn add_pair(self, key: &str, value: Option<&str>) -> Result<(), Error> {
        let (first, second) = (c_text(key)?, value.map(c_text).transpose()?);
        // SAFETY: the section is being built by this thread and belongs to the tree that the server frees; the strings end in NUL
        // and are copied by the server.
        unsafe {
            let made = c::cf_pair_alloc(
                self.0,
                first.as_ptr(),
                second.as_ref().map_or(std::ptr::null(), CText::as_ptr),
                c::T_OP_EQ,
                c::T_BARE_WORD,
                c::T_BARE_WORD,
            );
            if made.is_null() {
                return Err(Error::NoMemory(key.to_owned()));
            }
            c::cf_pair_add(self.0, made);
            Ok(())
        }
    }

    /// Makes the home server that this section describes, gives it the secret, and adds it to those of the server.
    fn add_home_server(self, secret: &Secret) -> Result<NonNull<c::home_server_t>, Error> {
        let secret = CText::new(secret.expose())
            .map_err(|why| Error::BadText { what: "the secret".to_owned(), why })?;
        // SAFETY: the section is complete and lives as long as the process; the server checks it and answers NULL if it would
        // not have it. What it answers is a talloc chunk, whose size tells whether its layout is the one we know (S5). The
        // secret is never freed: the server keeps a pointer to it.
        unsafe {
            let home = c::home_server_afrom_cs(std::ptr::null_mut(), std::ptr::null_mut(), self.0);
            let home = NonNull::new(home).ok_or(Error::HomeServerRefused)?;
            let (found, expected) = (c::talloc_get_size(home.as_ptr().cast()), size_of::<c::home_server_t>());
            if found != expected {
                return Err(Error::HomeServerSize { found, expected });
            }
            (*home.as_ptr()).state = c::HOME_STATE_ALIVE as i32;
            (*home.as_ptr()).secret = secret.leak();
            match c::realm_home_server_add(home.as_ptr()) {
                true => Ok(home),
                false => Err(Error::HomeServerNotAdded),
            }
        }
    }
}

/// Makes the pool of that one home server, and adds it to those of the server.
fn add_pool(name: &str, section: ConfigSection, home: NonNull<c::home_server_t>) -> Result<(), Error> {
    let name = c_text(name)?.leak();
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
        if c::realm_pool_add(pool, section.0) == 0 {
            return Err(Error::PoolNotAdded);
        }
        // The server finds a pool by two of its fields: that it finds this one shows that both have the layout we know.
        match c::home_pool_byname(name, c::HOME_TYPE_AUTH as i32) == pool {
            true => Ok(()),
            false => Err(Error::PoolLayout),
        }
    }
}

/// The text as the server takes it.
fn c_text(text: &str) -> Result<CText, Error> {
    CText::new(text).map_err(|why| Error::BadText { what: format!("{text:?}"), why })
}
