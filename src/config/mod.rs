//! From text to typed configuration. Only `loader.rs` opens files; nothing is looked up in the DNS or the environment
//! (`tests/layers.rs` checks that).

pub mod clients;
pub mod coverage;
mod declare;
pub mod directory;
pub mod entra;
mod error;
mod expand;
pub mod gateway;
mod http_options;
mod instance;
mod lexer;
mod loader;
pub mod message;
pub mod name_template;
mod parser;
pub mod policy;
pub mod profile;
pub mod push;
pub mod radius;
mod reader;
pub mod reply;
mod section_template;
mod server;
mod spelling;
mod start;
pub mod sync;
pub mod template;
#[cfg(test)]
mod tests;
pub mod texts;
mod timers;
pub mod tree;
mod values;

pub use clients::check_clients;
pub use declare::options;
pub use error::{Error, Errors, InvalidValue};
pub use instance::{
    ChallengeLimits, ClientDefaults, Config, ExplainRefusals, FailureLimits, FieldDecoding, FirstFactor,
    HotpRules, KeySource, MetricsOptions, PasscodePosition, PasswordBackendKind, PasswordSource,
    SentCodeLimits, StoreOptions, TotpRules,
};
pub use loader::{FileLoader, FileSystem};
pub use reader::OptionSpec;
pub use server::{instance_names, read_from, read_server, read_text};
pub use start::StartSettings;
pub use timers::ServerTimers;
