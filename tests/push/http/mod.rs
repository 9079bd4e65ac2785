//! The HTTP client under all providers, seen through one of them.

mod certificates;
mod proxy;
mod transfer;
