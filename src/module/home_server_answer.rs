//! Logins whose password the server has proxied itself, to a home server of the site's, and which come by in `post-proxy`.
//!
//! The server proxies a request once, so such a login cannot leave its thread any more: whoever can be challenged is, also about what
//! his device asks him. The guard in `post-auth` does the same for logins that did not come by here.

use super::{MfaModule, RequestState, TrafficKind};
use crate::engine::Reason;
use crate::freeradius::{Rcode, Request, code};
use crate::types::Mode;

impl MfaModule {
    /// Asks whoever a home server has accepted. What it has sent with its accept stays where it is if he is let in, and else is
    /// taken out.
    pub(super) fn verify_home_server_answer(&self, request: &mut Request<'_>) -> Rcode {
        if request.proxy_code() != Some(code::ACCESS_ACCEPT)
            || self.traffic_kind(request) != TrafficKind::Login
        {
            return Rcode::Noop;
        }
        // The name outside of a tunnel is anybody's; and in a tunnel others have the last word.
        let result = match self.attributes.is_eap(request) || request.outer().is_some() {
            true => self.turn_away(request, Reason::Undecided),
            false => self.ask_accepted(request),
        };
        if result == Rcode::Ok {
            return result;
        }
        request.clear_proxy_reply();
        match result {
            Rcode::Handled if request.reply_code() == code::ACCESS_CHALLENGE => result,
            // A reject would be ignored here.
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
                None => self.turn_away(request, Reason::Undecided),
            },
            _ => self.turn_away(request, Reason::Undecided),
        }
    }

    /// Whether somebody whose password was right, and nothing else is known of him, is asked for more.
    pub(super) fn asks_later(&self, request: &Request<'_>) -> bool {
        matches!(self.login_mode(request), Mode::Challenge | Mode::Auto) || self.is_append_alone(request)
    }
}
