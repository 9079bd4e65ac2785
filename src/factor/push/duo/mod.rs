//! Duo, through its Auth API, version 2: `preauth` tells what the user may do, `auth` asks him or checks his passcode,
//! `auth_status` waits for what he says.
//!
//! [`answer`] reads what Duo sends, [`signature`] signs what is sent to it, [`api`] does the sending. Nothing is kept but the
//! difference between the clocks.
//!
//! `preauth` asks nobody: if Duo cannot be reached, is silent, or has too much to do until the login's time is over, that is
//! [`Trouble::Unreachable`]. Everything else that goes wrong is [`Trouble::Failed`], a 5xx to `preauth` too: there is somebody.

#[doc(hidden)]
pub mod answer;
mod api;
mod signature;

use crate::config::push;
use crate::engine::provider::{Ask, Asked, Asking, Outcome, Pending, Provider, Question, Trouble, Ways};
use crate::http::{self, Client};
use crate::types::{Choice, Factor, Passcode, Printable};
use answer::Preauth;
use api::{Api, Fault, Request};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long Duo may hold a poll. It does so until something happens, and a question lives for about a minute.
const HOLD: Duration = Duration::from_secs(70);

/// The rest between two polls that Duo did not hold, and after a lost one.
const INTERVAL: Duration = Duration::from_secs(1);

/// Polls that may end at once without a rest: Duo answers the first one so, and where the state changes.
const QUICK: u32 = 3;

/// Polls in a row that may get lost.
const LOST: u32 = 5;

/// Duo.
pub(super) struct Duo {
    api: Arc<Api>,
}

impl Duo {
    /// Reaches it by `http`.
    ///
    /// # Errors
    ///
    /// `api_host` is none.
    pub(super) fn new(config: &push::Duo, http: Client) -> Result<Self, String> {
        Ok(Self { api: Arc::new(Api::new(config, http)?) })
    }
}

impl Provider for Duo {
    fn name(&self) -> &'static str {
        "duo"
    }

    fn takes_passcodes(&self) -> bool {
        true
    }

    fn tells_ways(&self) -> bool {
        true
    }

    fn ways(&self, ask: &Ask) -> Pending<Result<Ways, Trouble>> {
        let (api, ask) = (Arc::clone(&self.api), ask.clone());
        Box::pin(async move {
            Ok(match preauth(&api, &ask).await?.0 {
                Preauth::Auth(devices) => Ways::Ways(answer::ways(&devices)),
                Preauth::Allow => Ways::Decided(bypassed(Choice::DEFAULT.factor)),
                Preauth::Deny => Ways::Decided(Outcome::Locked),
                Preauth::Enroll(text) => Ways::Decided(Outcome::Enroll(text)),
            })
        })
    }

    fn ask(&self, ask: Ask) -> Pending<Result<Asked, Trouble>> {
        let api = Arc::clone(&self.api);
        Box::pin(async move { begin(&api, &ask).await })
    }

    fn answer(&self, question: &Question) -> Pending<Result<Outcome, Trouble>> {
        let (api, question) = (Arc::clone(&self.api), question.clone());
        Box::pin(async move { wait(&api, &question).await })
    }

    /// Nothing: the Auth API cannot take a question back. It stays on the device until it expires there (60 s), and whatever
    /// the user says to it, nobody asks for the answer any more.
    fn cancel(&self, _question: &Question) -> Pending<()> {
        Box::pin(async {})
    }

    /// `check`, which asks nobody: the keys, and the clock.
    fn probe(&self) -> Pending<Result<Option<String>, Trouble>> {
        let api = Arc::clone(&self.api);
        Box::pin(async move {
            let check = Request::get("/auth/v2/check", Vec::new());
            let checked = api.call(&check, answer::ping).await;
            checked
                .map(|_time| Some("it answers, and takes our keys".to_owned()))
                .map_err(Fault::before_asking)
        })
    }
}

/// What the user may do, which asks him nothing; and what was said about him, which `auth` needs, too.
async fn preauth(
    api: &Api,
    ask: &Ask,
) -> Result<(Preauth, Vec<(&'static str, String)>, Option<Instant>), Trouble> {
    let deadline = Instant::now().checked_add(ask.limit);
    let mut params = vec![("username", ask.user.clone())];
    params.extend(address(ask));
    let preauth = Request::post("/auth/v2/preauth", params.clone(), deadline);
    Ok((api.call(&preauth, answer::preauth).await.map_err(Fault::before_asking)?, params, deadline))
}

/// Duo lets him in without asking him.
fn bypassed(factor: Factor) -> Outcome {
    Outcome::Approved { factor, device: Printable::new(answer::BYPASS) }
}

/// `preauth`, and by its result `auth`.
async fn begin(api: &Api, ask: &Ask) -> Result<Asked, Trouble> {
    let wanted = match &ask.asking {
        Asking::Device(choice) => *choice,
        Asking::Passcode(_) => None,
    };
    let (preauth, mut params, deadline) = preauth(api, ask).await?;
    let devices = match preauth {
        Preauth::Auth(devices) => devices,
        Preauth::Allow => {
            let factor = match &ask.asking {
                Asking::Passcode(_) => Factor::Passcode,
                Asking::Device(choice) => choice.unwrap_or(Choice::DEFAULT).factor,
            };
            return decided(bypassed(factor));
        }
        Preauth::Deny => return decided(Outcome::Locked),
        Preauth::Enroll(text) => return decided(Outcome::Enroll(text)),
    };
    if let Asking::Passcode(passcode) = &ask.asking {
        return check(api, params, passcode, deadline).await;
    }
    let Some((device, factor)) = answer::choose(&devices, wanted) else {
        return decided(Outcome::NoDevice);
    };
    params.push(("factor", factor.as_str().to_owned()));
    params.push(("device", device.id.clone()));
    if factor != Factor::Sms {
        params.push(("async", "1".to_owned()));
        params.push(("type", "Login".to_owned()));
        params.push(("display_username", ask.user.clone()));
        params.push(("pushinfo", details(ask)));
    }
    let auth = Request::post("/auth/v2/auth", params, deadline);
    let said = api.call(&auth, answer::auth).await.map_err(Fault::asking)?;
    if let Some(id) = said.question() {
        return Ok(Asked::Waiting(Question {
            id,
            subject: String::new(),
            factor,
            device: device.label.clone(),
            interval: INTERVAL,
        }));
    }
    match said.outcome(factor, &device.label) {
        Ok(Some(outcome)) => decided(outcome),
        Ok(None) => Err(api.failed(&auth, "a question without an id")),
        Err(text) => Err(api.failed(&auth, &text)),
    }
}

/// Has Duo check a passcode. The answer comes at once.
async fn check(
    api: &Api,
    mut params: Vec<(&'static str, String)>,
    passcode: &Passcode,
    deadline: Option<Instant>,
) -> Result<Asked, Trouble> {
    params.push(("factor", Factor::Passcode.as_str().to_owned()));
    params.push(("passcode", String::from_utf8_lossy(passcode.expose()).into_owned()));
    let auth = Request::post("/auth/v2/auth", params, deadline);
    let said = api.call(&auth, answer::auth).await.map_err(Fault::asking)?;
    match said.outcome(Factor::Passcode, &Printable::new(Factor::Passcode.as_str())) {
        Ok(Some(outcome)) => decided(outcome),
        Ok(None) => Err(api.failed(&auth, "no decision about a passcode")),
        Err(text) => Err(api.failed(&auth, &text)),
    }
}

/// Polls until the user has said something. A poll that is lost on the way is sent again: it changes nothing at Duo.
async fn wait(api: &Api, question: &Question) -> Result<Outcome, Trouble> {
    let id = String::from_utf8_lossy(question.id.expose()).into_owned();
    let poll = Request::get("/auth/v2/auth_status", vec![("txid", id)]).within(HOLD);
    let (mut quick, mut lost) = (0_u32, 0_u32);
    loop {
        let begun = Instant::now();
        match api.call(&poll, answer::status).await {
            Ok(said) => match said.outcome(question.factor, &question.device) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => lost = 0,
                Err(text) => return Err(api.failed(&poll, &text)),
            },
            Err(Fault::Http(http::Error::Unreachable(_) | http::Error::Silent(_))) if lost < LOST => {
                lost = lost.saturating_add(1);
                quick = QUICK;
            }
            // The user has been asked, whatever became of this poll.
            Err(fault) => return Err(fault.asked()),
        }
        if begun.elapsed() < question.interval {
            quick = quick.saturating_add(1);
            if quick > QUICK {
                sleep(question.interval).await;
            }
        }
    }
}

fn decided(outcome: Outcome) -> Result<Asked, Trouble> {
    Ok(Asked::Decided(outcome))
}

/// The user's address, where Calling-Station-Id is one: for the rules and the log at Duo.
fn address(ask: &Ask) -> Option<(&'static str, String)> {
    let address: IpAddr = ask.calling_station.trim().parse().ok()?;
    Some(("ipaddr", address.to_string()))
}

/// What the device shows beside the question.
fn details(ask: &Ask) -> String {
    let station = ask.calling_station.trim();
    let mut pairs = vec![("Client", ask.client.clone())];
    if !station.is_empty() {
        pairs.push(("From", station.to_owned()));
    }
    signature::pairs(&pairs)
}
