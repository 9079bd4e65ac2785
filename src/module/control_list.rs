//! The control list: what unlang has asked for, and what is left there for unlang and for the modules that follow.

use super::attributes::ModuleAttributes;
use super::login::DigestProtocol;
use crate::engine::Decision;
use crate::freeradius::{AttributeList, Request, code};

impl ModuleAttributes {
    /// Tells unlang what was decided: MFA-Result, MFA-Reason, MFA-Factor and MFA-Token on the control list.
    pub(super) fn set_outputs(&self, request: &mut Request<'_>, decision: &Decision) {
        let outputs = [
            (self.result, Some(decision.verdict().as_str())),
            (self.reason, Some(decision.reason().as_str())),
            (self.factor, decision.factor().map(|factor| factor.as_str())),
            (self.token, decision.token()),
        ];
        for (attribute, value) in outputs {
            match value {
                Some(text) => {
                    request.set(AttributeList::Control, attribute, text.as_bytes());
                }
                None => request.remove(AttributeList::Control, attribute),
            }
        }
    }

    /// The value of MFA-Result that an earlier call set on the request.
    pub(super) fn result_output(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        request.values(AttributeList::Control, self.result).into_iter().next()
    }

    /// The values of MFA-Profile and MFA-Language, each if there is exactly one.
    pub(super) fn profile_and_language(&self, request: &Request<'_>) -> [Option<String>; 2] {
        [self.mfa_profile, self.mfa_language].map(|attribute| {
            let value = request.single_value(AttributeList::Control, attribute)?;
            Some(String::from_utf8_lossy(&value).into_owned())
        })
    }

    /// Gives `chap` or `mschap` the passcode as the user's password, and nothing else to compare with.
    pub(super) fn hand_over(
        &self,
        request: &mut Request<'_>,
        passcode: &[u8],
        protocol: DigestProtocol,
    ) -> bool {
        request.remove(AttributeList::Control, self.nt_password);
        request.remove(AttributeList::Control, self.lm_password);
        request.set(AttributeList::Control, self.cleartext_password, passcode)
            && match protocol {
                DigestProtocol::Chap => true,
                DigestProtocol::MsChap => {
                    request.set(AttributeList::Control, self.use_ntlm_auth, &0u32.to_be_bytes())
                }
            }
    }

    /// Makes the answer a reject, whatever `chap` or `mschap` find: they verify a word such as `push`, which proves nothing before the
    /// user has been asked.
    pub(super) fn reject_unless_asked(&self, request: &mut Request<'_>) -> bool {
        request.set(AttributeList::Control, self.response_type, &code::ACCESS_REJECT.to_be_bytes())
    }

    /// Lifts the reject of [`reject_unless_asked`](Self::reject_unless_asked): the user is asked now.
    pub(super) fn lift_reject(&self, request: &mut Request<'_>) {
        request.remove(AttributeList::Control, self.response_type);
    }

    /// Sets `Auth-Type := Reject`, so that the request is refused whatever other modules find.
    pub(super) fn force_reject(&self, request: &mut Request<'_>) {
        if let Some(reject) = self.auth_type.value("Reject") {
            request.set(AttributeList::Control, self.auth_type, &reject.to_be_bytes());
        }
    }
}
