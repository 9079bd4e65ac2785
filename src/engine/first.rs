//! The first factor, where this module has it checked: by a directory, by Entra ID, by another RADIUS server, or in the store.
//!
//! A code that stands behind the password is verified first: who has no token cannot lock an account of the directory. Then the
//! password is asked about, while nobody else can use the code; what is said of it decides, in the one write that spends the
//! code. What is said of the user goes along with the login: his [`Grants`].

use super::ask::Refusal;
use super::directory::{Claim, Denied, Person, Raw, Vouched};
use super::port::{Finding, Spend};
use super::prompt::Asks;
use super::{
    Attempt, Begun, Checked, Datagram, Decision, Engine, Gate, Holds, Password, PasswordVerifier, Proof,
    Reason, Source, Weighed, Who,
};
use crate::config::naming::{NameTemplate, NameVariable};
use crate::types::{Dn, Mailbox, Mode, Secret, TokenId, UserName};
use std::collections::HashSet;

#[cfg(test)]
mod tests;

/// What is known of a login before its password was checked by us.
#[derive(Clone, Debug, Default)]
pub struct Unchecked {
    /// What policy may go by.
    pub who: Who,
    /// Whether unlang says that he needs no second factor, or that he does; none if it says nothing.
    pub exempt: Option<bool>,
    /// Whether the login may be remembered.
    pub remember: bool,
    /// Where it comes from as far as remembered logins go, if that is something else than its source.
    pub place: Option<Source>,
    /// What the client said, as far as whoever checks the password is to be told.
    pub packet: Vec<Raw>,
}

/// What is said of a user by whoever knows him, kept until his login has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grants {
    /// The names of his groups. None: they are not read.
    pub groups: Option<Vec<String>>,
    /// What his client is told, by the name of the attribute, if he is let in.
    pub reply: Vec<(String, String)>,
    /// The same from another RADIUS server.
    pub raw: Vec<Raw>,
    /// By which name the provider knows him. None: what would be in it is not known of him.
    pub sent_as: Option<String>,
    /// Under which name his tokens are found, if not under the one he has logged in with.
    pub stored_as: Option<UserName>,
    /// Whether a directory says that the person's tokens are under no other name: neither a spelling nor a second name of theirs.
    #[serde(default)]
    pub is_named: bool,
}

impl Grants {
    /// What may be written to disk: no keys.
    pub(super) fn kept(&self) -> Self {
        Self { raw: self.raw.iter().filter(|raw| !raw.is_secret()).cloned().collect(), ..self.clone() }
    }

    /// Octets that they hold beside themselves.
    pub(super) fn heap_size(&self) -> usize {
        let names = [self.sent_as.as_deref(), self.stored_as.as_ref().map(UserName::as_str)];
        let groups = self.groups.iter().flatten().map(|name| name.len() + size_of::<String>());
        let reply = self.reply.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let raw = self.raw.iter().map(|raw| raw.value.len() + size_of::<Raw>());
        let names = names.into_iter().flatten().map(str::len);
        groups.chain(reply).chain(raw).chain(names).sum()
    }
}

impl Raw {
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
    /// A login whose password is ours to have checked. `asked` is what whoever checks it has given with a question of his own,
    /// which this attempt answers.
    pub(super) async fn first(&self, attempt: Attempt, name: UserName, asked: Option<Vec<u8>>) -> Begun {
        if asked.is_some() {
            // The answer is a password, which could not be checked again.
            let attempt = Attempt { datagram: Datagram::Unknown, ..attempt };
            return self.password(attempt, name, asked).await;
        }
        match &attempt.password {
            Password::Plain(password) | Password::Separate { password, .. } if !password.is_empty() => {}
            Password::Absent | Password::Plain(_) | Password::Separate { .. } => {
                return self.turn_away(&attempt, name, Reason::NoPassword).await.into();
            }
            // No code can be cut off.
            _ if attempt.mode == Mode::Append => {
                return self.turn_away(&attempt, name, Reason::NeedsPap).await.into();
            }
            _ => return self.password(attempt, name, None).await,
        }
        let may_hold_both = attempt.mode == Mode::Append || self.has_answer(&attempt.password);
        let mut attempt = attempt;
        let mut is_exempt = attempt.unchecked.exempt == Some(true);
        if may_hold_both && !is_exempt {
            if self.is_known_by_more() {
                match self.grants_of(&attempt, &name).await {
                    Ok(grants) => attempt.grants = grants,
                    Err(refusal) => return self.denied(attempt, name, refusal).await.into(),
                }
            }
            is_exempt = self.exemption(&attempt).is_some();
        }
        let stored = self.stored(&attempt, &name);
        let holds = match is_exempt {
            true => Holds::Password,
            false => self.holds(stored.as_str().as_bytes(), attempt.mode, &attempt.password).await,
        };
        match holds {
            Holds::Password => {
                let password = attempt.password.clone().without_answer();
                self.password(Attempt { password, ..attempt }, name, None).await
            }
            Holds::Both | Holds::Answer => self.both(attempt, name, stored).await,
        }
    }

    /// All of it is the password; the second factor comes next, if one is needed.
    async fn password(&self, attempt: Attempt, name: UserName, asked: Option<Vec<u8>>) -> Begun {
        if let Some(reason) = self.closed(&attempt, &name).await {
            return self.turn_away(&attempt, name, reason).await.into();
        }
        let is_answer = asked.is_some();
        let person = match self.vouch(&attempt, &name, attempt.password.clone(), asked).await {
            Ok(Vouched::Person(person)) => person,
            Ok(Vouched::Asks { text, state }) => return self.relay(&attempt, name, text, state).await.into(),
            Err(refusal) => return self.denied(attempt, name, refusal).await.into(),
        };
        let proof = match &attempt.password {
            Password::Plain(password) if attempt.unchecked.remember && !is_answer => {
                Some(Proof::Password(password.clone()))
            }
            _ => None,
        };
        let grants = match self.grants(&name, &person) {
            Ok(grants) => grants,
            Err(denied) => return self.denied(attempt, name, denied).await.into(),
        };
        let attempt = Attempt { proof, grants: Some(grants), ..attempt };
        let stored = self.stored(&attempt, &name);
        if let Some(by) = self.exemption(&attempt) {
            return self.exempted(&attempt.verified(PasswordVerifier::Module), Some(stored), by).await.into();
        }
        self.second(attempt.verified(PasswordVerifier::Module), stored, None).await
    }

    /// An answer stands behind the password: it comes first.
    async fn both(&self, attempt: Attempt, name: UserName, stored: UserName) -> Begun {
        if let Some(decision) = self.recall(&attempt, &name, &stored).await {
            return decision.into();
        }
        // Nothing that was remembered stands for a password that is still to be asked about.
        let mut weighed = self.weigh(Attempt { proof: None, ..attempt.clone() }, &stored, None).await;
        let (password, spends) = match &mut weighed {
            Weighed::Begun(Begun::Ask(undecided)) => (undecided.password.take(), None),
            Weighed::Checked { checked, .. } => match checked.finding {
                Finding::Right { token, spend, .. } => (checked.password.take(), Some((token, spend))),
                Finding::Repeated { .. } => (checked.password.take(), None),
                _ => return self.end(weighed, stored).await,
            },
            Weighed::Begun(Begun::Decided(_)) => return self.end(weighed, stored).await,
        };
        if let Some(reason) = self.closed(&attempt, &name).await {
            return self.turn_away(&attempt, name, reason).await.into();
        }
        let Some(password) = password else {
            return self.turn_away(&attempt, name, Reason::NoPassword).await.into();
        };
        let held = spends.map(|(token, spend)| self.held.take(token, spend));
        if let Some(None) = held {
            return self.turn_away(&attempt, name, Reason::SpentCode).await.into();
        }
        let proof = Some(Proof::Password(password.clone())).filter(|_| attempt.unchecked.remember);
        match self.behind(&attempt, &name, &stored, password).await {
            Ok(grants) => {
                let proof = self.mark(&Attempt { proof, ..attempt.clone() }, &stored);
                let attempt = match &mut weighed {
                    Weighed::Begun(Begun::Ask(undecided)) => Some(&mut undecided.attempt),
                    Weighed::Checked { attempt, .. } => Some(&mut **attempt),
                    Weighed::Begun(Begun::Decided(_)) => None,
                };
                if let Some(attempt) = attempt {
                    attempt.password_status = attempt.password_status.verified();
                    attempt.grants = Some(grants);
                    attempt.proof = proof;
                }
                self.end(weighed, stored).await
            }
            Err(refused) => self.denied(attempt, name, Refused { spends, ..refused }).await.into(),
        }
    }

    /// What is known of the user whose password stands before a right answer.
    pub(super) async fn behind(
        &self,
        attempt: &Attempt,
        name: &UserName,
        stored: &UserName,
        password: Secret,
    ) -> Result<Grants, Refused> {
        let blocked = |why: &str| Err(Denied::Blocked(why.to_owned()).into());
        match self.vouch(attempt, name, Password::Plain(password), None).await? {
            Vouched::Person(person) => {
                let grants = self.grants(name, &person)?;
                // Whose password it is, his is the code.
                match grants.stored_as.as_ref().unwrap_or(name) == stored {
                    true => Ok(grants),
                    false => {
                        blocked("the code was one of another stored_as of username { } than the password")
                    }
                }
            }
            Vouched::Asks { .. } => blocked("asks a question, for which there is no room beside a code"),
        }
    }

    /// Asks whoever knows passwords.
    async fn vouch(
        &self,
        attempt: &Attempt,
        name: &UserName,
        password: Password,
        state: Option<Vec<u8>>,
    ) -> Result<Vouched, Refused> {
        let tag = Some(self.tag(&password));
        let Some(authority) = &self.authority else {
            let denied: Denied =
                super::directory::Unavailable("nobody is there who knows passwords".to_owned()).into();
            return Err(Refused { tag, ..denied.into() });
        };
        let packet = attempt.unchecked.packet.clone();
        let client = attempt.source.client.clone();
        let claim =
            Claim { user: name.clone(), typed: attempt.user.clone(), client, password, packet, state };
        authority.authenticate(claim).await.map_err(|denied| Refused { tag, ..denied.into() })
    }

    /// Whether his attempts count at all now: nobody is tried out elsewhere who is locked here.
    pub(super) async fn closed(&self, attempt: &Attempt, name: &UserName) -> Option<Reason> {
        let stored = self.stored(attempt, name);
        let (limits, standing) = (self.config.lockout, attempt.standing(false));
        match self.store.gate(&stored, &attempt.source, limits, standing, attempt.at).await {
            Ok(Gate::Open) => None,
            Ok(Gate::Locked) => Some(Reason::Locked),
            Ok(Gate::Slowed) => Some(Reason::Slowed),
            Err(_unavailable) => Some(Reason::Unavailable),
        }
    }

    pub(super) async fn turn_away(&self, attempt: &Attempt, name: UserName, reason: Reason) -> Decision {
        let stored = self.stored(attempt, &name);
        self.settle(attempt, Some(stored), None, Finding::Refused(reason).into()).await
    }

    /// Records what whoever knows passwords has against him.
    pub(super) async fn denied(
        &self,
        attempt: Attempt,
        name: UserName,
        refused: impl Into<Refused>,
    ) -> Decision {
        let Refused { denied, tag, spends } = refused.into();
        let (reason, detail) = match &denied {
            Denied::Wrong => (Reason::WrongPassword, None),
            Denied::Unknown => (Reason::UnknownToDirectory, None),
            Denied::Expired => (Reason::PasswordExpired, None),
            Denied::MustChange => (Reason::MustChangePassword, None),
            Denied::Disabled => (Reason::AccountDisabled, None),
            Denied::Restricted => (Reason::LogonRestricted, None),
            Denied::Locked => (Reason::AccountLocked, None),
            Denied::NotMember => (Reason::NotMember, None),
            Denied::NeedsPap => (Reason::NeedsPap, None),
            Denied::Ambiguous | Denied::Blocked(_) => (Reason::Blocked, Some(denied.to_string())),
            Denied::Unavailable(why) => (Reason::DirectoryUnavailable, Some(why.to_string())),
        };
        let finding = match (reason, tag) {
            (Reason::WrongPassword | Reason::UnknownToDirectory, Some(tag)) => {
                Finding::WrongPassword { tag, reason }
            }
            _ => Finding::Refused(reason),
        };
        let known = attempt.password_status;
        let password_status = if denied.proves_password() { known.verified() } else { known };
        let attempt = Attempt { password_status, ..attempt };
        let stored = self.stored(&attempt, &name);
        let known = self.store.find(&stored).await.ok().flatten();
        // Who has nothing but a code tries one password with it. Where nobody could be asked, none was tried.
        let spends = spends.filter(|_| reason != Reason::DirectoryUnavailable);
        let checked = Checked { spends, ..finding.into() };
        let decision = self.settle(&attempt, Some(stored), known, checked).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// Puts somebody else's question to him.
    async fn relay(&self, attempt: &Attempt, name: UserName, text: Vec<String>, state: Vec<u8>) -> Decision {
        let follow = self.follow_relayed(attempt, Asks::Relayed { text }, state);
        let reason = if follow.is_some() { Reason::Challenged } else { Reason::NeedsChallenge };
        let stored = self.stored(attempt, &name);
        self.settle(attempt, Some(stored), None, Checked { follow, ..Finding::Refused(reason).into() }).await
    }

    /// Whether he needs no second factor: by unlang, or by policy and what is known of him.
    fn exemption(&self, attempt: &Attempt) -> Option<Option<String>> {
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
        let exemption = self.config.policy.exempts(&who, attempt.at)?;
        Some(Some(exemption.as_str().to_owned()))
    }

    /// Whether a name alone does not say whose login it is, or whether he needs a code: then the directory is asked first.
    fn is_known_by_more(&self) -> bool {
        !self.config.stored_as.needs_only_the_name() || self.config.policy.goes_by_groups()
    }

    /// The name under which his tokens are, as far as that is known.
    pub(super) fn stored(&self, attempt: &Attempt, name: &UserName) -> UserName {
        let stored = attempt.grants.as_ref().and_then(|grants| grants.stored_as.clone());
        stored.or_else(|| self.stored_by_name(name)).unwrap_or_else(|| name.clone())
    }

    /// Under which name the tokens are of whoever logs in with this one; as it was typed, if that is no name.
    pub fn stored_as(&self, typed: &[u8], grants: Option<&Grants>) -> UserName {
        let name = UserName::parse(typed, &self.config.names);
        let name = name.unwrap_or_else(|_| UserName::from_canonical(String::from_utf8_lossy(typed)));
        let stored = grants.and_then(|grants| grants.stored_as.clone());
        stored.or_else(|| self.stored_by_name(&name)).unwrap_or(name)
    }

    /// The same, where nobody has to be asked for it.
    fn stored_by_name(&self, name: &UserName) -> Option<UserName> {
        let template = &self.config.stored_as;
        if *template == NameTemplate::default() {
            return None;
        }
        let filled = template
            .fill(&|gap: &NameVariable| (*gap == NameVariable::User).then(|| name.to_string()))
            .ok()?;
        UserName::parse(filled.as_bytes(), &self.config.names).ok()
    }

    /// What is said of a user whose password is not ours to have checked. None where nobody is asked, or he is not known.
    pub(super) async fn grants_of(
        &self,
        attempt: &Attempt,
        name: &UserName,
    ) -> Result<Option<Grants>, Refused> {
        let Some(directory) = &self.directory else { return Ok(None) };
        match directory.find(name, &attempt.user).await {
            Ok(Some(person)) => Ok(Some(self.grants(name, &person)?)),
            Ok(None) => Ok(None),
            Err(why) => Err(Denied::from(why).into()),
        }
    }

    /// Whether somebody outside is asked about the user before it is known what he presents.
    pub fn asks_about(&self, attempt: &Attempt) -> bool {
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

    /// What comes with a login of this person, if he is let in.
    ///
    /// # Errors
    ///
    /// What his tokens are stored as cannot be made of what is known of him.
    pub fn grants(&self, name: &UserName, person: &Person) -> Result<Grants, Denied> {
        let groups: Option<Vec<String>> = person.groups.as_ref().map(|groups| {
            let mut seen = HashSet::new();
            groups.iter().map(Dn::name).filter(|name| seen.insert(*name)).map(str::to_owned).collect()
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
        let reply = told.filter_map(|(name, text)| Some((name.clone(), text.fill(&value).ok()?))).collect();
        let stored_as = match &self.config.stored_as {
            template if *template == NameTemplate::default() => None,
            template => {
                let filled = template.fill(&value).map_err(|gap| lacks("stored_as", gap))?;
                let parsed = UserName::parse(filled.as_bytes(), &self.config.names);
                Some(parsed.map_err(|bad| Denied::Blocked(format!("stored_as of username {{ }}: {bad}")))?)
            }
        };
        let sent_as = self.config.push.username.fill(&value).ok();
        // What does not depend on the name that was typed is the same for all names of a person.
        let is_one =
            person.dn.is_some() && self.config.stored_as.gaps().all(|gap| *gap != NameVariable::User);
        let (raw, is_named) = (person.reply.clone(), person.is_named || is_one);
        Ok(Grants { groups, reply, raw, sent_as, stored_as, is_named })
    }

    /// The name by which the provider knows him.
    pub(super) fn sent_as(&self, attempt: &Attempt, name: &UserName) -> Result<String, Refusal> {
        let template = &self.config.push.username;
        // The one he has logged in with, whatever his tokens are under.
        let own = UserName::parse(&attempt.user, &self.config.names);
        let own = own.as_ref().unwrap_or(name);
        let plain = |gap: &NameVariable| (*gap == NameVariable::User).then(|| own.to_string());
        let known = attempt.grants.as_ref().map(|grants| grants.sent_as.clone());
        match known {
            Some(Some(sent_as)) => Ok(sent_as),
            Some(None) | None => template.fill(&plain).map_err(|gap| Refusal {
                reason: Reason::UnknownToProvider,
                detail: Some(format!("the directory has no {} of him: username of push {{ }}", gap.as_str())),
            }),
        }
    }
}

/// What whoever knows passwords has against him.
pub(super) struct Refused {
    denied: Denied,
    /// A digest of what was presented, if that was asked about.
    tag: Option<super::Tag>,
    /// The right code that stood behind it.
    spends: Option<(TokenId, Spend)>,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self { denied, tag: None, spends: None }
    }
}

fn lacks(option: &str, gap: &NameVariable) -> Denied {
    Denied::Blocked(format!("the directory has no {} of him, which {option} needs", gap.as_str()))
}
