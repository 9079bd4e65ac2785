//! RADIUS in, verdict out: what the server's sections mean for a second factor.
//!
//! A login comes through `authorize` (append mode is split, verified and spent here), `authenticate` (a passcode is verified
//! and spent here) and `post-auth`, where the guard refuses every accept that nobody here decided. What was decided hangs on
//! the request as a [`Note`], out of reach of every attribute; through EAP tunnels it travels as a [`ticket`].

mod attributes;
mod login;
mod outcome;
mod ticket;

use crate::app::{self, App};
use crate::config::{Config, FirstFactor, coverage};
use crate::engine::port::Finding;
use crate::engine::{Attempt, Decision, Password, Reason, Verdict};
use crate::freeradius::{BUILD, Level, List, Module, Rcode, Request, Setup, code, log};
use crate::types::{Mode, Printable};
use attributes::Attributes;
use login::Traffic;
use once_cell::sync::OnceCell;
use std::ffi::CStr;
use std::sync::Arc;
use ticket::Purpose;

/// One instance of the module.
pub struct Mfa {
    name: String,
    config: Arc<Config>,
    attributes: Attributes,
    /// None with `radiusd -XC`, where no request ever comes.
    app: Option<App>,
    /// The value of Auth-Type that runs this instance, once the server has made it.
    auth_type: OnceCell<u32>,
}

/// This request was let in by us.
struct Note;

impl Module for Mfa {
    const NAME: &'static CStr = c"mfa";

    fn bootstrap(_: &Setup) -> Result<(), Vec<String>> {
        Attributes::register().map_err(|error| vec![error])
    }

    fn instantiate(setup: &Setup) -> Result<Self, Vec<String>> {
        let name = setup.section.label().to_owned();
        let config = Config::read(&setup.section)
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let config = Arc::new(config);
        let attributes = Attributes::find().map_err(|error| vec![error.to_string()])?;
        for finding in coverage::check(&setup.server) {
            log(Level::Warn, &format!("{name}: {}: {}", finding.at, finding.text));
        }
        log(Level::Info, &format!("{name}: second factors by {BUILD}"));
        let app = match setup.check_only {
            true => None,
            false => Some(App::open(Arc::clone(&config)).map_err(|error| vec![format!("{name}: {error}")])?),
        };
        Ok(Self { name, config, attributes, app, auth_type: OnceCell::new() })
    }

    /// | what | result |
    /// |---|---|
    /// | not ours (MAC authentication, other packets), exempt, EAP | `noop` |
    /// | passcode: PAP without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | passcode: anything else | `noop` |
    /// | append: split before | `noop` |
    /// | append over PAP | accept `updated`, the password alone in User-Password; otherwise as [`outcome::refusal`] |
    /// | append over CHAP, MS-CHAP | `noop`; `authenticate` refuses |
    fn authorize(&self, request: &mut Request<'_>) -> Rcode {
        // Who is exempt is not claimed either: we would accept him without a look, whatever else checks him.
        if self.traffic(request) != Traffic::Login || self.is_exempt(request) {
            return Rcode::Noop;
        }
        match (self.mode(request), self.attributes.password(request)) {
            (Mode::Passcode, Password::Plain(_)) => self.claim(request),
            (Mode::Append, _) if request.noted::<Note>().is_some() => Rcode::Noop,
            (Mode::Append, password @ Password::Plain(_)) => self.split(request, password),
            _ => Rcode::Noop,
        }
    }

    /// | what | result |
    /// |---|---|
    /// | let in by us before (`authorize`, or inside the tunnel) | `ok` |
    /// | accept, PAP | `ok` |
    /// | accept, CHAP or MS-CHAP: the code is in Cleartext-Password | `updated`: behind us `chap` or `mschap` decides |
    /// | exempt | `ok` |
    /// | not ours (MAC authentication) | `updated`: what stands before us has decided, alone it is a reject |
    /// | refused | as [`outcome::refusal`] |
    fn authenticate(&self, request: &mut Request<'_>) -> Rcode {
        match self.traffic(request) {
            Traffic::Login => {}
            Traffic::MacAuthentication | Traffic::Other => return Rcode::Updated,
        }
        if self.is_let_in(request) {
            return Rcode::Ok;
        }
        if self.is_exempt(request) {
            return self.note(request, Finding::Exempt);
        }
        let password = self.attributes.password(request);
        match (self.mode(request), &password) {
            (Mode::Append, Password::Plain(_)) => self.note(request, Finding::Malformed(Reason::NotSplit)),
            (Mode::Append, Password::Chap { .. } | Password::MsChap { .. } | Password::MsChap2 { .. }) => {
                self.note(request, Finding::Malformed(Reason::NeedsPap))
            }
            (_, Password::Absent) => self.note(request, Finding::Malformed(Reason::NoPassword)),
            (Mode::Passcode | Mode::Auto, Password::Plain(_)) => {
                let decision = self.decide(request, password);
                self.act(request, &decision)
            }
            (Mode::Passcode | Mode::Auto, _) => self.answer_challenge(request, password),
        }
    }

    /// The guard.
    ///
    /// | what | result |
    /// |---|---|
    /// | not ours, or no accept | `noop` |
    /// | let in by us | `ok` |
    /// | exempt | `ok` |
    /// | an accept that we did not decide | `reject`, and nothing of the accept is left in the reply |
    fn post_auth(&self, request: &mut Request<'_>) -> Rcode {
        let refused = matches!(request.reply_code(), code::ACCESS_REJECT | code::ACCESS_CHALLENGE);
        if refused || self.traffic(request) != Traffic::Login {
            return Rcode::Noop;
        }
        let result = if self.is_let_in(request) {
            Rcode::Ok
        } else if self.is_exempt(request) {
            self.note(request, Finding::Exempt)
        } else {
            self.attributes.strip_accept(request);
            self.note(request, Finding::Malformed(Reason::Undecided))
        };
        // The accept of a tunnel is the inner server's; the outer guard asks for it.
        if result == Rcode::Ok
            && let Some(mut outer) = request.outer()
        {
            self.attributes.leave_ticket(&mut outer, Purpose::Outer);
        }
        result
    }
}

impl Mfa {
    fn traffic(&self, request: &Request<'_>) -> Traffic {
        self.attributes.traffic(request)
    }

    fn is_exempt(&self, request: &Request<'_>) -> bool {
        request.integer(List::Control, self.attributes.mfa_exempt).is_some_and(|value| value != 0)
    }

    fn mode(&self, request: &Request<'_>) -> Mode {
        match request.integer(List::Control, self.attributes.mfa_mode) {
            Some(attributes::MODE_PASSCODE) => Mode::Passcode,
            Some(attributes::MODE_APPEND) => Mode::Append,
            _ => self.config.mode,
        }
    }

    /// Whether this request was let in by us, itself or through the tunnel in it.
    fn is_let_in(&self, request: &mut Request<'_>) -> bool {
        if request.noted::<Note>().is_some() {
            return true;
        }
        self.attributes.redeem_ticket(request) && request.note(Note)
    }

    /// Asks the server to run us in `authenticate`, if nobody else was asked.
    fn claim(&self, request: &mut Request<'_>) -> Rcode {
        let auth_type =
            self.auth_type.get_or_try_init(|| self.attributes.auth_type.value(&self.name).ok_or(()));
        match auth_type {
            Ok(value) if request.values(List::Control, self.attributes.auth_type).is_empty() => {
                outcome::done(
                    request.set(List::Control, self.attributes.auth_type, &value.to_be_bytes()),
                    Rcode::Ok,
                )
            }
            _ => Rcode::Noop,
        }
    }

    /// Append mode: verifies and spends the code, and leaves the password to whoever checks it.
    fn split(&self, request: &mut Request<'_>, password: Password) -> Rcode {
        let decision = self.decide(request, password);
        match self.act(request, &decision) {
            Rcode::Ok => {
                let first = decision.password.as_ref().map(|password| password.expose()).unwrap_or_default();
                outcome::done(
                    request.replace(List::Request, self.attributes.user_password, first),
                    Rcode::Updated,
                )
            }
            refused => refused,
        }
    }

    /// CHAP and MS-CHAP: hands the code that answers the challenge to the server's own module, which makes the response.
    fn answer_challenge(&self, request: &mut Request<'_>, password: Password) -> Rcode {
        let is_ms_chap = !matches!(password, Password::Chap { .. });
        let decision = self.decide(request, password);
        match self.act(request, &decision) {
            Rcode::Ok => {
                let passcode =
                    decision.passcode.as_ref().map(|passcode| passcode.expose()).unwrap_or_default();
                outcome::done(self.attributes.hand_over(request, passcode, is_ms_chap), Rcode::Updated)
            }
            refused => refused,
        }
    }

    fn decide(&self, request: &mut Request<'_>, password: Password) -> Decision {
        let attempt = self.attempt(request, password);
        self.app.as_ref().map_or_else(closed, |app| app.decide(attempt))
    }

    /// Records an attempt that needs no check, and acts on what comes of it.
    fn note(&self, request: &mut Request<'_>, finding: Finding) -> Rcode {
        let attempt = self.attempt(request, Password::Absent);
        let decision = self.app.as_ref().map_or_else(closed, |app| app.note(attempt, finding));
        self.act(request, &decision)
    }

    /// The attempt that this request is.
    fn attempt(&self, request: &mut Request<'_>, password: Password) -> Attempt {
        let mode = self.mode(request);
        Attempt {
            at: app::now(),
            user: self.attributes.user(request),
            source: self.attributes.source(request),
            mode,
            first_factor: if mode == Mode::Passcode { self.config.first_factor } else { FirstFactor::Nobody },
            password,
        }
    }

    /// Carries a decision out: the outputs on the control list, one line in the log, the note; and the result.
    fn act(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        self.attributes.set_outputs(request, decision);
        let source = self.attributes.source(request);
        let line = outcome::line(decision, &source);
        match decision.verdict() {
            Verdict::Accept => {
                request.log(Level::Auth, &line);
                let noted = request.note(Note) && self.attributes.keep_for_next_packet(request);
                outcome::done(noted, Rcode::Ok)
            }
            Verdict::Unavailable => {
                request.log(Level::Error, &line);
                request.failure(decision.reason.as_str());
                outcome::refusal(Verdict::Unavailable)
            }
            refused => {
                request.log(Level::Auth, &line);
                request.failure(decision.reason.as_str());
                outcome::refusal(refused)
            }
        }
    }
}

/// No request comes where nothing was opened; if one does, it is refused.
fn closed() -> Decision {
    Decision::refused(None, Reason::Unavailable)
}

/// User names as they stand in our lines.
fn shown(name: &str) -> Printable {
    Printable::new(name)
}
