//! What a login does while it waits, on the app's runtime.

use super::login_packet::{LoginPacket, WaitMode};
use super::services::{AFTERMATH, App, LoginServices, PATIENCE, asked_user, time_out_error, wait_limit};
use crate::config::push::NumberMatch;
use crate::engine::messenger::{CodeCourier, Messenger, OutgoingCode, TextMessage};
use crate::engine::prompt::{Question, QuestionKind};
use crate::engine::provider::{ProviderError, ProviderFuture};
use crate::engine::{
    AskResult, ChallengedLogin, Decision, Outcome, PendingLogin, Reason, RefusalReason, RefusedLogin,
    SlowSource, Step, StopReason,
};
use crate::operations::WarningSink;
use crate::text::{self, ClientVoice};
use crate::waiting::open_challenges::ChallengeOwner;
use crate::waiting::{AdoptOutcome, OpenedWait, WaitId};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

impl App {
    /// Runs a wait to its end on the runtime. A panic in it is a refusal.
    pub(super) fn run(&self, opened: OpenedWait, work: WaitTask, login: LoginPacket) {
        let Some(runtime) = &self.runtime else { return };
        let (shared, id, deadline) = (Arc::clone(&self.shared), opened.id, opened.deadline);
        let (supervised, at_work) = (Arc::clone(&shared), Arc::clone(&self.at_work));
        let (mut stop, voice) = (opened.stop.clone(), login.voice.clone());
        let may_hold = login.patience == WaitMode::Park;
        let task = runtime.spawn(async move { shared.run_wait(opened, work, login).await });
        runtime.spawn(async move {
            // A slow write does not delay the answer.
            let late = async {
                let why = tokio::select! {
                    () = tokio::time::sleep_until(deadline.into()) => RefusalReason::TimedOut,
                    _ = stop.wait_for(|stop| *stop) => RefusalReason::Cancelled,
                };
                tokio::time::sleep(AFTERMATH).await;
                why
            };
            let AskResult { decision, rest } = tokio::select! {
                biased;
                ended = task => match ended {
                    Ok(Some(ended)) => ended,
                    // The packet was moved to another wait.
                    Ok(None) => return,
                    Err(_panic) => Decision::refusal(None, RefusalReason::Unavailable).into(),
                },
                why = late => Decision::refusal(None, why).into(),
            };
            let invited = decision.user.clone().filter(|_| decision.reason() == Reason::Invited);
            // The answer is delayed only if no thread is kept, and no longer than the server runs.
            if may_hold && !decision.hold.is_zero() {
                let _ = tokio::time::timeout(decision.hold, stop.wait_for(|stop| *stop)).await;
            }
            let is_restarting = *stop.borrow() && supervised.waits.is_closed();
            let told =
                if is_restarting { with_restart_text(decision, &voice) } else { voice.add_texts(decision) };
            supervised.waits.resolve_wait(id, told);
            if let Some(user) = invited {
                supervised.send_enrolment_link(user, voice).await;
            }
            if let Some(rest) = rest {
                rest.await;
            }
            drop(at_work);
        });
    }
}

/// The work of a wait.
pub(super) enum WaitTask {
    /// Continues with what was slow: the store, or an external service that was asked about the user.
    Begin(Pin<Box<dyn Future<Output = Step> + Send>>, SlowSource),
    /// Sends the push, or asks the provider.
    Ask(Box<PendingLogin>),
}

/// Sends codes in the language of one client.
struct ClientMessenger<'a> {
    messages: &'a Arc<dyn Messenger>,
    voice: &'a ClientVoice,
    complain: Option<&'a WarningSink>,
}

impl CodeCourier for ClientMessenger<'_> {
    fn send(&self, parcel: OutgoingCode) -> ProviderFuture<Result<(), ProviderError>> {
        let OutgoingCode { factor, to, code, user, client, life } = parcel;
        let words = text::CodeMessage { factor, code: &code, client: &client, user: &user, life };
        let (subject, text) = self.voice.message(&words);
        let sent = self.messages.send(TextMessage { factor, to, subject, text });
        let complain = self.complain.cloned();
        Box::pin(async move {
            // A gateway that was passed over is logged only; a code without a verified password is not reported at
            // all.
            let sent = sent.await;
            let refusals = match &sent {
                Ok(refusals) => refusals.clone(),
                Err(trouble) => vec![trouble.to_string()],
            };
            if let Some(complain) = complain {
                refusals
                    .iter()
                    .for_each(|refusal| complain(&format!("{}: not sent by {refusal}", factor.as_str())));
            }
            sent.map(drop)
        })
    }
}

impl LoginServices {
    /// Runs a wait to its decision. `None` if its packet was moved to another wait of the user.
    async fn run_wait(&self, opened: OpenedWait, work: WaitTask, login: LoginPacket) -> Option<AskResult> {
        let OpenedWait { id, mut stop, deadline, number } = opened;
        let (undecided, number) = match work {
            WaitTask::Ask(undecided) => (*undecided, number),
            WaitTask::Begin(begun, source) => match tokio::time::timeout_at(
                match source {
                    SlowSource::Backend => deadline.into(),
                    SlowSource::Store => tokio::time::Instant::now() + PATIENCE,
                },
                begun,
            )
            .await
            {
                Ok(Step::Decided(decision)) => return Some(AskResult::from(*decision)),
                Ok(Step::Ask(undecided)) => match self.engine.repeat_push(*undecided).await {
                    Ok(decision) => return Some(decision.into()),
                    Err(undecided) => match self.adopt_late_user(id, *undecided, &login).await {
                        Ok(found) => found,
                        Err(decision) => return decision.map(AskResult::from),
                    },
                },
                Err(_elapsed) if source == SlowSource::Backend => {
                    return Some(Decision::refusal(None, RefusalReason::DirectoryUnavailable).into());
                }
                Err(_elapsed) => return Some(Decision::store_unavailable(None, time_out_error()).into()),
            },
        };
        let stopped = async {
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => StopReason::TimedOut,
                _ = stop.wait_for(|stop| *stop) => StopReason::Cancelled,
            }
        };
        let number = number.filter(|number| !number.is_empty());
        let courier = self.messages.as_ref().map(|messages| ClientMessenger {
            messages,
            voice: &login.voice,
            complain: self.complain.get(),
        });
        let courier = courier.as_ref().map(|said| -> &dyn CodeCourier { said });
        Some(self.engine.ask_user(undecided, number, self.wait_limit(&login), courier, stopped).await)
    }

    /// The store was slow, and only now it is known that the wait's user has to be asked: what [`App::wait_for_provider`](super::App::wait_for_provider) does, for a packet
    /// that waits already. What it comes to otherwise; nothing if its packet went to another wait.
    async fn adopt_late_user(
        &self,
        id: WaitId,
        undecided: PendingLogin,
        login: &LoginPacket,
    ) -> Result<(PendingLogin, Option<String>), Option<Decision>> {
        if !undecided.asks_device() {
            return Ok((undecided, None));
        }
        let number = match self.match_number(&undecided, login) {
            Ok(number) => number,
            Err(reason) => return Err(Some(self.engine.close(undecided, reason).await)),
        };
        match self.waits.assign_user(id, &asked_user(&undecided), number.as_deref()) {
            AdoptOutcome::Alone(number) => {
                if let Some(number) = &number {
                    let challenge = self.number_challenge(&undecided, id, number);
                    self.waits.show(id, login.voice.add_texts(challenge));
                }
                Ok((undecided, number))
            }
            AdoptOutcome::Moved => Err(None),
            AdoptOutcome::Number(other, number) => {
                Err(Some(self.number_challenge(&undecided, other, &number)))
            }
            AdoptOutcome::Decided(decision) => Err(Some(*decision)),
            AdoptOutcome::Refused => {
                Err(Some(self.engine.close(undecided, RefusalReason::AlreadyWaiting).await))
            }
        }
    }

    /// The number that the user finds on the device, before any packet waits; empty if the user only has to answer
    /// there first.
    pub(super) fn match_number(
        &self,
        undecided: &PendingLogin,
        login: &LoginPacket,
    ) -> Result<Option<String>, RefusalReason> {
        match (self.config.push.number_match, undecided.attempt.request.dialogue, login.patience) {
            _ if !undecided.asks_device() => Ok(None),
            (NumberMatch::Required, false, _) => Err(RefusalReason::NeedsChallenge),
            (NumberMatch::Required, true, _) => two_digits().map(Some).ok_or(RefusalReason::Unavailable),
            // The user answers on the device, then here: no thread waits meanwhile.
            (NumberMatch::Off, true, WaitMode::Block) => Ok(Some(String::new())),
            (NumberMatch::Off, ..) => Ok(None),
        }
    }

    /// The challenge of a question that is open.
    pub(super) fn number_challenge(&self, undecided: &PendingLogin, id: WaitId, number: &str) -> Decision {
        let owner = ChallengeOwner::owner_of(&undecided.attempt, &self.config.names);
        let state = owner.and_then(|owner| self.challenges.issue_state(owner, undecided.proof_class(), id));
        let asks = QuestionKind::Approval { number: number.to_owned() };
        let (reason, question) =
            (RefusalReason::Challenged, Some(Question { because: None, left: None, asks }));
        let outcome = match state {
            Some(state) => Outcome::Challenge(ChallengedLogin { reason, question, state }),
            None => Outcome::Refuse(RefusedLogin { question, ..reason.into() }),
        };
        let decision = Decision::new(Some(undecided.name.clone()), outcome);
        Decision { basis: undecided.challenge_basis(), ..decision }
    }

    pub(super) fn wait_limit(&self, login: &LoginPacket) -> Duration {
        wait_limit(&self.config, login.limit)
    }
}

/// Adds the texts to a decision while the server is about to stop: the text of a refusal is the same for all users, and
/// nothing is asked any more.
fn with_restart_text(decision: Decision, voice: &ClientVoice) -> Decision {
    let outcome = match decision.outcome {
        Outcome::Challenge(challenge) => Outcome::Refuse(challenge.reason.into()),
        outcome @ Outcome::Refuse(_) => outcome,
        outcome @ (Outcome::Accept(_) | Outcome::Pending(_)) => return Decision { outcome, ..decision },
    };
    Decision { outcome, message: voice.restart_lines(), ..decision }
}

/// Two decimal digits, uniformly distributed: octets from 200 on are drawn again.
fn two_digits() -> Option<String> {
    let mut octet = [0];
    loop {
        getrandom::fill(&mut octet).ok()?;
        let [octet] = octet;
        if octet < 200 {
            return Some(format!("{:02}", octet % 100));
        }
    }
}
