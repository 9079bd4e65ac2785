//! An instance of the module, and what it attaches to a request.

use super::attributes::ModuleAttributes;
use super::forwarded_attributes::ForwardedAttributes;
use super::reply_attributes::ReplyAttributes;
use crate::app::App;
use crate::config::Config;
use crate::engine::{Decision, PendingAccept, PendingLogin};
use crate::freeradius::HomePool;
use crate::text::ClientTexts;
use crate::types::Printable;
use crate::waiting::ParkedHandle;
use once_cell::sync::OnceCell;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// One instance of the module.
pub struct MfaModule {
    /// The name of the instance.
    pub(super) name: String,
    pub(super) config: Arc<Config>,
    /// The attributes that the module reads and writes.
    pub(super) attributes: ModuleAttributes,
    /// The attributes that `reply { }` names.
    pub(super) reply_attributes: ReplyAttributes,
    /// Which attributes of a request the RADIUS backend gets.
    pub(super) forwarded: ForwardedAttributes,
    /// `None` with `radiusd -XC`, which handles no request.
    pub(super) app: Option<App>,
    /// What users read.
    pub(super) texts: ClientTexts,
    /// Whether any client of clients.conf may have an option of this module: of dynamic clients it is not known before they come.
    pub(super) has_client_options: bool,
    /// The pool of parked requests; `None` if the server does not proxy.
    pub(super) pool: Option<HomePool>,
    /// The server's `reject_delay`.
    pub(super) reject_delay: Duration,
    /// Virtual servers, and the sections of their `authenticate` in which this module is called before any other.
    pub(super) first_in_sections: Vec<(String, String)>,
    /// Virtual servers in tunnels that can ask in several rounds of EAP-GTC.
    pub(super) conversation_servers: Vec<String>,
    /// The value of Auth-Type that runs this instance, looked up at first use.
    pub(super) auth_type: OnceCell<u32>,
}

/// What an earlier call on the same request decided; attached to the request.
pub(super) enum LoginNote {
    /// Accepted.
    LetIn,
    /// The passcode was right. The server's own modules verify the password; the guard then makes an accept of it.
    Pending(Box<PendingAccept>),
    /// Another module verifies the password now; then the user is asked.
    Ask(Cell<Option<Box<PendingLogin>>>),
    /// Called in `authenticate` before the module that verifies the password; then the user is asked, if that is
    /// known already.
    Again(Cell<Option<Box<PendingLogin>>>),
    /// The request waits.
    Parked(ParkedHandle),
    /// `eap` is about to end the method that asked for the password; then this challenge is sent.
    ChallengeDue(Box<Decision>),
}

/// A user name as it is logged.
pub(super) fn shown_user(name: &str) -> Printable {
    Printable::new(name)
}
