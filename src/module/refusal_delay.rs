//! Makes refusals alike, whichever module refuses and when: until the right password was shown, neither the answer nor its time
//! reveals why a login was refused.
//!
//! The server holds rejects back by `reject_delay`, counted from when they were decided: a refusal that took longer is sent later.
//! The refusals of this module are delayed by what is left of it since their packet came.

use super::instance::MfaModule;
use crate::app;
use crate::engine::{Decision, PasswordStatus, PasswordVerifier, RefusalReason, Verdict};
use crate::freeradius::Request;
use std::time::Duration;

impl MfaModule {
    /// Has the server send a refusal when `reject_delay` and `longer` have passed since its packet came, or at once if they have.
    pub(super) fn hold_back(&self, request: &mut Request<'_>, longer: Duration) {
        if let Some(mut outer) = request.outer() {
            return self.hold_back(&mut outer, longer);
        }
        if self.reject_delay.is_zero() {
            return;
        }
        if let Some(received) = request.received() {
            let left = self.reject_delay.saturating_add(longer).saturating_sub(app::elapsed_since(received));
            self.attributes.delay_refusal(request, left);
        }
    }

    /// Makes a reject of another module look like one of this module, where the server's own modules verify the password: else it would
    /// tell that the passcode was right, or that none was asked for. What other modules have put into the reply would tell the same,
    /// since it depends on which of them have run. For `Post-Auth-Type REJECT`.
    pub(super) fn equalise_reject(&self, request: &mut Request<'_>) {
        let told = self.attributes.result_output(request);
        let is_ours = told.is_some_and(|result| result != Verdict::Pending.as_str().as_bytes());
        let hold = request.hold();
        let status = PasswordStatus::initial_for(&self.config, self.login_mode(request));
        let is_explained = is_ours && hold.is_none();
        if is_explained || status != (PasswordStatus::Unverified { by: PasswordVerifier::Server }) {
            return;
        }
        let is_plain = request.outer().is_none() && !self.attributes.is_eap(request);
        if is_plain {
            let refused = Decision::refusal(None, RefusalReason::WrongPassword);
            let said = self.client_voice(request).add_texts(refused);
            self.attributes.remove_reply_texts(request);
            self.attributes.set_reply_texts(request, &said);
        }
        self.hold_back(request, hold.unwrap_or_default());
    }
}
