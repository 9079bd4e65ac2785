//! Dropping what a panic carried.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what a panic carried. That could panic again; what the second one carries is left where it is.
pub(super) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
