//! Duo, through its Auth API, version 2: `preauth` tells what the user may do, `auth` sends a push or checks a
//! passcode, `auth_status` waits for the answer.
//!
//! [`answer`] reads what Duo sends, [`signature`] signs what is sent to it, [`api`] does the sending. Nothing is kept
//! but the difference between the clocks.
//!
//! `preauth` sends no push: if Duo cannot be reached, is silent, or has too much to do until the login's time is
//! over, that is [`ProviderError::Unreachable`]. Everything else that goes wrong is [`ProviderError::Failed`], a 5xx
//! to `preauth` too: the service is there.

#[doc(hidden)]
pub mod answer;
mod api;
mod signature;

use super::common::{INVENTED, invented_name};
use crate::config::push;
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFactors, ProviderFuture, PushOutcome, PushProvider, PushQuestion,
    PushRequest, PushRequestKind, PushResponse,
};
use crate::http::{self, HttpClient};
use crate::types::{Factor, Passcode, Printable, SetupError};
use answer::PreauthResult;
use api::{DuoApi, DuoFault, DuoRequest};
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

/// For how long `mfa doctor` lets Duo be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Duo.
pub(super) struct DuoProvider {
    api: Arc<DuoApi>,
}

impl DuoProvider {
    /// Reaches it by `http`.
    ///
    /// # Errors
    ///
    /// `api_host` is none.
    pub(super) fn new(config: &push::DuoOptions, http: HttpClient) -> Result<Self, SetupError> {
        Ok(Self { api: Arc::new(DuoApi::new(config, http)?) })
    }
}

impl PushProvider for DuoProvider {
    fn name(&self) -> &'static str {
        "duo"
    }

    fn takes_passcodes(&self) -> bool {
        true
    }

    fn tells_ways(&self) -> bool {
        true
    }

    fn list_factors(&self, ask: &PushRequest) -> ProviderFuture<Result<ProviderFactors, ProviderError>> {
        let (api, ask) = (Arc::clone(&self.api), ask.clone());
        Box::pin(async move {
            Ok(match request_preauth(&api, &ask).await?.0 {
                PreauthResult::Auth(devices) => ProviderFactors::Ways(answer::factor_options(&devices)),
                PreauthResult::Allow(words) => {
                    ProviderFactors::Decided(PushResponse::with_log_text(PushOutcome::Bypassed, words))
                }
                PreauthResult::Deny(words) => {
                    ProviderFactors::Decided(PushResponse::with_user_text(PushOutcome::Refused, words))
                }
                PreauthResult::Enroll(text) => ProviderFactors::Decided(PushOutcome::Enroll(text).into()),
            })
        })
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let api = Arc::clone(&self.api);
        Box::pin(async move { start_push(&api, &ask).await })
    }

    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        let (api, question) = (Arc::clone(&self.api), question.clone());
        Box::pin(async move { poll_until_answered(&api, &question).await })
    }

    /// Nothing: the Auth API cannot take a push back. It stays on the device until it expires there (60 s), and its
    /// answer is ignored.
    fn cancel_push(&self, _question: &PushQuestion) -> ProviderFuture<()> {
        Box::pin(async {})
    }

    /// `check`, which sends no push: the keys, and the clock. Then `preauth`, which sends none either, for a name
    /// that does not exist: what Duo's policy for new users does with every unknown name.
    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        let api = Arc::clone(&self.api);
        Box::pin(async move {
            let check = DuoRequest::get("/auth/v2/check", Vec::new());
            api.send_call(&check, answer::read_ping).await.map_err(DuoFault::before_asking)?;
            let params = vec![("username", invented_name()?)];
            let preauth =
                DuoRequest::post_call("/auth/v2/preauth", params, Instant::now().checked_add(PATIENCE));
            match api.send_call(&preauth, answer::read_preauth).await.map_err(DuoFault::before_asking)? {
                PreauthResult::Allow(words) => Err(api.call_failed(
                    &preauth,
                    &format!(
                        "DANGER: Duo lets in {INVENTED} without asking for anything ({words}): set the New User \
                         Policy of this application to \"Require enrollment\" or \"Deny access\""
                    ),
                )),
                PreauthResult::Deny(_) | PreauthResult::Enroll(_) | PreauthResult::Auth(_) => {
                    Ok(Some(format!("it answers, takes our keys, and does not let in {INVENTED}")))
                }
            }
        })
    }
}

/// What the user may do, without a push; and what was said about the user, which `auth` needs as well.
async fn request_preauth(
    api: &DuoApi,
    ask: &PushRequest,
) -> Result<(PreauthResult, Vec<(&'static str, String)>, Option<Instant>), ProviderError> {
    let deadline = Instant::now().checked_add(ask.limit);
    let mut params = vec![("username", ask.user.clone())];
    params.extend(client_address(ask));
    let preauth = DuoRequest::post_call("/auth/v2/preauth", params.clone(), deadline);
    Ok((
        api.send_call(&preauth, answer::read_preauth).await.map_err(DuoFault::before_asking)?,
        params,
        deadline,
    ))
}

/// `preauth`, and by its result `auth`.
async fn start_push(api: &DuoApi, ask: &PushRequest) -> Result<AskOutcome, ProviderError> {
    let wanted = match &ask.asking {
        PushRequestKind::Device(choice) => *choice,
        PushRequestKind::Passcode(_) => None,
    };
    let (preauth, mut params, deadline) = request_preauth(api, ask).await?;
    let devices = match preauth {
        PreauthResult::Auth(devices) => devices,
        PreauthResult::Allow(words) => {
            return decided_at_once(PushResponse::with_log_text(PushOutcome::Bypassed, words));
        }
        PreauthResult::Deny(words) => {
            return decided_at_once(PushResponse::with_user_text(PushOutcome::Refused, words));
        }
        PreauthResult::Enroll(text) => return decided_at_once(PushOutcome::Enroll(text)),
    };
    if let PushRequestKind::Passcode(passcode) = &ask.asking {
        return check_passcode(api, params, passcode, deadline).await;
    }
    let Some((device, factor)) = answer::choose_device(&devices, wanted) else {
        return decided_at_once(PushOutcome::NoDevice);
    };
    params.push(("factor", factor.as_str().to_owned()));
    params.push(("device", device.id.clone()));
    if factor != Factor::Sms {
        params.push(("async", "1".to_owned()));
        params.push(("type", "Login".to_owned()));
        params.push(("display_username", ask.user.clone()));
        params.push(("pushinfo", device_details(ask)));
    }
    let auth = DuoRequest::post_call("/auth/v2/auth", params, deadline);
    let said = api.send_call(&auth, answer::read_auth).await.map_err(DuoFault::while_asking)?;
    if let Some(id) = said.push_question() {
        return Ok(AskOutcome::Waiting(PushQuestion {
            id,
            subject: String::new(),
            factor,
            device: device.label.clone(),
            interval: INTERVAL,
        }));
    }
    match said.push_response(factor, &device.label) {
        Ok(Some(response)) => decided_at_once(response),
        Ok(None) => Err(api.call_failed(&auth, "a question without an id")),
        Err(text) => Err(api.call_failed(&auth, &text.to_string())),
    }
}

/// Has Duo check a passcode. The answer comes at once.
async fn check_passcode(
    api: &DuoApi,
    mut params: Vec<(&'static str, String)>,
    passcode: &Passcode,
    deadline: Option<Instant>,
) -> Result<AskOutcome, ProviderError> {
    params.push(("factor", Factor::Passcode.as_str().to_owned()));
    params.push(("passcode", String::from_utf8_lossy(passcode.expose()).into_owned()));
    let auth = DuoRequest::post_call("/auth/v2/auth", params, deadline);
    let said = api.send_call(&auth, answer::read_auth).await.map_err(DuoFault::while_asking)?;
    match said.push_response(Factor::Passcode, &Printable::new(Factor::Passcode.as_str())) {
        Ok(Some(response)) => decided_at_once(response),
        Ok(None) => Err(api.call_failed(&auth, "no decision about a passcode")),
        Err(text) => Err(api.call_failed(&auth, &text.to_string())),
    }
}

/// Polls until the user has said something. A poll that is lost on the way is sent again: it changes nothing at Duo.
async fn poll_until_answered(api: &DuoApi, question: &PushQuestion) -> Result<PushResponse, ProviderError> {
    let id = String::from_utf8_lossy(question.id.expose()).into_owned();
    let poll = DuoRequest::get("/auth/v2/auth_status", vec![("txid", id)]).with_timeout(HOLD);
    let (mut quick, mut lost) = (0_u32, 0_u32);
    loop {
        let begun = Instant::now();
        match api.send_call(&poll, answer::read_auth_status).await {
            Ok(said) => match said.push_response(question.factor, &question.device) {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => lost = 0,
                Err(text) => return Err(api.call_failed(&poll, &text.to_string())),
            },
            Err(DuoFault::Http(http::Error::Unreachable(_) | http::Error::Silent(_))) if lost < LOST => {
                lost = lost.saturating_add(1);
                quick = QUICK;
            }
            // The user has been asked, whatever became of this poll.
            Err(fault) => return Err(fault.after_asking()),
        }
        if begun.elapsed() < question.interval {
            quick = quick.saturating_add(1);
            if quick > QUICK {
                sleep(question.interval).await;
            }
        }
    }
}

fn decided_at_once(response: impl Into<PushResponse>) -> Result<AskOutcome, ProviderError> {
    Ok(AskOutcome::Decided(response.into()))
}

/// The user's address, where Calling-Station-Id is one: for the rules and the log at Duo.
fn client_address(ask: &PushRequest) -> Option<(&'static str, String)> {
    let address: IpAddr = ask.calling_station.trim().parse().ok()?;
    Some(("ipaddr", address.to_string()))
}

/// What the device shows beside the question.
fn device_details(ask: &PushRequest) -> String {
    let station = ask.calling_station.trim();
    let mut pairs = vec![("Client", ask.client.clone())];
    if !station.is_empty() {
        pairs.push(("From", station.to_owned()));
    }
    signature::encode_pairs(&pairs)
}
