//! Puts configuration, engine, factors and store together, drives a decision on the caller's thread, and lets it wait elsewhere
//! where it takes longer.
//!
//! The module in the server opens one [`App`] for each instance and calls it from all of the server's threads. This is the only
//! place that reads the clock.

mod challenges;
pub mod control;
mod enrol;
mod metered;
mod metrics;
mod probe;
mod responder;
mod sending;
mod serve;
mod wait;
mod waits;
mod wire;
pub mod words;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

pub use enrol::Complain;
pub use metrics::{Attempts, Latency};
pub use probe::{Probed, ProbedHost, find_person, probe, probe_directory};
pub use sending::{ProbedRelay, Refusal, Sent, probe_relays, send};
pub use waits::{Counts, Fingerprint, Seat, Status, Token};
#[doc(hidden)]
pub use wire::{Code, Reply, Request};

use crate::config::Config;
use crate::config::push::NumberMatch;
use crate::engine::messenger::{Courier, Message, Messenger, Parcel};
use crate::engine::port::{Finding, Store, Unavailable};
use crate::engine::prompt::{Asks, Prompt};
use crate::engine::provider::{Pending, Provider, Trouble};
use crate::engine::{Attempt, Begun, Decision, Dice, Ended, Engine, Reason, Source, Stop, Undecided};
use crate::factor::{Factors, message, push};
use crate::store::{self, Sqlite};
use crate::types::{Factor, Secret, Timestamp, UserName};
use challenges::{Challenges, Whose};
use hmac::{Hmac, KeyInit, Mac};
use metered::Metered;
use metrics::Metrics;
use once_cell::sync::OnceCell;
use responder::{Responder, Socket};
use sha2::Sha256;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use waits::{Adopted, Asked, Joined, Opened, Opening, WaitId, Waits};
use words::Voice;

/// How long a login waits for the store on a thread of the server.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it does where it could wait elsewhere.
const GRACE: Duration = Duration::from_millis(20);
/// What a decision is given beyond the end of a wait to be written.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Everything that decides on logins. Dropped, it finishes what was begun, in bounded time.
pub struct App {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    responder: Option<Responder>,
    control: Option<control::Listening>,
    address: SocketAddr,
    secret: Secret,
    patience: Duration,
    tag_key: Secret,
    /// Threads of the server that may be kept by waits.
    threads: Arc<Semaphore>,
    /// Held by every wait until nothing is left to do for it.
    at_work: Arc<()>,
}

/// What the futures of logins hold on to.
struct Shared {
    config: Arc<Config>,
    engine: Engine,
    waits: Arc<Waits>,
    challenges: Challenges,
    messages: Option<Arc<dyn Messenger>>,
    metrics: Arc<Metrics>,
    complain: OnceCell<Complain>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// What the server tells of a packet beside the attempt in it.
#[derive(Clone, Debug)]
pub struct Login {
    /// What makes another packet one of the same attempt.
    pub fingerprint: Fingerprint,
    /// How long it may wait at most, if somebody has set that for this login.
    pub limit: Option<Duration>,
    /// What can be done with it if it has to wait.
    pub patience: Way,
    /// How its client is spoken to.
    pub voice: Voice,
}

/// What a packet does that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It leaves its thread.
    Park,
    /// It cannot: it keeps its thread.
    Block,
}

/// How far a login came.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// To its end.
    Done(Decision),
    /// The decision comes later: park the request with the seat's token, or wait with [`App::block`].
    Waiting(Seat),
}

/// What time it is.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Chance for one attempt. `None` where the system gives none: then there are no challenges.
pub fn throw() -> Option<Dice> {
    let mut octets = [0; 40];
    getrandom::fill(&mut octets).ok()?;
    let (state, rest) = octets.split_first_chunk()?;
    let (conversation, code) = rest.split_first_chunk()?;
    Some(Dice { state: *state, conversation: *conversation, code: *code.first_chunk()? })
}

impl App {
    /// Looks whether it could be opened, as far as that goes without opening the store: files that the provider needs are read.
    ///
    /// # Errors
    ///
    /// A sentence that names the option and the file.
    pub fn check(config: &Config) -> Result<(), String> {
        push::open(&config.push)?;
        message::open(config).map(drop)
    }

    /// Opens the store, which starts its writer, the runtime and the responder. `threads` is how many the server has; `lost` is
    /// told of users whose requests were parked and never came.
    ///
    /// # Errors
    ///
    /// Sentences that name the file or the option.
    pub fn open(config: Arc<Config>, threads: usize, lost: responder::Lost) -> Result<Self, store::Error> {
        let provider = push::open(&config.push).map_err(store::Error::Other)?;
        let messages = message::open(&config).map_err(store::Error::Other)?;
        let messages = messages.map(|messages| -> Arc<dyn Messenger> { messages });
        let store = Sqlite::open(&config.store)?;
        let mut app = Self::over(config, Arc::new(store), provider, messages, PATIENCE)?;
        app.threads = Arc::new(Semaphore::new((threads / 4).max(1)));
        app.respond(lost)?;
        Ok(app)
    }

    fn over(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        provider: Option<Arc<dyn Provider>>,
        messages: Option<Arc<dyn Messenger>>,
        patience: Duration,
    ) -> Result<Self, store::Error> {
        let failed = |what: &str, why: &dyn std::fmt::Display| store::Error::Other(format!("{what}: {why}"));
        let mut tag_key = [0; 32];
        getrandom::fill(&mut tag_key).map_err(|why| failed("the system gives no random numbers", &why))?;
        let tag_key = Secret::new(tag_key);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mfa-wait")
            .enable_all()
            .build()
            .map_err(|why| failed("no threads to wait with", &why))?;
        let Socket { socket, address, secret } =
            Socket::open().map_err(|why| failed("no UDP port of 127.0.0.1 for requests that wait", &why))?;
        let waits = Waits::new(socket, secret.clone(), config.push.result_cache);
        let metrics = Arc::new(Metrics::new(provider.as_ref().map(|provider| provider.name())));
        let store = Arc::new(Metered { inner: store, metrics: Arc::clone(&metrics) });
        let provider = provider
            .map(|inner| -> Arc<dyn Provider> { Arc::new(Metered { inner, metrics: Arc::clone(&metrics) }) });
        let factors = Arc::new(Factors::new(config.totp, config.hotp));
        let sends = |factor: &Factor| messages.as_ref().is_some_and(|messages| messages.sends(*factor));
        let sends = [Factor::Sms, Factor::Email].into_iter().filter(sends).collect();
        let engine = Engine::new(Arc::clone(&config), store, factors, tag_key.clone());
        let engine = engine.asking(provider).sending(sends);
        let shared = Arc::new(Shared {
            config,
            engine,
            waits: Arc::new(waits),
            challenges: Challenges::default(),
            messages,
            metrics,
            complain: OnceCell::new(),
        });
        Ok(Self {
            shared,
            runtime: Some(runtime),
            responder: None,
            control: None,
            address,
            secret,
            patience,
            tag_key,
            threads: Arc::new(Semaphore::new(1)),
            at_work: Arc::default(),
        })
    }

    fn respond(&mut self, lost: responder::Lost) -> Result<(), store::Error> {
        let failed =
            |why: std::io::Error| store::Error::Other(format!("the responder does not start: {why}"));
        let socket = self.shared.waits.socket().map_err(failed)?;
        let (waits, metrics) = (Arc::clone(&self.shared.waits), Arc::clone(&self.shared.metrics));
        self.responder = Some(Responder::start(socket, waits, metrics, lost).map_err(failed)?);
        Ok(())
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Has `complain` told what could not be sent to users.
    pub fn complain_to(&self, complain: Complain) {
        let _ = self.shared.complain.set(complain);
    }

    /// Where parked requests are sent, and the secret to sign them with.
    pub fn responder(&self) -> (SocketAddr, &Secret) {
        (self.address, &self.secret)
    }

    /// A keyed digest of what makes packets packets of one attempt; the key dies with the process.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.tag_key.expose()) else { return [0; 32] };
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// [`Engine::begin`], on this thread: for sections in which nothing can wait. A store that does not answer in time is
    /// [`Reason::Unavailable`]; the attempt may then still be written, and its code be spent.
    pub fn begin(&self, attempt: Attempt) -> Begun {
        let user = attempt.user.clone();
        let begun = wait::for_at_most(self.patience, self.shared.engine.begin(attempt));
        let begun = begun.unwrap_or_else(|| Begun::Decided(self.late(&user)));
        if let Begun::Decided(decision) = &begun {
            self.shared.metrics.decided(decision);
        }
        begun
    }

    /// [`Engine::types_password_alone`], likewise; of a store that does not answer in time, no.
    pub fn types_password_alone(&self, user: &[u8]) -> bool {
        wait::for_at_most(self.patience, self.shared.engine.types_password_alone(user)).unwrap_or(false)
    }

    /// Sends the link of an invitation, in the words of this client.
    pub fn invite(&self, decision: &Decision, voice: &Voice) {
        if let (Some(runtime), Reason::Invited, Some(user)) = (&self.runtime, decision.reason, &decision.user)
        {
            let (shared, user, voice) = (Arc::clone(&self.shared), user.clone(), voice.clone());
            runtime.spawn(async move { shared.invite(user, voice).await });
        }
    }

    /// [`Engine::note`], likewise.
    pub fn note(&self, attempt: Attempt, finding: Finding) -> Decision {
        let user = attempt.user.clone();
        let decision = wait::for_at_most(self.patience, self.shared.engine.note(attempt, finding));
        self.counted(decision.unwrap_or_else(|| self.late(&user)))
    }

    /// [`Engine::exempt`], likewise.
    pub fn exempt(&self, attempt: Attempt, by: String) -> Decision {
        let user = attempt.user.clone();
        let decision = wait::for_at_most(self.patience, self.shared.engine.exempt(attempt, by));
        self.counted(decision.unwrap_or_else(|| self.late(&user)))
    }

    /// Decides an attempt where it may wait: what the store answers at once is done on this thread; for the rest the login
    /// waits.
    pub fn attempt(&self, attempt: Attempt, login: Login) -> Progress {
        let user = attempt.user.clone();
        let (at, client) = (attempt.at, attempt.source.client.clone());
        let shared = Arc::clone(&self.shared);
        let mut begun: Pin<Box<dyn Future<Output = Begun> + Send>> =
            Box::pin(async move { shared.engine.begin(attempt).await });
        let parks = login.patience == Way::Park;
        let grace = if parks { GRACE.min(self.patience) } else { self.patience };
        match wait::for_at_most(grace, begun.as_mut()) {
            None if parks => {
                let opening = Opening {
                    user: None,
                    client,
                    fingerprint: login.fingerprint,
                    since: at,
                    limit: self.shared.limit(&login),
                    number: None,
                };
                match self.shared.waits.enter(opening) {
                    Joined::Opened(opened, Some(seat)) => {
                        self.run(opened, Work::Begin(begun), login);
                        Progress::Waiting(seat)
                    }
                    // No more waits are opened: it goes on here.
                    _ => self.go_on(wait::for_at_most(self.patience, begun), login, &user),
                }
            }
            begun => self.go_on(begun, login, &user),
        }
    }

    /// With what was begun, if it was done in time.
    fn go_on(&self, begun: Option<Begun>, login: Login, user: &[u8]) -> Progress {
        match begun {
            Some(Begun::Decided(decision)) => {
                self.invite(&decision, &login.voice);
                Progress::Done(self.counted(decision))
            }
            Some(Begun::Ask(undecided)) => self.ask(*undecided, login),
            None => Progress::Done(self.counted(self.late(user))),
        }
    }

    /// Asks the user on his device, or has the provider check his passcode; unless a question to him is open already. A packet
    /// of the same attempt then waits for that one's answer, and any other is refused.
    pub fn ask(&self, undecided: Undecided, login: Login) -> Progress {
        let number = match self.shared.number(&undecided, &login) {
            Ok(number) => number,
            Err(reason) => return Progress::Done(self.refuse(undecided, reason)),
        };
        // Nobody is asked for a login that could not wait for the answer.
        let thread = match (login.patience, &number) {
            (Way::Block, None) => match Arc::clone(&self.threads).try_acquire_owned() {
                Ok(thread) => Some(thread),
                Err(_) => return Progress::Done(self.refuse(undecided, Reason::Busy)),
            },
            _ => None,
        };
        let opening = Opening {
            user: undecided.asks_device().then(|| asked(&undecided)),
            client: undecided.attempt.source.client.clone(),
            fingerprint: login.fingerprint,
            since: undecided.attempt.at,
            limit: self.shared.limit(&login),
            number,
        };
        match self.shared.waits.enter(opening) {
            Joined::Decided(decision) => Progress::Done(self.counted(decision)),
            Joined::Seated(mut seat) => {
                seat.thread = thread;
                Progress::Waiting(seat)
            }
            Joined::Number(id, number) => {
                Progress::Done(self.counted(self.shared.challenge(&undecided, id, &number)))
            }
            Joined::Refused => Progress::Done(self.refuse(undecided, Reason::AlreadyWaiting)),
            Joined::Nothing => Progress::Done(self.refuse(undecided, Reason::Cancelled)),
            Joined::Opened(opened, Some(mut seat)) => {
                self.run(opened, Work::Ask(Box::new(undecided)), login);
                seat.thread = thread;
                Progress::Waiting(seat)
            }
            Joined::Opened(opened, None) => {
                let number = opened.number.as_deref().unwrap_or_default();
                let shown = self.counted(self.shared.challenge(&undecided, opened.id, number));
                self.run(opened, Work::Ask(Box::new(undecided)), login);
                Progress::Done(shown)
            }
        }
    }

    /// Whether, in mode `auto`, an answer stands behind the password.
    pub fn has_answer(&self, field: &Secret) -> bool {
        self.shared.engine.has_answer(field)
    }

    /// The answer to a challenge, whose State the attempt has: of a question on his device that is open here, or of a turn of his
    /// conversation.
    pub fn answer(&self, attempt: Attempt, login: Login) -> Progress {
        let state = attempt.state.clone().unwrap_or_default();
        let refuse = |attempt, reason| Progress::Done(self.note(attempt, Finding::Refused(reason)));
        let Ok(name) = UserName::parse(&attempt.user, &self.shared.config.names) else {
            return refuse(attempt, Reason::BadState);
        };
        let Some(id) = self.shared.challenges.find(&state, &whose(&name, &attempt.source)) else {
            return self.attempt(attempt, login);
        };
        match self.shared.waits.attend(id, &login.fingerprint) {
            Joined::Decided(decision) => Progress::Done(self.counted(decision)),
            Joined::Seated(seat) => Progress::Waiting(seat),
            Joined::Refused => refuse(attempt, Reason::AlreadyWaiting),
            Joined::Nothing | Joined::Number(..) | Joined::Opened(..) => refuse(attempt, Reason::TimedOut),
        }
    }

    /// What was decided on a parked packet; it has it from now on, and nobody else.
    pub fn redeem(&self, seat: &Seat) -> Option<Decision> {
        self.shared.waits.redeem(&seat.token).map(|decision| self.counted(decision))
    }

    /// Waits on this thread: the last resort. Only a quarter of the server's threads may, so that it is never stalled.
    pub fn block(&self, mut seat: Seat, stopped: &dyn Fn() -> bool) -> Decision {
        let thread = seat.thread.take().or_else(|| Arc::clone(&self.threads).try_acquire_owned().ok());
        if thread.is_none() {
            return self.counted(Decision::refused(None, Reason::Busy));
        }
        let decision = self.shared.waits.block(&seat, stopped);
        self.counted(decision.unwrap_or_else(|| Decision::refused(None, Reason::Cancelled)))
    }

    /// What waits.
    pub fn status(&self) -> Vec<Status> {
        self.shared.waits.status()
    }

    /// Ends it: what was begun is finished, in bounded time.
    pub fn close(self) {}

    /// Runs a wait to its end on the runtime. A panic in it is a refusal.
    fn run(&self, opened: Opened, work: Work, login: Login) {
        let Some(runtime) = &self.runtime else { return };
        let (shared, id, deadline) = (Arc::clone(&self.shared), opened.id, opened.deadline);
        let (supervised, at_work) = (Arc::clone(&shared), Arc::clone(&self.at_work));
        let (mut stop, voice) = (opened.stop.clone(), login.voice.clone());
        let task = runtime.spawn(async move { shared.work(opened, work, login).await });
        runtime.spawn(async move {
            // Whatever is slow to write keeps nobody waiting.
            let late = async {
                let why = tokio::select! {
                    () = tokio::time::sleep_until(deadline.into()) => Reason::TimedOut,
                    _ = stop.wait_for(|stop| *stop) => Reason::Cancelled,
                };
                tokio::time::sleep(AFTERMATH).await;
                why
            };
            let Ended { decision, rest } = tokio::select! {
                biased;
                ended = task => match ended {
                    Ok(Some(ended)) => ended,
                    // Its packet has gone to another wait.
                    Ok(None) => return,
                    Err(_panic) => Decision::refused(None, Reason::Unavailable).into(),
                },
                why = late => Decision::refused(None, why).into(),
            };
            let invited = decision.user.clone().filter(|_| decision.reason == Reason::Invited);
            let was_stopped = *stop.borrow();
            supervised.waits.resolve(id, supervised.spoken(decision, was_stopped, &voice));
            if let Some(user) = invited {
                supervised.invite(user, voice).await;
            }
            if let Some(rest) = rest {
                rest.await;
            }
            drop(at_work);
        });
    }

    /// Records on this thread that he is not asked, and why.
    pub fn refuse(&self, undecided: Undecided, reason: Reason) -> Decision {
        let name = undecided.name.clone();
        let decision = wait::for_at_most(self.patience, self.shared.engine.close(undecided, reason));
        let decision = decision.unwrap_or_else(|| self.late(name.as_str().as_bytes()));
        self.counted(decision)
    }

    fn counted(&self, decision: Decision) -> Decision {
        self.shared.metrics.decided(&decision);
        decision
    }

    fn late(&self, user: &[u8]) -> Decision {
        Decision::unavailable(UserName::parse(user, &self.shared.config.names).ok(), late())
    }
}

/// What a wait does.
enum Work {
    /// Goes on with what the store was slow with.
    Begin(Pin<Box<dyn Future<Output = Begun> + Send>>),
    /// Asks.
    Ask(Box<Undecided>),
}

/// Codes in the words of one client.
struct Said<'a> {
    messages: &'a Arc<dyn Messenger>,
    voice: &'a Voice,
}

impl Courier for Said<'_> {
    fn send(&self, parcel: Parcel) -> Pending<Result<(), Trouble>> {
        let Parcel { factor, to, code, user, client, life } = parcel;
        let words = words::Code { factor, code: &code, client: &client, user: &user, life };
        let (subject, text) = self.voice.message(&words);
        self.messages.send(Message { factor, to, subject, text })
    }
}

impl Shared {
    /// The whole of a wait. None if its packet went to another wait of the user.
    async fn work(&self, opened: Opened, work: Work, login: Login) -> Option<Ended> {
        let Opened { id, mut stop, deadline, number } = opened;
        let (undecided, number) = match work {
            Work::Ask(undecided) => (*undecided, number),
            Work::Begin(begun) => match tokio::time::timeout(PATIENCE, begun).await {
                Ok(Begun::Decided(decision)) => return Some(decision.into()),
                Ok(Begun::Ask(undecided)) => match self.adopt(id, *undecided, &login).await {
                    Ok(found) => found,
                    Err(decision) => return decision.map(Ended::from),
                },
                Err(_elapsed) => return Some(Decision::unavailable(None, late()).into()),
            },
        };
        let stopped = async {
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => Stop::TimedOut,
                _ = stop.wait_for(|stop| *stop) => Stop::Cancelled,
            }
        };
        let number = number.filter(|number| !number.is_empty());
        let courier = self.messages.as_ref().map(|messages| Said { messages, voice: &login.voice });
        let courier = courier.as_ref().map(|said| -> &dyn Courier { said });
        Some(self.engine.ask(undecided, number, self.limit(&login), courier, stopped).await)
    }

    /// In words. A refusal of a wait that was ended because the server is about to be stopped is the same for everybody, whatever
    /// he would have been told otherwise.
    fn spoken(&self, decision: Decision, was_stopped: bool, voice: &Voice) -> Decision {
        if decision.verdict().lets_in() || !was_stopped || !self.waits.is_closed() {
            return voice.speak(decision);
        }
        Decision { message: voice.restarting(), state: None, ..decision }
    }

    /// The store was slow, and only now it is known that the wait's user has to be asked: what [`App::ask`] does, for a packet
    /// that waits already. What it comes to otherwise; nothing if its packet went to another wait.
    async fn adopt(
        &self,
        id: WaitId,
        undecided: Undecided,
        login: &Login,
    ) -> Result<(Undecided, Option<String>), Option<Decision>> {
        if !undecided.asks_device() {
            return Ok((undecided, None));
        }
        let number = match self.number(&undecided, login) {
            Ok(number) => number,
            Err(reason) => return Err(Some(self.engine.close(undecided, reason).await)),
        };
        match self.waits.adopt(id, &asked(&undecided), number.as_deref()) {
            Adopted::Alone => {
                if let Some(number) = &number {
                    let challenge = self.challenge(&undecided, id, number);
                    self.waits.show(id, login.voice.speak(challenge));
                }
                Ok((undecided, number))
            }
            Adopted::Moved => Err(None),
            Adopted::Number(other, number) => Err(Some(self.challenge(&undecided, other, &number))),
            Adopted::Decided(decision) => Err(Some(decision)),
            Adopted::Refused => Err(Some(self.engine.close(undecided, Reason::AlreadyWaiting).await)),
        }
    }

    /// What the user is shown to find on his device, before any packet waits; empty if he is only to answer there first.
    fn number(&self, undecided: &Undecided, login: &Login) -> Result<Option<String>, Reason> {
        match (self.config.push.number_match, undecided.attempt.dialogue, login.patience) {
            _ if !undecided.asks_device() => Ok(None),
            (NumberMatch::Required, false, _) => Err(Reason::NeedsChallenge),
            (NumberMatch::Required, true, _) => number().map(Some).ok_or(Reason::Unavailable),
            // He answers on his device, and then here: no thread waits meanwhile.
            (NumberMatch::Off, true, Way::Block) => Ok(Some(String::new())),
            (NumberMatch::Off, ..) => Ok(None),
        }
    }

    /// The challenge of a question that is open.
    fn challenge(&self, undecided: &Undecided, id: WaitId, number: &str) -> Decision {
        let whose = whose(&undecided.name, &undecided.attempt.source);
        let state = self.challenges.issue(whose, id);
        let asks = Asks::Approval { number: number.to_owned() };
        let prompt = Prompt { because: None, left: None, asks };
        let decision = Decision::refused(Some(undecided.name.clone()), Reason::Challenged);
        Decision { prompt: Some(prompt), state, ..decision }
    }

    fn limit(&self, login: &Login) -> Duration {
        let most = self.config.push.limit;
        login.limit.map_or(most, |limit| limit.min(most))
    }
}

fn late() -> Unavailable {
    Unavailable(format!("store did not answer within {} s", PATIENCE.as_secs()))
}

fn asked(undecided: &Undecided) -> Asked {
    Asked { name: undecided.name.clone(), proven: undecided.is_proven() }
}

fn whose(user: &UserName, source: &Source) -> Whose {
    Whose {
        user: user.clone(),
        client: source.client.clone(),
        calling_station: source.calling_station.clone(),
    }
}

/// Two digits, none more likely than another.
fn number() -> Option<String> {
    let mut octet = [0];
    loop {
        getrandom::fill(&mut octet).ok()?;
        let [octet] = octet;
        if octet < 200 {
            return Some(format!("{:02}", octet % 100));
        }
    }
}

impl Drop for App {
    /// Takes back what is asked, and gives that two seconds.
    fn drop(&mut self) {
        self.shared.waits.close();
        let since = Instant::now();
        while Arc::strong_count(&self.at_work) > 1 && since.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.responder = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }
}
