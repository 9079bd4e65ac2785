//! Turns the engine's decision into text for the user: in their language, in the form that their client shows.
//!
//! Names of devices and the like are untrusted: control characters are removed, and HTML is escaped.

mod ascii;
mod page;
#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::config::profile::{
    ChallengeSupport, ClientProfile, PromptEcho, PromptEnding, PromptFormat, RejectTextSupport,
};
use crate::config::texts::{LanguageTexts, TextKey, TextVariable, Texts};
use crate::engine::prompt::{Question, QuestionKind, QuestionOption};
use crate::engine::{Decision, Outcome, Reason, RefusalReason};
use crate::types::{Factor, Secret, is_invisible};
use page::ClientPage;
use std::time::Duration;
use unicode_segmentation::UnicodeSegmentation;

/// Maximum length of an untrusted name, in characters.
const LONGEST_NAME: usize = 60;

/// The texts of an instance, by language and client profile.
#[derive(Clone, Debug)]
pub struct ClientTexts {
    texts: Texts,
    /// For clients without a profile or language of their own.
    voice: ClientVoice,
}

/// Language, format and abilities of one client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientVoice {
    language: LanguageTexts,
    profile: &'static ClientProfile,
    format: PromptFormat,
    is_explained: bool,
    domain: Option<String>,
    /// Display name of the client.
    client: Option<String>,
    /// Whether a refusal is shown in a last challenge, since the client does not show it in a reject.
    has_last_challenge: bool,
}

/// Contents of a message with a code.
#[derive(Clone, Copy, Debug)]
pub struct CodeMessage<'a> {
    /// [`Factor::Sms`] or [`Factor::Email`].
    pub factor: Factor,
    /// The code to show.
    pub code: &'a Secret,
    /// What the user logs in to, unless the voice knows a name for it.
    pub client: &'a str,
    /// The user's name.
    pub user: &'a str,
    /// For how long it is valid.
    pub life: Duration,
}

impl ClientTexts {
    /// Those of an instance. A language that is not there is English; [`Config`] and texts have been checked before.
    pub fn new(config: &Config, texts: Texts) -> Self {
        let voice = ClientVoice {
            language: texts.language_texts(&config.client.language).unwrap_or_else(|| texts.english_texts()),
            profile: config.client.profile,
            format: config.client.format.unwrap_or(config.client.profile.format),
            is_explained: config.client.explain == crate::config::ExplainRefusals::Yes,
            domain: config.client.autofill_domain.clone(),
            client: None,
            has_last_challenge: config.client.profile.rejects == RejectTextSupport::NotShown,
        };
        Self { texts, voice }
    }

    /// How a client is addressed: `profiles` and `languages` are the values set for it, of which the first known one
    /// counts, and the instance's if there is none. A profile that was set for a client brings its own format.
    pub fn voice_for<'a>(
        &self,
        profiles: impl IntoIterator<Item = &'a str>,
        languages: impl IntoIterator<Item = &'a str>,
    ) -> ClientVoice {
        let mut voice = self.voice.clone();
        if let Some(profile) = profiles.into_iter().find_map(ClientProfile::find_profile) {
            (voice.profile, voice.format) = (profile, profile.format);
            voice.has_last_challenge = profile.rejects == RejectTextSupport::NotShown;
        }
        if let Some(language) = languages.into_iter().find_map(|name| self.texts.language_texts(name)) {
            voice.language = language;
        }
        voice
    }
}

#[cfg(test)]
impl ClientVoice {
    /// English, for an unknown client.
    pub(crate) fn default_voice() -> Self {
        ClientTexts::new(&Config::default(), Texts::built_in().unwrap()).voice_for([], [])
    }
}

impl ClientVoice {
    /// The same, for a client that users know by this name rather than by its address.
    pub fn with_client_name(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }

    /// The same where a challenge cannot take the place of a reject: in an EAP conversation, which has to end.
    pub fn without_last_challenge(self) -> Self {
        Self { has_last_challenge: false, ..self }
    }

    /// Whether the client shows challenges at all.
    pub fn shows_challenges(&self) -> ChallengeSupport {
        self.profile.challenges
    }

    /// Whether it shows the answer as it is typed.
    pub fn prompt_echo(&self) -> PromptEcho {
        self.profile.echo
    }

    /// How long a login may wait at this client; `limit` is the value set for the login, if any.
    pub fn wait_limit(&self, set: Option<Duration>) -> Option<Duration> {
        set.into_iter().chain(self.profile.wait).min()
    }

    /// The client's profile.
    pub fn profile_name(&self) -> &'static ClientProfile {
        self.profile
    }

    /// The format in which the client shows a text.
    pub fn format(&self) -> PromptFormat {
        self.format
    }

    /// The values of Reply-Message that ask, each of at most 253 octets. The list of all ways if that fits, else what can be typed
    /// in one line.
    pub fn prompt_lines(&self, prompt: &Question) -> Vec<String> {
        if let QuestionKind::Enroll { link, to } = &prompt.asks {
            return match (link, to) {
                (None, Some(to)) => self.enrol_sent(to),
                (link, _) => self.enrolment_lines(link.as_deref()),
            };
        }
        if let QuestionKind::Relayed { text } = &prompt.asks {
            let lines: Vec<_> = text.iter().map(|line| visible_text(line)).collect();
            return ClientPage::for_profile(self.profile, self.format).cut_lines(&lines);
        }
        let because = prompt.because.filter(|_| self.is_explained);
        let because = because.and_then(|reason| match reason {
            // The user can still log in by answering the question.
            RefusalReason::ProviderUnavailable => Some(self.fill_text(TextKey::ProviderUnavailable, &[])),
            reason => self.reason_text(reason, prompt.left, None),
        });
        let page = ClientPage::for_profile(self.profile, self.format);
        let mut tried = Vec::new();
        match &prompt.asks {
            QuestionKind::Factor { ways, passcode } if !ways.is_empty() => {
                let offered = OfferedOptions { ways, passcode: *passcode };
                if self.format != PromptFormat::Short {
                    tried.push(self.list(&offered, because.as_deref()));
                }
                let [all, kinds] = self.compact_options(&offered);
                tried.push(prefixed(because.as_deref(), all.clone()));
                tried.push(vec![all]);
                tried.push(vec![kinds]);
            }
            other => {
                let question = self.question_text(&match other {
                    QuestionKind::Code { to, .. } if to.is_empty() => self.fill_text(TextKey::CodePlain, &[]),
                    QuestionKind::Code { to, .. } => {
                        self.fill_text(TextKey::Code, &[(TextVariable::To, &clean_text(to))])
                    }
                    QuestionKind::Approval { number } if number.is_empty() => {
                        self.fill_text(TextKey::Approve, &[])
                    }
                    QuestionKind::Approval { number } => {
                        self.fill_text(TextKey::ApproveNumber, &[(TextVariable::Number, &clean_text(number))])
                    }
                    QuestionKind::Passcode
                    | QuestionKind::Factor { .. }
                    | QuestionKind::Enroll { .. }
                    | QuestionKind::Relayed { .. } => self.fill_text(TextKey::Passcode, &[]),
                });
                tried.push(prefixed(because.as_deref(), question.clone()));
                tried.push(vec![question]);
                if let QuestionKind::Code { .. } = other {
                    tried.push(vec![self.question_text(&self.fill_text(TextKey::CodePlain, &[]))]);
                }
            }
        }
        let cut = tried.last().map(|shortest| page.cut_lines(shortest));
        tried.iter().find_map(|lines| page.fit_lines(lines)).or(cut).unwrap_or_default()
    }

    /// Adds the texts to a decision, if they are missing: the question, the text of a provider or backend, or why the
    /// user is refused. Where the client would not show the latter, it is told in a last challenge, if there may be
    /// one.
    pub fn add_texts(&self, decision: Decision) -> Decision {
        if !decision.message.is_empty() {
            return decision;
        }
        if let Some(question) = decision.question() {
            let (message, echo) = (self.prompt_lines(question), self.prompt_echo());
            return Decision { message, echo, ..without_last_challenge(decision) };
        }
        let Outcome::Refuse(refused) = &decision.outcome else { return decision };
        // The next step is always shown, a provider's reason only if reasons are shown.
        let is_quoted = self.is_explained || refused.reason == RefusalReason::EnrollAtProvider;
        let quote = refused.quote.as_ref().filter(|_| is_quoted);
        let said = match quote {
            Some(quote) => Some(visible_text(quote)).filter(|quote| !quote.is_empty()),
            None => self.refusal_text(&decision),
        };
        match said.filter(|_| self.has_last_challenge && decision.last_state().is_some()) {
            Some(why) => {
                Decision { message: self.last_challenge(&why), echo: self.prompt_echo(), ..decision }
            }
            None => {
                let message = match quote {
                    Some(quote) => self.quoted_lines(quote),
                    None => self.refusal_lines(&decision),
                };
                Decision { message, ..without_last_challenge(decision) }
            }
        }
    }

    /// Why the login is refused, and that there is nothing to answer.
    fn last_challenge(&self, why: &str) -> Vec<String> {
        let page = ClientPage::for_profile(self.profile, self.format);
        let told = match self.fill_text(TextKey::LastChallenge, &[]) {
            end if end.is_empty() => self.question_text(why),
            end => format!("{why}\n{}", self.question_text(&end)),
        };
        page.fit_lines(&split_lines(&told)).unwrap_or_else(|| page.cut_lines(&split_lines(why)))
    }

    /// The values of Reply-Message of a refusal, or none: the one text of all, unless who is refused knows the password and may
    /// read why.
    fn refusal_lines(&self, decision: &Decision) -> Vec<String> {
        if decision.reason() == Reason::Cancelled {
            return self.restart_lines();
        }
        let text = self.refusal_text(decision);
        self.text_lines(&text.unwrap_or_else(|| self.fill_text(TextKey::Refused, &[])))
    }

    /// Why the login is refused, if the user may read it.
    fn refusal_text(&self, decision: &Decision) -> Option<String> {
        let refused = decision.refused()?;
        let is_told = match (refused.reason, decision.proven) {
            (RefusalReason::Cancelled, _) => false,
            // What the user has to do next.
            (RefusalReason::CodesSent | RefusalReason::MustEnroll | RefusalReason::Invited, true) => true,
            (_, true) => self.is_explained,
            (_, false) => false,
        };
        is_told.then(|| self.reason_text(refused.reason, None, refused.locked)).flatten()
    }

    /// A text from a provider or backend.
    pub fn quoted_lines(&self, text: &str) -> Vec<String> {
        self.text_lines(&visible_text(text))
    }

    /// The text for all waiting users when the server is about to stop.
    pub fn restart_lines(&self) -> Vec<String> {
        self.text_lines(&self.fill_text(TextKey::Restarting, &[]))
    }

    /// The text for a user without a second factor, with the enrolment link if it may be shown.
    pub fn enrolment_lines(&self, link: Option<&str>) -> Vec<String> {
        self.text_lines(&match link {
            Some(link) => self.fill_text(TextKey::EnrolLink, &[(TextVariable::Link, &visible_text(link))]),
            None => self.fill_text(TextKey::Enrol, &[]),
        })
    }

    /// The text if the link was sent to a mailbox or telephone (masked).
    pub fn enrol_sent(&self, to: &str) -> Vec<String> {
        self.text_lines(&self.fill_text(TextKey::EnrolSent, &[(TextVariable::To, &clean_text(to))]))
    }

    /// Subject and text of a message with a code. The text of an SMS ends with the line by which a browser fills the code in, if
    /// there is a domain for it (Origin-bound one-time codes delivered via SMS, section 3).
    pub fn message(&self, message: &CodeMessage<'_>) -> (String, Secret) {
        let code = String::from_utf8_lossy(message.code.expose());
        let minutes = whole_minutes(message.life);
        let client = clean_text(self.client.as_deref().unwrap_or(message.client));
        let user = clean_text(message.user);
        let values: [(TextVariable, &str); 4] = [
            (TextVariable::Code, &code),
            (TextVariable::Client, &client),
            (TextVariable::Minutes, &minutes),
            (TextVariable::User, &user),
        ];
        if message.factor == Factor::Email {
            let subject = self.fill_text(TextKey::MailSubject, &values).replace('\n', " ");
            return (subject, Secret::new(self.fill_text(TextKey::MailText, &values)));
        }
        let mut text = self.fill_text(TextKey::SmsText, &values);
        if let Some(domain) = &self.domain {
            text.push_str(&format!("\n\n@{domain} #{code}"));
        }
        (String::new(), Secret::new(text))
    }

    /// Subject and text of a message with a link to enrol. `client` is what the user logs in to.
    pub fn invitation_mail(&self, client: &str, user: &str, link: &str) -> (String, Secret) {
        let (client, user) = (clean_text(client), clean_text(user));
        let values: [(TextVariable, &str); 3] =
            [(TextVariable::Client, &client), (TextVariable::User, &user), (TextVariable::Link, link)];
        let subject = self.fill_text(TextKey::EnrolSubject, &values).replace('\n', " ");
        (subject, Secret::new(self.fill_text(TextKey::EnrolText, &values)))
    }

    /// Subject and text of a mail with a new user's token: `link` is its otpauth URI, which stands in the picture as well.
    pub fn welcome_mail(&self, client: &str, user: &str, link: &str) -> (String, Secret) {
        let (client, user) = (clean_text(client), clean_text(user));
        let values: [(TextVariable, &str); 3] =
            [(TextVariable::Client, &client), (TextVariable::User, &user), (TextVariable::Link, link)];
        let subject = self.fill_text(TextKey::WelcomeSubject, &values).replace('\n', " ");
        (subject, Secret::new(self.fill_text(TextKey::WelcomeText, &values)))
    }

    fn fill_text(&self, text: TextKey, values: &[(TextVariable, &str)]) -> String {
        self.language.fill_text(text, values)
    }

    fn text_lines(&self, text: &str) -> Vec<String> {
        ClientPage::for_profile(self.profile, self.format).cut_lines(&split_lines(text))
    }

    /// Why the login is refused or asked again; `None` where the user must not be told.
    fn reason_text(
        &self,
        reason: RefusalReason,
        left: Option<u32>,
        locked: Option<Duration>,
    ) -> Option<String> {
        let text = match (reason, left, locked) {
            (RefusalReason::WrongCode, Some(1), _) => TextKey::WrongLast,
            (RefusalReason::WrongCode, Some(left @ 2..), _) => {
                return Some(self.fill_text(TextKey::WrongLeft, &[(TextVariable::Left, &left.to_string())]));
            }
            (RefusalReason::WrongCode, ..) => TextKey::Wrong,
            (RefusalReason::Locked | RefusalReason::LockedNow, _, Some(locked)) => {
                return Some(
                    self.fill_text(TextKey::LockedFor, &[(TextVariable::Minutes, &whole_minutes(locked))]),
                );
            }
            (RefusalReason::PasswordExpired, ..) => TextKey::Expired,
            (RefusalReason::MustChangePassword, ..) => TextKey::MustChange,
            (RefusalReason::AccountDisabled, ..) => TextKey::Disabled,
            (
                RefusalReason::LogonRestricted | RefusalReason::Blocked | RefusalReason::RefusedByProvider,
                ..,
            ) => TextKey::Restricted,
            (RefusalReason::NotMember, ..) => TextKey::NotMember,
            (RefusalReason::Locked | RefusalReason::LockedNow, ..) => TextKey::Locked,
            (RefusalReason::LockedByProvider | RefusalReason::AccountLocked, ..) => TextKey::Locked,
            (RefusalReason::SpentCode | RefusalReason::AnotherCode, ..) => TextKey::Spent,
            (RefusalReason::TimedOut, ..) => TextKey::TimedOut,
            (RefusalReason::Denied | RefusalReason::JustDenied, ..) => TextKey::Denied,
            (RefusalReason::NoDevice, ..) => TextKey::NoDevice,
            (RefusalReason::CodesSent, ..) => TextKey::CodesSent,
            (RefusalReason::JustSent, ..) => TextKey::JustSent,
            (RefusalReason::NotSent, ..) => TextKey::NotSent,
            (RefusalReason::TooManyCodes, ..) => TextKey::TooManyCodes,
            (RefusalReason::NotUnderstood, ..) => TextKey::NotUnderstood,
            (RefusalReason::AlreadyWaiting, ..) => TextKey::AlreadyWaiting,
            (RefusalReason::TooManyPushes, ..) => TextKey::AskedOften,
            (RefusalReason::Slowed, ..) => TextKey::Slowed,
            (RefusalReason::NotEnrolled | RefusalReason::UnknownUser, ..) => TextKey::Enrol,
            (RefusalReason::MustEnroll | RefusalReason::Invited, ..) => TextKey::Enrol,
            (RefusalReason::EnrollAtProvider | RefusalReason::UnknownToProvider, ..) => TextKey::Enrol,
            (RefusalReason::Busy | RefusalReason::Unavailable | RefusalReason::Cancelled, ..) => {
                TextKey::Unavailable
            }
            (RefusalReason::ProviderUnavailable | RefusalReason::DirectoryUnavailable, ..) => {
                TextKey::Unavailable
            }
            _ => return None,
        };
        Some(self.fill_text(text, &[]))
    }

    /// Heading, a line for each option, and the question.
    fn list(&self, offered: &OfferedOptions<'_>, because: Option<&str>) -> Vec<String> {
        let OfferedOptions { ways, passcode } = offered;
        let (heading, question) = match passcode {
            true => (TextKey::HeadingPasscode, TextKey::OptionPasscode),
            false => (TextKey::Heading, TextKey::Option),
        };
        let numbers = match ways.len() {
            1 => "1".to_owned(),
            last => format!("1-{last}"),
        };
        let mut all = prefixed(because, self.fill_text(heading, &[]));
        all.extend(ways.iter().enumerate().map(|(n, way)| format!("{}. {}", n + 1, self.option_line(way))));
        all.extend(split_lines(
            &self.question_text(&self.fill_text(question, &[(TextVariable::Numbers, &numbers)])),
        ));
        all
    }

    fn option_line(&self, way: &QuestionOption) -> String {
        let (named, plain) = match way.choice.factor {
            Factor::Phone => (TextKey::Phone, TextKey::PhonePlain),
            Factor::Sms => (TextKey::Sms, TextKey::SmsPlain),
            Factor::Email => (TextKey::Email, TextKey::EmailPlain),
            Factor::Recovery => return self.fill_text(TextKey::Recovery, &[]),
            Factor::Push | Factor::Totp | Factor::Hotp | Factor::Passcode => {
                (TextKey::Push, TextKey::PushPlain)
            }
        };
        match clean_text(&way.target) {
            target if target.is_empty() => self.fill_text(plain, &[]),
            target => self.fill_text(named, &[(TextVariable::Target, &target)]),
        }
    }

    /// Possible inputs in one line: first every option by its word, then every kind of option.
    fn compact_options(&self, offered: &OfferedOptions<'_>) -> [String; 2] {
        let OfferedOptions { ways, passcode } = *offered;
        let text = if passcode { TextKey::CompactPasscode } else { TextKey::Compact };
        let all: Vec<_> = ways.iter().map(|way| way.choice.to_string()).collect();
        let mut kinds: Vec<_> = Vec::new();
        for way in ways {
            let kind = way.choice.factor.as_str().to_owned();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        [all, kinds].map(|words| {
            self.question_text(&self.fill_text(text, &[(TextVariable::Words, &words.join(", "))]))
        })
    }

    fn question_text(&self, text: &str) -> String {
        let text = text.trim_end();
        match (self.profile.ending, self.format) {
            (PromptEnding::Nothing, _) | (_, PromptFormat::Html) => text.to_owned(),
            (PromptEnding::Blank, _) => format!("{text} "),
        }
    }
}

/// What a user may choose from.
struct OfferedOptions<'a> {
    ways: &'a [QuestionOption],
    /// Whether a passcode may be typed as well.
    passcode: bool,
}

/// The same decision, where no challenge tells a refusal.
fn without_last_challenge(decision: Decision) -> Decision {
    decision.map_refusal(|refused| refused.last_state = None)
}

fn prefixed(because: Option<&str>, text: String) -> Vec<String> {
    let mut all: Vec<_> = because.map(split_lines).unwrap_or_default();
    all.extend(split_lines(&text));
    all
}

fn split_lines(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// Whole minutes, begun ones included.
fn whole_minutes(time: Duration) -> String {
    time.as_secs().div_ceil(60).max(1).to_string()
}

/// Cleans an untrusted text: removes invisible characters and line breaks.
fn visible_text(text: &str) -> String {
    let seen = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    seen.filter(|c| !is_invisible(*c)).collect::<String>().trim().to_owned()
}

/// The same, and not too long.
fn clean_text(text: &str) -> String {
    let text = visible_text(text);
    let mut graphemes = text.graphemes(true);
    let short: String =
        graphemes.by_ref().take(LONGEST_NAME).filter(|grapheme| grapheme.len() <= 64).collect();
    match graphemes.next() {
        None => short,
        Some(_) => format!("{short}…"),
    }
}
