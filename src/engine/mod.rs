//! The decision: what a login presents against what is known of the user. No I/O, no clock, no randomness; the outside
//! world comes in through the traits of [`port`], the time as an argument.
//!
//! A login is [`Engine::begin`]: find the user, check what he presented against every token, and settle the finding in
//! one durable write that alone decides. What only the user himself can decide, on his device, goes on in [`Engine::ask`].

mod ask;
mod attempt;
mod limit;
pub mod messenger;
mod mschap;
mod nudge;
mod policy;
pub mod port;
mod presented;
pub mod prompt;
pub mod provider;
mod single;
mod split;
mod verdict;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use ask::{Ended, Stop, Undecided};
pub use attempt::{Attempt, Password, Source};
pub use limit::{Gate, Guesses, Strikes, Tag};
pub use policy::{Exemption, Who};
pub use presented::Presented;
pub use split::Tail;
#[doc(hidden)]
pub use split::split;
pub use verdict::{Decision, Reason, Verdict};

use crate::config::Config;
use crate::types::{Factor, Mode, Secret, Timestamp, TokenId, UserName};
use hmac::{Hmac, KeyInit, Mac};
use messenger::Messenger;
use nudge::{Bypasses, Nudges};
use port::{Check, Finding, Known, Mark, Memory, Record, Settlement, Store, Token, Verify};
use provider::Provider;
use sha2::Sha256;
use std::sync::Arc;

/// Decides on second factors. One for each module instance; shared by all threads.
pub struct Engine {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    factors: Arc<dyn Verify>,
    tag_key: Secret,
    provider: Option<Arc<dyn Provider>>,
    messenger: Option<Arc<dyn Messenger>>,
    nudges: Nudges,
    bypasses: Bypasses,
}

/// How far a login came without asking anybody outside.
#[derive(Debug)]
#[must_use]
pub enum Begun {
    /// To its end.
    Decided(Decision),
    /// To where somebody has to be asked: [`Engine::ask`].
    Ask(Box<Undecided>),
}

/// What the check of all tokens came to; the store has not spoken yet.
struct Checked {
    finding: Finding,
    factor: Option<Factor>,
    token: Option<String>,
    passcode: Option<Secret>,
    password: Option<Secret>,
    /// By what it is remembered, if it is a right second factor.
    mark: Option<Mark>,
}

impl From<Finding> for Checked {
    fn from(finding: Finding) -> Self {
        Self { finding, factor: None, token: None, passcode: None, password: None, mark: None }
    }
}

impl Engine {
    /// `tag_key` is random and lives as long as the process: it keys the tags by which a repeated wrong code is known again.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        factors: Arc<dyn Verify>,
        tag_key: Secret,
    ) -> Self {
        Self {
            config,
            store,
            factors,
            tag_key,
            provider: None,
            messenger: None,
            nudges: Nudges::default(),
            bypasses: Bypasses::default(),
        }
    }

    /// With somebody who asks users on their devices.
    pub fn asking(self, provider: Option<Arc<dyn Provider>>) -> Self {
        Self { provider, ..self }
    }

    /// With somebody who sends messages to users.
    pub fn sending(self, messenger: Option<Arc<dyn Messenger>>) -> Self {
        Self { messenger, ..self }
    }

    /// Decides one attempt, unless that takes somebody outside. An accept has been written durably, its code spent, before
    /// this returns it; whatever could not be written is [`Reason::Unavailable`].
    pub async fn begin(&self, attempt: Attempt) -> Begun {
        let name = match UserName::parse(&attempt.user, &self.config.names) {
            Ok(name) => name,
            Err(bad) => {
                let refused = Finding::Refused(bad.into()).into();
                return Begun::Decided(self.settle(&attempt, None, None, refused).await);
            }
        };
        let known = match self.store.find(&name).await {
            Ok(known) => known,
            Err(error) => return Begun::Decided(Decision::unavailable(Some(name), error)),
        };
        let mark = self.mark(&attempt, &name);
        match self.remembered(&attempt, &name, known.as_ref(), mark.as_ref()).await {
            Ok(None) => {}
            Ok(Some(decision)) => return Begun::Decided(decision),
            Err(error) => return Begun::Decided(Decision::unavailable(Some(name), error)),
        }
        if let Some(undecided) = self.undecided(&attempt, &name, known.as_ref()) {
            return Begun::Ask(Box::new(undecided.remembered_by(mark)));
        }
        if self.is_unenrolled(&attempt, known.as_ref()) {
            return Begun::Decided(self.unenrolled(&attempt, name, known).await);
        }
        let checked = self.check(&attempt, known.as_ref());
        Begun::Decided(self.settle(&attempt, Some(name), known, checked).await)
    }

    /// [`begin`](Self::begin) where nobody can be asked: what would have to be is refused.
    pub async fn decide(&self, attempt: Attempt) -> Decision {
        match self.begin(attempt).await {
            Begun::Decided(decision) => decision,
            Begun::Ask(undecided) => self.close(*undecided, Reason::Busy).await,
        }
    }

    /// Writes an attempt that needs no check: an exception, or a refusal by the guard.
    pub async fn note(&self, attempt: Attempt, finding: Finding) -> Decision {
        let name = UserName::parse(&attempt.user, &self.config.names).ok();
        self.settle(&attempt, name, None, finding.into()).await
    }

    /// Writes an attempt of which policy says that it needs no second factor; `by` is what says so.
    pub async fn exempt(&self, attempt: Attempt, by: String) -> Decision {
        let name = UserName::parse(&attempt.user, &self.config.names).ok();
        let checked = Checked { token: Some(by.clone()), ..Finding::Exempt.into() };
        let decision = self.settle(&attempt, name, None, checked).await;
        Decision { detail: decision.detail.clone().or(Some(by)), ..decision }
    }

    /// Tries what was presented on every token, unknown users' included (on one that nobody has), so that all refusals
    /// cost the same. What could be said without knowing the user is said first, to everybody alike.
    fn check(&self, attempt: &Attempt, known: Option<&Known>) -> Checked {
        match (attempt.mode, &attempt.password) {
            (_, Password::Absent) => return Finding::Refused(Reason::NoPassword).into(),
            // A digest over the passcode alone would pass for one over password and passcode.
            (
                Mode::Append | Mode::Auto,
                Password::Chap { .. } | Password::MsChap { .. } | Password::MsChap2 { .. },
            ) => {
                return Finding::Refused(Reason::NeedsPap).into();
            }
            (Mode::Append | Mode::Passcode | Mode::Auto, _) => {}
        }
        let tag = self.tag(&attempt.password);
        let Some(known) = known else {
            let _ = self.check_token(attempt, &nobodys_token());
            return Finding::Unknown { tag }.into();
        };
        if !known.has_token() {
            let _ = self.check_token(attempt, &nobodys_token());
            return Finding::NotEnrolled { tag }.into();
        }
        let mut drifted = None;
        let mut right = None;
        for token in known.tokens.iter().filter(|token| token.enabled) {
            match self.check_token(attempt, token) {
                // What was spent with one token does not pass with another.
                (Check::Spent, _) => return Finding::Spent.into(),
                (Check::Right { spend, passcode }, password) if right.is_none() => {
                    right = Some(Checked {
                        finding: Finding::Right { token: token.id, spend, tag },
                        factor: Some(token.factor),
                        token: Some(token.serial.clone()),
                        passcode: Some(passcode),
                        password,
                        mark: None,
                    });
                }
                (Check::Drifted { step }, _) if drifted.is_none() => drifted = Some((token.id, step)),
                (Check::Right { .. } | Check::Drifted { .. } | Check::No, _) => {}
            }
        }
        right.unwrap_or_else(|| Finding::Wrong { tag, drifted }.into())
    }

    /// One token, and in append mode what is left of the field before its passcode.
    fn check_token(&self, attempt: &Attempt, token: &Token) -> (Check, Option<Secret>) {
        match (attempt.mode, &attempt.password) {
            (Mode::Append | Mode::Auto, Password::Plain(field)) => {
                let tail = match &self.config.delimiter {
                    Some(delimiter) => Tail::After(delimiter),
                    None => Tail::Characters(self.factors.passcode_length(token)),
                };
                match split(field, tail) {
                    Some((password, passcode)) => {
                        (self.factors.check(token, &Presented::Plain(passcode), attempt.at), Some(password))
                    }
                    None => (Check::No, None),
                }
            }
            (_, password) => match Presented::from_password(password) {
                Some(presented) => (self.factors.check(token, &presented, attempt.at), None),
                None => (Check::No, None),
            },
        }
    }

    async fn settle(
        &self,
        attempt: &Attempt,
        name: Option<UserName>,
        known: Option<Known>,
        checked: Checked,
    ) -> Decision {
        let settled = self.store.settle(Settlement {
            user: known.map(|k| k.id),
            first_factor: attempt.first_factor,
            limits: self.config.lockout,
            finding: checked.finding,
            record: Record {
                at: attempt.at,
                user: name.as_ref().map(UserName::to_string).unwrap_or_default(),
                source: attempt.source.clone(),
                mode: attempt.mode,
                factor: checked.factor,
                token: checked.token.clone(),
            },
            remember: checked
                .mark
                .map(|mark| Memory { mark, until: attempt.at.plus(self.config.policy.remember) }),
        });
        match settled.await {
            Ok(reason) if reason.verdict().lets_in() => Decision {
                user: name,
                reason,
                factor: checked.factor,
                token: checked.token,
                passcode: checked.passcode,
                password: checked.password,
                ..Decision::refused(None, reason)
            },
            Ok(reason) => Decision::refused(name, reason),
            Err(error) => Decision::unavailable(name, error),
        }
    }

    /// A keyed digest of what was presented, by which a retransmitted wrong code is known again.
    fn tag(&self, password: &Password) -> Tag {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.tag_key.expose()) else {
            return Tag::default();
        };
        for part in password.parts() {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let mut tag = Tag::default();
        for (to, from) in tag.0.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        tag
    }
}

/// The token that unknown users are checked against: same work, no owner. No step of it is spent, so that nothing is skipped.
fn nobodys_token() -> Token {
    Token {
        id: TokenId(0),
        serial: String::new(),
        factor: Factor::Totp,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: Secret::new([0u8; 20]),
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        created: Timestamp::default(),
    }
}
