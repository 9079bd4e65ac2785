//! Users who have to enrol: what they read, and the link that is sent to them.

use super::Shared;
use crate::config::policy::Unenrolled;
use crate::engine::{Decision, Reason};
use crate::types::{Printable, UserName};

/// Who is told what could not be sent.
pub type Complain = Box<dyn Fn(&str) + Send + Sync>;

/// What a user reads who has to enrol. His password was right; a link is there only where the site says so.
pub(super) fn text(reason: Option<Reason>, link: Option<&str>) -> String {
    let next = match (link, reason) {
        (Some(link), _) => format!("Enrol at {link} and log in again."),
        (None, Some(Reason::Invited)) => "Enrol with the link in your mailbox and log in again.".to_owned(),
        (None, _) => "Enrol with the link that you were sent, or ask your help desk for one.".to_owned(),
    };
    format!("You need a second factor. {next}")
}

impl Shared {
    /// With words for somebody who has to enrol, and is not challenged.
    pub(super) fn enrolling(&self, decision: Decision) -> Decision {
        let is_told = decision.message.is_some() || decision.prompt.is_some();
        if is_told || !matches!(decision.reason, Reason::MustEnroll | Reason::Invited) {
            return decision;
        }
        let link = match (&self.config.policy.unenrolled, &decision.user) {
            (Unenrolled::Enroll(enroll), Some(user)) => enroll.shown_link(user.as_str()),
            _ => None,
        };
        Decision { message: Some(text(Some(decision.reason), link.as_deref())), ..decision }
    }

    /// Sends the link to whom it was decided for.
    pub(super) async fn invite(&self, user: UserName) {
        if let (Err(trouble), Some(complain)) = (self.engine.invite(&user).await, self.complain.get()) {
            let user = Printable::new(user.as_str());
            complain(&format!("{user}: the link to enrol could not be sent: {trouble}"));
        }
    }
}
