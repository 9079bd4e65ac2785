//! Another RADIUS server that checks passwords: this is its client (RFC 2865), over UDP.
//!
//! Requests are signed, and so must the answers be, unless the configuration allows otherwise. A login goes to one host, sent again until
//! that one answers or its time is up, and then to the next one. What a host says is final, whether yes or no. A password that
//! was sent to a host which kept silent may reach a second one: a wrong one then counts twice.
//!
//! Whom a host asks something answers the same host, whatever became of it: no other one knows of the question, and would
//! call a right answer wrong.

#[doc(hidden)]
pub mod fuzz;
mod host;
mod host_order;
mod packet;
mod udp_channel;

use super::HostProbe;
use crate::config::radius;
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, PasswordBackend, PasswordResponse,
};
use crate::engine::provider::ProviderFuture;
use crate::types::{ProbeFault, Secret, UserName};
use data_encoding::HEXLOWER;
use host::{OtherHost, RadiusAnswer, RadiusFault, RadiusHost, RetryLimit};
use host_order::host_order;
use packet::RequestDraft;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use udp_channel::AnswerProof;

/// The servers of `radius { }`.
pub struct RadiusBackend(Arc<RadiusState>);

struct RadiusState {
    config: radius::RadiusOptions,
    hosts: Vec<Arc<RadiusHost>>,
    proof: Arc<AnswerProof>,
}

impl RadiusBackend {
    pub(super) fn new(config: &radius::RadiusOptions) -> Self {
        let proof =
            AnswerProof { secret: config.secret.clone(), signed: config.signed, ignored: AtomicU64::new(0) };
        let proof = Arc::new(proof);
        let hosts = config.hosts.iter().map(|name| RadiusHost::new(name, config, &proof)).collect();
        Self(Arc::new(RadiusState { config: config.clone(), hosts, proof }))
    }

    /// How many datagrams came that were no answers: too late, not signed, or not by the server.
    pub fn ignored_count(&self) -> u64 {
        self.0.proof.ignored.load(Ordering::Relaxed)
    }

    /// Looks at each host: whether its name has an address, and how it answers Status-Server (RFC 5997). No user is
    /// logged in.
    pub fn probe_hosts(&self) -> ProviderFuture<Vec<HostProbe>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut all = Vec::new();
            for host in &inner.hosts {
                let found = inner.look_at(host).await;
                all.push(HostProbe { host: host.name.clone(), found });
            }
            all
        })
    }
}

impl PasswordBackend for RadiusBackend {
    fn name(&self) -> &'static str {
        "radius"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.ask_servers(claim).await })
    }
}

impl RadiusState {
    async fn ask_servers(self: &Arc<Self>, claim: Credentials) -> Result<PasswordResponse, AuthFailure> {
        let (config, user) = (&self.config, claim.user.as_str().to_owned());
        let given = claim.state.clone();
        let (asked, state) = match given.as_deref() {
            None => (None, None),
            Some(given) => {
                let nobody =
                    || BackendUnavailable("no host here has asked the question of this answer".to_owned());
                let (at, state) = given.split_first().ok_or_else(nobody)?;
                let host = self.hosts.get(usize::from(*at)).ok_or_else(nobody)?;
                (Some(host), Some(state).filter(|state| !state.is_empty()))
            }
        };
        let question = RequestDraft::new(claim, state, &config.nas_identifier, &config.secret)?;
        let (host, answer) = match asked {
            Some(host) => {
                let most = config.retries.saturating_add(1);
                let tries = RetryLimit { most, elsewhere: OtherHost::Nobody };
                let answer = self.ask_host(host, tries, &question).await;
                (host.clone(), answer.map_err(|fault| BackendUnavailable(format!("{}: {fault}", host.name)))?)
            }
            None => self.ask_hosts(&question).await?,
        };
        let at = self.hosts.iter().position(|other| Arc::ptr_eq(other, &host));
        let at = at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX);
        packet::read(&answer, &user, at, &config.secret)
    }

    async fn ask_hosts(
        self: &Arc<Self>,
        question: &RequestDraft,
    ) -> Result<(Arc<RadiusHost>, RadiusAnswer), BackendUnavailable> {
        let order = host_order(&self.hosts, |host| &host.health, Instant::now());
        for host in order.probe {
            drop(tokio::spawn(Arc::clone(self).look_after(host)));
        }
        let most = self.config.retries.saturating_add(1);
        let trial = order.trial.iter().map(|host| (host, 1));
        let last = order.ask.last();
        let mut why = Vec::new();
        for (host, most) in trial.chain(order.ask.iter().map(|host| (host, most))) {
            let is_last = last.is_some_and(|last| Arc::ptr_eq(last, host));
            let elsewhere = if is_last { OtherHost::Nobody } else { OtherHost::Somebody };
            match self.ask_host(host, RetryLimit { most, elsewhere }, question).await {
                Ok(answer) => return Ok((Arc::clone(host), answer)),
                Err(fault) => why.push(format!("{}: {fault}", host.name)),
            }
        }
        let is_asked = |host: &Arc<RadiusHost>| {
            order.ask.iter().chain(&order.trial).any(|asked| Arc::ptr_eq(asked, host))
        };
        why.extend(self.hosts.iter().filter(|host| !is_asked(host)).filter_map(|host| {
            Some(format!("{}: left out for a while: {}", host.name, host.health.outage_reason()?))
        }));
        Err(BackendUnavailable(why.join("; ")))
    }

    async fn ask_host(
        &self,
        host: &RadiusHost,
        tries: RetryLimit,
        question: &RequestDraft,
    ) -> Result<RadiusAnswer, RadiusFault> {
        let secret = &self.config.secret;
        host.send_until_answered(tries, |id, authenticator| question.signed_octets(id, authenticator, secret))
            .await
    }

    /// Asks a host for a sign of life.
    async fn request_status(&self, host: &RadiusHost) -> Result<(), RadiusFault> {
        let radius::RadiusOptions { nas_identifier, secret, .. } = &self.config;
        let tries = RetryLimit { most: 1, elsewhere: OtherHost::Somebody };
        let asked = host.send_until_answered(tries, |id, authenticator| {
            packet::status_request(id, authenticator, nas_identifier, secret)
        });
        asked.await.map(|_| host.health.record_report(Instant::now()))
    }

    /// Sees whether a host that was left out is there again. If it says nothing, that is for the next login to find out.
    async fn look_after(self: Arc<Self>, host: Arc<RadiusHost>) {
        let _ = self.request_status(&host).await;
    }

    /// For `mfa doctor`: a sign of life, and what it says to a name that no user has.
    async fn look_at(&self, host: &RadiusHost) -> Result<String, ProbeFault> {
        let address = host.resolve_address().await.map_err(ProbeFault::new)?;
        let status = match self.request_status(host).await {
            Ok(()) => "answers Status-Server, signed with our secret",
            Err(RadiusFault::Silent(None)) => {
                "does not answer Status-Server; many servers do not, or not to strangers: try a login"
            }
            Err(fault) => return Err(ProbeFault::new(fault)),
        };
        let mut drawn = [[0; 16]; 2];
        for octets in &mut drawn {
            getrandom::fill(octets).map_err(|why| ProbeFault(format!("random numbers: {why}")))?;
        }
        let [name, password] = drawn.map(|octets| HEXLOWER.encode(&octets));
        let name = format!("mfa-doctor-{name}");
        match self.try_login(host, &name, password).await {
            Ok(Ok(PasswordResponse::Person(_))) => Err(ProbeFault(format!(
                "{address} lets in {name}, who does not exist: everybody can log in, with any password"
            ))),
            Ok(Ok(PasswordResponse::Asks { .. }) | Err(AuthFailure::Wrong)) => {
                Ok(format!("{address} {status}; it does not let in a name that no user has"))
            }
            Ok(Err(denied)) => Err(ProbeFault::new(denied)),
            Err(RadiusFault::Silent(None)) => Ok(format!("{address} {status}")),
            Err(fault) => Err(ProbeFault::new(fault)),
        }
    }

    /// Whether one host takes a password, asked once.
    async fn try_login(
        &self,
        host: &RadiusHost,
        name: &str,
        password: String,
    ) -> Result<Result<PasswordResponse, AuthFailure>, RadiusFault> {
        let claim = Credentials {
            user: UserName::from_canonical(name),
            typed: name.as_bytes().to_vec(),
            client: String::new(),
            password: SubmittedPassword::Plain(Secret::new(password)),
            packet: Vec::new(),
            state: None,
        };
        let (nas_identifier, secret) = (&self.config.nas_identifier, &self.config.secret);
        let question = match RequestDraft::new(claim, None, nas_identifier, secret) {
            Ok(question) => question,
            Err(denied) => return Ok(Err(denied)),
        };
        let answer =
            self.ask_host(host, RetryLimit { most: 1, elsewhere: OtherHost::Nobody }, &question).await?;
        Ok(packet::read(&answer, name, 0, secret))
    }
}
