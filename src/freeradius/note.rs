//! Rust values that hang on a request and are dropped with it.

use super::bindings as c;
use std::any::Any;
use std::ffi::{c_int, c_void};

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

unsafe extern "C" fn drop_chunk(chunk: *mut c_void) -> c_int {
    // SAFETY: talloc calls this once for a chunk that `attach_note` filled.
    let value = unsafe { chunk.cast::<TallocChunk>().read() };
    // A value whose drop panics must not take the server with it.
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value))) {
        super::panics::discard(panic);
    }
    0
}
