//! Logins that only the user can decide on a device: what was asked for, whether the user may be asked, and what the
//! answer, silence or the provider's response means.

use super::challenge::{self};
use super::evaluation::Evidence;
use super::intent::IntentKind;
use super::messenger::CodeCourier;
use super::pending_login::{PendingLogin, known_by};
use super::port::AttemptFinding;
use super::prompt::{Question, QuestionKind};
use super::provider::{
    AskOutcome, ProviderError, ProviderFactors, ProviderFuture, PushOutcome, PushProvider, PushQuestion,
    PushRequest, PushRequestKind, PushResponse,
};
use super::{Decision, Engine, Gate, RefusalReason};
use crate::config::push::{FailMode, OnTimeout};
use crate::types::{Factor, Mode};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How asking has ended.
#[must_use]
pub struct AskResult {
    /// What was decided.
    pub decision: Decision,
    /// What is left to do once that was told: the question is taken back.
    pub rest: Option<ProviderFuture<()>>,
}

impl From<Decision> for AskResult {
    fn from(decision: Decision) -> Self {
        Self { decision, rest: None }
    }
}

/// Why the wait for the user ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The time limit has passed.
    TimedOut,
    /// The client would no longer receive the answer.
    Cancelled,
}

impl Engine {
    /// Sends the push and decides by the answer, within `limit`. The user sees `number` at the client and has to find
    /// it on the device; `courier` sends codes. `stop` ends the wait; what was asked is then taken back. An accept
    /// has been written durably before this returns it.
    ///
    /// Without a verified password, every refusal is sent when an unanswered push would have timed out, except for
    /// one: the user's own no. Taking the question back, which takes time and only happens if there was one, is left
    /// for later.
    pub async fn ask_user(
        &self,
        it: PendingLogin,
        number: Option<String>,
        limit: Duration,
        courier: Option<&dyn CodeCourier>,
        stop: impl Future<Output = StopReason>,
    ) -> AskResult {
        let mut stop = pin!(stop);
        // The password comes before anybody is asked.
        if it.attempt.password_status.is_pending() {
            return self.close(it, RefusalReason::Undecided).await.into();
        }
        if let IntentKind::Code(token, factor) = &it.wants {
            let (token, factor) = (token.clone(), *factor);
            return self.send(it, token, factor, courier, stop).await;
        }
        let Some(provider) = self.provider.clone() else {
            return self.close(it, RefusalReason::ProviderUnavailable).await.into();
        };
        if let Some(refusal) = self.check_push_allowed(&it).await {
            return self.close_as_unanswered(it, refusal, stop).await.into();
        }
        let asking = match &it.wants {
            IntentKind::Answer(asking) => asking.clone(),
            IntentKind::Ways | IntentKind::Code(..) => {
                return self.offer_factors(it, &provider, limit, stop).await.into();
            }
        };
        let user = match self.sent_as(&it.attempt, &it.name) {
            Ok(user) => user,
            Err(refusal) => return self.close_as_unanswered(it, refusal, stop).await.into(),
        };
        let mut asked = provider.start_push(build_push_request(&it, user, asking, number, limit));
        let asked = match race_stop(&mut asked, stop.as_mut()).await {
            Ok(asked) => asked,
            Err(why) => {
                // The user may have received the push by the time the stop arrives.
                let rest = async move {
                    if let Ok(AskOutcome::Waiting(question)) = asked.await {
                        provider.cancel_push(&question).await;
                    }
                };
                return AskResult { decision: self.close(it, why).await, rest: Some(Box::pin(rest)) };
            }
        };
        if it.asks_device() && asked.as_ref().map_or_else(is_unreachable, asked_nobody) {
            self.nudges.take_back(it.name.as_str(), it.password_proof(), it.attempt.request.at);
        }
        match asked {
            Ok(AskOutcome::Waiting(question)) => self.wait_for_user(it, &provider, question, stop).await,
            Ok(AskOutcome::Decided(response)) => {
                self.apply_push_outcome(it, &provider, response, stop).await.into()
            }
            Err(ProviderError::Unreachable(text)) => self.apply_failmode(it, text, stop).await.into(),
            Err(ProviderError::Failed(text)) => self.provider_failed(it, text, stop).await.into(),
        }
    }

    /// Asks the provider which factors it has for the user, and offers these together with the local ones.
    async fn offer_factors(
        &self,
        mut it: PendingLogin,
        provider: &Arc<dyn PushProvider>,
        limit: Duration,
        mut stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        let user = match self.sent_as(&it.attempt, &it.name) {
            Ok(user) => user,
            Err(refusal) => return self.close(it, refusal).await,
        };
        let ask = build_push_request(&it, user, PushRequestKind::Device(None), None, limit);
        match race_stop(&mut provider.list_factors(&ask), stop.as_mut()).await {
            Ok(Ok(ProviderFactors::Ways(ways))) => {
                let local = std::mem::take(&mut it.offered.ways);
                for (factor, target) in ways {
                    challenge::push(&mut it.offered.ways, factor, target, None);
                }
                for offered in local {
                    challenge::push(
                        &mut it.offered.ways,
                        offered.way.choice.factor,
                        offered.way.target,
                        offered.token,
                    );
                }
                let reason = it.offered.reason();
                self.close(it, reason).await
            }
            Ok(Ok(ProviderFactors::Decided(response))) => {
                self.apply_push_outcome(it, provider, response, stop).await
            }
            // What the user has here will do. A passcode that only the provider could check is no such thing.
            Ok(Err(trouble)) if it.has_codes || !it.offered.ways.is_empty() => {
                it.offered.passcode = it.has_codes;
                let because = Some(RefusalReason::ProviderUnavailable);
                let decision = self.close(it, RefusalReason::Challenged).await;
                let decision = decision.map_question(|question| Some(Question { because, ..question? }));
                Decision { detail: Some(trouble.to_string()), ..decision }
            }
            Ok(Err(ProviderError::Unreachable(text))) => self.apply_failmode(it, text, stop).await,
            Ok(Err(ProviderError::Failed(text))) => self.provider_failed(it, text, stop).await,
            Err(why) => self.close(it, why).await,
        }
    }

    /// Waits for the user's answer to the push.
    async fn wait_for_user(
        &self,
        it: PendingLogin,
        provider: &Arc<dyn PushProvider>,
        question: PushQuestion,
        mut stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> AskResult {
        let decision = match race_stop(&mut provider.await_answer(&question), stop.as_mut()).await {
            Ok(Ok(response)) => return self.apply_push_outcome(it, provider, response, stop).await.into(),
            Ok(Err(trouble)) => self.provider_failed(it, trouble.to_string(), stop).await,
            Err(why) => self.close(it, why).await,
        };
        AskResult { decision, rest: Some(provider.cancel_push(&question)) }
    }

    /// Whether the user may be asked now: not locked, and within the push rate limit.
    pub(super) async fn check_push_allowed(&self, it: &PendingLogin) -> Option<PushRefusal> {
        let (limits, standing) = (self.config.lockout, it.password_proof());
        match self
            .store
            .check_gate(&it.name, &it.attempt.request.source, limits, standing, it.attempt.request.at)
            .await
        {
            Ok(Gate::Open) => {}
            Ok(Gate::Locked) => return Some(RefusalReason::Locked.into()),
            Ok(Gate::Slowed) => return Some(RefusalReason::Slowed.into()),
            Err(error) => {
                return Some(PushRefusal {
                    reason: RefusalReason::Unavailable,
                    detail: Some(error.to_string()),
                });
            }
        }
        // Codes requested in another user's name annoy that user as pushes do.
        let bothers = it.asks_device() || (matches!(it.wants, IntentKind::Code(..)) && !it.is_proven());
        if !bothers {
            return None;
        }
        self.nudges
            .try_acquire(it.name.as_str(), it.password_proof(), &self.config.push.rate, it.attempt.request.at)
            .err()
            .map(PushRefusal::from)
    }

    /// What the user, or the provider for them, said; the provider's own words are logged, and quoted to a user whose password was
    /// right if they are meant for the user.
    async fn apply_push_outcome(
        &self,
        it: PendingLogin,
        provider: &Arc<dyn PushProvider>,
        response: PushResponse,
        stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        let PushResponse { outcome, message, is_for_user } = response;
        let is_quoted =
            is_for_user && it.is_proven() && matches!(outcome, PushOutcome::Locked | PushOutcome::Refused);
        // The words of an approval say no more than the approval.
        let is_logged = !matches!(outcome, PushOutcome::Approved { .. }) && !message.as_str().is_empty();
        let mut decision = self.conclude_outcome(it, outcome, stop).await;
        if is_logged && decision.detail.is_none() {
            decision.detail = Some(format!("{} says: {message}", provider.name()));
        }
        decision.map_refusal(|refused| {
            let is_refused_so =
                matches!(refused.reason, RefusalReason::LockedByProvider | RefusalReason::RefusedByProvider);
            if is_quoted && is_refused_so && !message.as_str().is_empty() {
                refused.quote = Some(message.to_string());
            }
        })
    }

    async fn conclude_outcome(
        &self,
        mut it: PendingLogin,
        outcome: PushOutcome,
        stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        let reason = match outcome {
            PushOutcome::Approved { factor, device } => {
                let token = Some(device.to_string());
                return self
                    .commit_pending(
                        it,
                        Evidence { factor: Some(factor), token, ..AttemptFinding::Approved.into() },
                    )
                    .await;
            }
            PushOutcome::Bypassed => {
                return self.commit_pending(it, AttemptFinding::BypassedByProvider.into()).await;
            }
            PushOutcome::Denied => {
                self.nudges.record_denial(it.name.as_str(), it.password_proof(), it.attempt.request.at);
                return self.close(it, RefusalReason::Denied).await;
            }
            PushOutcome::Fraud => return self.commit_pending(it, AttemptFinding::Fraud.into()).await,
            PushOutcome::Wrong => {
                let finding = AttemptFinding::WrongAtProvider { tag: it.tag };
                return self.commit_pending(it, finding.into()).await;
            }
            // No provider knows the user, but the password has been verified.
            PushOutcome::Unknown if self.has_policy() && it.is_unenrolled() => {
                let known = it.user.map(|id| known_by(id, it.enrolled));
                return self.decide_unenrolled(&it.attempt, it.name, known).await;
            }
            // As bad a guess as a wrong code.
            PushOutcome::Unknown if !it.asks_device() => {
                let finding = AttemptFinding::Unknown { tag: it.tag };
                return self.commit_pending(it, finding.into()).await;
            }
            PushOutcome::Enroll(text) => {
                let quote = it.is_proven().then(|| text.to_string());
                let refused =
                    self.close_as_unanswered(it, RefusalReason::EnrollAtProvider.into(), stop).await;
                return refused.map_refusal(|refused| refused.quote = quote);
            }
            PushOutcome::Sent if it.is_proven() => {
                let asks = QuestionKind::Code { factor: Factor::Sms, to: String::new() };
                return self.close_asking(it, RefusalReason::CodesSent.into(), asks).await;
            }
            PushOutcome::Expired => RefusalReason::TimedOut,
            PushOutcome::Sent => RefusalReason::CodesSent,
            PushOutcome::Locked => RefusalReason::LockedByProvider,
            PushOutcome::Refused => RefusalReason::RefusedByProvider,
            PushOutcome::Unknown => RefusalReason::UnknownToProvider,
            PushOutcome::NoDevice => {
                it.withdraw_option();
                RefusalReason::NoDevice
            }
        };
        self.close_as_unanswered(it, reason.into(), stop).await
    }

    /// No push was sent, since the provider could not be reached.
    async fn apply_failmode(
        &self,
        it: PendingLogin,
        text: String,
        stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        let at = it.attempt.request.at;
        let lets_in = match self.config.push.failmode {
            FailMode::Safe(budget) if it.attempt.mode != Mode::Passcode => {
                self.bypasses.try_spend(it.name.as_str(), &budget, at)
            }
            FailMode::Safe(_) | FailMode::Secure => false,
        };
        if !lets_in {
            return self.provider_failed(it, text, stop).await;
        }
        let decision = self.commit_pending(it, AttemptFinding::Bypassed.into()).await;
        Decision { detail: Some(text), ..decision }
    }

    async fn provider_failed(
        &self,
        it: PendingLogin,
        text: String,
        stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        let refusal = PushRefusal { reason: RefusalReason::ProviderUnavailable, detail: Some(text) };
        self.close_as_unanswered(it, refusal, stop).await
    }

    /// Refuses a question to a device at once where the password was right, and otherwise when an unanswered one would have ended.
    async fn close_as_unanswered(
        &self,
        it: PendingLogin,
        refusal: PushRefusal,
        stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> Decision {
        if it.asks_device() && !it.is_proven() {
            let _ = stop.await;
        }
        self.close(it, refusal).await
    }

    /// Records a refusal that does not count as a guess.
    pub async fn close(&self, it: PendingLogin, refusal: impl Into<PushRefusal>) -> Decision {
        let PushRefusal { reason, detail } = refusal.into();
        let decision = self.commit_pending(it, AttemptFinding::Refused(reason).into()).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// The same, with a question of a different kind.
    pub(super) async fn close_asking(
        &self,
        it: PendingLogin,
        refusal: PushRefusal,
        asks: QuestionKind,
    ) -> Decision {
        let PushRefusal { reason, detail } = refusal;
        let follow = self.build_next_challenge(&it.attempt, it.turn.as_ref(), it.offered.clone(), Some(asks));
        let decision =
            self.commit_pending(it, Evidence { follow, ..AttemptFinding::Refused(reason).into() }).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    async fn commit_pending(&self, it: PendingLogin, checked: Evidence) -> Decision {
        let known = it.user.map(|id| known_by(id, it.enrolled));
        let follow = match (&checked.follow, &checked.finding) {
            (None, AttemptFinding::Refused(RefusalReason::TimedOut))
                if self.config.push.on_timeout == OnTimeout::Reject =>
            {
                None
            }
            // Who typed nothing but a word is not drawn into a conversation by a refusal.
            (None, _)
                if it.turn.is_none()
                    && it.attempt.mode == Mode::Passcode
                    && !matches!(checked.finding, AttemptFinding::Refused(RefusalReason::TimedOut)) =>
            {
                None
            }
            (None, _) if !it.is_proven() => None,
            (None, _) => self.build_next_challenge(&it.attempt, it.turn.as_ref(), it.offered, None),
            (Some(_), _) => checked.follow,
        };
        let conversation = it.turn.map(|turn| turn.conversation);
        let checked = Evidence { conversation, follow, ..checked };
        self.commit(&it.attempt, Some(it.name), known, checked).await
    }
}

/// A refusal with the words for the log.
#[derive(Debug)]
pub struct PushRefusal {
    pub(super) reason: RefusalReason,
    pub(super) detail: Option<String>,
}

impl From<RefusalReason> for PushRefusal {
    fn from(reason: RefusalReason) -> Self {
        Self { reason, detail: None }
    }
}

impl From<StopReason> for PushRefusal {
    fn from(why: StopReason) -> Self {
        match why {
            StopReason::TimedOut => RefusalReason::TimedOut.into(),
            StopReason::Cancelled => RefusalReason::Cancelled.into(),
        }
    }
}

fn build_push_request(
    it: &PendingLogin,
    user: String,
    asking: PushRequestKind,
    number: Option<String>,
    limit: Duration,
) -> PushRequest {
    PushRequest {
        user,
        asking,
        client: it.attempt.request.source.client.clone(),
        calling_station: it.attempt.request.source.calling_station.clone(),
        number,
        limit,
    }
}

fn asked_nobody(asked: &AskOutcome) -> bool {
    use PushOutcome::{Bypassed, Enroll, Locked, NoDevice, Refused, Unknown};
    let AskOutcome::Decided(PushResponse { outcome, .. }) = asked else { return false };
    matches!(outcome, Bypassed | Enroll(_) | Locked | NoDevice | Refused | Unknown)
}

fn is_unreachable(trouble: &ProviderError) -> bool {
    matches!(trouble, ProviderError::Unreachable(_))
}

/// Whichever comes first; what was asked for, if both do.
pub(super) async fn race_stop<T>(
    asked: &mut ProviderFuture<T>,
    mut stop: Pin<&mut impl Future<Output = StopReason>>,
) -> Result<T, StopReason> {
    std::future::poll_fn(|context| match asked.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => stop.as_mut().poll(context).map(Err),
    })
    .await
}
