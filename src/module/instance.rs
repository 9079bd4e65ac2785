//! An instance of the module, and what it attaches to a request.

use super::attributes::{ModuleAttributes, ReplyAttributes};
use super::forwarded_attributes::PassedAttributes;
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
    pub(super) name: String,
    pub(super) config: Arc<Config>,
    pub(super) attributes: ModuleAttributes,
    /// What `reply { }` names.
    pub(super) told: ReplyAttributes,
    /// Request attributes for the password backend.
    pub(super) passing: PassedAttributes,
    /// None with `radiusd -XC`, where no request ever comes.
    pub(super) app: Option<App>,
    pub(super) words: ClientTexts,
    /// Whether any client may say how it is spoken to.
    pub(super) clients_speak: bool,
    /// Where requests wait; none if the server does not proxy.
    pub(super) pool: Option<HomePool>,
    /// The server's: for how long rejects are held back.
    pub(super) reject_delay: Duration,
    /// Virtual servers, and the sections of their `authenticate` in which we are called before anybody else.
    pub(super) first_in: Vec<(String, String)>,
    /// Virtual servers in tunnels that can ask in several rounds of EAP-GTC.
    pub(super) conversing: Vec<String>,
    /// The value of Auth-Type that runs this instance, once the server has made it.
    pub(super) auth_type: OnceCell<u32>,
}

/// How far a request has come with us.
pub(super) enum LoginNote {
    /// Accepted.
    LetIn,
    /// Its passcode was right. Its password is checked by the server's own modules now; the guard makes an accept of it.
    Pending(Box<PendingAccept>),
    /// Another module verifies the password now; then the user is asked.
    Ask(Cell<Option<Box<PendingLogin>>>),
    /// Called in `authenticate` before the module that verifies the password; then the user is asked, if that is
    /// known already.
    Again(Cell<Option<Box<PendingLogin>>>),
    /// The request waits.
    Parked(ParkedHandle),
    /// `eap` is about to end the method that asked for the password; then its user is asked this instead.
    Say(Box<Decision>),
}

/// User names as they stand in our lines.
pub(super) fn shown_user(name: &str) -> Printable {
    Printable::new(name)
}
