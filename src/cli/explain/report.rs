//! What `mfa explain` reports.

use crate::engine::port::EnrolledToken;
use crate::store::UserRow;
use crate::types::UserName;
use serde_json::Value;

/// What is told: lines for people, and the same for scripts.
#[derive(Default)]
pub(super) struct ExplainReport {
    pub(super) lines: Vec<(&'static str, String)>,
    pub(super) object: serde_json::Map<String, Value>,
}

impl ExplainReport {
    pub(super) fn add(&mut self, name: &'static str, text: impl Into<String>) {
        self.lines.push((name, text.into()));
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.object.insert(name.to_owned(), value);
    }
}

/// A user, as far as known.
pub(super) struct ExplainedUser {
    pub(super) typed: String,
    pub(super) name: UserName,
    pub(super) row: Option<UserRow>,
    pub(super) tokens: Vec<EnrolledToken>,
}

impl ExplainedUser {
    pub(super) fn is_enrolled(&self) -> bool {
        self.tokens.iter().any(|token| token.enabled)
    }
}
