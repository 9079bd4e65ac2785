//! A request while a method of the module works on it: its packet, its client, its answer, and its lines in the log.

use super::bindings as c;
use super::log::LogLevel;
use super::text::CText;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// Packet codes (RFC 2865, section 3).
pub mod code {
    /// Access-Request.
    pub const ACCESS_REQUEST: u32 = 1;
    /// Access-Accept.
    pub const ACCESS_ACCEPT: u32 = 2;
    /// Access-Reject.
    pub const ACCESS_REJECT: u32 = 3;
    /// Access-Challenge.
    pub const ACCESS_CHALLENGE: u32 = 11;
}

/// A request, borrowed for the length of one call. It never leaves its thread.
///
/// Its attributes are in [`AttributeList`](super::AttributeList)s, and values of the module can be attached to it as notes.
pub struct Request<'r> {
    raw: NonNull<c::REQUEST>,
    life: PhantomData<&'r mut c::REQUEST>,
}

impl<'r> Request<'r> {
    /// # Safety
    ///
    /// `raw` is NULL or a valid request that no other thread works on for the length of `'r` (S1, S2).
    pub(super) unsafe fn from_raw(raw: *mut c::REQUEST) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: PhantomData })
    }

    pub(super) fn raw(&self) -> *mut c::REQUEST {
        self.raw.as_ptr()
    }

    /// The number of the request in the server's log.
    pub fn number(&self) -> u64 {
        // SAFETY: S1; one field is read.
        u64::from(unsafe { (*self.raw()).number })
    }

    /// The packet that was received. It is never NULL while a method runs, but that is checked.
    fn packet(&self) -> Option<&c::RADIUS_PACKET> {
        // SAFETY: S1; `packet` is NULL or lives as long as the request, and the server writes nothing in it while a method runs.
        unsafe { (*self.raw()).packet.as_ref() }
    }

    /// The code of the packet ([`code`]).
    pub fn code(&self) -> u32 {
        self.packet().map_or(0, |packet| packet.code)
    }

    /// The code of the answer as it is now; 0 if there is none yet.
    pub fn reply_code(&self) -> u32 {
        // SAFETY: S1; `reply` is NULL or the reply of this request, which lives as long as the request.
        unsafe { (*self.raw()).reply.as_ref() }.map_or(0, |packet| packet.code)
    }

    /// The request authenticator (RFC 2865, section 3).
    pub fn authenticator(&self) -> [u8; 16] {
        self.packet().map_or([0; 16], |packet| packet.vector)
    }

    /// The address of the client that sent the packet.
    pub fn client(&self) -> Option<IpAddr> {
        address(self.packet()?.src_ipaddr)
    }

    /// The address of the server that the packet came to, as far as its listener tells.
    pub fn server_address(&self) -> Option<IpAddr> {
        address(self.packet()?.dst_ipaddr)
    }

    /// The value of `name` in the client's section of clients.conf. `None` if it is not there, empty or longer than 255 octets, or if
    /// `name` has anything but small letters and underscores. In a tunnel, the client is that of the outermost request.
    ///
    /// Read by expanding `%{client:name}`: the layout of a client changes from release to release, and its header is not always installed.
    pub fn client_option(&self, name: &str) -> Option<String> {
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_') {
            return None;
        }
        self.expand(&CText::new(format!("%{{client:{name}}}")).ok()?)
    }

    /// The short name of the client in clients.conf. `None` if it is empty or longer than 255 octets.
    pub fn client_name(&self) -> Option<String> {
        self.expand(c"%{Client-Shortname}")
    }

    /// Whether the packet came through TLS (RadSec).
    pub fn is_encrypted(&self) -> bool {
        self.expand(c"%{listen:tls}").as_deref() == Some("yes")
    }

    /// Expands `template`, in which nothing comes from a packet. `None` if the result is empty or longer than 255 octets.
    fn expand(&self, template: &CStr) -> Option<String> {
        let mut value = [0u8; 257];
        // SAFETY: S1, S2; the server writes at most as many octets as
        // it is told there is room for, and neither an escaping function nor its argument has to be there.
        let length = unsafe {
            c::radius_xlat(
                value.as_mut_ptr().cast(),
                value.len(),
                self.raw(),
                template.as_ptr(),
                None,
                std::ptr::null_mut(),
            )
        };
        let octets = value.get(..usize::try_from(length).ok()?)?;
        let is_whole = !octets.is_empty() && octets.len() < value.len() - 1;
        is_whole.then(|| String::from_utf8_lossy(octets).into_owned())
    }

    /// The request around this one, if it came through an EAP tunnel.
    pub fn outer(&mut self) -> Option<Request<'_>> {
        // SAFETY: the server keeps the outer request alive and untouched while it works on the inner one, on the same
        // thread; it is borrowed through `self`, so that the two cannot be changed side by side.
        unsafe { Request::from_raw((*self.raw()).parent) }
    }

    /// A number for the session of the request: the same for all packets of an EAP conversation, as long as its session-state holds
    /// something. It may be used again after the session.
    pub fn session(&self) -> usize {
        // SAFETY: S1; one pointer is read, for its address.
        unsafe { (*self.raw()).state_ctx }.addr()
    }

    /// The virtual server that works on the request; `server` if that has no name.
    pub fn server(&self) -> String {
        // SAFETY: S1; the name is NULL or a C string of the configuration.
        unsafe {
            let name = (*self.raw()).server;
            if name.is_null() {
                "server".to_owned()
            } else {
                CStr::from_ptr(name).to_string_lossy().into_owned()
            }
        }
    }

    /// Whether the module that was called last returned `ok`; it may have been in an earlier section.
    pub fn follows_ok(&self) -> bool {
        // SAFETY: S1; one field is read.
        unsafe { (*self.raw()).rcode == c::RLM_MODULE_OK }
    }

    /// All octets of the packet as it came from the network, its header included. Empty in a tunnel.
    pub fn datagram(&self) -> &[u8] {
        match self.packet() {
            Some(packet) if !packet.data.is_null() => {
                // SAFETY: S1; `data` is what was received, `data_len` octets, which the server neither changes nor frees before the
                // packet.
                unsafe { std::slice::from_raw_parts(packet.data, packet.data_len) }
            }
            _ => &[],
        }
    }

    /// The port of the server that the packet came to.
    pub fn server_port(&self) -> u16 {
        self.packet().map_or(0, |packet| packet.dst_port)
    }

    /// When the packet was received; `None` in a tunnel.
    pub fn received(&self) -> Option<SystemTime> {
        let at = self.packet()?.timestamp;
        let (seconds, micros) = (u64::try_from(at.tv_sec).ok()?, u64::try_from(at.tv_usec).ok()?);
        let since = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))?;
        SystemTime::UNIX_EPOCH.checked_add(since).filter(|_| seconds > 0)
    }

    /// The port that the packet came from.
    pub fn client_port(&self) -> u16 {
        self.packet().map_or(0, |packet| packet.src_port)
    }

    /// Whether the server has given the request up: it shuts down, or the request has taken too long.
    pub fn is_stopped(&self) -> bool {
        // SAFETY: S1: the request is valid, and so is the field, aligned as an `unsigned int`. The server's main thread stores to
        // it without a lock, so it is only accessed as an atomic here.
        let state = unsafe { AtomicU32::from_ptr(&raw mut (*self.raw()).master_state) };
        state.load(Ordering::Relaxed) == c::REQUEST_STOP_PROCESSING
    }

    /// Makes the answer an Access-Challenge. The attributes of the reply are the caller's to set.
    pub fn challenge(&mut self) {
        // SAFETY: S1; one field is written.
        unsafe {
            if let Some(reply) = (*self.raw()).reply.as_mut() {
                reply.code = code::ACCESS_CHALLENGE;
            }
        }
    }

    /// Writes one line to the server's log, with the request's number.
    pub fn log(&self, level: LogLevel, text: &str) {
        let text = CText::line(text);
        // SAFETY: S1; the strings live through the call; the text is an argument of "%s", never the format.
        unsafe {
            c::radlog_request(level.as_c(), c::L_DBG_LVL_OFF, self.raw(), c"%s".as_ptr(), text.as_ptr())
        };
    }

    /// Adds a Module-Failure-Message, which the server shows in its "Login incorrect" line.
    pub fn failure(&mut self, text: &str) {
        let text = CText::line(text);
        // SAFETY: S2; both strings end in NUL and live through the call; the text is an argument of "%s", never the format. The pair
        // that is added belongs to the request.
        unsafe { c::module_failure_msg(self.raw(), c"%s".as_ptr(), text.as_ptr()) };
    }
}

fn address(address: c::fr_ipaddr_t) -> Option<IpAddr> {
    // SAFETY: the union member that `af` names is the one that is set.
    unsafe {
        match address.af {
            libc::AF_INET => Some(Ipv4Addr::from(u32::from_be(address.ipaddr.ip4addr.s_addr)).into()),
            libc::AF_INET6 => Some(Ipv6Addr::from(address.ipaddr.ip6addr.__in6_u.__u6_addr8).into()),
            _ => None,
        }
    }
}
