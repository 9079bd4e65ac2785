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
    /// Has the server send a refusal `reject_delay` and `longer` after its packet came, or at once if that is over.
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

    /// A reject in `Post-Auth-Type REJECT`, where the server's own modules check the password: one of another module becomes like one of
    /// ours, since it tells that the passcode was right, or that none was asked for. What others have put into the reply tells the
    /// same: which of them have run depends on it.
    pub(super) fn even_out(&self, request: &mut Request<'_>) {
        let told = self.attributes.told_result(request);
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
            self.attributes.set_words(request, &said);
        }
        self.hold_back(request, hold.unwrap_or_default());
    }
}
