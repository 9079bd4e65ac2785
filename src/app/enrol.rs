//! Users who have to enrol, and the link that is sent to them.

use super::services::LoginServices;
use crate::config::policy::UnenrolledRule;
use crate::engine::messenger::TextMessage;
use crate::engine::port::Unavailable;
use crate::engine::provider::ProviderError;
use crate::text::ClientVoice;
use crate::types::{Factor, Printable, UserName};

/// Why an enrolment link cannot be sent.
#[derive(Debug, thiserror::Error)]
enum LinkFault {
    #[error("no mailbox is registered, or no mail relay is set")]
    NoMailbox,
    #[error(transparent)]
    Store(#[from] Unavailable),
    #[error(transparent)]
    Relay(#[from] ProviderError),
}

impl LoginServices {
    /// Sends the enrolment link to the mailbox of the user it was decided for, and nowhere else.
    pub(super) async fn send_enrolment_link(&self, user: UserName, voice: ClientVoice) {
        if let (Err(why), Some(complain)) = (self.send_link(&user, &voice).await, self.complain.get()) {
            let user = Printable::new(user.as_str());
            complain(&format!("{user}: the link to enrol could not be sent: {why}"));
        }
    }

    async fn send_link(&self, user: &UserName, voice: &ClientVoice) -> Result<(), LinkFault> {
        let link = match &self.config.policy.unenrolled {
            UnenrolledRule::Enroll(enroll) => enroll.enrolment_link(user.as_str()),
            UnenrolledRule::Reject | UnenrolledRule::Accept(_) => None,
        };
        let mail = self.engine.registered_mailbox(user).await?;
        let (Some(link), Some(to), Some(messages)) = (link, mail, &self.messages) else {
            return Err(LinkFault::NoMailbox);
        };
        let (subject, text) = voice.invitation_mail(&self.config.issuer, user.as_str(), &link);
        let message = TextMessage { factor: Factor::Email, to: to.as_str().to_owned(), subject, text };
        messages.send(message).await?;
        Ok(())
    }
}
