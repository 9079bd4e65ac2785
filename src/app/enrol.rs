//! Users who have to enrol: what they read, and the link that is sent to them.

use super::Shared;
use crate::config::policy::{Link, Unenrolled};
use crate::engine::{Decision, Reason};
use crate::types::{Printable, Secret, UserName};

/// Who is told what could not be sent.
pub type Complain = Box<dyn Fn(&str) + Send + Sync>;

impl Shared {
    /// With what a user reads who has to enrol. His password was right; the link is for him only where the site says so.
    pub(super) fn enrolling(&self, decision: Decision) -> Decision {
        if decision.message.is_some() || !matches!(decision.reason, Reason::MustEnroll | Reason::Invited) {
            return decision;
        }
        let shown = match &self.config.policy.unenrolled {
            Unenrolled::Enroll(enroll) if enroll.link == Link::Challenge => {
                decision.user.as_ref().and_then(|user| enroll.link(user.as_str()))
            }
            _ => None,
        };
        let next = match (shown, decision.reason) {
            (Some(link), _) => format!("Enrol at {link} and log in again."),
            (None, Reason::Invited) => "Enrol with the link in your mailbox and log in again.".to_owned(),
            (None, _) => "Enrol with the link that you were sent, or ask your help desk for one.".to_owned(),
        };
        Decision { message: Some(format!("You need a second factor. {next}")), ..decision }
    }

    /// Sends the link to whom it was decided for.
    pub(super) async fn invite(&self, user: UserName) {
        let Unenrolled::Enroll(enroll) = &self.config.policy.unenrolled else { return };
        let Some(link) = enroll.link(user.as_str()) else { return };
        let issuer = &self.config.issuer;
        let subject = format!("{issuer}: enrol a second factor");
        let text = format!(
            "Somebody, most likely you, has logged in to {issuer} with your password. A second factor is needed as well. Enrol here:\n\n{link}\n\nIf it was not you, change your password.\n"
        );
        if let (Err(trouble), Some(complain)) =
            (self.engine.invite(&user, subject, Secret::new(text)).await, self.complain.get())
        {
            let user = Printable::new(user.as_str());
            complain(&format!("{user}: the link to enrol could not be sent: {trouble}"));
        }
    }
}
