//! The wrapper on the real libfreeradius: pairs, notes, the boundary. No server runs; a request is made as the server
//! makes it, and the table is called as the server calls it.
#![cfg(feature = "server")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "tests stand in for the server and keep its contract")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use rlm_mfa::config::tree::Section;
use rlm_mfa::freeradius::bindings as c;
use rlm_mfa::freeradius::{
    Attribute, AttributeList, Error, HomePool, InstanceSetup, LogLevel, Module, ModuleTable, ParkError,
    Rcode, Request, find_attribute,
};
use rlm_mfa::types::Secret;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once};
use std::time::Duration;

#[link(name = "freeradius-server")]
#[link(name = "freeradius-radius")]
#[link(name = "talloc")]
unsafe extern "C" {}

/// What the libraries expect of the radiusd binary.
#[unsafe(no_mangle)]
extern "C" fn rad_fork() -> c_int {
    -1
}
#[unsafe(no_mangle)]
extern "C" fn rad_waitpid(_: c_int, _: *mut c_int) -> c_int {
    -1
}
#[unsafe(no_mangle)]
static check_config: bool = false;
/// Home servers and pools live until the process ends: what is in here is no leak.
static IMMORTAL: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Octets by which the server's home servers are larger than those of the headers.
static MORE_OCTETS: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
extern "C" fn home_server_afrom_cs(
    _: *mut c::TALLOC_CTX,
    _: *mut c_void,
    _: *mut c::CONF_SECTION,
) -> *mut c::home_server_t {
    unsafe {
        let size = size_of::<c::home_server_t>() + MORE_OCTETS.load(Ordering::SeqCst);
        let home = c::talloc_named_const(std::ptr::null(), size, c"home".as_ptr());
        home.cast::<c::home_server_t>().write(std::mem::zeroed());
        IMMORTAL.lock().unwrap().push(home.expose_provenance());
        home.cast()
    }
}
#[unsafe(no_mangle)]
extern "C" fn realm_home_server_add(_: *mut c::home_server_t) -> bool {
    true
}
/// Pools that the server keeps, by the name and the type that it reads in them.
static POOLS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
/// Whether the server has its pools laid out in another way than the headers: it reads the type from another field.
static HAS_OTHER_POOLS: AtomicBool = AtomicBool::new(false);

/// Finds a pool as the server does: by its type, and its name in large or small letters.
fn find_pool(name: &CStr, kind: c_int) -> *mut c::home_pool_t {
    let is_wanted = |pool: &*mut c::home_pool_t| unsafe {
        let (one, other) = ((**pool).server_type, (**pool).type_);
        let read = if HAS_OTHER_POOLS.load(Ordering::SeqCst) { other } else { one };
        i64::from(read) == i64::from(kind)
            && CStr::from_ptr((**pool).name).to_bytes().eq_ignore_ascii_case(name.to_bytes())
    };
    let pools = POOLS.lock().unwrap();
    let mut pools = pools.iter().map(|pool| std::ptr::with_exposed_provenance_mut(*pool));
    pools.find(is_wanted).unwrap_or(std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn realm_pool_add(pool: *mut c::home_pool_t, _: *mut c::CONF_SECTION) -> c_int {
    let known = unsafe { find_pool(CStr::from_ptr((*pool).name), (*pool).server_type as c_int) };
    IMMORTAL.lock().unwrap().push(pool.expose_provenance());
    if !known.is_null() {
        return 0;
    }
    POOLS.lock().unwrap().push(pool.expose_provenance());
    1
}
#[unsafe(no_mangle)]
extern "C" fn home_pool_byname(name: *const c_char, kind: c_int) -> *mut c::home_pool_t {
    find_pool(unsafe { CStr::from_ptr(name) }, kind)
}

/// The library keeps global state; one test at a time.
fn library() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    static DICTIONARY: Once = Once::new();
    let guard = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    DICTIONARY.call_once(|| {
        let read = unsafe { c::dict_init(c"/usr/share/freeradius".as_ptr(), c"dictionary".as_ptr()) };
        assert_eq!(read, 0, "the server's dictionary is in /usr/share/freeradius");
    });
    guard
}

/// A module whose methods do what a test tells them.
struct Told;

type Script = Box<dyn FnMut(&mut Request<'_>) -> Rcode + Send>;
static SCRIPT: Mutex<Option<Script>> = Mutex::new(None);
static SECTION: Mutex<Option<Section>> = Mutex::new(None);
static POOL: Mutex<Option<Result<HomePool, Error>>> = Mutex::new(None);

impl Module for Told {
    const NAME: &'static CStr = c"told";
    fn bootstrap(_: &InstanceSetup) -> Result<(), Vec<String>> {
        rlm_mfa::freeradius::register_attribute("MFA-Test", rlm_mfa::freeradius::AttributeKind::Octets)
            .map(drop)
            .map_err(|error| vec![error.to_string()])
    }
    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        assert!(!setup.check_only);
        *SECTION.lock().unwrap() = Some(setup.section.clone());
        match setup.section.value("do") {
            Some("panic") => panic!("told to"),
            Some("refuse") => Err(vec!["told to".into()]),
            Some("pool") => {
                let (secret, window) = (Secret::new("secret"), Duration::from_secs(30));
                let pool = HomePool::make_pool(setup, "told-wait", "told", 1, &secret, window);
                let made = pool.as_ref().map(|_| Self).map_err(|error| vec![error.to_string()]);
                *POOL.lock().unwrap() = Some(pool);
                made
            }
            _ => Ok(Self),
        }
    }
    fn authorize(&self, request: &mut Request<'_>) -> Rcode {
        SCRIPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).as_mut().unwrap()(request)
    }
}

static TABLE: ModuleTable = ModuleTable::of::<Told>();

/// An instance, made and freed as the server does it.
struct Instance {
    slot: Vec<u64>,
    section: *mut c::CONF_SECTION,
}

fn word(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap()
}

impl Instance {
    fn make(pairs: &[(&str, &str)]) -> Result<Self, c_int> {
        let table = unsafe { &*TABLE.as_c() };
        let section = unsafe { c::cf_section_alloc(std::ptr::null_mut(), c"told".as_ptr(), c"one".as_ptr()) };
        for (name, value) in pairs {
            unsafe {
                let (name, value) = (word(name), word(value));
                let pair = c::cf_pair_alloc(
                    section,
                    name.as_ptr(),
                    value.as_ptr(),
                    c::T_OP_EQ,
                    c::T_BARE_WORD,
                    c::T_BARE_WORD,
                );
                c::cf_pair_add(section, pair);
            }
        }
        let mut slot = vec![0u64; table.inst_size.div_ceil(8)];
        let instance = slot.as_mut_ptr().cast::<c_void>();
        let made = unsafe {
            match table.bootstrap.unwrap()(section, instance) {
                0 => table.instantiate.unwrap()(section, instance),
                failed => failed,
            }
        };
        let made_it = Self { slot, section };
        if made == 0 { Ok(made_it) } else { Err(made) }
    }

    /// Has `authorize` do this, which must not panic: a panic is `fail`.
    #[track_caller]
    fn check(&mut self, request: &Packet, script: impl FnMut(&mut Request<'_>) -> Rcode + Send + 'static) {
        assert_ne!(self.run(request, script), c::RLM_MODULE_FAIL, "see the line before");
    }

    /// Calls `authorize` on a request and has it do this.
    fn run(
        &mut self,
        request: &Packet,
        script: impl FnMut(&mut Request<'_>) -> Rcode + Send + 'static,
    ) -> c::rlm_rcode_t {
        *SCRIPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Box::new(script));
        let table = unsafe { &*TABLE.as_c() };
        unsafe { table.methods[c::MOD_AUTHORIZE as usize].unwrap()(self.slot.as_mut_ptr().cast(), request.0) }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let table = unsafe { &*TABLE.as_c() };
        let detached = unsafe { table.detach.unwrap()(self.slot.as_mut_ptr().cast()) };
        assert_eq!(detached, 0);
        unsafe { c::_talloc_free(self.section.cast(), c"ffi".as_ptr()) };
    }
}

/// A request with packet, reply and session-state, and a User-Name and User-Password that the server points to.
struct Packet(*mut c::REQUEST);

impl Packet {
    fn new(name: &[u8], password: &[u8]) -> Self {
        unsafe {
            let request = c::request_alloc(std::ptr::null_mut());
            (*request).packet = c::rad_alloc(request.cast(), false);
            (*request).reply = c::rad_alloc(request.cast(), false);
            (*(*request).packet).code = 1;
            if (*request).state_ctx.is_null() {
                (*request).state_ctx = c::talloc_named_const(request.cast(), 0, c"state".as_ptr());
            }
            (*request).username = pair((*request).packet, "User-Name", name);
            (*request).password = pair((*request).packet, "User-Password", password);
            Self(request)
        }
    }
}

unsafe fn pair(packet: *mut c::RADIUS_PACKET, name: &str, value: &[u8]) -> *mut c::VALUE_PAIR {
    unsafe {
        let da = c::dict_attrbyname(word(name).as_ptr());
        let pair = c::fr_pair_afrom_da(packet.cast(), da);
        c::fr_pair_value_bstrncpy(pair, value.as_ptr().cast(), value.len());
        c::fr_pair_add(&raw mut (*packet).vps, pair);
        pair
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        unsafe { c::_talloc_free(self.0.cast(), c"ffi".as_ptr()) };
    }
}

fn known(name: &str) -> Attribute {
    find_attribute(name).unwrap()
}

#[test]
fn octets_come_through_untouched_nul_and_all() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"ali\0ce", b"p\0ss\xff\xfe");
    let result = instance.run(&packet, |request| {
        assert_eq!(request.values(AttributeList::Request, known("User-Name")), [b"ali\0ce".to_vec()]);
        assert_eq!(
            request.values(AttributeList::Request, known("User-Password")),
            [b"p\0ss\xff\xfe".to_vec()]
        );
        assert_eq!(
            request.secrets(AttributeList::Request, known("User-Password")),
            [Secret::new(b"p\0ss\xff\xfe")]
        );
        assert!(request.set(AttributeList::Control, known("MFA-Test"), b"a\0b"));
        assert!(request.set(AttributeList::Control, known("MFA-Test"), b"c\0d"), "in place of the first");
        assert_eq!(request.values(AttributeList::Control, known("MFA-Test")), [b"c\0d".to_vec()]);
        assert!(request.set(AttributeList::SessionState, known("MFA-Test"), b""));
        assert_eq!(request.values(AttributeList::SessionState, known("MFA-Test")), [b"".to_vec()]);
        request.remove(AttributeList::Control, known("MFA-Test"));
        assert!(request.values(AttributeList::Control, known("MFA-Test")).is_empty());
        assert!(request.set(AttributeList::Control, known("Auth-Type"), &7u32.to_be_bytes()));
        assert_eq!(request.integer(AttributeList::Control, known("Auth-Type")), Some(7));
        Rcode::Updated
    });
    assert_eq!(result, c::RLM_MODULE_UPDATED);
}

#[test]
fn datagram_is_read_as_it_came_and_two_notes_do_not_touch() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"secret");
    let result = instance.run(&packet, |request| {
        assert!(request.datagram().is_empty(), "as in a tunnel");
        Rcode::Ok
    });
    assert_eq!(result, c::RLM_MODULE_OK);
    unsafe {
        let inner = (*packet.0).packet;
        (*inner).data = c::talloc_named_const(inner.cast(), 3, c"data".as_ptr()).cast();
        (*inner).data.copy_from(b"\x01\0\xff".as_ptr(), 3);
        ((*inner).data_len, (*inner).dst_port) = (3, 1812);
    }
    let result = instance.run(&packet, |request| {
        assert_eq!((request.datagram(), request.server_port()), (&b"\x01\0\xff"[..], 1812));
        assert!(request.noted_beside::<u8>().is_none());
        assert!(request.note(1u8) && request.note_beside(2u8));
        assert_eq!((request.noted::<u8>(), request.noted_beside::<u8>()), (Some(&1), Some(&2)));
        Rcode::Ok
    });
    assert_eq!(result, c::RLM_MODULE_OK);
}

#[test]
fn pairs_that_the_server_points_to_are_changed_in_place_and_never_removed() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"secret123456");
    let cached = unsafe { (*packet.0).password };
    let result = instance.run(&packet, |request| {
        assert!(request.replace(AttributeList::Request, known("User-Password"), b"secret"));
        request.remove(AttributeList::Request, known("User-Password"));
        request.remove(AttributeList::Request, known("User-Name"));
        assert_eq!(request.values(AttributeList::Request, known("User-Password")), [b"secret".to_vec()]);
        assert_eq!(request.values(AttributeList::Request, known("User-Name")), [b"alice".to_vec()]);
        assert!(!request.replace(AttributeList::Request, known("Calling-Station-Id"), b"x"), "there is none");
        Rcode::Ok
    });
    assert_eq!(result, c::RLM_MODULE_OK);
    unsafe {
        assert_eq!((*packet.0).password, cached);
        assert_eq!((*cached).length, 6);
    }
}

#[test]
fn note_lives_as_long_as_its_request_and_is_dropped_once() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted(u8);
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    let mut call = 0;
    let mut step = move |request: &mut Request<'_>| {
        call += 1;
        match call {
            1 => assert!(request.noted::<Counted>().is_none() && request.note(Counted(1))),
            2 => assert!(
                request.noted::<Counted>().is_some_and(|n| n.0 == 1) && request.noted::<u8>().is_none()
            ),
            _ => assert!(request.note(Counted(2)) && request.noted::<Counted>().is_some_and(|n| n.0 == 2)),
        }
        Rcode::Ok
    };
    instance.check(&packet, move |request| {
        for _ in 0..3 {
            let _ = step(request);
        }
        Rcode::Ok
    });
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1, "the second took the place of the first");
    drop(packet);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 2);
}

#[test]
fn request_tells_when_it_came_and_to_which_virtual_server() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    let request = packet.0 as usize;
    unsafe {
        (*packet.0).server = c"first".as_ptr();
        (*(*packet.0).packet).timestamp.tv_sec = 0;
    }
    instance.run(&packet, move |told| {
        let request = request as *mut c::REQUEST;
        assert_eq!(told.received(), None, "that of a tunnel has no time of its own");
        assert!(told.entry() == "first" && told.keep_entry());
        unsafe {
            (*request).server = c"second".as_ptr();
            (*(*request).packet).timestamp.tv_sec = 1_000;
            (*(*request).packet).timestamp.tv_usec = 5;
        }
        assert_eq!((told.server().as_str(), told.entry().as_str()), ("second", "first"));
        let came = told.received().and_then(|came| came.duration_since(std::time::UNIX_EPOCH).ok());
        assert_eq!(came, Some(Duration::new(1_000, 5_000)));
        unsafe { (*request).server = std::ptr::null() };
        Rcode::Ok
    });
}

#[test]
fn note_whose_drop_panics_does_not_take_the_server_with_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("told to");
        }
    }
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    instance.check(&packet, |request| if request.note(Bomb) { Rcode::Ok } else { Rcode::Fail });
    drop(packet);
}

#[test]
fn panic_in_a_method_costs_one_request() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    assert_eq!(instance.run(&packet, |_| panic!("told to")), c::RLM_MODULE_FAIL);
    assert_eq!(instance.run(&packet, |_| Rcode::Ok), c::RLM_MODULE_OK);
}

#[test]
fn instance_that_cannot_be_made_is_an_error_and_no_crash() {
    let _one = library();
    for what in ["panic", "refuse"] {
        assert_eq!(Instance::make(&[("do", what)]).err(), Some(-1), "{what}");
    }
}

#[test]
fn configuration_arrives_with_names_and_values() {
    let _one = library();
    let _instance = Instance::make(&[("color", "blue"), ("color", "red")]).unwrap();
    let section = SECTION.lock().unwrap().clone().unwrap();
    assert_eq!((section.name.as_str(), section.section_label()), ("told", "one"));
    let pairs: Vec<_> = section
        .pairs_named()
        .map(|p| (p.name.as_str(), p.operator.as_str(), p.value.as_deref().unwrap()))
        .collect();
    assert_eq!(pairs, [("color", "=", "blue"), ("color", "=", "red")]);
}

#[test]
fn attribute_of_ours_has_a_number_that_never_goes_on_the_wire() {
    let _one = library();
    let _instance = Instance::make(&[]).unwrap();
    let number = unsafe { (*c::dict_attrbyname(c"MFA-Test".as_ptr())).attr };
    assert!((3900..4000).contains(&number), "{number}");
    assert!(
        rlm_mfa::freeradius::register_attribute("User-Name", rlm_mfa::freeradius::AttributeKind::Octets)
            .is_err(),
        "taken by another type"
    );
    assert!(find_attribute("MFA-Never-Heard-Of").is_err());
}

/// Has `authorize` park a request that stands as `prepare` leaves it, and tells how that went.
fn park(packet: &Packet, prepare: impl FnOnce(*mut c::REQUEST)) -> Result<(), ParkError> {
    // A server that was just started.
    POOLS.lock().unwrap().clear();
    let mut instance = Instance::make(&[("do", "pool")]).unwrap();
    unsafe { (*(*packet.0).packet).dst_port = 1812 };
    prepare(packet.0);
    let parked = std::sync::Arc::new(Mutex::new(None));
    let tell = parked.clone();
    instance.check(packet, move |request| {
        let pool = POOL.lock().unwrap();
        *tell.lock().unwrap() = Some(request.park_request(pool.as_ref().unwrap().as_ref().unwrap()));
        Rcode::Handled
    });
    parked.lock().unwrap().unwrap()
}

#[test]
fn pool_that_the_server_would_not_find_is_an_error() {
    fn make() -> Option<Error> {
        let _ = Instance::make(&[("do", "pool")]);
        POOL.lock().unwrap().take().unwrap().err()
    }
    let _one = library();
    POOLS.lock().unwrap().clear();
    assert_eq!(make(), None);
    assert_eq!(make(), Some(Error::PoolNotAdded), "the name is taken");
    POOLS.lock().unwrap().clear();
    HAS_OTHER_POOLS.store(true, Ordering::SeqCst);
    assert_eq!(make(), Some(Error::PoolLayout));
    HAS_OTHER_POOLS.store(false, Ordering::SeqCst);
    MORE_OCTETS.store(8, Ordering::SeqCst);
    assert!(matches!(make(), Some(Error::HomeServerSize { found, expected }) if found == expected + 8));
    MORE_OCTETS.store(0, Ordering::SeqCst);
}

/// The names in a list, in order.
unsafe fn names(mut pair: *mut c::VALUE_PAIR) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(this) = unsafe { pair.as_ref() } {
        let name: *const c_char = unsafe { (*this.da).name.as_ptr() };
        names.push(unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned());
        pair = this.next;
    }
    names
}

#[test]
fn request_that_is_parked_has_no_answer_and_gets_its_reply_back_once() {
    let _one = library();
    let packet = Packet::new(b"alice", b"x");
    let request = packet.0;
    let parked = park(&packet, |request| unsafe {
        (*(*request).reply).code = 2;
        for name in ["Reply-Message", "Class", "Reply-Message"] {
            pair((*request).reply, name, b"before");
        }
        for name in ["Proxy-To-Realm", "Home-Server-Pool", "Home-Server-Name"] {
            let made = c::fr_pair_afrom_da(request.cast(), c::dict_attrbyname(word(name).as_ptr()));
            c::fr_pair_value_bstrncpy(made, b"elsewhere".as_ptr().cast(), 9);
            c::fr_pair_add(&raw mut (*request).config, made);
        }
    });
    assert_eq!(parked, Ok(()));
    let mut instance = Instance::make(&[]).unwrap();
    unsafe {
        assert_eq!((*(*request).reply).code, 0, "with any other the server would send it now");
        assert!((*(*request).reply).vps.is_null());
        assert_eq!(names((*request).config), ["Home-Server-Pool"]);
        pair((*request).reply, "Reply-Message", b"behind");
    }
    instance.check(&packet, |request| {
        request.unpark_request();
        request.unpark_request();
        let messages = request.values(AttributeList::Reply, known("Reply-Message"));
        assert_eq!(messages, [&b"before"[..], b"before", b"behind"]);
        assert_eq!(request.value_count(AttributeList::Reply, known("Reply-Message")), 3);
        assert_eq!(
            request.single_value(AttributeList::Reply, known("Reply-Message")),
            None,
            "there are several"
        );
        assert_eq!(request.single_value(AttributeList::Reply, known("Class")), Some(b"before".to_vec()));
        let joined = request.joined_secret(AttributeList::Reply, known("Reply-Message"));
        assert_eq!(joined, Secret::new("beforebeforebehind"));
        assert!(request.has_value(AttributeList::Reply, known("Class")));
        assert!(!request.has_value(AttributeList::ProxyReply, known("Class")), "there is no such list");
        Rcode::Ok
    });
    unsafe { assert_eq!(names((*(*request).reply).vps).len(), 4) };
}

#[test]
fn request_that_the_server_would_not_proxy_is_not_parked_and_stays_as_it_was() {
    let _one = library();
    type Prepare = fn(*mut c::REQUEST);
    let refused: [(ParkError, Prepare); 4] = [
        (ParkError::Tunnelled, |request| unsafe { (*(*request).packet).dst_port = 0 }),
        (ParkError::Tunnelled, |request| unsafe { (*request).parent = request }),
        (ParkError::Proxied, |request| unsafe { (*request).proxy = (*request).packet }),
        (ParkError::Answered, |request| unsafe { (*(*request).reply).code = 11 }),
    ];
    for (why, prepare) in refused {
        let packet = Packet::new(b"alice", b"x");
        let request = packet.0;
        let parked = park(&packet, |request| unsafe {
            (*(*request).reply).code = 2;
            pair((*request).reply, "Class", b"before");
            prepare(request);
        });
        assert_eq!(parked, Err(why));
        unsafe {
            assert_eq!(names((*(*request).reply).vps), ["Class"]);
            assert_ne!((*(*request).reply).code, 0);
            assert!((*request).config.is_null());
            (*request).parent = std::ptr::null_mut();
            (*request).proxy = std::ptr::null_mut();
        }
    }
}

/// Run under valgrind by `make valgrind`: what a request costs is given back with it.
#[test]
fn thousand_requests_leave_nothing_behind() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    for _ in 0..1000 {
        let packet = Packet::new(b"alice", b"secret123456");
        instance.check(&packet, |request| {
            request.set(AttributeList::Control, known("MFA-Test"), &[7; 100]);
            request.set(AttributeList::SessionState, known("MFA-Test"), &[7; 100]);
            request.replace(AttributeList::Request, known("User-Password"), b"secret");
            request.note(vec![0u8; 100]);
            request.log(LogLevel::Info, "%s%n {}\n");
            request.failure("%s%n");
            Rcode::Ok
        });
    }
}

fn add_encoded(request: &mut Request<'_>, told: &[(u8, Vec<u8>)]) -> usize {
    request.add_encoded(AttributeList::Reply, told.iter().map(|(kind, value)| (*kind, value.as_slice())))
}

#[test]
fn attributes_of_another_server_come_into_the_reply_and_keys_are_in_the_clear() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    instance.check(&packet, |request| {
        let told = [
            (25, vec![1, 2]),
            (18, b"hello".to_vec()),
            (69, b"\x01tunnelled".to_vec()),
            (26, [&b"\0\0\x01\x37\x10\x22"[..], &[7; 32]].concat()),
            (26, b"\0\0\0\x09\x01\x06priv".to_vec()),
            (26, b"\0\0\x01\x37\x1a\x05\0S=".to_vec()),
        ];
        assert_eq!(add_encoded(request, &told), told.len());
        let values = |name| request.values(AttributeList::Reply, known(name));
        assert_eq!((values("Class"), values("Reply-Message")), (vec![vec![1, 2]], vec![b"hello".to_vec()]));
        assert_eq!(values("Tunnel-Password"), [b"tunnelled".to_vec()]);
        assert_eq!(values("MS-MPPE-Send-Key"), [vec![7; 32]]);
        assert_eq!(values("Cisco-AVPair"), [b"priv".to_vec()]);
        assert_eq!(values("MS-CHAP2-Success"), [b"\0S=".to_vec()]);
        let plain: Vec<u8> =
            request.encoded(AttributeList::Reply, None).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(plain, [25, 18, 26, 26], "what is encrypted on the wire is not given out");
        let class = request.encoded(AttributeList::Reply, Some(&[known("Class")]));
        assert_eq!(class, [(25, vec![1, 2])]);
        Rcode::Ok
    });
    unsafe {
        let mut pair = (*(*packet.0).reply).vps;
        while let Some(this) = pair.as_ref() {
            let name = names(pair).remove(0);
            assert_eq!(this.tag, i8::from(name == "Tunnel-Password"), "{name}");
            pair = this.next;
        }
    }
}

#[test]
fn no_octets_of_another_server_do_harm() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let mut seed = 1u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for round in 0..2000 {
        let packet = Packet::new(b"alice", b"x");
        let told: Vec<(u8, Vec<u8>)> = (0..next() % 6)
            .map(|_| {
                let mut value: Vec<u8> = (0..next() % 254).map(|_| next() as u8).collect();
                let kind = if round % 2 == 0 { next() as u8 } else { 26 };
                // Vendors whose formats differ, and whose attributes are hidden.
                if let (26, Some(head)) = (kind, value.get_mut(..4)) {
                    head.copy_from_slice(&[311u32, 9, 24757, 529, 429, 2636][next() % 6].to_be_bytes());
                }
                (kind, value)
            })
            .collect();
        instance.check(&packet, move |request| {
            add_encoded(request, &told);
            let _ = request.encoded(AttributeList::Reply, None);
            Rcode::Ok
        });
    }
}

unsafe extern "C" {
    static mut fr_hostname_lookups: bool;
    fn dict_walk(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, context: *mut c_void) -> c_int;
}

/// The names of attributes of the dictionary: one of each data type with each set of flags.
fn one_of_each_kind() -> Vec<String> {
    type Kinds = std::collections::BTreeMap<(c::PW_TYPE, Vec<u8>), String>;
    extern "C" fn each(context: *mut c_void, data: *mut c_void) -> c_int {
        unsafe {
            let (kinds, entry) = (&mut *context.cast::<Kinds>(), &*data.cast::<c::DICT_ATTR>());
            let flags = &raw const entry.flags;
            let flags = std::slice::from_raw_parts(flags.cast::<u8>(), size_of_val(&entry.flags)).to_vec();
            let name = CStr::from_ptr(entry.name.as_ptr()).to_str().unwrap().to_owned();
            // The dictionary is walked in no order of its own.
            let one = kinds.entry((entry.type_, flags)).or_insert_with(|| name.clone());
            *one = std::mem::take(one).min(name);
        }
        0
    }
    let mut kinds = Kinds::new();
    unsafe { dict_walk(each, (&raw mut kinds).cast()) };
    let types: std::collections::BTreeSet<_> = kinds.keys().map(|(kind, _)| *kind).collect();
    for kind in 1..c::PW_TYPE_MAX {
        let is_internal =
            [c::PW_TYPE_TIMEVAL, c::PW_TYPE_BOOLEAN, c::PW_TYPE_COMBO_IP_PREFIX].contains(&kind);
        assert!(is_internal || types.contains(&kind), "no attribute of the type {kind}");
    }
    kinds.into_values().collect()
}

/// Run under valgrind by `make valgrind` and with the address sanitizer by `make asan`. What directories say is anything.
#[test]
fn attribute_of_every_type_takes_or_refuses_any_value() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    // Numbers, names, addresses, dates, and what looks like the beginning of one.
    let mut values: Vec<Vec<u8>> = [
        "1",
        "x",
        " ",
        ".",
        ":",
        "/",
        "-",
        "\\",
        "0x",
        "0x0",
        "0x00",
        "256",
        "65536",
        "4294967296",
        "18446744073709551616",
        "Framed-User",
        "VLAN",
        "192.0.2.1",
        "192.0.2.1/33",
        "192.0.2.0/24",
        "192.0.2.1/",
        "2001:db8::1",
        "2001:db8::/32",
        "2001:db8::/129",
        "::",
        "Dec  1 2026 00:00:00 UTC",
        "Dec",
        "1 Dec 2026 1:",
        "aa:bb:cc:dd:ee:ff",
        "aa:bb:cc:dd:ee:ff:00",
        "a:",
        "11:22:33:44",
        "ip in forward tcp dstip 192.0.2.1/24",
        "ip",
        "generic in drop 0 ffff ffff",
        "%{User-Name}",
        "\u{20ac}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    for octet in [b'1', b'f', b'x', b' ', b':', b'.', b'/', b'\\', b'%', 0, 0x80, 0xff] {
        values.extend([1, 2, 16, 31, 32, 252, 253, 254, 255, 256, 4096].map(|size| vec![octet; size]));
        values.extend([1, 251, 252].map(|size| [b"0x", vec![octet; size].as_slice()].concat()));
    }
    for name in one_of_each_kind() {
        let (values, packet) = (values.clone(), Packet::new(b"alice", b"x"));
        let reply = unsafe { (*packet.0).reply }.expose_provenance();
        let result = instance.run(&packet, move |request| {
            let attribute = known(&name);
            let count = || {
                let reply = std::ptr::with_exposed_provenance::<c::RADIUS_PACKET>(reply);
                unsafe { names((*reply).vps) }.len()
            };
            assert!(request.add_text(AttributeList::Reply, attribute, 0, ""), "{name}: nothing is missing");
            assert_eq!(count(), 0, "{name}: an empty text is no value");
            for value in &values {
                let is_added = request.add_text(AttributeList::Reply, attribute, 1, value);
                // An attribute that is an address of either kind becomes another one.
                assert_eq!(count(), usize::from(is_added), "{name} {value:?}");
                assert!(attribute.has_text() || !is_added, "{name} {value:?}");
                let _ = request.encoded(AttributeList::Reply, None);
                request.clear_reply();
                for value in [value.as_slice(), b""] {
                    let is_added = request.add(AttributeList::Reply, attribute, value);
                    assert_eq!(count(), usize::from(is_added), "{name} {value:?}");
                    let _ = request.replace(AttributeList::Reply, attribute, b"");
                    let _ = request.replace(AttributeList::Reply, attribute, value);
                    let _ = request.encoded(AttributeList::Reply, None);
                    let is_set = request.set_first(AttributeList::Reply, attribute, value);
                    assert_eq!(is_set, request.is_first(AttributeList::Reply, attribute), "{name} {value:?}");
                    request.clear_reply();
                }
            }
            Rcode::Ok
        });
        assert_eq!(result, c::RLM_MODULE_OK);
    }
}

#[test]
fn values_of_every_type_are_read_as_the_dictionary_has_them() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    let wanted: [(&str, &[u8], &[u8]); 12] = [
        ("Filter-Id", b"a\\nb", b"\x0b\x06a\\nb"),
        ("Class", b"0x01", b"\x19\x060x01"),
        ("Session-Timeout", b"600", b"\x1b\x06\0\0\x02\x58"),
        ("Service-Type", b"Login-User", b"\x06\x06\0\0\0\x01"),
        ("Framed-IP-Address", b"192.0.2.1", b"\x08\x06\xc0\0\x02\x01"),
        ("Framed-IPv6-Prefix", b"2001:db8::/32", b"\x61\x14\0\x20\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("Framed-Interface-Id", b"1:2:3:4", b"\x60\x0a\0\x01\0\x02\0\x03\0\x04"),
        ("Event-Timestamp", b"1", b"\x37\x06\0\0\0\x01"),
        ("Framed-IPv6-Address", b"::1", b"\xa8\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
        ("Ascend-Data-Filter", b"ip in forward", b""),
        ("MIP6-Feature-Vector", b"1", b"\x7c\x0a\0\0\0\0\0\0\0\x01"),
        ("Framed-IP-Netmask", b"255.255.255.0", b"\x09\x06\xff\xff\xff\0"),
    ];
    instance.check(&packet, move |request| {
        for (name, text, octets) in wanted {
            assert!(request.add_text(AttributeList::Reply, known(name), 0, text), "{name}");
            let sent = request.encoded(AttributeList::Reply, Some(&[known(name)]));
            let sent: Vec<u8> = sent
                .iter()
                .flat_map(|(kind, value)| [&[*kind, value.len() as u8 + 2], value.as_slice()].concat())
                .collect();
            assert!(octets.is_empty() || sent == octets, "{name} {sent:x?}");
        }
        for (name, text) in
            [("Session-Timeout", "long"), ("Framed-IP-Address", "::1"), ("Framed-Interface-Id", "x")]
        {
            assert!(!request.add_text(AttributeList::Reply, known(name), 0, text), "{name} {text}");
        }
        Rcode::Ok
    });
}

#[test]
fn names_of_hosts_are_no_addresses() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    unsafe { fr_hostname_lookups = true };
    instance.check(&packet, |request| {
        for name in ["Framed-IP-Address", "Framed-IPv6-Address", "PMIP6-Home-IPv4-HoA", "WiMAX-hHA-IP-MIP4"] {
            assert!(!request.add_text(AttributeList::Reply, known(name), 0, "localhost"), "{name}");
        }
        Rcode::Ok
    });
    unsafe { fr_hostname_lookups = false };
}

#[test]
fn first_attribute_of_a_list_is_there_once() {
    let _one = library();
    let mut instance = Instance::make(&[]).unwrap();
    let packet = Packet::new(b"alice", b"x");
    let request = packet.0;
    unsafe {
        for name in ["Reply-Message", "Class", "Reply-Message", "Class"] {
            pair((*request).reply, name, b"before");
        }
    }
    instance.check(&packet, |request| {
        assert!(!request.is_first(AttributeList::Reply, known("Class")));
        assert!(!request.is_first(AttributeList::Reply, known("Reply-Message")), "it is there twice");
        assert!(
            !request.is_first(AttributeList::Proxy, known("Class"))
                && !request.set_first(AttributeList::Proxy, known("Class"), b"x")
        );
        assert!(request.set_first(AttributeList::Reply, known("Class"), b"after"));
        assert!(request.is_first(AttributeList::Reply, known("Class")));
        Rcode::Ok
    });
    unsafe { assert_eq!(names((*(*request).reply).vps), ["Class", "Reply-Message", "Reply-Message"]) };
}
