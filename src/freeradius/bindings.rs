//! What bindgen read from the installed headers.
#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals, dead_code)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::indexing_slicing)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
