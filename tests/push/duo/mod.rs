//! Duo.

mod asking;
pub mod gear;
mod trouble;
