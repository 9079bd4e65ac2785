//! The HTTP client under all providers, seen through one of them.

mod apart;
mod certificates;
mod proxy;
mod transfer;
