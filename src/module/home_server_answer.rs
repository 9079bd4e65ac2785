//! Logins whose password a home server of the site has verified; `post-proxy` handles them.
//!
//! The server proxies a request once, so such a login cannot be parked: a client that shows challenges gets one, also about a push,
//! and otherwise the thread waits. The guard in `post-auth` does the same for logins that did not come through `post-proxy`.

use super::instance::MfaModule;
use super::login::TrafficKind;
use super::request_state::RequestState;
use crate::engine::RefusalReason;
use crate::freeradius::{Rcode, Request, code};
use crate::types::Mode;

impl MfaModule {
    /// Asks for the second factor after a home server's accept. The attributes of that accept stay if the login is
    /// accepted, and are removed otherwise.
    pub(super) fn verify_home_server_answer(&self, request: &mut Request<'_>) -> Rcode {
        if request.proxy_code() != Some(code::ACCESS_ACCEPT)
            || self.traffic_kind(request) != TrafficKind::Login
        {
            return Rcode::Noop;
        }
        // The name outside a tunnel is not verified, and in a tunnel `eap` decides.
        let result = match self.attributes.is_eap(request) || request.outer().is_some() {
            true => self.refuse_accept(request, RefusalReason::Undecided),
            false => self.ask_accepted(request),
        };
        if result == Rcode::Ok {
            return result;
        }
        request.clear_proxy_reply();
        match result {
            Rcode::Handled if request.reply_code() == code::ACCESS_CHALLENGE => result,
            // The server ignores `reject` in `post-proxy`.
            _ => {
                self.attributes.fail_eap(request);
                self.attributes.force_reject(request);
                Rcode::Fail
            }
        }
    }

    fn ask_accepted(&self, request: &mut Request<'_>) -> Rcode {
        match self.request_state(request) {
            RequestState::LetIn => Rcode::Ok,
            RequestState::Pending(pending) => self.confirm_accept(request, *pending),
            RequestState::Ask(undecided) => self.ask_or_defer(request, undecided.verified_by_server()),
            RequestState::New => match self.find_exemption(request) {
                Some(exempt) => self.accept_exempt(request, exempt),
                None if self.asks_later(request) => self.attempt_verified(request),
                None => self.refuse_accept(request, RefusalReason::Undecided),
            },
            _ => self.refuse_accept(request, RefusalReason::Undecided),
        }
    }

    /// Whether a user is asked for a second factor after the password: the field holds none.
    pub(super) fn asks_later(&self, request: &Request<'_>) -> bool {
        matches!(self.login_mode(request), Mode::Challenge | Mode::Auto)
            || self.is_append_without_passcode(request)
    }
}
