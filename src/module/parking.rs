//! Parking: how a login that waits leaves its thread, and how it comes back.
//!
//! The server proxies the request to the responder in this process ([`crate::waiting`]), through a home server pool that is made at
//! start ([`HomePool`]). When the responder answers, the server goes on with the request. The decision is not read from that answer,
//! but from the wait, by the token that is attached to the request.

use super::attributes::ModuleAttributes;
use super::error::Error;
use super::instance::{LoginNote, MfaModule, shown_user};
use super::outcome;
use crate::app::{App, LoginPacket, WaitMode};
use crate::config::{FirstFactor, ServerTimers};
use crate::engine::{Decision, Reason, Verdict};
use crate::freeradius::{
    self, AttributeList, HomePool, InstanceSetup, LogLevel, Rcode, Request, code, write_log,
};
use crate::types::Secret;
use crate::waiting::{AttemptFingerprint, ParkedHandle};
use std::time::Duration;

/// The name of the pool, its home server and its virtual server.
fn pool_name(name: &str) -> String {
    format!("{name}-wait")
}

/// Checks that a pool can be made for this instance, as far as the configuration shows.
///
/// # Errors
///
/// The name of the pool is taken.
pub(super) fn check_pool_name(
    setup: &InstanceSetup,
    name: &str,
    timers: &ServerTimers,
) -> Result<(), freeradius::Error> {
    if timers.proxies { HomePool::check_name(setup, &pool_name(name)) } else { Ok(()) }
}

/// Makes the pool of this instance; `None` if the server does not proxy at all.
///
/// # Errors
///
/// [`Error::Pool`].
pub(super) fn make_home_pool(
    setup: &InstanceSetup,
    name: &str,
    app: &App,
    timers: &ServerTimers,
) -> Result<Option<HomePool>, Error> {
    if !timers.proxies {
        let config = app.config();
        if config.push.provider.is_some() || config.first_factor == FirstFactor::Own {
            write_log(
                LogLevel::Warn,
                &format!(
                    "{name}: proxy_requests = no: a login that waits keeps a thread: set proxy_requests = yes in radiusd.conf"
                ),
            );
        }
        return Ok(None);
    }
    let (address, secret) = app.responder_address();
    let pool =
        HomePool::make_pool(setup, &pool_name(name), name, address.port(), secret, timers.response_window());
    pool.map(Some).map_err(Error::Pool)
}

impl ModuleAttributes {
    /// Reduces the proxied packet to what the responder needs: the token of the wait, and a signature.
    pub(super) fn address_to_responder(&self, request: &mut Request<'_>, token: &[u8]) -> bool {
        request.clear_proxy();
        request.set(AttributeList::Proxy, self.state, token)
            && request.set(AttributeList::Proxy, self.message_authenticator, &[0; 16])
    }

    /// Gives an accepted request that was parked its reply back, with one Message-Authenticator.
    pub(super) fn restore_reply(&self, request: &mut Request<'_>) {
        request.unpark_request();
        if request.has_value(AttributeList::Reply, self.message_authenticator) {
            request.remove(AttributeList::ProxyReply, self.message_authenticator);
        }
    }
}

impl MfaModule {
    /// The properties of the packet beside the login attempt in it.
    pub(super) fn login_packet(&self, request: &mut Request<'_>) -> LoginPacket {
        let (traits, names_session) = self.attributes.distinguishing_traits(request);
        let roams = names_session || self.is_known_by_port(request);
        let traits: Vec<&[u8]> = traits.iter().map(Secret::expose).collect();
        let digest = self.app.as_ref().map(|app| app.attempt_digest(&traits)).unwrap_or_default();
        let limit = request.integer(AttributeList::Control, self.attributes.mfa_wait_limit);
        let sends_codes = self.app.as_ref().is_some_and(App::sends_codes);
        let voice = self.reply_voice(request).with_client_name(if sends_codes {
            request.client_name()
        } else {
            None
        });
        let limit = limit.map(|seconds| Duration::from_secs(seconds.into()));
        let is_parkable = self.pool.is_some() && request.check_parkable().is_ok();
        LoginPacket {
            fingerprint: AttemptFingerprint {
                digest,
                datagram: self.datagram_digest(request),
                roams,
                port: request.client_port(),
            },
            limit: voice.wait_limit(limit),
            patience: if is_parkable { WaitMode::Park } else { WaitMode::Block },
            voice,
        }
    }

    /// Parks the request; or, if that cannot be, waits on its thread.
    pub(super) fn wait_for_decision(&self, request: &mut Request<'_>, handle: ParkedHandle) -> Rcode {
        let parked = self.pool.as_ref().map(|pool| request.park_request(pool));
        if let Some(Ok(())) = parked {
            return outcome::checked_rcode(request.note(LoginNote::Parked(handle)), Rcode::Handled);
        }
        let Some(app) = &self.app else { return Rcode::Fail };
        let decision = app.block_for_decision(handle, &|| request.is_stopped());
        self.apply(request, &decision)
    }

    /// Applies the decision on a request that was parked. The datagram that came back only has to agree with it.
    pub(super) fn take_decision(&self, request: &mut Request<'_>) -> Rcode {
        let decision = match (request.noted::<LoginNote>(), &self.app) {
            (Some(LoginNote::Parked(handle)), Some(app)) => app.take_decision(handle),
            _ => None,
        };
        let code = request.proxy_code();
        let Some(decision) = decision else { return self.refuse_unanswered(request) };
        let lets_in = decision.verdict().lets_in();
        match code {
            Some(code::ACCESS_ACCEPT) if lets_in => {
                self.attributes.restore_reply(request);
                self.apply(request, &decision)
            }
            Some(code::ACCESS_REJECT | code::ACCESS_CHALLENGE) if !lets_in => {
                if code == Some(code::ACCESS_CHALLENGE) {
                    self.keep_challenge(request, &decision);
                }
                self.log_and_output(request, &decision);
                self.attributes.fail_eap(request);
                Rcode::Updated
            }
            // The datagram does not agree, or is not the responder's.
            _ if lets_in => self.refuse_unanswered(request),
            // A newer packet has taken the accept meanwhile.
            _ => {
                self.log_and_output(request, &decision);
                self.attributes.fail_eap(request);
                self.attributes.force_reject(request);
                Rcode::Fail
            }
        }
    }

    /// Writes the decision to the log and the outputs. The answer itself is in the responder's packet.
    fn log_and_output(&self, request: &mut Request<'_>, decision: &Decision) {
        self.attributes.set_outputs(request, decision);
        let source = self.attributes.attempt_source(request);
        request.log(outcome::log_level(decision), &outcome::line(decision, &source));
        if decision.verdict() != Verdict::Challenge {
            self.hold_back(request, decision.hold);
        }
        request.failure(decision.reason().as_str());
    }

    /// Refuses a request for which no decision came, or an answer that does not agree with it.
    fn refuse_unanswered(&self, request: &mut Request<'_>) -> Rcode {
        let source = self.attributes.attempt_source(request);
        let user = self.attributes.user(request);
        let line = format!(
            "{}: parked, and no answer came, client {}",
            shown_user(&String::from_utf8_lossy(&user)),
            source.client
        );
        request.log(LogLevel::Error, &line);
        self.hold_back(request, Duration::ZERO);
        request.failure(Reason::Unavailable.as_str());
        self.attributes.fail_eap(request);
        self.attributes.force_reject(request);
        Rcode::Fail
    }
}
