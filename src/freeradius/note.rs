//! Rust values that hang on a request and are dropped with it.

use super::bindings as c;
use super::request::Request;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// What hangs on the request: a talloc chunk that owns this.
struct TallocChunk(Box<dyn Any>);

/// The key of our data on a request: its address, which no other module has.
static KEY: u8 = 0;

fn key() -> *mut c_void {
    std::ptr::from_ref(&KEY).cast_mut().cast()
}

/// One value of each kind can hang on a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoteSlot {
    /// The module's note on a request.
    Module = 0,
    /// The reply that is kept while the request is parked.
    Reply = 1,
    /// The module's second one.
    Beside = 2,
    /// The virtual server that it came to.
    Server = 3,
    /// That the module has set Auth-Type.
    Claim = 4,
    /// How long a refusal is held back that must look like any other.
    Hold = 5,
}

/// Hangs `value` on the request in place of an earlier one. Returns whether that worked; if not, `value` is dropped.
///
/// # Safety
///
/// `request` is valid and the caller has exclusive access (S1, S2).
pub(super) unsafe fn attach_note(request: *mut c::REQUEST, slot: NoteSlot, value: Box<dyn Any>) -> bool {
    // SAFETY: as the caller promises. The chunk is big enough and, as all of talloc's, aligned to 16 octets, so a TallocChunk can
    // be moved in; from then on its destructor alone owns it. With `free_opaque` the server frees it with the request, or
    // when another value takes its place.
    unsafe {
        let chunk = c::talloc_named_const(request.cast(), size_of::<TallocChunk>(), c"rlm_mfa note".as_ptr());
        if chunk.is_null() {
            return false;
        }
        chunk.cast::<TallocChunk>().write(TallocChunk(value));
        c::_talloc_set_destructor(chunk, Some(drop_chunk));
        if c::request_data_add(request, key(), slot as c_int, chunk, true) == 0 {
            return true;
        }
        c::_talloc_free(chunk, c"note.rs".as_ptr());
        false
    }
}

/// What hangs on the request, if it is a `T`.
///
/// # Safety
///
/// `request` is valid, and while the result is used, there is no call of [`attach_note`] on it.
pub(super) unsafe fn get<'a, T: 'static>(request: *mut c::REQUEST, slot: NoteSlot) -> Option<&'a T> {
    // SAFETY: only `attach_note` stores under our key, so what is found is a TallocChunk; it lives until the request is freed or the next
    // `attach_note`, which the caller excludes.
    unsafe {
        let chunk = c::request_data_reference(request, key(), slot as c_int);
        chunk.cast::<TallocChunk>().as_ref().and_then(|chunk| chunk.0.downcast_ref())
    }
}

impl Request<'_> {
    /// Hangs a value on the request; it is dropped with it, or when the next one takes its place.
    pub fn note<T: 'static>(&mut self, value: T) -> bool {
        // SAFETY: S1, S2; `&mut self` excludes a value borrowed by `noted`.
        unsafe { attach_note(self.raw(), NoteSlot::Module, Box::new(value)) }
    }

    /// The value that hangs on the request.
    pub fn noted<T: 'static>(&self) -> Option<&T> {
        // SAFETY: S1; the answer borrows `self`, so that `note` cannot be called while it is used.
        unsafe { get(self.raw(), NoteSlot::Module) }
    }

    /// Hangs a second value on the request, beside that of [`note`](Self::note).
    pub fn note_beside<T: 'static>(&mut self, value: T) -> bool {
        // SAFETY: S1, S2; `&mut self` is the only access to the request, so no reference to an earlier value is alive.
        unsafe { attach_note(self.raw(), NoteSlot::Beside, Box::new(value)) }
    }

    /// The second value that hangs on the request.
    pub fn noted_beside<T: 'static>(&self) -> Option<&T> {
        // SAFETY: S1, S2; only `note_beside` replaces the value, which takes `&mut self`, so it lives as long as this borrow.
        unsafe { get(self.raw(), NoteSlot::Beside) }
    }

    /// The virtual server that it came to. While a home server's answer is looked at, another one may be at work on it, that of its pool;
    /// so from [`keep_entry`](Self::keep_entry) on, the one that was then.
    pub fn entry(&self) -> String {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        let kept: Option<&String> = unsafe { get(self.raw(), NoteSlot::Server) };
        kept.cloned().unwrap_or_else(|| self.server())
    }

    /// Keeps in mind which virtual server it came to. For `authorize`, before anything was proxied.
    pub fn keep_entry(&mut self) -> bool {
        // SAFETY: S1, S2; `&mut self` excludes a value borrowed by `entry`.
        unsafe { attach_note(self.raw(), NoteSlot::Server, Box::new(self.server())) }
    }

    /// Keeps in mind that Auth-Type was set by the module.
    pub fn keep_claim(&mut self) -> bool {
        // SAFETY: S1, S2; no value of this slot is ever borrowed beyond a call.
        unsafe { attach_note(self.raw(), NoteSlot::Claim, Box::new(())) }
    }

    /// Whether Auth-Type was set by the module.
    pub fn is_claimed(&self) -> bool {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        unsafe { get::<()>(self.raw(), NoteSlot::Claim) }.is_some()
    }

    /// Keeps in mind that a refusal must look like any other, and is held back by so much longer; or that it need not.
    pub fn keep_hold(&mut self, longer: Option<Duration>) -> bool {
        // SAFETY: S1, S2; `&mut self` is the only access to the request, so no reference to an earlier value is alive.
        unsafe { attach_note(self.raw(), NoteSlot::Hold, Box::new(longer)) }
    }

    /// By how much longer a refusal is held back that must look like any other; none if it need not.
    pub fn hold(&self) -> Option<Duration> {
        // SAFETY: S1, S2; only this type attaches values of this slot, so its type is the one asked for, and the reference does not
        // outlive this call.
        unsafe { get::<Option<Duration>>(self.raw(), NoteSlot::Hold) }.copied().flatten()
    }
}

unsafe extern "C" fn drop_chunk(chunk: *mut c_void) -> c_int {
    // SAFETY: talloc calls this once for a chunk that `attach_note` filled.
    let value = unsafe { chunk.cast::<TallocChunk>().read() };
    // A value whose drop panics must not take the server with it.
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value))) {
        super::panics::discard(panic);
    }
    0
}
