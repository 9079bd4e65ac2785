//! The first factor, where this module has it checked: by a directory, by Entra ID, by another RADIUS server, or in
//! the store.
//!
//! A passcode behind the password is verified first: without a token one cannot lock a directory account. Then the
//! password is verified, while the passcode is reserved; the result decides, in the one write that spends the code.
//! What the backend says of the user goes along with the login: his [`UserAttributes`].

use super::directory::{AuthFailure, Credentials, DirectoryUser, PasswordResponse, RawAttribute};
use super::port::{AttemptFinding, SpendPasscode};
use super::prompt::QuestionKind;
use super::push::PushRefusal;
use super::{
    AttemptSource, DatagramRecord, Decision, Engine, Evaluation, Evidence, FieldContents, Gate, LoginRequest,
    PasswordVerifier, PolicyContext, Reason, Step, SubmittedPassword, VerifiedPassword,
};
use crate::config::name_template::{NameTemplate, NameVariable};
use crate::types::{DistinguishedName, Mailbox, Mode, Secret, TokenId, UserName};
use std::collections::HashSet;

#[cfg(test)]
mod tests;

/// What is known of a login before its password was checked by us.
#[derive(Clone, Debug, Default)]
pub struct PreAuthFacts {
    /// What policy may go by.
    pub who: PolicyContext,
    /// Whether unlang exempts the user from the second factor, or requires it; `None` if unlang says nothing.
    pub exempt: Option<bool>,
    /// Whether the login may be remembered.
    pub remember: bool,
    /// Where it comes from as far as remembered logins go, if that is something else than its source.
    pub place: Option<AttemptSource>,
    /// Request attributes for the password backend.
    pub packet: Vec<RawAttribute>,
}

/// What the backend or directory says of a user, kept until the login ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UserAttributes {
    /// Names of the user's groups. `None`: groups are not read.
    pub groups: Option<Vec<String>>,
    /// Reply attributes for the client, sent with an accept.
    pub reply: Vec<(String, String)>,
    /// The same from another RADIUS server.
    pub raw: Vec<RawAttribute>,
    /// The user's name at the push provider. `None`: a variable in the template is missing for this user.
    pub sent_as: Option<String>,
    /// The name under which the user's tokens are stored, if it differs from the login name.
    pub stored_as: Option<UserName>,
    /// Whether a directory says that the person's tokens are under no other name: neither a spelling nor a second name of theirs.
    #[serde(default)]
    pub is_named: bool,
}

impl UserAttributes {
    /// What may be written to disk: no keys.
    pub(super) fn without_keys(&self) -> Self {
        Self { raw: self.raw.iter().filter(|raw| !raw.is_secret()).cloned().collect(), ..self.clone() }
    }

    /// Octets that they hold beside themselves.
    pub(super) fn heap_size(&self) -> usize {
        let names = [self.sent_as.as_deref(), self.stored_as.as_ref().map(UserName::as_str)];
        let groups = self.groups.iter().flatten().map(|name| name.len() + size_of::<String>());
        let reply = self.reply.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let raw = self.raw.iter().map(|raw| raw.value.len() + size_of::<RawAttribute>());
        let names = names.into_iter().flatten().map(str::len);
        groups.chain(reply).chain(raw).chain(names).sum()
    }
}

impl RawAttribute {
    /// Whether it is a key: Tunnel-Password (RFC 2868, section 3.5), or a key for MPPE (RFC 2548, section 2.4).
    pub fn is_secret(&self) -> bool {
        const MICROSOFT: [u8; 4] = [0, 0, 1, 55];
        match (self.kind, self.value.split_first_chunk()) {
            (69, _) => true,
            (26, Some((vendor, rest))) => *vendor == MICROSOFT && matches!(rest.first(), Some(12 | 16 | 17)),
            _ => false,
        }
    }
}

impl Engine {
    /// A login whose password this module verifies. `asked` is the backend's state, if this request answers a
    /// question of the backend.
    pub(super) async fn verify_first_factor(
        &self,
        attempt: LoginRequest,
        name: UserName,
        asked: Option<Vec<u8>>,
    ) -> Step {
        if asked.is_some() {
            // The answer is a password, which could not be checked again.
            let attempt = LoginRequest { datagram: DatagramRecord::Unknown, ..attempt };
            return self.verify_password_alone(attempt, name, asked).await;
        }
        match &attempt.password {
            SubmittedPassword::Plain(password) | SubmittedPassword::Separate { password, .. }
                if !password.is_empty() => {}
            SubmittedPassword::Absent | SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. } => {
                return self.turn_away(&attempt, name, Reason::NoPassword).await.into();
            }
            // No code can be cut off.
            _ if attempt.mode == Mode::Append => {
                return self.turn_away(&attempt, name, Reason::NeedsPap).await.into();
            }
            _ => return self.verify_password_alone(attempt, name, None).await,
        }
        let may_hold_both = attempt.mode == Mode::Append || self.has_answer(&attempt.password);
        let mut attempt = attempt;
        let mut is_exempt = attempt.unchecked.exempt == Some(true);
        if may_hold_both && !is_exempt {
            if self.is_known_by_more() {
                match self.grants_of(&attempt, &name).await {
                    Ok(grants) => attempt.grants = grants,
                    Err(refusal) => return self.record_auth_failure(attempt, name, refusal).await.into(),
                }
            }
            is_exempt = self.find_exemption(&attempt).is_some();
        }
        let stored = self.token_owner(&attempt, &name);
        let holds = match is_exempt {
            true => FieldContents::Password,
            false => self.field_contents(stored.as_str().as_bytes(), attempt.mode, &attempt.password).await,
        };
        match holds {
            FieldContents::Password => {
                let password = attempt.password.clone().without_answer();
                self.verify_password_alone(LoginRequest { password, ..attempt }, name, None).await
            }
            FieldContents::Both | FieldContents::Answer => {
                self.verify_appended_passcode(attempt, name, stored).await
            }
        }
    }

    /// All of it is the password; the second factor comes next, if one is needed.
    async fn verify_password_alone(
        &self,
        attempt: LoginRequest,
        name: UserName,
        asked: Option<Vec<u8>>,
    ) -> Step {
        if let Some(reason) = self.check_gate(&attempt, &name).await {
            return self.turn_away(&attempt, name, reason).await.into();
        }
        let is_answer = asked.is_some();
        let person = match self.ask_backend(&attempt, &name, attempt.password.clone(), asked).await {
            Ok(PasswordResponse::Person(person)) => person,
            Ok(PasswordResponse::Asks { text, state }) => {
                return self.relay_question(&attempt, name, text, state).await.into();
            }
            Err(refusal) => return self.record_auth_failure(attempt, name, refusal).await.into(),
        };
        let proof = match &attempt.password {
            SubmittedPassword::Plain(password) if attempt.unchecked.remember && !is_answer => {
                Some(VerifiedPassword::Password(password.clone()))
            }
            _ => None,
        };
        let grants = match self.user_attributes(&name, &person) {
            Ok(grants) => grants,
            Err(denied) => return self.record_auth_failure(attempt, name, denied).await.into(),
        };
        let attempt = LoginRequest { proof, grants: Some(grants), ..attempt };
        let stored = self.token_owner(&attempt, &name);
        if let Some(by) = self.find_exemption(&attempt) {
            return self
                .commit_exemption(&attempt.with_verified_password(PasswordVerifier::Module), Some(stored), by)
                .await
                .into();
        }
        self.verify_second_factor(attempt.with_verified_password(PasswordVerifier::Module), stored, None)
            .await
    }

    /// An answer stands behind the password: it comes first.
    async fn verify_appended_passcode(
        &self,
        attempt: LoginRequest,
        name: UserName,
        stored: UserName,
    ) -> Step {
        if let Some(decision) = self.recall_login(&attempt, &name, &stored).await {
            return decision.into();
        }
        // Nothing that was remembered stands for a password that is still to be asked about.
        let mut weighed = self.evaluate(LoginRequest { proof: None, ..attempt.clone() }, &stored, None).await;
        let (password, spends) = match &mut weighed {
            Evaluation::Begun(Step::Ask(undecided)) => (undecided.password.take(), None),
            Evaluation::Checked { checked, .. } => match checked.finding {
                AttemptFinding::Right { token, spend, .. } => (checked.password.take(), Some((token, spend))),
                AttemptFinding::Repeated { .. } => (checked.password.take(), None),
                _ => return self.finish_evaluation(weighed, stored).await,
            },
            Evaluation::Begun(Step::Decided(_)) => return self.finish_evaluation(weighed, stored).await,
        };
        if let Some(reason) = self.check_gate(&attempt, &name).await {
            return self.turn_away(&attempt, name, reason).await.into();
        }
        let Some(password) = password else {
            return self.turn_away(&attempt, name, Reason::NoPassword).await.into();
        };
        let held = spends.map(|(token, spend)| self.held.reserve(token, spend));
        if let Some(None) = held {
            return self.turn_away(&attempt, name, Reason::SpentCode).await.into();
        }
        let proof = Some(VerifiedPassword::Password(password.clone())).filter(|_| attempt.unchecked.remember);
        match self.evaluate_appended_passcode(&attempt, &name, &stored, password).await {
            Ok(grants) => {
                let proof = self.remembered_login_digest(&LoginRequest { proof, ..attempt.clone() }, &stored);
                let attempt = match &mut weighed {
                    Evaluation::Begun(Step::Ask(undecided)) => Some(&mut undecided.attempt),
                    Evaluation::Checked { attempt, .. } => Some(&mut **attempt),
                    Evaluation::Begun(Step::Decided(_)) => None,
                };
                if let Some(attempt) = attempt {
                    attempt.password_status = attempt.password_status.into_verified();
                    attempt.grants = Some(grants);
                    attempt.proof = proof;
                }
                self.finish_evaluation(weighed, stored).await
            }
            Err(refused) => {
                self.record_auth_failure(attempt, name, PasswordRefusal { spends, ..refused }).await.into()
            }
        }
    }

    /// What is known of the user whose password stands before a right answer.
    pub(super) async fn evaluate_appended_passcode(
        &self,
        attempt: &LoginRequest,
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
        attempt: &LoginRequest,
        name: &UserName,
        password: SubmittedPassword,
        state: Option<Vec<u8>>,
    ) -> Result<PasswordResponse, PasswordRefusal> {
        let tag = Some(self.passcode_tag(&password));
        let Some(authority) = &self.authority else {
            let denied: AuthFailure =
                super::directory::BackendUnavailable("nobody is there who knows passwords".to_owned()).into();
            return Err(PasswordRefusal { tag, ..denied.into() });
        };
        let packet = attempt.unchecked.packet.clone();
        let client = attempt.source.client.clone();
        let claim =
            Credentials { user: name.clone(), typed: attempt.user.clone(), client, password, packet, state };
        authority.verify_password(claim).await.map_err(|denied| PasswordRefusal { tag, ..denied.into() })
    }

    /// Whether the attempt counts now: a user who is locked here is not tried at a backend.
    pub(super) async fn check_gate(&self, attempt: &LoginRequest, name: &UserName) -> Option<Reason> {
        let stored = self.token_owner(attempt, name);
        let (limits, standing) = (self.config.lockout, attempt.password_proof(false));
        match self.store.check_gate(&stored, &attempt.source, limits, standing, attempt.at).await {
            Ok(Gate::Open) => None,
            Ok(Gate::Locked) => Some(Reason::Locked),
            Ok(Gate::Slowed) => Some(Reason::Slowed),
            Err(_unavailable) => Some(Reason::Unavailable),
        }
    }

    pub(super) async fn turn_away(&self, attempt: &LoginRequest, name: UserName, reason: Reason) -> Decision {
        let stored = self.token_owner(attempt, &name);
        self.commit(attempt, Some(stored), None, AttemptFinding::Refused(reason).into()).await
    }

    /// Records the refusal of the password backend.
    pub(super) async fn record_auth_failure(
        &self,
        attempt: LoginRequest,
        name: UserName,
        refused: impl Into<PasswordRefusal>,
    ) -> Decision {
        let PasswordRefusal { denied, tag, spends } = refused.into();
        let (reason, detail) = match &denied {
            AuthFailure::Wrong => (Reason::WrongPassword, None),
            AuthFailure::Unknown => (Reason::UnknownToDirectory, None),
            AuthFailure::Expired => (Reason::PasswordExpired, None),
            AuthFailure::MustChange => (Reason::MustChangePassword, None),
            AuthFailure::Disabled => (Reason::AccountDisabled, None),
            AuthFailure::Restricted => (Reason::LogonRestricted, None),
            AuthFailure::Locked => (Reason::AccountLocked, None),
            AuthFailure::NotMember => (Reason::NotMember, None),
            AuthFailure::NeedsPap => (Reason::NeedsPap, None),
            AuthFailure::Ambiguous | AuthFailure::Blocked(_) => (Reason::Blocked, Some(denied.to_string())),
            AuthFailure::Unavailable(why) => (Reason::DirectoryUnavailable, Some(why.to_string())),
        };
        let finding = match (reason, tag) {
            (Reason::WrongPassword | Reason::UnknownToDirectory, Some(tag)) => {
                AttemptFinding::WrongPassword { tag, reason }
            }
            _ => AttemptFinding::Refused(reason),
        };
        let known = attempt.password_status;
        let password_status = if denied.proves_password() { known.into_verified() } else { known };
        let attempt = LoginRequest { password_status, ..attempt };
        let stored = self.token_owner(&attempt, &name);
        let known = self.store.find_account(&stored).await.ok().flatten();
        // A passcode buys one try of a password. If the backend could not be asked, no password was tried.
        let spends = spends.filter(|_| reason != Reason::DirectoryUnavailable);
        let checked = Evidence { spends, ..finding.into() };
        let decision = self.commit(&attempt, Some(stored), known, checked).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// Relays the backend's question to the user.
    async fn relay_question(
        &self,
        attempt: &LoginRequest,
        name: UserName,
        text: Vec<String>,
        state: Vec<u8>,
    ) -> Decision {
        let follow = self.follow_relayed(attempt, QuestionKind::Relayed { text }, state);
        let reason = if follow.is_some() { Reason::Challenged } else { Reason::NeedsChallenge };
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
    fn find_exemption(&self, attempt: &LoginRequest) -> Option<Option<String>> {
        match attempt.unchecked.exempt {
            Some(true) => return Some(None),
            Some(false) => return None,
            None => {}
        }
        let groups = attempt.grants.as_ref().and_then(|grants| grants.groups.clone());
        let mut who = attempt.unchecked.who.clone();
        who.groups = match (who.groups, groups) {
            (Some(mut set), Some(read)) => {
                set.extend(read);
                Some(set)
            }
            (set, read) => set.or(read),
        };
        let exemption = self.config.policy.find_exemption(&who, attempt.at)?;
        Some(Some(exemption.as_str().to_owned()))
    }

    /// Whether the name alone does not determine the token owner or an exemption: the directory is then asked first.
    fn is_known_by_more(&self) -> bool {
        !self.config.stored_as.needs_only_the_name() || self.config.policy.goes_by_groups()
    }

    /// The name under which the tokens are stored, as far as it is known.
    pub(super) fn token_owner(&self, attempt: &LoginRequest, name: &UserName) -> UserName {
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
        attempt: &LoginRequest,
        name: &UserName,
    ) -> Result<Option<UserAttributes>, PasswordRefusal> {
        let Some(directory) = &self.directory else { return Ok(None) };
        match directory.find_user(name, &attempt.user).await {
            Ok(Some(person)) => Ok(Some(self.user_attributes(name, &person)?)),
            Ok(None) => Ok(None),
            Err(why) => Err(AuthFailure::from(why).into()),
        }
    }

    /// Whether an external service is asked about the user before the field is read.
    pub fn asks_about(&self, attempt: &LoginRequest) -> bool {
        attempt.password_status.is_ours_to_check() || self.asks_who_they_are()
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
    pub(super) fn sent_as(&self, attempt: &LoginRequest, name: &UserName) -> Result<String, PushRefusal> {
        let template = &self.config.push.username;
        // The login name, whatever name the tokens are stored under.
        let own = UserName::parse(&attempt.user, &self.config.names);
        let own = own.as_ref().unwrap_or(name);
        let plain = |gap: &NameVariable| (*gap == NameVariable::User).then(|| own.to_string());
        let known = attempt.grants.as_ref().map(|grants| grants.sent_as.clone());
        match known {
            Some(Some(sent_as)) => Ok(sent_as),
            Some(None) | None => template.fill_template(&plain).map_err(|gap| PushRefusal {
                reason: Reason::UnknownToProvider,
                detail: Some(format!("the directory has no {} of him: username of push {{ }}", gap.as_str())),
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
    AuthFailure::Blocked(format!("the directory has no {} of him, which {option} needs", gap.as_str()))
}
