//! A request while one of our methods works on it.

use super::bindings as c;
use super::dictionary::Attribute;
use super::log::LogLevel;
use super::note::{self, NoteSlot};
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

/// The server's lists of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeList {
    /// What the client sent.
    Request,
    /// What it will be answered.
    Reply,
    /// What the server keeps to itself for this request.
    Control,
    /// What it keeps from packet to packet of a conversation.
    SessionState,
    /// What goes to the home server; there only while the request is proxied.
    Proxy,
    /// What came from it.
    ProxyReply,
}

/// A request, for the length of one call. It never leaves its thread.
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

    /// The server's number of it, as in its log.
    pub fn number(&self) -> u64 {
        // SAFETY: S1; one field is read.
        u64::from(unsafe { (*self.raw()).number })
    }

    /// The code of the packet.
    pub fn code(&self) -> u32 {
        // SAFETY: S1; `packet` is never NULL while a method runs, but that is checked.
        unsafe { (*self.raw()).packet.as_ref() }.map_or(0, |packet| packet.code)
    }

    /// The code of the answer as it stands; 0 if there is none yet.
    pub fn reply_code(&self) -> u32 {
        // SAFETY: S1; `reply` is NULL or the reply of this request, which lives as long as the request.
        unsafe { (*self.raw()).reply.as_ref() }.map_or(0, |packet| packet.code)
    }

    /// The request authenticator.
    pub fn authenticator(&self) -> [u8; 16] {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        unsafe { (*self.raw()).packet.as_ref() }.map_or([0; 16], |packet| packet.vector)
    }

    /// The address of the client that sent it.
    pub fn client(&self) -> Option<IpAddr> {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        address(unsafe { (*self.raw()).packet.as_ref()?.src_ipaddr })
    }

    /// The address of the server that it came to, as far as its listener tells.
    pub fn server_address(&self) -> Option<IpAddr> {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        address(unsafe { (*self.raw()).packet.as_ref()?.dst_ipaddr })
    }

    /// What the section of its client in clients.conf has under `name`, which is of small letters and underscores; none if that is
    /// not there, empty or longer than 255 octets. In a tunnel it is the client of the outermost request.
    ///
    /// Asked by `%{client:name}`: the layout of a client changes from release to release, and its header is not always installed.
    pub fn client_option(&self, name: &str) -> Option<String> {
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_') {
            return None;
        }
        self.expand(&CText::new(format!("%{{client:{name}}}")).ok()?)
    }

    /// The short name of the client in clients.conf, in the same form.
    pub fn client_name(&self) -> Option<String> {
        self.expand(c"%{Client-Shortname}")
    }

    /// Whether it came through TLS.
    pub fn is_encrypted(&self) -> bool {
        self.expand(c"%{listen:tls}").as_deref() == Some("yes")
    }

    fn expand(&self, asked: &CStr) -> Option<String> {
        let mut value = [0u8; 257];
        // SAFETY: S1, S2; the text is an expansion with nothing of a stranger in it, the server writes at most as many octets as
        // it is told there is room for, and neither an escaping function nor its argument has to be there.
        let length = unsafe {
            c::radius_xlat(
                value.as_mut_ptr().cast(),
                value.len(),
                self.raw(),
                asked.as_ptr(),
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

    /// Which of the server's sessions it belongs to: one for all packets of an EAP conversation, as long as something is in its
    /// session-state. Not to be kept beyond it: the number may come again.
    pub fn session(&self) -> usize {
        // SAFETY: S1; one pointer is read, for its address.
        unsafe { (*self.raw()).state_ctx }.addr()
    }

    /// The virtual server that works on it; `server` if that has no name.
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

    /// The virtual server that it came to. While a home server's answer is looked at, another one may be at work on it, that of its pool;
    /// so from [`keep_entry`](Self::keep_entry) on, the one that was then.
    pub fn entry(&self) -> String {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        let kept: Option<&String> = unsafe { note::get(self.raw(), NoteSlot::Server) };
        kept.cloned().unwrap_or_else(|| self.server())
    }

    /// Keeps in mind which virtual server it came to. For `authorize`, before anything was proxied.
    pub fn keep_entry(&mut self) -> bool {
        // SAFETY: S1, S2; `&mut self` excludes a value borrowed by `entry`.
        unsafe { note::attach_note(self.raw(), NoteSlot::Server, Box::new(self.server())) }
    }

    /// Keeps in mind that Auth-Type was set by the module.
    pub fn keep_claim(&mut self) -> bool {
        // SAFETY: S1, S2; no value of this slot is ever borrowed beyond a call.
        unsafe { note::attach_note(self.raw(), NoteSlot::Claim, Box::new(())) }
    }

    /// Whether Auth-Type was set by the module.
    pub fn is_claimed(&self) -> bool {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        unsafe { note::get::<()>(self.raw(), NoteSlot::Claim) }.is_some()
    }

    /// Keeps in mind that a refusal must look like any other, and is held back by so much longer; or that it need not.
    pub fn keep_hold(&mut self, longer: Option<Duration>) -> bool {
        // SAFETY: S1, S2; `&mut self` is the only access to the request, so no reference to an earlier value is alive.
        unsafe { note::attach_note(self.raw(), NoteSlot::Hold, Box::new(longer)) }
    }

    /// By how much longer a refusal is held back that must look like any other; none if it need not.
    pub fn hold(&self) -> Option<Duration> {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        unsafe { note::get::<Option<Duration>>(self.raw(), NoteSlot::Hold) }.copied().flatten()
    }

    /// Whether the last module that was called, in whatever section, said `ok`.
    pub fn follows_ok(&self) -> bool {
        // SAFETY: S1; one field is read.
        unsafe { (*self.raw()).rcode == c::RLM_MODULE_OK }
    }

    /// All octets of the packet as it came from the network, its header included. Empty in a tunnel.
    pub fn datagram(&self) -> &[u8] {
        // SAFETY: S1; `packet` is checked for NULL. The server keeps what it received until it frees the packet, and changes nothing in it; `data_len`
        // octets of it were received.
        unsafe {
            match (*self.raw()).packet.as_ref() {
                Some(packet) if !packet.data.is_null() => {
                    std::slice::from_raw_parts(packet.data, packet.data_len)
                }
                _ => &[],
            }
        }
    }

    /// The port of the server that it came to.
    pub fn server_port(&self) -> u16 {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        unsafe { (*self.raw()).packet.as_ref() }.map_or(0, |packet| packet.dst_port)
    }

    /// When the packet came; none if it came in another, through a tunnel.
    pub fn received(&self) -> Option<SystemTime> {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        let at = unsafe { (*self.raw()).packet.as_ref() }?.timestamp;
        let (seconds, micros) = (u64::try_from(at.tv_sec).ok()?, u64::try_from(at.tv_usec).ok()?);
        let since = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))?;
        SystemTime::UNIX_EPOCH.checked_add(since).filter(|_| seconds > 0)
    }

    /// The port that the packet came from.
    pub fn client_port(&self) -> u16 {
        // SAFETY: S1; `packet` is checked for NULL, and lives as long as the request.
        unsafe { (*self.raw()).packet.as_ref() }.map_or(0, |packet| packet.src_port)
    }

    /// Whether the server wants to be rid of it: it shuts down, or the request has taken too long.
    pub fn is_stopped(&self) -> bool {
        // SAFETY: S1: the request is valid, and so is the field, aligned as an `unsigned int`. The server's main thread stores to
        // it without a lock, so it is only accessed as an atomic here.
        let state = unsafe { AtomicU32::from_ptr(&raw mut (*self.raw()).master_state) };
        state.load(Ordering::Relaxed) == c::REQUEST_STOP_PROCESSING
    }

    /// Answers with a challenge instead of what was meant to be sent: the reply's attributes are the caller's.
    pub fn challenge(&mut self) {
        // SAFETY: S1; one field is written.
        unsafe {
            if let Some(reply) = (*self.raw()).reply.as_mut() {
                reply.code = code::ACCESS_CHALLENGE;
            }
        }
    }

    /// The values of an attribute in a list as octets, in order. Integers are four octets in network order.
    pub fn values(&self, list: AttributeList, attribute: Attribute) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        if !self.has(list) {
            return found;
        }
        // SAFETY: S2: the list does not change while it is walked; each pair is valid, and its value is the union member
        // that the type of its attribute names.
        unsafe {
            let mut pair = *self.head(list);
            while let Some(this) = pair.as_ref() {
                if std::ptr::eq(this.da, attribute.as_ptr()) {
                    found.push(octets(this, attribute));
                }
                pair = this.next;
            }
        }
        found
    }

    /// The value of an integer attribute. None if there is none, or several of them.
    pub fn integer(&self, list: AttributeList, attribute: Attribute) -> Option<u32> {
        let [octets] = <[Vec<u8>; 1]>::try_from(self.values(list, attribute)).ok()?;
        octets.try_into().ok().map(u32::from_be_bytes)
    }

    /// Puts one value in place of all that the list has of this attribute. Not for User-Name and User-Password of the
    /// request, which the server points to: see [`replace`](Self::replace).
    pub fn set(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        if !self.has(list) {
            return false;
        }
        self.remove(list, attribute);
        self.put(list, attribute, value, c::T_OP_SET)
    }

    /// Puts one more value behind all that the list has of this attribute. Not for User-Name and User-Password of the request.
    pub fn add(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        self.put(list, attribute, value, c::T_OP_ADD)
    }

    /// Puts one more value behind all that the list has of this attribute, from its text as the dictionary's type has it: a name
    /// or a number, an address, and so on. `tag` is that of RFC 2868, 0 for none. `false` if that is no such value. An empty text
    /// is no value at all, and nothing is added.
    pub fn add_text(
        &mut self,
        list: AttributeList,
        attribute: Attribute,
        tag: u8,
        text: impl AsRef<[u8]>,
    ) -> bool {
        let octets = text.as_ref();
        if octets.is_empty() {
            return true;
        }
        let is_text = matches!(attribute.data_type(), c::PW_TYPE_STRING | c::PW_TYPE_OCTETS);
        let value = if is_text { None } else { value_text(attribute, octets) };
        let Ok(tag) = i8::try_from(tag) else { return false };
        if !self.has(list) || (value.is_none() && !is_text) {
            return false;
        }
        // SAFETY: S2; the list is there (`has`), and the pair that is made belongs to its packet. A text is copied as it is, and any other value is read from a CText of as many octets as are told; a
        // pair that is not added is freed, and nothing points to it.
        unsafe {
            let mut pair = c::fr_pair_afrom_da(self.parent(list), attribute.as_ptr());
            if pair.is_null() {
                return false;
            }
            (*pair).op = c::T_OP_ADD;
            (*pair).tag = tag;
            let is_stored = match &value {
                None => store(pair, attribute, cut(octets)),
                Some(value) => c::fr_pair_value_from_str(pair, value.as_ptr(), value.len()) >= 0,
            };
            if !is_stored {
                c::fr_pair_list_free(&raw mut pair);
                return false;
            }
            c::fr_pair_add(self.head(list), pair);
        }
        true
    }

    fn put(
        &mut self,
        list: AttributeList,
        attribute: Attribute,
        value: &[u8],
        operator: c::FR_TOKEN,
    ) -> bool {
        if !self.has(list) {
            return false;
        }
        // SAFETY: S2; the pair is added once.
        unsafe {
            let Some(pair) = self.pair(list, attribute, value, operator) else { return false };
            c::fr_pair_add(self.head(list), pair);
        }
        true
    }

    /// A pair that is in no list yet.
    ///
    /// # Safety
    ///
    /// S2; the request has the list, and the pair is added to it.
    unsafe fn pair(
        &self,
        list: AttributeList,
        attribute: Attribute,
        value: &[u8],
        operator: c::FR_TOKEN,
    ) -> Option<*mut c::VALUE_PAIR> {
        // SAFETY: the parent is the one that the server expects for that list (`doc/safety.md`), `store` fits its type, and what it
        // refuses is freed before anything points to it.
        unsafe {
            let mut pair = c::fr_pair_afrom_da(self.parent(list), attribute.as_ptr());
            if pair.is_null() {
                return None;
            }
            (*pair).op = operator;
            if !store(pair, attribute, value) {
                c::fr_pair_list_free(&raw mut pair);
                return None;
            }
            Some(pair)
        }
    }

    /// Makes one value the first attribute of a list, in place of all that the list has of this attribute. Not for User-Name and
    /// User-Password of the request.
    pub fn set_first(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        if !self.has(list) {
            return false;
        }
        self.remove(list, attribute);
        // SAFETY: S2; the pair that is made belongs to the packet of the list, and is linked in once, before what the list has.
        unsafe {
            let Some(pair) = self.pair(list, attribute, value, c::T_OP_SET) else { return false };
            let head = self.head(list);
            (*pair).next = *head;
            *head = pair;
        }
        true
    }

    /// Whether the first attribute of a list is this one, and the list has it once.
    pub fn is_first(&self, list: AttributeList, attribute: Attribute) -> bool {
        if !self.has(list) {
            return false;
        }
        // SAFETY: S2; the list does not change meanwhile.
        let first = unsafe { (*self.head(list)).as_ref() };
        first.is_some_and(|pair| std::ptr::eq(pair.da, attribute.as_ptr()))
            && self.values(list, attribute).len() == 1
    }

    /// Changes the first value of an attribute in place. `false` if there is none.
    pub fn replace(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        if !self.has(list) {
            return false;
        }
        // SAFETY: S2; the list is there (`has`) and does not change while it is walked. The pair stays where it is and gets a copy of the value.
        unsafe {
            let mut pair = *self.head(list);
            while let Some(this) = pair.as_ref() {
                if std::ptr::eq(this.da, attribute.as_ptr()) {
                    return store(pair, attribute, value);
                }
                pair = this.next;
            }
        }
        false
    }

    /// Removes all values of an attribute. User-Name and User-Password of the request stay: the server points to them.
    pub fn remove(&mut self, list: AttributeList, attribute: Attribute) {
        if !self.has(list) {
            return;
        }
        // SAFETY: S2; no pair is held over the change. The two cached pairs are compared by address before.
        unsafe {
            let cached = [(*self.raw()).username, (*self.raw()).password];
            let is_cached =
                |pair: &*mut c::VALUE_PAIR| !pair.is_null() && std::ptr::eq((**pair).da, attribute.as_ptr());
            if list == AttributeList::Request && cached.iter().any(is_cached) {
                return;
            }
            c::fr_pair_delete_by_da(self.head(list), attribute.as_ptr());
        }
    }

    /// Empties the reply.
    pub fn clear_reply(&mut self) {
        // SAFETY: S2; no pair is held over the change, and nothing else points into the reply's list.
        unsafe { c::fr_pair_list_free(self.head(AttributeList::Reply)) };
    }

    /// Empties what came from the home server, if anything did.
    pub fn clear_proxy_reply(&mut self) {
        if self.has(AttributeList::ProxyReply) {
            // SAFETY: S2; `has` says that the list is there, no pair is held over the change, and nothing else points into it.
            unsafe { c::fr_pair_list_free(self.head(AttributeList::ProxyReply)) };
        }
    }

    /// Hangs a value on the request; it is dropped with it, or when the next one takes its place.
    pub fn note<T: 'static>(&mut self, value: T) -> bool {
        // SAFETY: S1, S2; `&mut self` excludes a value borrowed by `noted`.
        unsafe { note::attach_note(self.raw(), NoteSlot::Module, Box::new(value)) }
    }

    /// The value that hangs on the request.
    pub fn noted<T: 'static>(&self) -> Option<&T> {
        // SAFETY: S1; the answer borrows `self`, so that `note` cannot be called while it is used.
        unsafe { note::get(self.raw(), NoteSlot::Module) }
    }

    /// Hangs a second value on the request, beside that of [`note`](Self::note).
    pub fn note_beside<T: 'static>(&mut self, value: T) -> bool {
        // SAFETY: S1, S2; `&mut self` is the only access to the request, so no reference to an earlier value is alive.
        unsafe { note::attach_note(self.raw(), NoteSlot::Beside, Box::new(value)) }
    }

    /// The second value that hangs on the request.
    pub fn noted_beside<T: 'static>(&self) -> Option<&T> {
        // SAFETY: S1, S2; only `note_beside` replaces the value, which takes `&mut self`, so it lives as long as this borrow.
        unsafe { note::get(self.raw(), NoteSlot::Beside) }
    }

    /// Writes one line with the request's number.
    pub fn log(&self, level: LogLevel, text: &str) {
        let text = CText::line(text);
        // SAFETY: S1; the strings live through the call; the text is an argument of "%s", never the format.
        unsafe {
            c::radlog_request(level.as_c(), c::L_DBG_LVL_OFF, self.raw(), c"%s".as_ptr(), text.as_ptr())
        };
    }

    /// Names the failure in Module-Failure-Message, which the server shows in its "Login incorrect" line.
    pub fn failure(&mut self, text: &str) {
        let text = CText::line(text);
        // SAFETY: S2; both strings end in NUL and live through the call, and the text is an argument of "%s", never the format. The pair that is added belongs to the request.
        unsafe { c::module_failure_msg(self.raw(), c"%s".as_ptr(), text.as_ptr()) };
    }

    /// Whether the request has this list at all: the two of proxying come and go.
    pub(super) fn has(&self, list: AttributeList) -> bool {
        // SAFETY: S1; pointers are compared with NULL.
        let packet = unsafe {
            match list {
                AttributeList::Request => (*self.raw()).packet,
                AttributeList::Reply => (*self.raw()).reply,
                AttributeList::Proxy => (*self.raw()).proxy,
                AttributeList::ProxyReply => (*self.raw()).proxy_reply,
                AttributeList::Control | AttributeList::SessionState => return true,
            }
        };
        !packet.is_null()
    }

    /// Where the first pair of a list is kept.
    ///
    /// # Safety
    ///
    /// S1; the request has the list; the pointer is used before the next call on this request.
    pub(super) unsafe fn head(&self, list: AttributeList) -> *mut *mut c::VALUE_PAIR {
        // SAFETY: S1; addresses of fields are taken, and the caller has seen that the packet is there.
        unsafe {
            match list {
                AttributeList::Request => &raw mut (*(*self.raw()).packet).vps,
                AttributeList::Reply => &raw mut (*(*self.raw()).reply).vps,
                AttributeList::Control => &raw mut (*self.raw()).config,
                AttributeList::SessionState => &raw mut (*self.raw()).state,
                AttributeList::Proxy => &raw mut (*(*self.raw()).proxy).vps,
                AttributeList::ProxyReply => &raw mut (*(*self.raw()).proxy_reply).vps,
            }
        }
    }

    /// The talloc parent of a list's pairs.
    pub(super) unsafe fn parent(&self, list: AttributeList) -> *mut c::TALLOC_CTX {
        // SAFETY: S1.
        unsafe {
            match list {
                AttributeList::Request => (*self.raw()).packet.cast(),
                AttributeList::Reply => (*self.raw()).reply.cast(),
                AttributeList::Control => self.raw().cast(),
                AttributeList::SessionState => (*self.raw()).state_ctx.cast(),
                AttributeList::Proxy => (*self.raw()).proxy.cast(),
                AttributeList::ProxyReply => (*self.raw()).proxy_reply.cast(),
            }
        }
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

/// Octets of a value in a packet (RFC 2865, section 5).
const LONGEST: usize = 253;

/// A copy of a pair's value.
///
/// # Safety
///
/// `pair` is valid and of this attribute.
unsafe fn octets(pair: &c::VALUE_PAIR, attribute: Attribute) -> Vec<u8> {
    // SAFETY: strings and octets are a pointer to `length` octets, NULL only if there are none; an integer is in place.
    unsafe {
        match attribute.data_type() {
            c::PW_TYPE_STRING | c::PW_TYPE_OCTETS if pair.data.octets.is_null() => Vec::new(),
            c::PW_TYPE_STRING | c::PW_TYPE_OCTETS => {
                std::slice::from_raw_parts(pair.data.octets, pair.length).to_vec()
            }
            c::PW_TYPE_INTEGER => pair.data.integer.to_be_bytes().to_vec(),
            _ => Vec::new(),
        }
    }
}

/// Puts a copy of `value` into a pair: text, octets, or the four octets of an integer in network order. `false` if the attribute has
/// another type, or the value another length: the pair is then as it was.
///
/// # Safety
///
/// `pair` is valid and of this attribute.
#[must_use]
pub(super) unsafe fn store(pair: *mut c::VALUE_PAIR, attribute: Attribute, value: &[u8]) -> bool {
    // An empty slice need not point to memory.
    let octets = if value.is_empty() { c"".as_ptr().cast() } else { value.as_ptr() };
    // SAFETY: both functions copy `len` octets into memory that the pair owns, and free what it owned before; an integer is
    // in place and its length is 4.
    unsafe {
        match (attribute.data_type(), <[u8; 4]>::try_from(value)) {
            (c::PW_TYPE_STRING, _) => c::fr_pair_value_bstrncpy(pair, octets.cast(), value.len()),
            (c::PW_TYPE_OCTETS, _) => c::fr_pair_value_memcpy(pair, octets, value.len()),
            (c::PW_TYPE_INTEGER, Ok(number)) => {
                (*pair).data.integer = u32::from_be_bytes(number);
                (*pair).length = 4;
            }
            _ => return false,
        }
        (*pair).type_ = c::VT_DATA;
    }
    true
}

impl Attribute {
    /// Whether [`Request::add_text`] can make a value of this text.
    pub fn reads(self, text: &str) -> bool {
        if matches!(self.data_type(), c::PW_TYPE_STRING | c::PW_TYPE_OCTETS) {
            return true;
        }
        let Some(value) = value_text(self, text.as_bytes()) else { return false };
        // SAFETY: the entry is alive (S4). The pair belongs to no list, nothing points to it, and it is freed here; the text is read
        // for as many octets as are told.
        unsafe {
            let mut pair = c::fr_pair_afrom_da(std::ptr::null_mut(), self.as_ptr());
            if pair.is_null() {
                return false;
            }
            let is_read = c::fr_pair_value_from_str(pair, value.as_ptr(), value.len()) >= 0;
            c::fr_pair_list_free(&raw mut pair);
            is_read
        }
    }
}

/// What fits into an attribute of a packet; no character of a text is cut in two.
fn cut(octets: &[u8]) -> &[u8] {
    let end = std::str::from_utf8(octets).map_or(LONGEST, |text| text.floor_char_boundary(LONGEST));
    octets.get(..end).unwrap_or(octets)
}

/// A text that the server is to read as a value of this attribute, which is neither text nor octets. `None` if it is none for sure:
/// too long, or an address that is a name, for which the server could ask the DNS (`hostname_lookups`).
fn value_text(attribute: Attribute, octets: &[u8]) -> Option<CText> {
    let is_address = |octets: &[u8]| {
        let text = std::str::from_utf8(octets).unwrap_or_default();
        let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
        address.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok()
    };
    match attribute.data_type() {
        c::PW_TYPE_IPV4_ADDR
        | c::PW_TYPE_IPV4_PREFIX
        | c::PW_TYPE_IPV6_ADDR
        | c::PW_TYPE_IPV6_PREFIX
        | c::PW_TYPE_COMBO_IP_ADDR
        | c::PW_TYPE_COMBO_IP_PREFIX
            if !is_address(octets) =>
        {
            None
        }
        _ if octets.len() > LONGEST => None,
        _ => CText::new(octets).ok(),
    }
}
