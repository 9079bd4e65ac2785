//! The module table that the server reads, and the one boundary between its calls and safe Rust.

use super::bindings as c;
use super::log::{LogLevel, write_log};
use super::panics::discard;
use super::request::Request;
use super::{BUILD, conf, find_attribute};
use crate::config::tree::Section;
use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A FreeRADIUS module. Its methods are called by many threads at once.
pub trait Module: Send + Sync + Sized + 'static {
    /// The name of the module, without `rlm_`.
    const NAME: &'static CStr;

    /// Called for each instance before policies are compiled: the place to register the attributes that they name.
    ///
    /// # Errors
    ///
    /// Lines for the log. The server does not start.
    fn bootstrap(setup: &InstanceSetup) -> Result<(), Vec<String>>;

    /// Makes an instance. With [`InstanceSetup::check_only`] it opens nothing, starts nothing and writes nothing.
    ///
    /// # Errors
    ///
    /// Lines for the log. The server does not start.
    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>>;

    /// Called before each method, on the same request. If it returns a result, that is the method's, and the method does not run.
    fn before(&self, _method: SectionMethod, _request: &mut Request<'_>) -> Option<Rcode> {
        None
    }
    /// Called after each method.
    fn after(&self, _request: &mut Request<'_>) {}
    /// `authorize { }`.
    fn authorize(&self, _request: &mut Request<'_>) -> Rcode {
        Rcode::Noop
    }
    /// `authenticate { }`.
    fn authenticate(&self, _request: &mut Request<'_>) -> Rcode {
        Rcode::Fail
    }
    /// `pre-proxy { }`: the request is about to be proxied, or parked in a [`HomePool`](super::HomePool).
    fn pre_proxy(&self, _request: &mut Request<'_>) -> Rcode {
        Rcode::Fail
    }
    /// `post-proxy { }`: a home server has answered, or the wait of a parked request is over.
    fn post_proxy(&self, _request: &mut Request<'_>) -> Rcode {
        Rcode::Fail
    }
    /// `post-auth { }`.
    fn post_auth(&self, _request: &mut Request<'_>) -> Rcode {
        Rcode::Noop
    }
}

/// The method that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the table")]
pub enum SectionMethod {
    Authorize,
    Authenticate,
    PreProxy,
    PostProxy,
    PostAuth,
}

/// What a module gets to make an instance.
#[derive(Debug)]
pub struct InstanceSetup {
    /// The section of the instance.
    pub section: Section,
    /// The whole configuration of the server.
    pub server: Section,
    /// Whether the configuration is only checked (`radiusd -XC`).
    pub check_only: bool,
    /// The server's own tree.
    pub(super) top: *mut c::CONF_SECTION,
}

/// The result of a method (`rlm_rcode_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Rcode {
    /// Refuse the request.
    Reject,
    /// No decision could be made.
    Fail,
    /// The request goes on.
    Ok,
    /// The module has made the answer; no other module runs.
    Handled,
    /// The request makes no sense.
    Invalid,
    /// The user is locked.
    Userlock,
    /// The user is not known here.
    NotFound,
    /// Nothing was done.
    Noop,
    /// Attributes were changed.
    Updated,
}

impl Rcode {
    fn as_c(self) -> c::rlm_rcode_t {
        match self {
            Self::Reject => c::RLM_MODULE_REJECT,
            Self::Fail => c::RLM_MODULE_FAIL,
            Self::Ok => c::RLM_MODULE_OK,
            Self::Handled => c::RLM_MODULE_HANDLED,
            Self::Invalid => c::RLM_MODULE_INVALID,
            Self::Userlock => c::RLM_MODULE_USERLOCK,
            Self::NotFound => c::RLM_MODULE_NOTFOUND,
            Self::Noop => c::RLM_MODULE_NOOP,
            Self::Updated => c::RLM_MODULE_UPDATED,
        }
    }
}

/// The table (`module_t`), as the server finds it under the module's name.
#[repr(transparent)]
pub struct ModuleTable(c::module_t);

// SAFETY: the table is never written, and what its pointers name is static.
unsafe impl Sync for ModuleTable {}

/// The memory that the server allocates for an instance, zeroed; `instantiate` fills it.
struct InstanceSlot<M> {
    module: *mut M,
}

impl ModuleTable {
    /// The table of a module.
    #[expect(clippy::indexing_slicing, reason = "the table is a constant: a wrong index does not compile")]
    pub const fn of<M: Module>() -> Self {
        let mut methods: [c::packetmethod; c::MOD_COUNT as usize] = [None; c::MOD_COUNT as usize];
        methods[c::MOD_AUTHORIZE as usize] = Some(authorize::<M>);
        methods[c::MOD_AUTHENTICATE as usize] = Some(authenticate::<M>);
        methods[c::MOD_PRE_PROXY as usize] = Some(pre_proxy::<M>);
        methods[c::MOD_POST_PROXY as usize] = Some(post_proxy::<M>);
        methods[c::MOD_POST_AUTH as usize] = Some(post_auth::<M>);
        Self(c::module_t {
            magic: c::RLM_MFA_MAGIC,
            name: M::NAME.as_ptr(),
            type_: 0,
            inst_size: size_of::<InstanceSlot<M>>(),
            config: std::ptr::null(),
            bootstrap: Some(bootstrap::<M>),
            instantiate: Some(instantiate::<M>),
            detach: Some(detach::<M>),
            methods,
        })
    }

    /// The table, for tests that call it as the server does.
    pub const fn as_c(&self) -> *const c::module_t {
        &raw const self.0
    }
}

unsafe extern "C" fn bootstrap<M: Module>(section: *mut c::CONF_SECTION, _instance: *mut c_void) -> c_int {
    // SAFETY: S1.
    let setup = || unsafe { setup(section) };
    answer(guarded(|| check_layout().and_then(|()| M::bootstrap(&setup()))))
}

unsafe extern "C" fn instantiate<M: Module>(section: *mut c::CONF_SECTION, instance: *mut c_void) -> c_int {
    // SAFETY: S1.
    let setup = || unsafe { setup(section) };
    let made = guarded(|| M::instantiate(&setup())).map(|module| {
        // SAFETY: S1: `instance` is an InstanceSlot, `inst_size` octets large, and no method runs before we return (S3).
        unsafe { (*instance.cast::<InstanceSlot<M>>()).module = Box::into_raw(Box::new(module)) };
    });
    answer(made)
}

unsafe extern "C" fn detach<M: Module>(instance: *mut c_void) -> c_int {
    // SAFETY: S1, S3: no method runs any more. The slot is NULL if `instantiate` failed, and emptied so that the module is
    // dropped once.
    let module =
        unsafe { std::mem::replace(&mut (*instance.cast::<InstanceSlot<M>>()).module, std::ptr::null_mut()) };
    if !module.is_null() {
        // SAFETY: it came from Box::into_raw in `instantiate`.
        let module = unsafe { Box::from_raw(module) };
        let _ = guarded(|| {
            drop(module);
            Ok(())
        });
    }
    0
}

unsafe extern "C" fn authorize<M: Module>(instance: *mut c_void, request: *mut c::REQUEST) -> c::rlm_rcode_t {
    // SAFETY: the server's arguments are handed on.
    unsafe { call(instance, request, SectionMethod::Authorize, M::authorize) }
}

unsafe extern "C" fn authenticate<M: Module>(
    instance: *mut c_void,
    request: *mut c::REQUEST,
) -> c::rlm_rcode_t {
    // SAFETY: the server's arguments are handed on.
    unsafe { call(instance, request, SectionMethod::Authenticate, M::authenticate) }
}

unsafe extern "C" fn pre_proxy<M: Module>(instance: *mut c_void, request: *mut c::REQUEST) -> c::rlm_rcode_t {
    // SAFETY: the server's arguments are handed on.
    unsafe { call(instance, request, SectionMethod::PreProxy, M::pre_proxy) }
}

unsafe extern "C" fn post_proxy<M: Module>(
    instance: *mut c_void,
    request: *mut c::REQUEST,
) -> c::rlm_rcode_t {
    // SAFETY: the server's arguments are handed on.
    unsafe { call(instance, request, SectionMethod::PostProxy, M::post_proxy) }
}

unsafe extern "C" fn post_auth<M: Module>(instance: *mut c_void, request: *mut c::REQUEST) -> c::rlm_rcode_t {
    // SAFETY: the server's arguments are handed on.
    unsafe { call(instance, request, SectionMethod::PostAuth, M::post_auth) }
}

/// The boundary between the server and a method. A panic ends here and becomes `fail`.
///
/// # Safety
///
/// `instance` is an instance of `M` that was made, `request` a request in work (S1, S2, S3).
unsafe fn call<M: Module>(
    instance: *mut c_void,
    request: *mut c::REQUEST,
    name: SectionMethod,
    method: fn(&M, &mut Request<'_>) -> Rcode,
) -> c::rlm_rcode_t {
    let result = guarded(|| {
        // SAFETY: as the caller promises; the module is only read, as `Sync` allows for many threads.
        let (module, request) =
            unsafe { ((*instance.cast::<InstanceSlot<M>>()).module.as_ref(), Request::from_raw(request)) };
        match (module, request) {
            (Some(module), Some(mut request)) => {
                let result = match module.before(name, &mut request) {
                    Some(instead) => instead,
                    None => method(module, &mut request),
                };
                module.after(&mut request);
                Ok(result)
            }
            _ => Ok(Rcode::Fail),
        }
    });
    result.unwrap_or(Rcode::Fail).as_c()
}

/// Runs `work`. A panic becomes an error; where it was is in the log (see [`report_panics`]).
fn guarded<T>(work: impl FnOnce() -> Result<T, Vec<String>>) -> Result<T, Vec<String>> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        discard(payload);
        Err(vec!["internal error, see the line before".to_owned()])
    })
}

fn answer(result: Result<(), Vec<String>>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(lines) => {
            for line in lines {
                write_log(LogLevel::Error, &line);
            }
            -1
        }
    }
}

/// # Safety
///
/// `section` is the instance's section, in a tree that is not changed meanwhile.
unsafe fn setup(section: *mut c::CONF_SECTION) -> InstanceSetup {
    report_panics();
    // SAFETY: as the caller promises; `check_config` is written before modules are loaded and only read since.
    unsafe {
        InstanceSetup {
            section: conf::copy_section(section),
            server: conf::copy_section(conf::root_section(section)),
            check_only: c::check_config,
            top: conf::root_section(section),
        }
    }
}

/// Makes each panic, on any thread, a line in the server's log that tells the place. Its text is left out: it could hold a secret.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        write_log(LogLevel::Error, &format!("internal error at {place}: please report it"));
    }));
}

/// Compares the sizes of the structures that the running server allocates with those of the headers.
fn check_layout() -> Result<(), Vec<String>> {
    let name = find_attribute("User-Name").map_err(|missing| vec![missing.to_string()])?;
    let size = |chunk: *mut c_void| {
        // SAFETY: the server has just allocated it without a parent, or returned NULL, of which the size is 0; no
        // other pointer to it exists.
        unsafe {
            let size = c::talloc_get_size(chunk);
            c::_talloc_free(chunk, c"table.rs".as_ptr());
            size
        }
    };
    // SAFETY: the functions allocate and fill in defaults; the dictionary entry is alive (S4).
    let found = unsafe {
        [
            size(c::request_alloc(std::ptr::null_mut()).cast()),
            size(c::rad_alloc(std::ptr::null_mut(), false).cast()),
            size(c::fr_pair_afrom_da(std::ptr::null_mut(), name.as_ptr()).cast()),
        ]
    };
    let expected = [size_of::<c::REQUEST>(), size_of::<c::RADIUS_PACKET>(), size_of::<c::VALUE_PAIR>()];
    if found == expected {
        return Ok(());
    }
    Err(vec![format!(
        "this server's structures are laid out otherwise than those of {BUILD}: {found:?} octets instead of {expected:?}: \
         build it with this server's headers"
    )])
}
