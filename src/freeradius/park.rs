//! How a request leaves its thread to wait, and what it gets back when it has waited.
//!
//! The server lets a request leave its thread in one way only: it proxies it. Whether it does is decided after the method has
//! returned (`request_will_proxy` in its `process.c`), and where it does not, it sends the reply as it stands. So a reply that
//! is parked has the code 0, of which the server makes a reject.

use super::attribute_list::{AttributeList, PairWalk};
use super::bindings as c;
use super::dictionary::find_attribute;
use super::note::{self, NoteSlot};
use super::pool::HomePool;
use super::request::{Request, code};
use std::cell::Cell;

/// Why a request cannot be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParkError {
    /// The request is in a tunnel: only the outer one could be parked.
    #[error("the request is inside a tunnel")]
    Tunnelled,
    /// The server has proxied the request before, and it does so once.
    #[error("the server has proxied the request already")]
    Proxied,
    /// The request has an answer, which would be sent at once.
    #[error("the request has an answer already")]
    Answered,
    /// The server could not make an attribute.
    #[error("no memory")]
    Memory,
}

/// Attributes of the control list that would lead a parked request elsewhere than to its pool, past the pool's own sections, or to
/// another answer.
const DIVERSIONS: [&str; 5] =
    ["Proxy-To-Realm", "Pre-Proxy-Type", "Post-Proxy-Type", "Response-Packet-Type", "Home-Server-Name"];

/// The reply as it was when its request was parked; NULL once it was given back. The pairs belong to the reply's packet and are
/// freed with it.
struct SavedReply(Cell<*mut c::VALUE_PAIR>);

impl Request<'_> {
    /// The code of the home server's answer; `None` before it has come.
    pub fn proxy_code(&self) -> Option<u32> {
        // SAFETY: S1; one field is read, if the packet is there.
        unsafe { (*self.raw()).proxy_reply.as_ref() }.map(|packet| packet.code)
    }

    /// Whether the server has proxied the request.
    pub fn is_proxied(&self) -> bool {
        // SAFETY: S1; a pointer is compared with NULL.
        unsafe { !(*self.raw()).proxy.is_null() }
    }

    /// Checks whether [`park_request`](Self::park_request) can succeed. What it cannot see is whether the listener is a `synchronous`
    /// one, which never proxies and whose clients then get no answer.
    ///
    /// # Errors
    ///
    /// Why the request cannot be parked.
    pub fn check_parkable(&self) -> Result<(), ParkError> {
        // SAFETY: S1; fields are read.
        let (tunnelled, port) = unsafe {
            let request = self.raw();
            (!(*request).parent.is_null(), (*request).packet.as_ref().map_or(0, |packet| packet.dst_port))
        };
        match self.reply_code() {
            _ if tunnelled || port == 0 => Err(ParkError::Tunnelled),
            _ if self.is_proxied() => Err(ParkError::Proxied),
            0 | code::ACCESS_ACCEPT => Ok(()),
            _ => Err(ParkError::Answered),
        }
    }

    /// Makes the server proxy the request to `pool` once the method returns `handled`, which frees its thread. No other function
    /// parks: what would make the server answer at once instead (an accept that another module has put into the reply) is taken
    /// back here. The reply is kept until [`unpark_request`](Self::unpark_request).
    ///
    /// # Errors
    ///
    /// Why the request cannot be parked; its reply is then as it was.
    pub fn park_request(&mut self, pool: &HomePool) -> Result<(), ParkError> {
        self.check_parkable()?;
        let destination = find_attribute("Home-Server-Pool").map_err(|_| ParkError::Memory)?;
        for attribute in DIVERSIONS.iter().filter_map(|name| find_attribute(name).ok()) {
            self.remove(AttributeList::Control, attribute);
        }
        // SAFETY: S1, S2; the reply's pairs stay children of its packet, which lives as long as the request; from here on only
        // the note knows them.
        unsafe {
            let head = self.head(AttributeList::Reply);
            if !note::attach_note(self.raw(), NoteSlot::Reply, Box::new(SavedReply(Cell::new(*head)))) {
                return Err(ParkError::Memory);
            }
            *head = std::ptr::null_mut();
        }
        if !self.set(AttributeList::Control, destination, pool.name().as_bytes()) {
            self.unpark_request();
            return Err(ParkError::Memory);
        }
        pool.keep_alive();
        // SAFETY: S1; one field is written. With any other value the server would send the reply now.
        unsafe { (*(*self.raw()).reply).code = 0 };
        Ok(())
    }

    /// Puts the reply back as it was when the request was parked, in front of what was added since.
    pub fn unpark_request(&mut self) {
        // SAFETY: S1, S2; the saved list is linked in once: the note is emptied first.
        unsafe {
            let Some(saved) = note::find_note::<SavedReply>(self.raw(), NoteSlot::Reply) else { return };
            let first = saved.0.replace(std::ptr::null_mut());
            if let Some(last) = PairWalk::starting_at(first).last() {
                let head = self.head(AttributeList::Reply);
                (*last.as_ptr()).next = *head;
                *head = first;
            }
        }
    }
}
