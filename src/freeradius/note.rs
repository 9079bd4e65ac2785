//! Notes: Rust values that are attached to a request and dropped with it.

use super::bindings as c;
use super::request::Request;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// The contents of the talloc chunk that is attached to a request. The chunk owns the value.
struct TallocChunk(Box<dyn Any>);

/// Its address is the key of our data on a request: no other module can have it.
static KEY: u8 = 0;

fn key() -> *mut c_void {
    std::ptr::from_ref(&KEY).cast_mut().cast()
}

/// What a note is for. A request has one of each at most.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoteSlot {
    /// Any value of the module.
    Module = 0,
    /// The reply of a parked request.
    Reply = 1,
    /// Another value of the module.
    Beside = 2,
    /// The virtual server that the request came to.
    Server = 3,
    /// That the module has set Auth-Type.
    Claim = 4,
    /// By how much longer a refusal is held back that must look like any other.
    Hold = 5,
}

/// Attaches `value` to the request in place of an earlier one. `false`, and `value` is dropped, if there is no memory.
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

/// The value in a slot, if it is a `T`.
///
/// # Safety
///
/// `request` is valid, and while the result is used, there is no call of [`attach_note`] on it.
pub(super) unsafe fn find_note<'a, T: 'static>(request: *mut c::REQUEST, slot: NoteSlot) -> Option<&'a T> {
    // SAFETY: only `attach_note` stores under our key, so what is found is a TallocChunk; it lives until the request is freed or the next
    // `attach_note`, which the caller excludes.
    unsafe {
        let chunk = c::request_data_reference(request, key(), slot as c_int);
        chunk.cast::<TallocChunk>().as_ref().and_then(|chunk| chunk.0.downcast_ref())
    }
}

impl Request<'_> {
    /// Attaches a value to the request, in place of an earlier one; it is dropped with the request. `false`, and it is dropped
    /// now, if the server has no memory for it.
    pub fn note<T: 'static>(&mut self, value: T) -> bool {
        self.attach(NoteSlot::Module, value)
    }

    /// The value of [`note`](Self::note), if it is a `T`.
    pub fn noted<T: 'static>(&self) -> Option<&T> {
        self.attached(NoteSlot::Module)
    }

    /// Attaches a second value to the request, beside that of [`note`](Self::note).
    pub fn note_beside<T: 'static>(&mut self, value: T) -> bool {
        self.attach(NoteSlot::Beside, value)
    }

    /// The value of [`note_beside`](Self::note_beside), if it is a `T`.
    pub fn noted_beside<T: 'static>(&self) -> Option<&T> {
        self.attached(NoteSlot::Beside)
    }

    /// The virtual server that the request came to, as [`keep_entry`](Self::keep_entry) found it: the one that works on it now may be
    /// that of a home server pool.
    pub fn entry(&self) -> String {
        self.attached::<String>(NoteSlot::Server).cloned().unwrap_or_else(|| self.server())
    }

    /// Remembers which virtual server the request came to. For `authorize`, before anything is proxied.
    pub fn keep_entry(&mut self) -> bool {
        self.attach(NoteSlot::Server, self.server())
    }

    /// Remembers that the module has set Auth-Type.
    pub fn keep_claim(&mut self) -> bool {
        self.attach(NoteSlot::Claim, ())
    }

    /// Whether the module has set Auth-Type.
    pub fn is_claimed(&self) -> bool {
        self.attached::<()>(NoteSlot::Claim).is_some()
    }

    /// Remembers by how much longer a refusal is held back that must look like any other; `None` if it need not.
    pub fn keep_hold(&mut self, longer: Option<Duration>) -> bool {
        self.attach(NoteSlot::Hold, longer)
    }

    /// The value of [`keep_hold`](Self::keep_hold); `None` also if there is none.
    pub fn hold(&self) -> Option<Duration> {
        self.attached::<Option<Duration>>(NoteSlot::Hold).copied().flatten()
    }

    fn attach<T: 'static>(&mut self, slot: NoteSlot, value: T) -> bool {
        // SAFETY: S1, S2; `&mut self` excludes a value that is borrowed by `attached`.
        unsafe { attach_note(self.raw(), slot, Box::new(value)) }
    }

    fn attached<T: 'static>(&self, slot: NoteSlot) -> Option<&T> {
        // SAFETY: S1; the answer borrows `self`, so that `attach` cannot be called while it is used.
        unsafe { find_note(self.raw(), slot) }
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
