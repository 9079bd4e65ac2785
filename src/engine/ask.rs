//! Logins that only the user can decide, on his device: what was asked for, whether he may be asked at all, and what his
//! answer, his silence or the provider's mean.

use super::converse::{self, Offered, Turn};
use super::messenger::Courier;
use super::port::{Finding, Known};
use super::prompt::Asks;
use super::provider::{Ask, Asked, Asking, Outcome, Pending, Provider, Question, Response, Trouble, Ways};
use super::reading::Wants;
use super::{Attempt, Basis, Checked, Decision, Engine, Gate, Reason, Tag};
use crate::config::push::{FailMode, OnTimeout};
use crate::types::{Choice, Factor, Mode, Secret, UserId, UserName};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A login that goes on by asking somebody outside: the user on his device, the provider about a passcode or about what the
/// user may choose, a gateway to send him a code.
#[derive(Debug)]
pub struct Undecided {
    /// Who; the password is no longer in it.
    pub attempt: Attempt,
    /// The user's canonical name.
    pub name: UserName,
    /// What stood before the answer in the field (mode `append`, and others with a delimiter): somebody else checks it.
    pub password: Option<Secret>,
    /// The word that answers a CHAP challenge, if the field was a digest.
    pub word: Option<Secret>,
    pub(super) wants: Wants,
    pub(super) user: Option<UserId>,
    pub(super) enrolled: Enrolled,
    pub(super) tag: Tag,
    pub(super) turn: Option<Turn>,
    /// What he may choose besides, or instead.
    pub(super) ways: Vec<Offered>,
    /// Whether he may type a passcode instead.
    pub(super) passcode: bool,
    /// Whether a token here shows passcodes, which can be checked without the provider.
    pub(super) has_codes: bool,
}

/// Whether a user has tokens here, whatever the provider knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enrolled {
    Here,
    /// Not any more.
    Before,
    Never,
}

impl Undecided {
    /// Whether he has no token here, and his password was right; if nobody outside knows him either.
    fn is_unenrolled(&self) -> bool {
        let asks_for_devices = matches!(self.wants, Wants::Answer(Asking::Device(_)) | Wants::Ways);
        self.is_proven() && self.turn.is_none() && asks_for_devices && self.enrolled != Enrolled::Here
    }

    /// Whether a device is asked.
    pub fn asks_device(&self) -> bool {
        matches!(self.wants, Wants::Answer(Asking::Device(_)))
    }

    /// What a challenge about it is based on.
    pub fn basis(&self) -> Option<Basis> {
        Basis::of(&self.attempt, self.user, None)
    }

    /// What the provider was asked for is not offered again.
    fn withdraw(&mut self) {
        if let Wants::Answer(Asking::Device(choice)) = &self.wants {
            let choice = choice.unwrap_or(Choice::DEFAULT);
            self.ways.retain(|offered| offered.token.is_some() || offered.way.choice != choice);
        }
    }

    /// See [`Attempt::is_proven`].
    pub fn is_proven(&self) -> bool {
        self.attempt.is_proven()
    }

    /// The same once the server's own modules have found the password right that stood before the answer.
    #[must_use]
    pub fn verified_by_server(mut self) -> Self {
        self.attempt.password_status = self.attempt.password_status.verified_by_server();
        self
    }
}

/// How asking has ended.
#[must_use]
pub struct Ended {
    /// What was decided.
    pub decision: Decision,
    /// What is left to do once that was told: the question is taken back.
    pub rest: Option<Pending<()>>,
}

impl From<Decision> for Ended {
    fn from(decision: Decision) -> Self {
        Self { decision, rest: None }
    }
}

/// Why nobody waits any longer for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// His time is up.
    TimedOut,
    /// Nobody would hear the answer.
    Cancelled,
}

impl Engine {
    /// Asks, and decides by the answer, for which `limit` is given. `number` is what the user sees and has to find on the device,
    /// `courier` sends him codes.
    /// `stop` ends the wait; what was asked is then taken back. An accept has been written durably before this returns it.
    ///
    /// Where nobody vouches for the password, all refusals come when that of an unanswered question would, but for one: the
    /// user's own no. Taking the question back, which takes time and only happens if there was one, is left for later.
    pub async fn ask(
        &self,
        it: Undecided,
        number: Option<String>,
        limit: Duration,
        courier: Option<&dyn Courier>,
        stop: impl Future<Output = Stop>,
    ) -> Ended {
        let mut stop = pin!(stop);
        // The password comes before anybody is asked.
        if it.attempt.password_status.is_pending() {
            return self.close(it, Reason::Undecided).await.into();
        }
        if let Wants::Code(token, factor) = &it.wants {
            let (token, factor) = (token.clone(), *factor);
            return self.send(it, token, factor, courier, stop).await;
        }
        let Some(provider) = self.provider.clone() else {
            return self.close(it, Reason::ProviderUnavailable).await.into();
        };
        if let Some(refusal) = self.forbidden(&it).await {
            return self.close_as_unanswered(it, refusal, stop).await.into();
        }
        let asking = match &it.wants {
            Wants::Answer(asking) => asking.clone(),
            Wants::Ways | Wants::Code(..) => return self.offer(it, &provider, limit, stop).await.into(),
        };
        let user = match self.sent_as(&it.attempt, &it.name) {
            Ok(user) => user,
            Err(refusal) => return self.close_as_unanswered(it, refusal, stop).await.into(),
        };
        let mut asked = provider.ask(question(&it, user, asking, number, limit));
        let asked = match first(&mut asked, stop.as_mut()).await {
            Ok(asked) => asked,
            Err(why) => {
                // He may have the question before him by the time that we are told so.
                let rest = async move {
                    if let Ok(Asked::Waiting(question)) = asked.await {
                        provider.cancel(&question).await;
                    }
                };
                return Ended { decision: self.close(it, why).await, rest: Some(Box::pin(rest)) };
            }
        };
        if it.asks_device() && asked.as_ref().map_or_else(is_unreachable, asked_nobody) {
            self.nudges.take_back(it.name.as_str(), it.is_proven(), it.attempt.at);
        }
        match asked {
            Ok(Asked::Waiting(question)) => self.wait(it, &provider, question, stop).await,
            Ok(Asked::Decided(response)) => self.conclude(it, &provider, response, stop).await.into(),
            Err(Trouble::Unreachable(text)) => self.unreachable(it, text, stop).await.into(),
            Err(Trouble::Failed(text)) => self.failed(it, text, stop).await.into(),
        }
    }

    /// Asks the provider what it has for the user, and lets him choose among that and what he has here.
    async fn offer(
        &self,
        mut it: Undecided,
        provider: &Arc<dyn Provider>,
        limit: Duration,
        mut stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let user = match self.sent_as(&it.attempt, &it.name) {
            Ok(user) => user,
            Err(refusal) => return self.close(it, refusal).await,
        };
        let ask = question(&it, user, Asking::Device(None), None, limit);
        match first(&mut provider.ways(&ask), stop.as_mut()).await {
            Ok(Ok(Ways::Ways(ways))) => {
                let local = std::mem::take(&mut it.ways);
                for (factor, target) in ways {
                    converse::push(&mut it.ways, factor, target, None);
                }
                for offered in local {
                    converse::push(
                        &mut it.ways,
                        offered.way.choice.factor,
                        offered.way.target,
                        offered.token,
                    );
                }
                let reason = Self::offering(&it.ways, it.passcode);
                self.close(it, reason).await
            }
            Ok(Ok(Ways::Decided(response))) => self.conclude(it, provider, response, stop).await,
            // What the user has here will do. A passcode that only the provider could check is no such thing.
            Ok(Err(trouble)) if it.has_codes || !it.ways.is_empty() => {
                it.passcode = it.has_codes;
                let mut decision = self.close(it, Reason::Challenged).await;
                if let Some(prompt) = &mut decision.prompt {
                    prompt.because = Some(Reason::ProviderUnavailable);
                }
                Decision { detail: Some(trouble.to_string()), ..decision }
            }
            Ok(Err(Trouble::Unreachable(text))) => self.unreachable(it, text, stop).await,
            Ok(Err(Trouble::Failed(text))) => self.failed(it, text, stop).await,
            Err(why) => self.close(it, why).await,
        }
    }

    /// Waits for the user, who has the question before him.
    async fn wait(
        &self,
        it: Undecided,
        provider: &Arc<dyn Provider>,
        question: Question,
        mut stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Ended {
        let decision = match first(&mut provider.answer(&question), stop.as_mut()).await {
            Ok(Ok(response)) => return self.conclude(it, provider, response, stop).await.into(),
            Ok(Err(trouble)) => self.failed(it, trouble.to_string(), stop).await,
            Err(why) => self.close(it, why).await,
        };
        Ended { decision, rest: Some(provider.cancel(&question)) }
    }

    /// Whether he may be asked now: not one who is locked, and nobody too often.
    pub(super) async fn forbidden(&self, it: &Undecided) -> Option<Refusal> {
        let (limits, standing) = (self.config.lockout, it.attempt.standing(it.turn.is_some()));
        match self.store.gate(&it.name, &it.attempt.source, limits, standing, it.attempt.at).await {
            Ok(Gate::Open) => {}
            Ok(Gate::Locked) => return Some(Reason::Locked.into()),
            Ok(Gate::Slowed) => return Some(Reason::Slowed.into()),
            Err(error) => {
                return Some(Refusal { reason: Reason::Unavailable, detail: Some(error.to_string()) });
            }
        }
        // Codes that somebody asks for in his name are such a bother, too.
        let bothers = it.asks_device() || (matches!(it.wants, Wants::Code(..)) && !it.is_proven());
        if !bothers {
            return None;
        }
        self.nudges
            .admit(it.name.as_str(), it.is_proven(), &self.config.push.rate, it.attempt.at)
            .err()
            .map(Refusal::from)
    }

    /// What the user, or the provider for them, said; the provider's own words are logged, and quoted to a user whose password was
    /// right if they are meant for the user.
    async fn conclude(
        &self,
        it: Undecided,
        provider: &Arc<dyn Provider>,
        response: Response,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let Response { outcome, message, is_for_user } = response;
        let is_quoted =
            is_for_user && it.is_proven() && matches!(outcome, Outcome::Locked | Outcome::Refused);
        // The words of an approval say no more than the approval.
        let is_logged = !matches!(outcome, Outcome::Approved { .. }) && !message.as_str().is_empty();
        let mut decision = self.conclude_outcome(it, outcome, stop).await;
        if is_logged && decision.detail.is_none() {
            decision.detail = Some(format!("{} says: {message}", provider.name()));
        }
        let is_refused_so = matches!(decision.reason, Reason::LockedByProvider | Reason::RefusedByProvider);
        if is_quoted && is_refused_so && !message.as_str().is_empty() {
            decision.quote = Some(message.to_string());
        }
        decision
    }

    async fn conclude_outcome(
        &self,
        mut it: Undecided,
        outcome: Outcome,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let reason = match outcome {
            Outcome::Approved { factor, device } => {
                let token = Some(device.to_string());
                return self
                    .finish(it, Checked { factor: Some(factor), token, ..Finding::Approved.into() })
                    .await;
            }
            Outcome::Bypassed => return self.finish(it, Finding::BypassedByProvider.into()).await,
            Outcome::Denied => {
                self.nudges.denied(it.name.as_str(), it.is_proven(), it.attempt.at);
                return self.close(it, Reason::Denied).await;
            }
            Outcome::Fraud => return self.finish(it, Finding::Fraud.into()).await,
            Outcome::Wrong => {
                let finding = Finding::WrongAtProvider { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            // Nobody knows him, but for whoever has checked his password.
            Outcome::Unknown if self.has_policy() && it.is_unenrolled() => {
                let known = it.user.map(|id| known_by(id, it.enrolled));
                return self.unenrolled(&it.attempt, it.name, known).await;
            }
            // As bad a guess as a wrong code.
            Outcome::Unknown if !it.asks_device() => {
                let finding = Finding::Unknown { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            Outcome::Enroll(text) => {
                let quote = it.is_proven().then(|| text.to_string());
                let refused = self.close_as_unanswered(it, Reason::EnrollAtProvider.into(), stop).await;
                return Decision { quote, ..refused };
            }
            Outcome::Sent if it.is_proven() => {
                let asks = Asks::Code { factor: Factor::Sms, to: String::new() };
                return self.close_asking(it, Reason::CodesSent.into(), asks).await;
            }
            Outcome::Expired => Reason::TimedOut,
            Outcome::Sent => Reason::CodesSent,
            Outcome::Locked => Reason::LockedByProvider,
            Outcome::Refused => Reason::RefusedByProvider,
            Outcome::Unknown => Reason::UnknownToProvider,
            Outcome::NoDevice => {
                it.withdraw();
                Reason::NoDevice
            }
        };
        self.close_as_unanswered(it, reason.into(), stop).await
    }

    /// Nobody was asked, since the provider could not be reached.
    async fn unreachable(
        &self,
        it: Undecided,
        text: String,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let at = it.attempt.at;
        let lets_in = match self.config.push.failmode {
            FailMode::Safe(budget) if it.attempt.mode != Mode::Passcode => {
                self.bypasses.spend(it.name.as_str(), &budget, at)
            }
            FailMode::Safe(_) | FailMode::Secure => false,
        };
        if !lets_in {
            return self.failed(it, text, stop).await;
        }
        let decision = self.finish(it, Finding::Bypassed.into()).await;
        Decision { detail: Some(text), ..decision }
    }

    async fn failed(
        &self,
        it: Undecided,
        text: String,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let refusal = Refusal { reason: Reason::ProviderUnavailable, detail: Some(text) };
        self.close_as_unanswered(it, refusal, stop).await
    }

    /// Refuses a question to a device at once where the password was right, and otherwise when an unanswered one would have ended.
    async fn close_as_unanswered(
        &self,
        it: Undecided,
        refusal: Refusal,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        if it.asks_device() && !it.is_proven() {
            let _ = stop.await;
        }
        self.close(it, refusal).await
    }

    /// Records a refusal that is nobody's guess.
    pub async fn close(&self, it: Undecided, refusal: impl Into<Refusal>) -> Decision {
        let Refusal { reason, detail } = refusal.into();
        let decision = self.finish(it, Finding::Refused(reason).into()).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// The same, with something else that he is asked for.
    pub(super) async fn close_asking(&self, it: Undecided, refusal: Refusal, asks: Asks) -> Decision {
        let Refusal { reason, detail } = refusal;
        let follow = self.follow(&it.attempt, it.turn.as_ref(), it.ways.clone(), it.passcode, Some(asks));
        let decision = self.finish(it, Checked { follow, ..Finding::Refused(reason).into() }).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    async fn finish(&self, it: Undecided, checked: Checked) -> Decision {
        let known = it.user.map(|id| known_by(id, it.enrolled));
        let follow = match (&checked.follow, &checked.finding) {
            (None, Finding::Refused(Reason::TimedOut))
                if self.config.push.on_timeout == OnTimeout::Reject =>
            {
                None
            }
            // Who typed nothing but a word is not drawn into a conversation by a refusal.
            (None, _)
                if it.turn.is_none()
                    && it.attempt.mode == Mode::Passcode
                    && !matches!(checked.finding, Finding::Refused(Reason::TimedOut)) =>
            {
                None
            }
            (None, _) if !it.is_proven() => None,
            (None, _) => self.follow(&it.attempt, it.turn.as_ref(), it.ways, it.passcode, None),
            (Some(_), _) => checked.follow,
        };
        let conversation = it.turn.map(|turn| turn.conversation);
        let checked = Checked { conversation, follow, ..checked };
        self.settle(&it.attempt, Some(it.name), known, checked).await
    }
}

/// A user of whom nothing but his row matters any more.
pub(super) fn known_by(id: UserId, enrolled: Enrolled) -> Known {
    Known { id, tokens: Vec::new(), mail: String::new(), had_token: enrolled != Enrolled::Never }
}

/// A refusal with the words for the log.
#[derive(Debug)]
pub struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: Option<String>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None }
    }
}

impl From<Stop> for Refusal {
    fn from(why: Stop) -> Self {
        match why {
            Stop::TimedOut => Reason::TimedOut.into(),
            Stop::Cancelled => Reason::Cancelled.into(),
        }
    }
}

fn question(it: &Undecided, user: String, asking: Asking, number: Option<String>, limit: Duration) -> Ask {
    Ask {
        user,
        asking,
        client: it.attempt.source.client.clone(),
        calling_station: it.attempt.source.calling_station.clone(),
        number,
        limit,
    }
}

fn asked_nobody(asked: &Asked) -> bool {
    use Outcome::{Bypassed, Enroll, Locked, NoDevice, Refused, Unknown};
    let Asked::Decided(Response { outcome, .. }) = asked else { return false };
    matches!(outcome, Bypassed | Enroll(_) | Locked | NoDevice | Refused | Unknown)
}

fn is_unreachable(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unreachable(_))
}

/// Whichever comes first; what was asked for, if both do.
pub(super) async fn first<T>(
    asked: &mut Pending<T>,
    mut stop: Pin<&mut impl Future<Output = Stop>>,
) -> Result<T, Stop> {
    std::future::poll_fn(|context| match asked.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => stop.as_mut().poll(context).map(Err),
    })
    .await
}
