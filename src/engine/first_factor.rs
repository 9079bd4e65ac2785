//! The first factor, where this module verifies it: by a directory, by Entra ID, by another RADIUS server, or in the
//! store.
//!
//! A passcode behind the password is verified first: without a token one cannot lock a directory account. Then the
//! password is verified, while the passcode is reserved; the result decides, in the one write that spends the code.
//! What the backend says of the user goes along with the login: its [`UserAttributes`].

use super::challenge::ChallengeState;
use super::directory::{AuthFailure, Credentials, DirectoryUser, PasswordResponse};
use super::evaluation::{Evaluation, Evidence};
use super::port::{AttemptFinding, SpendPasscode};
use super::prompt::QuestionKind;
use super::push::PushRefusal;
use super::user_attributes::UserAttributes;
use super::{
    DatagramRecord, Decision, Engine, FieldContents, Gate, LoginAttempt, PacketRole, PasswordVerifier,
    RefusalReason, SubmittedPassword, VerifiedPassword,
};
use crate::config::name_template::{NameTemplate, NameVariable};
use crate::types::{DistinguishedName, Mailbox, Mode, Secret, TokenId, UserName};
use std::collections::HashSet;

#[cfg(test)]
mod tests;

/// What the start of a login may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowSource {
    /// The store alone.
    Store,
    /// The password backend or the directory as well.
    Backend,
}

impl Engine {
    /// The canonical name of the login. A malformed name is refused.
    pub(super) async fn canonical_name(&self, login: &LoginAttempt) -> Result<UserName, Decision> {
        match UserName::parse(&login.request.user, &self.config.names) {
            Ok(name) => Ok(name),
            Err(bad) => {
                let refused = AttemptFinding::Refused(bad.into()).into();
                Err(self.commit(login, None, None, refused).await)
            }
        }
    }

    /// Looks up a user whose password this module does not verify, where every login needs attributes of the user.
    pub(super) async fn look_up_user(
        &self,
        login: &mut LoginAttempt,
        name: &UserName,
        challenge: Option<&ChallengeState>,
    ) -> Result<(), Decision> {
        // For the answer to the question of an empty field nothing has been looked up.
        let is_looked_up = challenge
            .is_some_and(|challenge| challenge.password_status.is_proven() || challenge.grants.is_some());
        if is_looked_up || !self.asks_who_they_are() {
            return Ok(());
        }
        match self.grants_of(login, name).await {
            // The token owner cannot be determined. That is not the same as having no token; only a user without a
            // verified password is treated so.
            Ok(None) if login.is_proven() && !self.config.stored_as.needs_only_the_name() => {
                Err(self.record_auth_failure(login.clone(), name.clone(), AuthFailure::Unknown).await)
            }
            Ok(attributes) => {
                login.grants = attributes;
                Ok(())
            }
            Err(refused) => Err(self.record_auth_failure(login.clone(), name.clone(), refused).await),
        }
    }

    /// What the field of a login holds whose password this module verifies. If it is the password alone, `login` holds
    /// nothing else afterwards. `challenge` may relay a question of the backend, which this login answers.
    pub(super) async fn read_first_factor(
        &self,
        login: &mut LoginAttempt,
        name: &UserName,
        challenge: Option<&ChallengeState>,
    ) -> Result<FieldContents, Decision> {
        if challenge.is_some_and(|challenge| challenge.relayed.is_some()) {
            // The answer is a password, which could not be checked again.
            login.datagram = DatagramRecord::Unknown;
            return Ok(FieldContents::Password);
        }
        match &login.password {
            SubmittedPassword::Plain(password) | SubmittedPassword::Separate { password, .. }
                if !password.is_empty() => {}
            SubmittedPassword::Absent | SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. } => {
                return Err(self.refuse_early(login, name.clone(), RefusalReason::NoPassword).await);
            }
            // No code can be cut off.
            _ if login.mode == Mode::Append => {
                return Err(self.refuse_early(login, name.clone(), RefusalReason::NeedsPap).await);
            }
            _ => return Ok(FieldContents::Password),
        }
        let may_hold_both = login.mode == Mode::Append || self.has_answer(&login.password);
        let mut is_exempt = login.request.unchecked.exempt == Some(true);
        if may_hold_both && !is_exempt {
            if self.is_known_by_more() {
                match self.grants_of(login, name).await {
                    Ok(attributes) => login.grants = attributes,
                    Err(refusal) => {
                        return Err(self.record_auth_failure(login.clone(), name.clone(), refusal).await);
                    }
                }
            }
            is_exempt = self.find_exemption(login).is_some();
        }
        let owner = self.token_owner(login, name);
        let contents = match is_exempt {
            true => FieldContents::Password,
            false => self.field_contents(owner.as_str().as_bytes(), login.mode, &login.password).await,
        };
        if contents == FieldContents::Password {
            login.password =
                std::mem::replace(&mut login.password, SubmittedPassword::Absent).without_answer();
        }
        Ok(contents)
    }

    /// Verifies a password that is alone in the field, and applies exemptions. `relayed` is the backend's state, if this
    /// login answers a question of the backend.
    pub(super) async fn verify_password(
        &self,
        login: LoginAttempt,
        name: &UserName,
        relayed: Option<Vec<u8>>,
    ) -> Result<LoginAttempt, Decision> {
        self.check_gate(&login, name).await?;
        let is_answer = relayed.is_some();
        let user = match self.ask_backend(&login, name, login.password.clone(), relayed).await {
            Ok(PasswordResponse::Person(user)) => user,
            Ok(PasswordResponse::Asks { text, state }) => {
                return Err(self.relay_question(&login, name.clone(), text, state).await);
            }
            Err(refusal) => return Err(self.record_auth_failure(login, name.clone(), refusal).await),
        };
        let proof = match &login.password {
            SubmittedPassword::Plain(password) if login.request.unchecked.remember && !is_answer => {
                Some(VerifiedPassword::Password(password.clone()))
            }
            _ => None,
        };
        let attributes = match self.user_attributes(name, &user) {
            Ok(attributes) => attributes,
            Err(denied) => return Err(self.record_auth_failure(login, name.clone(), denied).await),
        };
        let login = LoginAttempt { proof, grants: Some(attributes), ..login };
        let exemption = self.find_exemption(&login);
        let login = login.with_verified_password(PasswordVerifier::Module);
        match exemption {
            Some(by) => {
                let owner = self.token_owner(&login, name);
                Err(self.commit_exemption(&login, Some(owner), by).await)
            }
            None => Ok(login),
        }
    }

    /// Verifies a passcode and the password before it. The passcode is evaluated first and reserved while the backend
    /// is asked; the commit that follows spends it.
    pub(super) async fn verify_appended_passcode(
        &self,
        login: LoginAttempt,
        name: &UserName,
        owner: UserName,
    ) -> Result<Evaluation, Decision> {
        // A remembered login does not replace a password that is still unverified.
        let without_proof = LoginAttempt { proof: None, ..login.clone() };
        let mut evaluation = self.evaluate(without_proof, owner.clone(), None).await?;
        let (password, spends) = match &mut evaluation {
            Evaluation::Pending(pending) => (pending.password.take(), None),
            Evaluation::Evidence(evaluated) => match evaluated.evidence.finding {
                AttemptFinding::Right { token, spend, .. } => {
                    (evaluated.evidence.password.take(), Some((token, spend)))
                }
                AttemptFinding::Repeated { .. } => (evaluated.evidence.password.take(), None),
                _ => return Ok(evaluation),
            },
        };
        self.check_gate(&login, name).await?;
        let Some(password) = password else {
            return Err(self.refuse_early(&login, name.clone(), RefusalReason::NoPassword).await);
        };
        let mut reservation = None;
        if let Some((token, spend)) = spends {
            reservation = self.held.reserve(token, spend);
            if reservation.is_none() {
                return Err(self.refuse_early(&login, name.clone(), RefusalReason::SpentCode).await);
            }
        }
        let proof =
            Some(VerifiedPassword::Password(password.clone())).filter(|_| login.request.unchecked.remember);
        match self.verify_password_before_passcode(&login, name, &owner, password).await {
            Ok(attributes) => {
                let proof = self.remembered_login_digest(&LoginAttempt { proof, ..login }, &owner);
                evaluation.confirm_password(attributes, proof);
                if let Evaluation::Evidence(evaluated) = &mut evaluation {
                    evaluated.reservation = reservation;
                }
                Ok(evaluation)
            }
            Err(refused) => {
                let refused = PasswordRefusal { spends, ..refused };
                Err(self.record_auth_failure(login, name.clone(), refused).await)
            }
        }
    }

    /// Verifies the password before a right passcode; returns what is known of its user.
    pub(super) async fn verify_password_before_passcode(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
        stored: &UserName,
        password: Secret,
    ) -> Result<UserAttributes, PasswordRefusal> {
        let blocked = |why: &str| Err(AuthFailure::Blocked(why.to_owned()).into());
        match self.ask_backend(attempt, name, SubmittedPassword::Plain(password), None).await? {
            PasswordResponse::Person(person) => {
                let grants = self.user_attributes(name, &person)?;
                // Password and passcode must belong to the same user.
                match grants.stored_as.as_ref().unwrap_or(name) == stored {
                    true => Ok(grants),
                    false => {
                        blocked("the code was one of another stored_as of username { } than the password")
                    }
                }
            }
            PasswordResponse::Asks { .. } => {
                blocked("asks a question, for which there is no room beside a code")
            }
        }
    }

    /// Asks the password backend.
    async fn ask_backend(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
        password: SubmittedPassword,
        state: Option<Vec<u8>>,
    ) -> Result<PasswordResponse, PasswordRefusal> {
        let tag = Some(self.passcode_tag(&password));
        let Some(authority) = &self.authority else {
            let denied: AuthFailure =
                super::directory::BackendUnavailable("no password backend is set".to_owned()).into();
            return Err(PasswordRefusal { tag, ..denied.into() });
        };
        let packet = attempt.request.unchecked.packet.clone();
        let client = attempt.request.source.client.clone();
        let claim = Credentials {
            user: name.clone(),
            typed: attempt.request.user.clone(),
            client,
            password,
            packet,
            state,
        };
        authority.verify_password(claim).await.map_err(|denied| PasswordRefusal { tag, ..denied.into() })
    }

    /// Refuses an attempt that does not count now: a user who is locked here is not tried at a backend.
    pub(super) async fn check_gate(&self, login: &LoginAttempt, name: &UserName) -> Result<(), Decision> {
        let owner = self.token_owner(login, name);
        let (limits, proof) = (self.config.lockout, login.password_proof(PacketRole::First));
        let reason =
            match self.store.check_gate(&owner, &login.request.source, limits, proof, login.request.at).await
            {
                Ok(Gate::Open) => return Ok(()),
                Ok(Gate::Locked) => RefusalReason::Locked,
                Ok(Gate::Slowed) => RefusalReason::Slowed,
                Err(_unavailable) => RefusalReason::Unavailable,
            };
        Err(self.refuse_early(login, name.clone(), reason).await)
    }

    pub(super) async fn refuse_early(
        &self,
        attempt: &LoginAttempt,
        name: UserName,
        reason: RefusalReason,
    ) -> Decision {
        let stored = self.token_owner(attempt, &name);
        self.commit(attempt, Some(stored), None, AttemptFinding::Refused(reason).into()).await
    }

    /// Records the refusal of the password backend.
    pub(super) async fn record_auth_failure(
        &self,
        attempt: LoginAttempt,
        name: UserName,
        refused: impl Into<PasswordRefusal>,
    ) -> Decision {
        let PasswordRefusal { denied, tag, spends } = refused.into();
        let (reason, detail) = match &denied {
            AuthFailure::Wrong => (RefusalReason::WrongPassword, None),
            AuthFailure::Unknown => (RefusalReason::UnknownToDirectory, None),
            AuthFailure::Expired => (RefusalReason::PasswordExpired, None),
            AuthFailure::MustChange => (RefusalReason::MustChangePassword, None),
            AuthFailure::Disabled => (RefusalReason::AccountDisabled, None),
            AuthFailure::Restricted => (RefusalReason::LogonRestricted, None),
            AuthFailure::Locked => (RefusalReason::AccountLocked, None),
            AuthFailure::NotMember => (RefusalReason::NotMember, None),
            AuthFailure::NeedsPap => (RefusalReason::NeedsPap, None),
            AuthFailure::Ambiguous | AuthFailure::Blocked(_) => {
                (RefusalReason::Blocked, Some(denied.to_string()))
            }
            AuthFailure::Unavailable(why) => (RefusalReason::DirectoryUnavailable, Some(why.to_string())),
        };
        let finding = match (reason, tag) {
            (RefusalReason::WrongPassword | RefusalReason::UnknownToDirectory, Some(tag)) => {
                AttemptFinding::WrongPassword { tag, reason }
            }
            _ => AttemptFinding::Refused(reason),
        };
        let known = attempt.password_status;
        let password_status = if denied.proves_password() { known.into_verified() } else { known };
        let attempt = LoginAttempt { password_status, ..attempt };
        let stored = self.token_owner(&attempt, &name);
        let known = self.store.find_account(&stored).await.ok().flatten();
        // A passcode buys one try of a password. If the backend could not be asked, no password was tried.
        let spends = spends.filter(|_| reason != RefusalReason::DirectoryUnavailable);
        let checked = Evidence { spends, ..finding.into() };
        let decision = self.commit(&attempt, Some(stored), known, checked).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// Relays the backend's question to the user.
    async fn relay_question(
        &self,
        attempt: &LoginAttempt,
        name: UserName,
        text: Vec<String>,
        state: Vec<u8>,
    ) -> Decision {
        let follow = self.follow_relayed(attempt, QuestionKind::Relayed { text }, state);
        let reason = if follow.is_some() { RefusalReason::Challenged } else { RefusalReason::NeedsChallenge };
        let stored = self.token_owner(attempt, &name);
        self.commit(
            attempt,
            Some(stored),
            None,
            Evidence { follow, ..AttemptFinding::Refused(reason).into() },
        )
        .await
    }

    /// Why the user needs no second factor: by unlang, or by policy and what is known of the user.
    fn find_exemption(&self, attempt: &LoginAttempt) -> Option<Option<String>> {
        match attempt.request.unchecked.exempt {
            Some(true) => return Some(None),
            Some(false) => return None,
            None => {}
        }
        let groups = attempt.grants.as_ref().and_then(|grants| grants.groups.clone());
        let mut who = attempt.request.unchecked.who.clone();
        who.groups = match (who.groups, groups) {
            (Some(mut set), Some(read)) => {
                set.extend(read);
                Some(set)
            }
            (set, read) => set.or(read),
        };
        let exemption = self.config.policy.find_exemption(&who, attempt.request.at)?;
        Some(Some(exemption.as_str().to_owned()))
    }

    /// Whether the name alone does not determine the token owner or an exemption: the directory is then asked first.
    fn is_known_by_more(&self) -> bool {
        !self.config.stored_as.needs_only_the_name() || self.config.policy.goes_by_groups()
    }

    /// The name under which the tokens are stored, as far as it is known.
    pub(super) fn token_owner(&self, attempt: &LoginAttempt, name: &UserName) -> UserName {
        let stored = attempt.grants.as_ref().and_then(|grants| grants.stored_as.clone());
        stored.or_else(|| self.stored_by_name(name)).unwrap_or_else(|| name.clone())
    }

    /// The name under which the tokens of this login name are stored; the typed text if that is not a valid name.
    pub fn stored_as(&self, typed: &[u8], grants: Option<&UserAttributes>) -> UserName {
        let name = UserName::parse(typed, &self.config.names);
        let name = name.unwrap_or_else(|_| UserName::from_canonical(String::from_utf8_lossy(typed)));
        let stored = grants.and_then(|grants| grants.stored_as.clone());
        stored.or_else(|| self.stored_by_name(&name)).unwrap_or(name)
    }

    /// The same, without asking a directory.
    fn stored_by_name(&self, name: &UserName) -> Option<UserName> {
        let template = &self.config.stored_as;
        if *template == NameTemplate::default() {
            return None;
        }
        let filled = template
            .fill_template(&|gap: &NameVariable| (*gap == NameVariable::User).then(|| name.to_string()))
            .ok()?;
        UserName::parse(filled.as_bytes(), &self.config.names).ok()
    }

    /// Attributes of a user whose password this module does not verify. `None` if there is no directory, or no such
    /// user.
    pub(super) async fn grants_of(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
    ) -> Result<Option<UserAttributes>, PasswordRefusal> {
        let Some(directory) = &self.directory else { return Ok(None) };
        match directory.find_user(name, &attempt.request.user).await {
            Ok(Some(person)) => Ok(Some(self.user_attributes(name, &person)?)),
            Ok(None) => Ok(None),
            Err(why) => Err(AuthFailure::from(why).into()),
        }
    }

    /// What the start of this login waits for: an external service if one is asked about the user before the field is
    /// read.
    pub fn slow_source(&self, attempt: &LoginAttempt) -> SlowSource {
        match attempt.password_status.is_ours_to_check() || self.asks_who_they_are() {
            true => SlowSource::Backend,
            false => SlowSource::Store,
        }
    }

    /// Whether what is said of users is needed in every login.
    pub(super) fn asks_who_they_are(&self) -> bool {
        let config = &self.config;
        let templates = [&config.stored_as, &config.push.username];
        self.directory.is_some()
            && (!config.replies.is_empty()
                || templates.iter().any(|template| !template.needs_only_the_name()))
    }

    /// What an accept of this user carries.
    ///
    /// # Errors
    ///
    /// An attribute that `stored_as` needs is missing.
    pub fn user_attributes(
        &self,
        name: &UserName,
        person: &DirectoryUser,
    ) -> Result<UserAttributes, AuthFailure> {
        let groups: Option<Vec<String>> = person.groups.as_ref().map(|groups| {
            let mut seen = HashSet::new();
            groups
                .iter()
                .map(DistinguishedName::name)
                .filter(|name| seen.insert(*name))
                .map(str::to_owned)
                .collect()
        });
        let value = |gap: &NameVariable| {
            let value = match gap {
                NameVariable::User => Some(name.to_string()),
                NameVariable::Upn => person.upn.clone(),
                NameVariable::Mail => person.mail.as_ref().map(|mail| Mailbox::as_str(mail).to_owned()),
                NameVariable::Attribute(name) => {
                    person.attributes.get(name).and_then(|values| values.first()).cloned()
                }
            };
            // Directories store empty values. They are no values.
            value.filter(|value| !value.trim().is_empty())
        };
        let is_in = |of: &[crate::config::policy::GroupName]| {
            of.is_empty() || groups.iter().flatten().any(|his| of.iter().any(|group| group.is(his)))
        };
        let told = self.config.replies.iter().filter(|reply| is_in(&reply.groups));
        let told = told.flat_map(|reply| &reply.attributes);
        let reply =
            told.filter_map(|(name, text)| Some((name.clone(), text.fill_template(&value).ok()?))).collect();
        let stored_as = match &self.config.stored_as {
            template if *template == NameTemplate::default() => None,
            template => {
                let filled =
                    template.fill_template(&value).map_err(|gap| missing_attribute("stored_as", gap))?;
                let parsed = UserName::parse(filled.as_bytes(), &self.config.names);
                Some(
                    parsed
                        .map_err(|bad| AuthFailure::Blocked(format!("stored_as of username {{ }}: {bad}")))?,
                )
            }
        };
        let sent_as = self.config.push.username.fill_template(&value).ok();
        // What does not depend on the name that was typed is the same for all names of a person.
        let is_one = person.dn.is_some()
            && self.config.stored_as.used_variables().all(|gap| *gap != NameVariable::User);
        let (raw, is_named) = (person.reply.clone(), person.is_named || is_one);
        Ok(UserAttributes { groups, reply, raw, sent_as, stored_as, is_named })
    }

    /// The user's name at the push provider.
    pub(super) fn sent_as(&self, attempt: &LoginAttempt, name: &UserName) -> Result<String, PushRefusal> {
        let template = &self.config.push.username;
        // The login name, whatever name the tokens are stored under.
        let own = UserName::parse(&attempt.request.user, &self.config.names);
        let own = own.as_ref().unwrap_or(name);
        let plain = |gap: &NameVariable| (*gap == NameVariable::User).then(|| own.to_string());
        let known = attempt.grants.as_ref().map(|grants| grants.sent_as.clone());
        match known {
            Some(Some(sent_as)) => Ok(sent_as),
            Some(None) | None => template.fill_template(&plain).map_err(|gap| PushRefusal {
                reason: RefusalReason::UnknownToProvider,
                detail: Some(format!(
                    "the directory has no {} of the user: username of push {{ }}",
                    gap.as_str()
                )),
            }),
        }
    }
}

/// A refusal by the password backend.
pub(super) struct PasswordRefusal {
    denied: AuthFailure,
    /// A digest of what was presented, if that was asked about.
    tag: Option<super::PasscodeTag>,
    /// The right code that stood behind it.
    spends: Option<(TokenId, SpendPasscode)>,
}

impl From<AuthFailure> for PasswordRefusal {
    fn from(denied: AuthFailure) -> Self {
        Self { denied, tag: None, spends: None }
    }
}

fn missing_attribute(option: &str, gap: &NameVariable) -> AuthFailure {
    AuthFailure::Blocked(format!("the directory has no {} of the user, which {option} needs", gap.as_str()))
}
