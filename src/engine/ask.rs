//! Logins that only the user can decide, on his device: what was asked for, whether he may be asked at all, and what his
//! answer, his silence or the provider's mean.

use super::port::{Finding, Known, Mark};
use super::provider::{Ask, Asked, Asking, Outcome, Pending, Provider, Question, Trouble};
use super::{Attempt, Checked, Decision, Engine, Gate, Password, Presented, Reason, Tag, Tail, split};
use crate::config::FirstFactor;
use crate::config::push::FailMode;
use crate::types::{Choice, Mode, Passcode, Secret, UserId, UserName};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A login that is decided by asking somebody outside: the user on his device, or the provider about a passcode.
#[derive(Debug)]
pub struct Undecided {
    /// Who; the password is no longer in it.
    pub attempt: Attempt,
    /// The user's canonical name.
    pub name: UserName,
    /// What stood before the answer in the field (mode `append`, and `auto` with a delimiter): somebody else checks it.
    pub password: Option<Secret>,
    /// The word that answers a CHAP challenge, if the field was a digest.
    pub word: Option<Secret>,
    /// By what the login is remembered, if he says yes.
    mark: Option<Mark>,
    asking: Asking,
    user: Option<UserId>,
    enrolled: Enrolled,
    tag: Tag,
}

/// Whether a user has tokens here, whatever the provider knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enrolled {
    Here,
    NotHere,
}

impl Undecided {
    /// The same, and remembered if he says yes.
    pub(super) fn remembered_by(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }

    /// Whether a device is asked; otherwise it is about a passcode.
    pub fn asks_device(&self) -> bool {
        matches!(self.asking, Asking::Device(_))
    }

    /// Whether somebody vouches for the password. If not, an answer must not tell who exists.
    pub fn is_proven(&self) -> bool {
        self.attempt.mode != Mode::Passcode || self.attempt.first_factor == FirstFactor::Client
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
    /// What the attempt asks of the provider, if it does. Codes of users who have tokens here are checked here.
    pub(super) fn undecided(
        &self,
        attempt: &Attempt,
        name: &UserName,
        known: Option<&Known>,
    ) -> Option<Undecided> {
        let provider = self.provider.as_ref()?;
        let has_token = known.is_some_and(Known::has_token);
        let takes_passcodes = provider.takes_passcodes() && !has_token;
        let (asking, password, word) = match (attempt.mode, &attempt.password) {
            (Mode::Auto, Password::Absent) => (Asking::Device(None), None, None),
            (Mode::Passcode, Password::Plain(field)) => {
                (asked_by(field.expose(), takes_passcodes)?, None, None)
            }
            (Mode::Append | Mode::Auto, Password::Plain(field)) => {
                let (password, answer) = split(field, Tail::After(self.config.delimiter.as_deref()?))?;
                (asked_by(answer.expose(), takes_passcodes)?, Some(password), None)
            }
            (Mode::Passcode, digest) => {
                let presented = Presented::from_password(digest)?;
                let words = Choice::words().map(|(word, choice)| (word, Some(choice)));
                let (word, choice) =
                    words.chain([(String::new(), None)]).find(|(word, _)| presented.is(word.as_bytes()))?;
                (Asking::Device(choice), None, Some(Secret::new(word)))
            }
            (Mode::Append | Mode::Auto, _) => return None,
        };
        Some(Undecided {
            tag: self.tag(&attempt.password),
            attempt: Attempt { password: Password::Absent, proof: None, ..attempt.clone() },
            mark: None,
            enrolled: if has_token { Enrolled::Here } else { Enrolled::NotHere },
            name: name.clone(),
            password,
            word,
            asking,
            user: known.map(|known| known.id),
        })
    }

    /// Whether what stands behind the delimiter is an answer. In mode `auto` it need not be: then all of it is the password.
    pub fn has_answer(&self, field: &Secret) -> bool {
        let Some(delimiter) = self.config.delimiter.as_deref() else { return false };
        let Some((_, answer)) = split(field, Tail::After(delimiter)) else { return false };
        let answer = answer.expose();
        let digits = answer.iter().all(u8::is_ascii_digit) && (6..=16).contains(&answer.len());
        let recovery =
            answer.iter().all(u8::is_ascii_alphanumeric) && answer.len() == crate::types::RECOVERY_LENGTH;
        digits || recovery || Choice::parse(answer).is_some()
    }

    /// Asks, and decides by the answer, for which `limit` is given. `number` is what the user sees and has to find on the device.
    /// `stop` ends the wait; what was asked is then taken back. An accept has been written durably before this returns it.
    ///
    /// Where nobody vouches for the password, all refusals come when that of an unanswered question would, but for one: the
    /// user's own no. Taking the question back, which takes time and only happens if there was one, is left for later.
    pub async fn ask(
        &self,
        it: Undecided,
        number: Option<String>,
        limit: Duration,
        stop: impl Future<Output = Stop>,
    ) -> Ended {
        let mut stop = pin!(stop);
        let Some(provider) = self.provider.clone() else {
            return self.close(it, Reason::ProviderUnavailable).await.into();
        };
        if let Some(refusal) = self.forbidden(&it).await {
            return self.close_as_unanswered(it, refusal, stop).await.into();
        }
        let mut asked = provider.ask(question(&it, number, limit));
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
            self.nudges.take_back(it.name.as_str(), it.attempt.at);
        }
        match asked {
            Ok(Asked::Waiting(question)) => self.wait(it, &provider, question, stop).await,
            Ok(Asked::Decided(outcome)) => self.conclude(it, outcome, stop).await.into(),
            Err(Trouble::Unreachable(text)) => self.unreachable(it, text, stop).await.into(),
            Err(Trouble::Failed(text)) => self.failed(it, text, stop).await.into(),
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
            Ok(Ok(outcome)) => return self.conclude(it, outcome, stop).await.into(),
            Ok(Err(trouble)) => self.failed(it, trouble.to_string(), stop).await,
            Err(why) => self.close(it, why).await,
        };
        Ended { decision, rest: Some(provider.cancel(&question)) }
    }

    /// Whether he may be asked now: not one who is locked, and nobody too often.
    async fn forbidden(&self, it: &Undecided) -> Option<Refusal> {
        match self.store.gate(&it.name, &it.attempt.source, self.config.lockout, it.attempt.at).await {
            Ok(Gate::Open) => {}
            Ok(Gate::Locked) => return Some(Reason::Locked.into()),
            Ok(Gate::Slowed) => return Some(Reason::Slowed.into()),
            Err(error) => {
                return Some(Refusal { reason: Reason::Unavailable, detail: Some(error.to_string()) });
            }
        }
        if !it.asks_device() {
            return None;
        }
        self.nudges
            .admit(it.name.as_str(), it.is_proven(), &self.config.push.rate, it.attempt.at)
            .err()
            .map(Refusal::from)
    }

    /// What he, or the provider for him, said.
    async fn conclude(
        &self,
        it: Undecided,
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
            Outcome::Denied => {
                self.nudges.denied(it.name.as_str(), it.attempt.at);
                return self.close(it, Reason::Denied).await;
            }
            Outcome::Fraud => return self.finish(it, Finding::Fraud.into()).await,
            Outcome::Wrong => {
                let finding = Finding::WrongAtProvider { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            // As bad a guess as a wrong code.
            Outcome::Unknown if !it.asks_device() => {
                let finding = Finding::Unknown { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            // Nobody knows him, but for whoever has checked his password.
            Outcome::Unknown if it.is_proven() && it.enrolled == Enrolled::NotHere && self.has_policy() => {
                let known = it.user.map(known_by);
                return self.unenrolled(&it.attempt, it.name, known).await;
            }
            Outcome::Enroll(text) => {
                let message = it.is_proven().then(|| text.to_string());
                let refused = self.close_as_unanswered(it, Reason::EnrollAtProvider.into(), stop).await;
                return Decision { message, ..refused };
            }
            Outcome::Expired => Reason::TimedOut,
            Outcome::Sent => Reason::CodesSent,
            Outcome::Locked => Reason::LockedByProvider,
            Outcome::Unknown => Reason::UnknownToProvider,
            Outcome::NoDevice => Reason::NoDevice,
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

    async fn finish(&self, it: Undecided, checked: Checked) -> Decision {
        let checked = Checked { mark: it.mark, ..checked };
        self.settle(&it.attempt, Some(it.name), it.user.map(known_by), checked).await
    }
}

/// A user of whom nothing but his row matters any more.
fn known_by(id: UserId) -> Known {
    Known { id, tokens: Vec::new(), mail: String::new() }
}

/// A refusal with the words for the log.
#[derive(Debug)]
pub struct Refusal {
    reason: Reason,
    detail: Option<String>,
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

/// What a field asks for that holds nothing but the second factor. Nothing in it asks the user's best device.
fn asked_by(field: &[u8], takes_passcodes: bool) -> Option<Asking> {
    if field.iter().all(|octet| octet.is_ascii_whitespace()) {
        return Some(Asking::Device(None));
    }
    match Choice::parse(field) {
        Some(choice) => Some(Asking::Device(Some(choice))),
        None if takes_passcodes => Passcode::parse(field).map(Asking::Passcode),
        None => None,
    }
}

fn question(it: &Undecided, number: Option<String>, limit: Duration) -> Ask {
    Ask {
        user: it.name.to_string(),
        asking: it.asking.clone(),
        client: it.attempt.source.client.clone(),
        calling_station: it.attempt.source.calling_station.clone(),
        number,
        limit,
    }
}

fn asked_nobody(asked: &Asked) -> bool {
    use Outcome::{Enroll, Locked, NoDevice, Unknown};
    matches!(asked, Asked::Decided(Enroll(_) | Locked | NoDevice | Unknown))
}

fn is_unreachable(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unreachable(_))
}

/// Whichever comes first; what was asked for, if both do.
async fn first<T>(asked: &mut Pending<T>, mut stop: Pin<&mut impl Future<Output = Stop>>) -> Result<T, Stop> {
    std::future::poll_fn(|context| match asked.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => stop.as_mut().poll(context).map(Err),
    })
    .await
}
