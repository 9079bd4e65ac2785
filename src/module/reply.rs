//! The reply: the texts for the user, the attributes of an accept, and what must not be left in a refusal.

use super::attributes::ModuleAttributes;
use super::error::Error;
use super::forwarded_attributes;
use super::reply_attributes::ReplyAttributes;
use crate::engine::{Decision, UserAttributes};
use crate::freeradius::{AttributeList, Request, code};
use std::time::Duration;

/// The longest delay that the server accepts.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

impl ModuleAttributes {
    /// Removes what belongs to an accept from the reply: keys, addresses, groups. An EAP-Success becomes an EAP-Failure of
    /// the same identifier (RFC 3748, section 4.2), with the Message-Authenticator that RFC 3579 asks for.
    pub(super) fn strip_accept(&self, request: &mut Request<'_>) {
        let eap = request.values(AttributeList::Reply, self.eap_message).into_iter().next();
        request.clear_reply();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(AttributeList::Reply, self.eap_message, &[4, id, 0, 4]);
            request.set(AttributeList::Reply, self.message_authenticator, &[0; 16]);
        }
    }

    /// Removes an accept from the reply, if an earlier module has put one there, as `eap` and `mschap` do.
    pub(super) fn take_back_accept(&self, request: &mut Request<'_>) {
        let has_success = request.has_value(AttributeList::Reply, self.ms_chap2_success);
        if request.reply_code() == code::ACCESS_ACCEPT || has_success {
            self.strip_accept(request);
        }
    }

    /// Has the server send a refusal later by `by`, in place of its own `reject_delay`.
    pub(super) fn delay_refusal(&self, request: &mut Request<'_>, by: Duration) {
        let Some(attribute) = self.response_delay else { return };
        let by = u32::try_from(by.min(LONGEST_DELAY).as_micros()).unwrap_or(u32::MAX);
        // In `post-proxy` the answer of the home server becomes the reply.
        for list in [AttributeList::Reply, AttributeList::ProxyReply] {
            request.set(list, attribute, &by.to_be_bytes());
        }
    }

    /// Removes the texts for the user from the reply; and everything else, except with MS-CHAP: none of it may go to a user who is
    /// refused (RFC 2865, section 5.44).
    pub(super) fn remove_reply_texts(&self, request: &mut Request<'_>) {
        let has_ms_chap = [self.ms_chap_response, self.ms_chap2_response]
            .into_iter()
            .any(|attribute| request.has_value(AttributeList::Request, attribute));
        if has_ms_chap {
            // MS-CHAP-Error is part of the protocol (RFC 2548, section 2.1.5).
            return request.remove(AttributeList::Reply, self.reply_message);
        }
        request.clear_reply();
        request.clear_proxy_reply();
    }

    /// Puts the texts for the user into the reply, whether the input is shown (Prompt), and the State of the answer.
    pub(super) fn set_reply_texts(&self, request: &mut Request<'_>, decision: &Decision) {
        if !decision.message.is_empty() {
            request.remove(AttributeList::Reply, self.reply_message);
        }
        for text in &decision.message {
            request.add(AttributeList::Reply, self.reply_message, text.as_bytes());
        }
        if let Some(echo) = decision.echo.value() {
            request.set(AttributeList::Reply, self.prompt, &echo.to_be_bytes());
        }
        if let Some(state) = decision.challenge_state() {
            request.set(AttributeList::Reply, self.state, state.as_bytes());
        }
    }

    /// Adds what an accept carries: the user's groups to the control list, and attributes to the reply.
    ///
    /// # Errors
    ///
    /// [`Error::UserValue`].
    pub(super) fn set_user_attributes(
        &self,
        request: &mut Request<'_>,
        grants: &UserAttributes,
        told: &ReplyAttributes,
    ) -> Result<(), Error> {
        let known = request.values(AttributeList::Control, self.mfa_group);
        let is_known = |group: &str| known.iter().any(|value| value == group.as_bytes());
        for group in grants.groups.iter().flatten().filter(|group| !is_known(group)) {
            request.add_text(AttributeList::Control, self.mfa_group, 0, group);
        }
        for (name, value) in &grants.reply {
            let unfit = || Error::UserValue(name.clone());
            let (attribute, tag) = told.find_attribute(name).ok_or_else(unfit)?;
            if !request.add_text(AttributeList::Reply, attribute, tag, value) {
                return Err(unfit());
            }
        }
        forwarded_attributes::add_to_reply(request, &grants.raw);
        Ok(())
    }
}
