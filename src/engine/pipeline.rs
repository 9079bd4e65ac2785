//! A login from top to bottom. The order of the checks in [`Engine::run`] is the security argument: a step that comes
//! later is not reached by a login that an earlier one has ended.

use super::evaluation::Evaluation;
use super::{Decision, Engine, FieldContents, LoginAttempt, PendingLogin, RefusalReason};

/// How far a login came without asking the user or an external service about the second factor.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// It is decided.
    Decided(Box<Decision>),
    /// It continues in [`Engine::ask_user`].
    Ask(Box<PendingLogin>),
}

impl From<Decision> for Step {
    fn from(decision: Decision) -> Self {
        Self::Decided(Box::new(decision))
    }
}

impl Engine {
    /// Decides one attempt, as far as that needs no external service for the second factor. An accept has been written
    /// durably, its passcode spent, before this returns it; what could not be written is [`Reason::Unavailable`](super::Reason::Unavailable).
    pub async fn start(&self, login: LoginAttempt) -> Step {
        self.run(login).await.unwrap_or_else(Step::from)
    }

    /// Like [`start`](Self::start), where no external service can be asked: what would need one is refused.
    pub async fn decide_without_waiting(&self, login: LoginAttempt) -> Decision {
        match self.start(login).await {
            Step::Decided(decision) => *decision,
            Step::Ask(pending) => self.close(*pending, RefusalReason::Busy).await,
        }
    }

    /// The steps of a login. `Err` ends it early: a refusal in most steps, an accept where no second factor is needed.
    async fn run(&self, mut login: LoginAttempt) -> Result<Step, Decision> {
        // A malformed name ends here.
        let name = self.canonical_name(&login).await?;
        // A datagram that answered a challenge and comes again: its State is gone, its decision may be repeated.
        self.repeat_answer(&login, &name).await?;
        // A State is redeemed once, whatever comes of it. From here on the login holds nothing but the answer.
        let challenge = self.redeem_state(&mut login, &name).await?;

        let evaluation = if login.password_status.is_ours_to_check() {
            let contents = self.read_first_factor(&mut login, &name, challenge.as_ref()).await?;
            match contents {
                FieldContents::Password => {
                    let relayed = challenge.and_then(|challenge| challenge.relayed);
                    let login = self.verify_password(login, &name, relayed).await?;
                    let owner = self.token_owner(&login, &name);
                    self.evaluate(login, owner, None).await?
                }
                // The passcode first: without a token one must not reach the directory.
                FieldContents::PasswordAndPasscode | FieldContents::Passcode => {
                    let owner = self.token_owner(&login, &name);
                    self.recall_login(&login, &name, &owner).await?;
                    self.verify_appended_passcode(login, &name, owner).await?
                }
            }
        } else {
            // An empty field is a question that is the same for every name: before anything is looked up.
            self.ask_for_passcode(&login, &name, challenge.as_ref()).await?;
            self.look_up_user(&mut login, &name, challenge.as_ref()).await?;
            let owner = self.token_owner(&login, &name);
            self.evaluate(login, owner, challenge).await?
        };

        // Everything that could be raced is decided in the one write of `commit`.
        match evaluation {
            Evaluation::Pending(pending) => Ok(Step::Ask(pending)),
            Evaluation::Evidence(evaluated) => Ok(self.commit_evaluated(*evaluated).await.into()),
        }
    }
}
