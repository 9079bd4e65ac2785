//! Routes password verification between backends: the backend set for the domain of the name as typed, and another
//! one while that is unavailable. Once a backend has said no, no other is asked.

use super::local::LocalPasswords;
use super::password_cache::PasswordCache;
use super::password_hash::{HashMemory, PasswordHasher};
use crate::config::{Config, PasswordBackendKind, PasswordSource};
use crate::directory;
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, PasswordBackend, PasswordResponse, UserDirectory,
};
use crate::engine::port::Store;
use crate::engine::provider::ProviderFuture;
use crate::operations::WarningSink;
use crate::operations::backend_latency::BackendLatency;
use crate::operations::metered::MeteredBackend;
use crate::operations::metrics::InstanceMetrics;
use crate::types::SetupError;
use once_cell::sync::OnceCell;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often an unavailable backend is reported.
const OFTEN: Duration = Duration::from_secs(60);

/// The backends that `first_factor` and its exceptions name. Its futures are polled on a runtime's thread.
pub(crate) struct BackendRouter {
    passwords: PasswordSource,
    all: Vec<(PasswordBackendKind, Arc<dyn PasswordBackend>)>,
    directory: Option<Arc<dyn UserDirectory>>,
    metrics: Arc<OnceCell<Arc<InstanceMetrics>>>,
    pace: Arc<BackendLatency>,
    notice: Arc<OutageNotice>,
}

/// Reports unavailable backends to the administrator, at a limited rate.
#[derive(Default)]
struct OutageNotice {
    complain: OnceCell<WarningSink>,
    last: Mutex<Option<Instant>>,
}

impl BackendRouter {
    /// Opens the backends: files are read, no connection is made. `None`: this module verifies no password, and there is no directory.
    ///
    /// # Errors
    ///
    /// A sentence that names the option and the file.
    pub(crate) fn open(config: &Config, store: Arc<dyn Store>) -> Result<Option<Arc<Self>>, SetupError> {
        let is_local = config.passwords.all().any(|by| by == PasswordBackendKind::Local);
        let slow =
            Arc::new(PasswordHasher::new(if is_local { HashMemory::Reserved } else { HashMemory::OnDemand }));
        let metrics = Arc::<OnceCell<Arc<InstanceMetrics>>>::default();
        let pace = Arc::<BackendLatency>::default();
        let directory = directory::open(config)?.map(|ldap| -> Arc<dyn UserDirectory> {
            Arc::new(MeteredBackend {
                inner: Arc::new(ldap),
                metrics: Arc::clone(&metrics),
                pace: Arc::clone(&pace),
            })
        });
        let mut all = Vec::new();
        for by in config.passwords.all() {
            let missing =
                || SetupError::Missing(format!("first_factor: {0} {{ }} is not there", by.as_str()));
            let asked: Arc<dyn PasswordBackend> = match by {
                PasswordBackendKind::Ldap => Arc::clone(directory.as_ref().ok_or_else(missing)?) as _,
                PasswordBackendKind::Entra => {
                    watch_backend(directory::entra_backend(config)?.ok_or_else(missing)?, &metrics, &pace)
                }
                PasswordBackendKind::Radius => {
                    watch_backend(directory::radius_backend(config).ok_or_else(missing)?, &metrics, &pace)
                }
                // The store is not an external backend.
                PasswordBackendKind::Local => {
                    let local = LocalPasswords { store: Arc::clone(&store), slow: Arc::clone(&slow) };
                    watch_backend(local, &metrics, &Arc::default())
                }
            };
            let remembering = PasswordCache::new(by, asked, &config.passwords, &slow)?;
            all.push((by, Arc::new(remembering) as _));
        }
        let is_empty = all.is_empty() && directory.is_none();
        let passwords = config.passwords.clone();
        let authorities = Self { passwords, all, directory, metrics, pace, notice: Arc::default() };
        Ok((!is_empty).then(|| Arc::new(authorities)))
    }

    /// With `standing` in place of all backends.
    pub(crate) fn assuming_accepts(
        config: &Config,
        standing: &Arc<impl UserDirectory + 'static>,
    ) -> Arc<Self> {
        let all = config.passwords.all().map(|by| (by, Arc::clone(standing) as Arc<dyn PasswordBackend>));
        Arc::new(Self {
            passwords: config.passwords.clone(),
            all: all.collect(),
            directory: config.ldap.is_some().then(|| Arc::clone(standing) as Arc<dyn UserDirectory>),
            metrics: Arc::default(),
            pace: Arc::default(),
            notice: Arc::default(),
        })
    }

    /// The directory that looks users up without a password, if there is one.
    pub(crate) fn directory(&self) -> Option<Arc<dyn UserDirectory>> {
        self.directory.clone()
    }

    /// Latency of the external backends.
    pub(crate) fn latency(&self) -> Arc<BackendLatency> {
        Arc::clone(&self.pace)
    }

    /// Records the latency of all backends from now on.
    pub(crate) fn measure_with(&self, metrics: &Arc<InstanceMetrics>) {
        let _ = self.metrics.set(Arc::clone(metrics));
    }

    /// Sets where an unavailable backend is reported when another one replaces it.
    pub(crate) fn complain_to(&self, complain: WarningSink) {
        let _ = self.notice.complain.set(complain);
    }

    fn get(&self, by: PasswordBackendKind) -> Option<(PasswordBackendKind, Arc<dyn PasswordBackend>)> {
        self.all.iter().find(|(other, _)| *other == by).cloned()
    }

    /// The answer to a question goes to the backend that asked it: the first octet of its state says which.
    fn answer_relayed(
        &self,
        mut claim: Credentials,
        state: &[u8],
    ) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        let asker = state.split_first().and_then(|(mark, rest)| {
            let by = PasswordBackendKind::ALL.into_iter().find(|by| self::relay_marker(*by) == *mark)?;
            Some((self.get(by)?, rest.to_vec()))
        });
        let Some(((by, authority), rest)) = asker else {
            let why = "no backend here has asked the question of this answer";
            return Box::pin(ready(Err(BackendUnavailable(why.to_owned()).into())));
        };
        claim.state = Some(rest);
        let said = authority.verify_password(claim);
        Box::pin(async move { with_relay_marker(by, said.await) })
    }
}

/// A backend with its latency measured.
fn watch_backend(
    authority: impl PasswordBackend + 'static,
    metrics: &Arc<OnceCell<Arc<InstanceMetrics>>>,
    pace: &Arc<BackendLatency>,
) -> Arc<dyn PasswordBackend> {
    let inner: Arc<dyn PasswordBackend> = Arc::new(authority);
    Arc::new(MeteredBackend { inner, metrics: Arc::clone(metrics), pace: Arc::clone(pace) })
}

impl PasswordBackend for BackendRouter {
    fn name(&self) -> &'static str {
        self.passwords.by.map_or("none", PasswordBackendKind::as_str)
    }

    fn verify_password(
        &self,
        mut claim: Credentials,
    ) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        if let Some(state) = claim.state.take() {
            return self.answer_relayed(claim, &state);
        }
        if matches!(&claim.password, SubmittedPassword::Absent | SubmittedPassword::Separate { .. })
            || matches!(&claim.password, SubmittedPassword::Plain(password) if password.is_empty())
        {
            return Box::pin(ready(Err(AuthFailure::Wrong)));
        }
        let (first, second) = self.passwords.chosen_instance(&claim.typed);
        let Some((by, first)) = first.and_then(|by| self.get(by)) else {
            let why = "no password backend is set: see first_factor";
            return Box::pin(ready(Err(BackendUnavailable(why.to_owned()).into())));
        };
        let (second, notice) = (second.and_then(|by| self.get(by)), Arc::clone(&self.notice));
        Box::pin(async move {
            let Some((other, second)) = second else {
                return with_relay_marker(by, first.verify_password(claim).await);
            };
            let why = match first.verify_password(claim.clone()).await {
                Err(AuthFailure::Unavailable(why)) => format!("{}: {why}", by.as_str()),
                said => return with_relay_marker(by, said),
            };
            notice.report_outage(|| format!("{} is asked, since {why}", other.as_str()));
            match second.verify_password(claim).await {
                Err(AuthFailure::Unavailable(too)) => {
                    Err(BackendUnavailable(format!("{why}; {}: {too}", other.as_str())).into())
                }
                said => with_relay_marker(other, said),
            }
        })
    }
}

impl OutageNotice {
    fn report_outage(&self, what: impl FnOnce() -> String) {
        let Some(complain) = self.complain.get() else { return };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= OFTEN) {
            *last = Some(Instant::now());
            drop(last);
            complain(&what());
        }
    }
}

/// Prefix of the state of this backend's questions.
const fn relay_marker(by: PasswordBackendKind) -> u8 {
    match by {
        PasswordBackendKind::Ldap => b'l',
        PasswordBackendKind::Entra => b'e',
        PasswordBackendKind::Radius => b'r',
        PasswordBackendKind::Local => b's',
    }
}

fn with_relay_marker(
    by: PasswordBackendKind,
    said: Result<PasswordResponse, AuthFailure>,
) -> Result<PasswordResponse, AuthFailure> {
    said.map(|vouched| match vouched {
        PasswordResponse::Asks { text, mut state } => {
            state.insert(0, relay_marker(by));
            PasswordResponse::Asks { text, state }
        }
        person @ PasswordResponse::Person(_) => person,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::directory::DirectoryUser;
    use crate::types::{Secret, UserName};

    /// Says the same to everybody, and what it was asked with.
    struct Says {
        said: Result<PasswordResponse, AuthFailure>,
        asked: Mutex<Vec<Credentials>>,
    }

    impl Says {
        fn new(said: Result<PasswordResponse, AuthFailure>) -> Arc<Self> {
            Arc::new(Self { said, asked: Mutex::default() })
        }

        fn asked(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    impl PasswordBackend for Says {
        fn name(&self) -> &'static str {
            "says"
        }

        fn verify_password(
            &self,
            claim: Credentials,
        ) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
            self.asked.lock().unwrap().push(claim);
            Box::pin(ready(self.said.clone()))
        }
    }

    fn person() -> Result<PasswordResponse, AuthFailure> {
        Ok(DirectoryUser { name: "alice".to_owned(), ..DirectoryUser::default() }.into())
    }

    fn away(why: &str) -> Result<PasswordResponse, AuthFailure> {
        Err(BackendUnavailable(why.to_owned()).into())
    }

    fn authorities(passwords: PasswordSource, all: &[(PasswordBackendKind, &Arc<Says>)]) -> BackendRouter {
        BackendRouter {
            passwords,
            all: all.iter().map(|(by, says)| (*by, Arc::clone(says) as Arc<dyn PasswordBackend>)).collect(),
            directory: None,
            metrics: Arc::default(),
            pace: Arc::default(),
            notice: Arc::default(),
        }
    }

    fn claim(typed: &str, password: &str) -> Credentials {
        Credentials {
            user: UserName::parse(typed.as_bytes(), &Default::default()).unwrap(),
            typed: typed.as_bytes().to_vec(),
            client: String::new(),
            password: SubmittedPassword::Plain(Secret::new(password)),
            packet: Vec::new(),
            state: None,
        }
    }

    fn ask(authorities: &BackendRouter, claim: Credentials) -> Result<PasswordResponse, AuthFailure> {
        crate::app::block_on::for_at_most(Duration::ZERO, authorities.verify_password(claim)).unwrap()
    }

    fn both() -> PasswordSource {
        PasswordSource {
            by: Some(PasswordBackendKind::Ldap),
            fallback: Some(PasswordBackendKind::Local),
            ..PasswordSource::default()
        }
    }

    #[test]
    fn domain_as_typed_says_who_is_asked() {
        let (ldap, local) = (Says::new(person()), Says::new(person()));
        let domains = [("home.test".to_owned(), PasswordBackendKind::Local)].into();
        let passwords =
            PasswordSource { by: Some(PasswordBackendKind::Ldap), domains, ..PasswordSource::default() };
        let authorities = authorities(
            passwords,
            &[(PasswordBackendKind::Ldap, &ldap), (PasswordBackendKind::Local, &local)],
        );
        for (typed, expected) in
            [("alice", (1, 0)), ("HOME.test\\alice", (1, 1)), ("alice@Home.Test", (1, 2))]
        {
            assert!(ask(&authorities, claim(typed, "secret")).is_ok());
            assert_eq!((ldap.asked(), local.asked()), expected, "{typed}");
        }
    }

    #[test]
    fn no_other_backend_is_asked_after_a_refusal() {
        for denied in [
            AuthFailure::Wrong,
            AuthFailure::Unknown,
            AuthFailure::Disabled,
            AuthFailure::Locked,
            AuthFailure::NeedsPap,
            AuthFailure::Blocked("no".into()),
        ] {
            let (ldap, local) = (Says::new(Err(denied.clone())), Says::new(person()));
            let authorities = authorities(
                both(),
                &[(PasswordBackendKind::Ldap, &ldap), (PasswordBackendKind::Local, &local)],
            );
            assert_eq!(ask(&authorities, claim("alice", "secret")).unwrap_err(), denied);
            assert_eq!(local.asked(), 0);
        }
    }

    #[test]
    fn another_one_is_asked_while_the_first_is_unavailable_and_that_is_told_once_a_minute() {
        let (ldap, local) = (Says::new(away("no answer")), Says::new(person()));
        let authorities =
            authorities(both(), &[(PasswordBackendKind::Ldap, &ldap), (PasswordBackendKind::Local, &local)]);
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        authorities.complain_to(Arc::new(move |line| heard.lock().unwrap().push(line.to_owned())));
        assert!(ask(&authorities, claim("alice", "secret")).is_ok());
        assert!(ask(&authorities, claim("alice", "secret")).is_ok());
        assert_eq!((ldap.asked(), local.asked()), (2, 2));
        assert_eq!(*told.lock().unwrap(), ["local is asked, since ldap: no answer"]);
    }

    #[test]
    fn all_that_are_unavailable_are_named() {
        let (ldap, local) = (Says::new(away("no answer")), Says::new(away("disk is full")));
        let authorities =
            authorities(both(), &[(PasswordBackendKind::Ldap, &ldap), (PasswordBackendKind::Local, &local)]);
        let denied = ask(&authorities, claim("alice", "secret")).unwrap_err();
        assert_eq!(denied, BackendUnavailable("ldap: no answer; local: disk is full".into()).into());
    }

    #[test]
    fn nothing_is_nobodys_password() {
        let ldap = Says::new(person());
        let authorities = authorities(both(), &[(PasswordBackendKind::Ldap, &ldap)]);
        assert_eq!(ask(&authorities, claim("alice", "")).unwrap_err(), AuthFailure::Wrong);
        let absent = Credentials { password: SubmittedPassword::Absent, ..claim("alice", "") };
        assert_eq!(ask(&authorities, absent).unwrap_err(), AuthFailure::Wrong);
        assert_eq!(ldap.asked(), 0);
    }

    #[test]
    fn answer_goes_to_the_backend_that_asked() {
        let asks = PasswordResponse::Asks { text: vec!["Token?".into()], state: b"7".to_vec() };
        let (ldap, radius) = (Says::new(away("no answer")), Says::new(Ok(asks)));
        let passwords = PasswordSource {
            by: Some(PasswordBackendKind::Ldap),
            fallback: Some(PasswordBackendKind::Radius),
            ..PasswordSource::default()
        };
        let authorities = authorities(
            passwords,
            &[(PasswordBackendKind::Ldap, &ldap), (PasswordBackendKind::Radius, &radius)],
        );
        let Ok(PasswordResponse::Asks { state, .. }) = ask(&authorities, claim("alice", "secret")) else {
            panic!()
        };
        let answer = Credentials { state: Some(state), ..claim("alice", "") };
        assert!(ask(&authorities, answer).is_ok());
        assert_eq!((ldap.asked(), radius.asked()), (1, 2));
        assert_eq!(radius.asked.lock().unwrap()[1].state.as_deref(), Some(&b"7"[..]));
        for state in [&b""[..], b"x7", b"e7"] {
            let answer = Credentials { state: Some(state.to_vec()), ..claim("alice", "secret") };
            assert!(matches!(ask(&authorities, answer), Err(AuthFailure::Unavailable(_))));
        }
    }

    #[test]
    fn where_nobody_is_asked_nothing_is_opened() {
        let store = Arc::new(crate::engine::fake::Memory::default());
        assert!(BackendRouter::open(&Config::default(), store).unwrap().is_none());
    }
}
