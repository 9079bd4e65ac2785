//! A dry run of a login for `mfa explain`: no push or message is sent, and no password backend is asked; only the
//! directory is asked who the user is. The decision is made by the same code as in the server; external services are
//! replaced by fakes, and no passcode is ever right, so that a dry run cannot tell whether one is.

use super::delivery::run;
use super::entropy::draw_entropy;
use super::login_packet::{LoginPacket, LoginProgress, WaitMode};
use super::services::{App, Dependencies, PATIENCE, wait_limit};
use crate::clock::now;
use crate::config::name_template::NameVariable;
use crate::config::profile::{ChallengeSupport, StaticChallenge};
use crate::config::{Config, PasscodePosition, PasswordBackendKind};
use crate::directory;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
    UserDirectory,
};
use crate::engine::messenger::{Messenger, TextMessage};
use crate::engine::port::{AttemptFinding, EnrolledToken, PasscodeVerifier, Store, TokenMatch};
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFuture, PushOutcome, PushProvider, PushQuestion, PushRequest,
    PushRequestKind, PushResponse,
};
use crate::engine::{
    AttemptSource, Decision, FieldContents, LoginAttempt, LoginRequest, PasswordStatus, PasswordVerifier,
    PolicyContext, PreAuthFacts, PresentedFactor, Step, SubmittedPassword, UserAttributes, unpack_field,
};
use crate::factor::{Factors, message, push};
use crate::passwords::backend_router::BackendRouter;
use crate::text::ClientVoice;
use crate::types::{
    Factor, FactorChoice, Mode, Passcode, Printable, Secret, SetupError, Timestamp, UserName,
};
use crate::waiting::AttemptFingerprint;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A login over PAP, outside of any tunnel.
#[derive(Clone, Debug)]
pub struct DryRunRequest {
    /// The user name as typed.
    pub user: String,
    /// Client and station.
    pub source: AttemptSource,
    /// The client's `shortname`.
    pub client_name: String,
    /// MFA-Group; empty if not known.
    pub groups: Vec<String>,
    /// How the field is read.
    pub mode: Mode,
    /// Contents of the field. Default: the usual contents in this mode. A password is always assumed to be right.
    pub field: Option<Secret>,
    /// Language and format of the texts for the client.
    pub voice: ClientVoice,
    /// How the login waits if it has to.
    pub patience: WaitMode,
}

/// The result of a dry run.
#[derive(Clone, Debug)]
pub struct DryRunReport {
    /// What the field holds.
    pub holds: FieldContents,
    /// Calls to external services that the login would have made.
    pub seen: RecordedCalls,
    /// The decision in words: for a passcode as if it were wrong, for a push as if it were not answered.
    pub decision: Decision,
    /// How long a login waits at most.
    pub limit: Duration,
    /// The provider's word, if there is one, and whether it may add to a list of ways.
    pub provider: Option<(&'static str, bool)>,
    /// The backend that verifies the password. `None`: this module does not verify it.
    pub first: Option<FakePasswordBackend>,
    /// The directory's entry of the user, or why there is none. `None`: the directory is not asked.
    pub directory: Option<Result<DirectoryUser, AuthFailure>>,
    /// The attributes of an accept. `None`: the user is unknown.
    pub grants: Option<UserAttributes>,
    /// The token owner.
    pub stored_as: UserName,
}

/// The password backends that would be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakePasswordBackend {
    /// The first backend.
    pub by: PasswordBackendKind,
    /// The backend that replaces it while it is unavailable.
    pub fallback: Option<PasswordBackendKind>,
}

/// Calls to external services, as the fakes recorded them.
#[derive(Clone, Debug, Default)]
pub struct RecordedCalls {
    /// How many characters of the field were looked at as a passcode; several where the length is the token's.
    pub passcodes: BTreeSet<usize>,
    /// Whether all of these were digits.
    pub digits: bool,
    /// The provider was to ask on a device: the one of that word, or the best.
    pub device: Option<Option<FactorChoice>>,
    /// The provider was to check a passcode.
    pub checks: bool,
    /// A code was to be sent.
    pub sent: Option<Factor>,
}

/// Runs a login dry. `store` must roll everything back. The directory is asked about the user if a login would do so,
/// and never about a password.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn dry_run(
    config: &Config,
    store: Arc<dyn Store>,
    trial: DryRunRequest,
) -> Result<DryRunReport, SetupError> {
    let seen = CallLog::default();
    let provider = push::open(&config.push)?;
    let told = provider.as_ref().map(|provider| (provider.name(), provider.tells_ways()));
    let provider = provider
        .map(|inner| -> Arc<dyn PushProvider> { Arc::new(SilentProvider { inner, seen: seen.clone() }) });
    let messages = message::open(config)?
        .map(|inner| -> Arc<dyn Messenger> { Arc::new(FakeMessenger { inner, seen: seen.clone() }) });
    let verify =
        Arc::new(RejectingFactors { factors: Factors::new(config.totp, config.hotp), seen: seen.clone() });
    let standing = Arc::new(AcceptingBackend::new(config, &trial)?);
    let authorities = Some(BackendRouter::assuming_accepts(config, &standing));
    let outside = Dependencies { store, verify, provider, messages, authorities };
    let app = App::build_with(Arc::new(config.clone()), outside, PATIENCE)?;
    let grants = standing.resolve_user().ok().and_then(|person| {
        let name = UserName::parse(trial.user.as_bytes(), &config.names).ok()?;
        app.shared.engine.user_attributes(&name, &person).ok()
    });
    let stored_as = app.shared.engine.stored_as(trial.user.as_bytes(), grants.as_ref());
    let (holds, decision) = decide_trial(&app, config, &trial, &stored_as);
    // The dry run stops here if the login would continue.
    drop(app);
    let seen = seen.lock().clone();
    let limit = wait_limit(config, trial.voice.wait_limit(None));
    let decision = trial.voice.add_texts(decision);
    let (first, directory) = (standing.first, standing.found.clone());
    // Without a directory only the name as typed is known.
    let grants = grants.filter(|_| first.is_some() || directory.is_some());
    Ok(DryRunReport { holds, seen, decision, limit, provider: told, first, directory, grants, stored_as })
}

fn decide_trial(
    app: &App,
    config: &Config,
    trial: &DryRunRequest,
    stored_as: &UserName,
) -> (FieldContents, Decision) {
    let user = trial.user.clone().into_bytes();
    let field = trial.field.clone().unwrap_or_else(|| expected_input(config, trial.mode));
    let mut how = config.unpacking;
    how.static_challenge |= trial.voice.profile_name().static_challenge == StaticChallenge::Packed;
    let presented = unpack_field(field, how);
    let password = presented.clone().unwrap_or(SubmittedPassword::Absent);
    let password_status = PasswordStatus::initial_for(config, trial.mode);
    let is_own = password_status.is_ours_to_check();
    let names = if is_own { stored_as.as_str().as_bytes() } else { &user };
    let holds = app.field_contents(names, trial.mode, &password);
    let who = PolicyContext {
        user: UserName::parse(&user, &config.names).ok(),
        client: trial.source.client.clone(),
        client_name: trial.client_name.clone(),
        calling_station: trial.source.calling_station.clone(),
        groups: Some(trial.groups.clone()).filter(|groups| !groups.is_empty()),
    };
    let request = LoginRequest {
        at: now(),
        user,
        source: trial.source.clone(),
        dialogue: trial.voice.shows_challenges() == ChallengeSupport::Shown,
        dice: draw_entropy(),
        unchecked: PreAuthFacts { who: who.clone(), ..PreAuthFacts::default() },
        ..LoginRequest::default()
    };
    let password = match trial.mode {
        Mode::Passcode => password.without_password(),
        Mode::Append | Mode::Challenge | Mode::Auto => password,
    };
    let attempt = LoginAttempt::new(request, trial.mode, password_status, password);
    let attempt = if holds == FieldContents::Password && !is_own {
        attempt.with_verified_password(PasswordVerifier::Server)
    } else {
        attempt
    };
    if let Err(reason) = presented {
        return (holds, app.record_attempt(attempt, AttemptFinding::Refused(reason)));
    }
    if let Some(exemption) = config.policy.find_exemption(&who, attempt.request.at).filter(|_| !is_own) {
        return (holds, app.record_exemption(attempt, exemption.as_str().to_owned()));
    }
    let login = LoginPacket {
        fingerprint: AttemptFingerprint { digest: [0; 32], datagram: None, roams: false, port: 0 },
        // No answer will come: there is nothing to wait for.
        limit: Some(Duration::ZERO),
        patience: trial.patience,
        voice: trial.voice.clone(),
    };
    // The server's own modules are assumed to accept every password.
    let progress = match password_is_later(&attempt) {
        false => app.decide_or_wait(attempt, login),
        true => match app.start_here(attempt) {
            Step::Decided(decision) => LoginProgress::Done(decision),
            Step::Ask(undecided) => app.wait_for_provider(undecided.verified_by_server(), login),
        },
    };
    match progress {
        LoginProgress::Done(decision) => (holds, *decision),
        LoginProgress::Waiting(seat) => (holds, app.block_for_decision(seat, &|| false)),
    }
}

/// Whether the server's own modules check the password after the answer behind it was looked at.
fn password_is_later(attempt: &LoginAttempt) -> bool {
    attempt.password_status == PasswordStatus::Unverified { by: PasswordVerifier::Server }
}

impl PasswordBackendKind {
    /// The name by which it is asked about a user.
    pub fn asked_as(self, config: &Config, typed: &str, name: &UserName) -> String {
        let spelled = || UserName::with_typed_spelling(typed.as_bytes(), &config.names).unwrap_or_default();
        match self {
            Self::Ldap => {
                let user = |gap: &NameVariable| (*gap == NameVariable::User).then(spelled);
                let filled = config.ldap.as_ref().and_then(|ldap| ldap.username.fill_template(&user).ok());
                filled.unwrap_or_default()
            }
            Self::Entra => {
                let domain = config.entra.as_ref().and_then(|entra| entra.domain.as_deref());
                match domain.filter(|_| !name.as_str().contains('@')) {
                    Some(domain) => format!("{name}@{domain}"),
                    None => name.to_string(),
                }
            }
            Self::Radius => typed.to_owned(),
            Self::Local => name.to_string(),
        }
    }
}

/// Replaces all password backends: every password is right, without asking any. The directory has already been asked
/// about the user.
struct AcceptingBackend {
    first: Option<FakePasswordBackend>,
    found: Option<Result<DirectoryUser, AuthFailure>>,
    /// What is known of a user without a directory.
    name: String,
}

impl AcceptingBackend {
    fn new(config: &Config, trial: &DryRunRequest) -> Result<Self, SetupError> {
        let user = UserName::parse(trial.user.as_bytes(), &config.names);
        let user = user.unwrap_or_else(|_| UserName::from_canonical(""));
        let is_own = PasswordStatus::initial_for(config, trial.mode).is_ours_to_check();
        let first = match config.passwords.chosen_instance(trial.user.as_bytes()) {
            (Some(by), fallback) if is_own => Some(FakePasswordBackend { by, fallback }),
            _ => None,
        };
        let templates = [&config.stored_as, &config.push.username];
        let is_asked = match first {
            Some(FakePasswordBackend { by, .. }) => by == PasswordBackendKind::Ldap,
            None => {
                !config.replies.is_empty() || templates.iter().any(|template| !template.needs_only_the_name())
            }
        };
        let directory = directory::open(config)?.filter(|_| is_asked);
        let typed = trial.user.as_bytes();
        let found =
            directory.map(|directory| run(async { directory.who_is(&user, typed).await })).transpose()?;
        Ok(Self { first, found, name: user.to_string() })
    }

    /// The user that the login would continue as.
    fn resolve_user(&self) -> Result<DirectoryUser, AuthFailure> {
        match &self.found {
            Some(Ok(person)) => Ok(person.clone()),
            Some(Err(denied)) if !matches!(denied, AuthFailure::Unavailable(_)) => Err(denied.clone()),
            // The directory's answer is unknown; the report says that it did not answer.
            Some(Err(_)) | None => Ok(DirectoryUser { name: self.name.clone(), ..DirectoryUser::default() }),
        }
    }
}

impl PasswordBackend for AcceptingBackend {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn verify_password(&self, _: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        Box::pin(std::future::ready(self.resolve_user().map(PasswordResponse::from)))
    }
}

impl UserDirectory for AcceptingBackend {
    fn find_user(
        &self,
        _: &UserName,
        _: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, BackendUnavailable>> {
        Box::pin(std::future::ready(Ok(self.resolve_user().ok())))
    }
}

/// The input of a user who answers as asked.
fn expected_input(config: &Config, mode: Mode) -> Secret {
    let zeros = |count| "0".repeat(count);
    let is_before = config.passcode_position == PasscodePosition::Before;
    Secret::new(match (mode, &config.delimiter) {
        (Mode::Passcode, _) => zeros(6),
        (Mode::Append, None) => zeros(40),
        (Mode::Append, Some(delimiter)) if is_before => format!("{}{delimiter}{}", zeros(6), zeros(8)),
        (Mode::Append, Some(delimiter)) => format!("{}{delimiter}{}", zeros(8), zeros(6)),
        (Mode::Challenge | Mode::Auto, _) => zeros(8),
    })
}

/// Records the calls to the fakes.
#[derive(Clone, Default)]
struct CallLog(Arc<Mutex<RecordedCalls>>);

impl CallLog {
    fn lock(&self) -> MutexGuard<'_, RecordedCalls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_passcode(&self, passcode: &Passcode) {
        let text = String::from_utf8_lossy(passcode.expose());
        let mut seen = self.lock();
        let others = seen.passcodes.is_empty() || seen.digits;
        seen.digits = others && text.bytes().all(|octet| octet.is_ascii_digit());
        seen.passcodes.insert(text.chars().count());
    }
}

/// Rejects every passcode without verifying it.
struct RejectingFactors {
    factors: Factors,
    seen: CallLog,
}

impl PasscodeVerifier for RejectingFactors {
    fn verify_passcode(&self, _: &EnrolledToken, presented: &PresentedFactor, _: Timestamp) -> TokenMatch {
        if let PresentedFactor::Plain(passcode) = presented {
            self.seen.log_passcode(passcode);
        }
        TokenMatch::No
    }

    fn passcode_length(&self, token: &EnrolledToken) -> usize {
        self.factors.passcode_length(token)
    }
}

/// Replaces the provider: no push is answered, and no passcode is right.
struct SilentProvider {
    inner: Arc<dyn PushProvider>,
    seen: CallLog,
}

impl PushProvider for SilentProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn takes_passcodes(&self) -> bool {
        self.inner.takes_passcodes()
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let asked = match ask.asking {
            PushRequestKind::Device(choice) => {
                self.seen.lock().device = Some(choice);
                AskOutcome::Waiting(PushQuestion {
                    id: Secret::new(""),
                    subject: ask.user,
                    factor: choice.unwrap_or(FactorChoice::DEFAULT).factor,
                    device: Printable::default(),
                    interval: Duration::ZERO,
                })
            }
            PushRequestKind::Passcode(passcode) => {
                self.seen.log_passcode(&passcode);
                self.seen.lock().checks = true;
                AskOutcome::Decided(PushOutcome::Wrong.into())
            }
        };
        Box::pin(std::future::ready(Ok(asked)))
    }

    fn await_answer(&self, _: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        Box::pin(std::future::pending())
    }

    fn cancel_push(&self, _: &PushQuestion) -> ProviderFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

/// Replaces gateways and relays: nothing is sent.
struct FakeMessenger {
    inner: Arc<dyn Messenger>,
    seen: CallLog,
}

impl Messenger for FakeMessenger {
    fn can_send(&self, factor: Factor) -> bool {
        self.inner.can_send(factor)
    }

    fn send(&self, message: TextMessage) -> ProviderFuture<Result<Vec<String>, ProviderError>> {
        self.seen.lock().sent = Some(message.factor);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
