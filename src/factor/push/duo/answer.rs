//! What Duo answers, read and understood. Pure; any octets may come.
//!
//! Duo may add words to its lists at any time. Nothing that is not known here lets anybody in.

use crate::engine::provider::{PushOutcome, PushResponse};
use crate::factor::push::common::provider_text;
use crate::types::{Factor, FactorChoice, Printable, Secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// Why a body is not the answer that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// It says `FAIL`: with Duo's code, and its words for it.
    Fail(u32, Printable),
    /// It is not what the documentation of Duo promises; in words that hold nothing of it but single names.
    Strange(String),
}

/// A result that means nothing for the factor that was asked for: `push_failed` among them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the result {result} with the status {status} means nothing for {}", .factor.as_str())]
pub struct UnknownDuoResult {
    result: Printable,
    status: Printable,
    factor: Factor,
}

/// What `preauth` says that the user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreauthResult {
    /// Log in without being asked. With Duo's words.
    Allow(Printable),
    /// Nothing. With Duo's words, which are meant for the user.
    Deny(Printable),
    /// Enrol; the text tells where.
    Enroll(Printable),
    /// Answer on one of these devices, in Duo's order.
    Auth(Vec<DuoDevice>),
}

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuoDevice {
    /// What Duo knows it by.
    pub id: String,
    /// Its number with all but the last four digits hidden, or else its name, or its kind.
    pub label: Printable,
    /// `push`, `phone`, `sms`, `mobile_otp`, `auto`.
    pub capabilities: Vec<String>,
}

/// What `auth` and `auth_status` say.
#[derive(Deserialize)]
pub struct DuoAuthStatus {
    result: Option<String>,
    status: Option<String>,
    status_msg: Option<String>,
    txid: Option<String>,
}

/// The envelope of all answers.
#[derive(Deserialize)]
struct DuoEnvelope<T> {
    stat: String,
    response: Option<T>,
    code: Option<u32>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct RawPreauth {
    result: String,
    status_msg: Option<String>,
    enroll_portal_url: Option<String>,
    devices: Option<Vec<RawDevice>>,
}

#[derive(Deserialize)]
struct RawDevice {
    device: String,
    r#type: Option<String>,
    name: Option<String>,
    number: Option<String>,
    capabilities: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct DuoPing {
    time: i64,
}

/// The answer to `preauth`.
///
/// # Errors
///
/// It says `FAIL`, or is not one.
pub fn read_preauth(body: &[u8]) -> Result<PreauthResult, AnswerError> {
    let raw: RawPreauth = open(body)?;
    match raw.result.as_str() {
        "allow" => Ok(PreauthResult::Allow(provider_text(raw.status_msg.as_deref()))),
        "deny" => Ok(PreauthResult::Deny(provider_text(raw.status_msg.as_deref()))),
        "enroll" => Ok(PreauthResult::Enroll(enrolment_text(raw.enroll_portal_url.as_deref()))),
        "auth" => Ok(PreauthResult::Auth(
            raw.devices.unwrap_or_default().into_iter().map(DuoDevice::from).collect(),
        )),
        other => Err(AnswerError::Strange(format!("the result {} is not known", name(other)))),
    }
}

/// The answer to `auth`.
///
/// # Errors
///
/// It says `FAIL`, or is not one.
pub fn read_auth(body: &[u8]) -> Result<DuoAuthStatus, AnswerError> {
    open(body)
}

/// The answer to `auth_status`.
///
/// # Errors
///
/// It says `FAIL`, or is not one.
pub fn read_auth_status(body: &[u8]) -> Result<DuoAuthStatus, AnswerError> {
    open(body)
}

/// The answer to `ping` and to `check`: seconds since 1970-01-01T00:00:00Z.
///
/// # Errors
///
/// It says `FAIL`, or is not one.
pub fn read_ping(body: &[u8]) -> Result<i64, AnswerError> {
    open(body).map(|DuoPing { time }| time)
}

/// The code and the words of an answer that should say `FAIL`, if it does.
pub fn read_failure(body: &[u8]) -> Option<(u32, Printable)> {
    match open::<serde::de::IgnoredAny>(body) {
        Err(AnswerError::Fail(code, message)) => Some((code, message)),
        _ => None,
    }
}

/// What the user may choose from, and where it goes, in Duo's order: the n-th of a kind is what [`choose_device`] takes for it.
pub fn factor_options(devices: &[DuoDevice]) -> Vec<(Factor, String)> {
    let able =
        |device: &DuoDevice, factor: Factor| device.capabilities.iter().any(|word| word == factor.as_str());
    let of = |device: &DuoDevice| {
        let kinds = [Factor::Push, Factor::Phone, Factor::Sms].into_iter();
        kinds
            .filter(|factor| able(device, *factor))
            .map(|factor| (factor, device.label.to_string()))
            .collect::<Vec<_>>()
    };
    devices.iter().flat_map(of).collect()
}

/// The device that is asked, and how. `wanted`: the n-th that can do it. Otherwise the first that takes a push, or else the
/// first that can be called.
pub fn choose_device(devices: &[DuoDevice], wanted: Option<FactorChoice>) -> Option<(&DuoDevice, Factor)> {
    let nth = |factor: Factor, n: u8| {
        let mut able = devices.iter().filter(|d| d.capabilities.iter().any(|c| c == factor.as_str()));
        able.nth(usize::from(n).checked_sub(1)?).map(|device| (device, factor))
    };
    match wanted {
        Some(FactorChoice { factor: factor @ (Factor::Push | Factor::Phone | Factor::Sms), device }) => {
            nth(factor, device)
        }
        Some(_) => None,
        None => nth(Factor::Push, 1).or_else(|| nth(Factor::Phone, 1)),
    }
}

impl DuoAuthStatus {
    /// What the question is known by that is now before the user.
    pub fn push_question(&self) -> Option<Secret> {
        match (self.result.as_deref(), &self.txid) {
            (None, Some(id)) | (Some("waiting"), Some(id)) if !id.is_empty() => {
                Some(Secret::new(id.as_str()))
            }
            _ => None,
        }
    }

    /// What came of asking by `factor` on `device`; `None` if there is nothing yet.
    ///
    /// | result | status | |
    /// |---|---|---|
    /// | `allow` | `allow` | approved, by a factor that can be |
    /// | `allow` | `bypass` | bypassed: Duo's policy asks for nothing |
    /// | `deny` | `deny` | denied; a passcode is wrong |
    /// | `deny` | `fraud` | fraud |
    /// | `deny` | `timeout` | expired |
    /// | `deny` | `locked_out` | locked |
    /// | `deny` | `sent` | codes were sent, if they were wanted |
    /// | `waiting` | any | nothing yet |
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn push_response(
        &self,
        factor: Factor,
        device: &Printable,
    ) -> Result<Option<PushResponse>, UnknownDuoResult> {
        let outcome = self.push_outcome(factor, device)?;
        Ok(outcome
            .map(|outcome| PushResponse::with_user_text(outcome, provider_text(self.status_msg.as_deref()))))
    }

    fn push_outcome(
        &self,
        factor: Factor,
        device: &Printable,
    ) -> Result<Option<PushOutcome>, UnknownDuoResult> {
        let (result, status) =
            (self.result.as_deref().unwrap_or_default(), self.status.as_deref().unwrap_or_default());
        let outcome = match (result, status) {
            ("waiting", _) => return Ok(None),
            ("allow", "allow") if factor != Factor::Sms => {
                PushOutcome::Approved { factor, device: device.clone() }
            }
            ("allow", "bypass") => PushOutcome::Bypassed,
            ("deny", "deny") if factor == Factor::Passcode => PushOutcome::Wrong,
            ("deny", "deny") => PushOutcome::Denied,
            ("deny", "fraud") => PushOutcome::Fraud,
            ("deny", "timeout") => PushOutcome::Expired,
            ("deny", "locked_out") => PushOutcome::Locked,
            ("deny", "sent") if factor == Factor::Sms => PushOutcome::Sent,
            _ => {
                return Err(UnknownDuoResult { result: name(result), status: name(status), factor });
            }
        };
        Ok(Some(outcome))
    }
}

impl std::fmt::Debug for DuoAuthStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DuoAuthStatus")
            .field("result", &self.result)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl From<RawDevice> for DuoDevice {
    fn from(raw: RawDevice) -> Self {
        let text = [raw.number.as_deref().map(mask_number), raw.name, raw.r#type]
            .into_iter()
            .flatten()
            .find(|text| !text.trim().is_empty());
        let label = Printable::new(text.unwrap_or_default());
        Self { id: raw.device, label, capabilities: raw.capabilities.unwrap_or_default() }
    }
}

fn open<T: DeserializeOwned>(body: &[u8]) -> Result<T, AnswerError> {
    // What is passed over in the second reading has to be JSON, too.
    let _: serde_json::Value = serde_json::from_slice(body).map_err(|e| malformed_answer(&e))?;
    let envelope: DuoEnvelope<T> = serde_json::from_slice(body).map_err(|e| malformed_answer(&e))?;
    match (envelope.stat.as_str(), envelope.response) {
        ("OK", Some(response)) => Ok(response),
        ("FAIL", _) => Err(AnswerError::Fail(
            envelope.code.unwrap_or_default(),
            Printable::new(envelope.message.unwrap_or_default()),
        )),
        _ => Err(AnswerError::Strange("neither OK with a response nor FAIL".to_owned())),
    }
}

/// Without the words of serde, which hold pieces of the text.
fn malformed_answer(error: &serde_json::Error) -> AnswerError {
    AnswerError::Strange(format!(
        "not what it should be: {:?} at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    ))
}

/// A single word of an answer, for the log.
fn name(word: &str) -> Printable {
    let word: String = word.chars().take(40).collect();
    Printable::new(format!("\"{word}\""))
}

/// The text for a user who has to enrol. The link is whole or not there.
fn enrolment_text(url: Option<&str>) -> Printable {
    let url = url.and_then(|url| Url::parse(url).ok()).filter(|url| url.scheme() == "https");
    let texts = url.map(|url| [format!("Enrol a device first: {url}"), url.into()]);
    let whole = texts.into_iter().flatten().find_map(|text| {
        let shown = Printable::new(&text);
        (shown.as_str() == text).then_some(shown)
    });
    whole.unwrap_or_else(|| Printable::new("Enrol a device first: your administrator knows where."))
}

/// A number with all but the last four digits hidden, as Duo itself does.
fn mask_number(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let mut hidden = digits.saturating_sub(4);
    let mask = |c: char| match c.is_ascii_digit() && hidden > 0 {
        true => {
            hidden = hidden.saturating_sub(1);
            'X'
        }
        false => c,
    };
    number.chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: &str, status: &str, factor: Factor) -> Result<Option<PushOutcome>, UnknownDuoResult> {
        let body = serde_json::json!({"stat": "OK", "response": {"result": result, "status": status}});
        super::read_auth_status(body.to_string().as_bytes())
            .unwrap()
            .push_outcome(factor, &Printable::new("phone"))
    }

    #[test]
    fn words_of_a_result_are_kept_and_made_fit_for_a_log() {
        let body = |message: &str| {
            let response = serde_json::json!({"result": "deny", "status": "deny", "status_msg": message});
            serde_json::json!({"stat": "OK", "response": response}).to_string()
        };
        let message = body(" Access from this\r\nnetwork is not allowed. ");
        let shown = Printable::new("Access from this network is not allowed.");
        assert_eq!(read_preauth(message.as_bytes()), Ok(PreauthResult::Deny(shown.clone())));
        let said = read_auth_status(message.as_bytes()).unwrap();
        let denied = PushResponse::with_user_text(PushOutcome::Denied, shown);
        assert_eq!(said.push_response(Factor::Push, &Printable::new("phone")), Ok(Some(denied)));
        assert!(
            matches!(read_preauth(body(&"x".repeat(999)).as_bytes()), Ok(PreauthResult::Deny(text)) if text.as_str().len() == 253)
        );
    }

    /// Every pair of words that Duo knows, and some that it does not.
    fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
        let results = ["allow", "deny", "waiting", "", "ALLOW", "other"];
        let statuses = [
            "calling",
            "answered",
            "pushed",
            "push_failed",
            "timeout",
            "fraud",
            "allow",
            "bypass",
            "deny",
            "locked_out",
            "sent",
            "",
            "Allow",
            "other",
        ];
        results.into_iter().flat_map(move |result| statuses.map(|status| (result, status)))
    }

    #[test]
    fn two_pairs_of_words_let_in_and_no_other() {
        for factor in [Factor::Push, Factor::Phone, Factor::Passcode, Factor::Sms] {
            for pair @ (result, status) in pairs() {
                let said = said(result, status, factor);
                let is_approved = matches!(said, Ok(Some(PushOutcome::Approved { .. })));
                let may = pair == ("allow", "allow") && factor != Factor::Sms;
                assert_eq!(is_approved, may, "{result} {status} {factor:?}");
                let is_bypassed = said == Ok(Some(PushOutcome::Bypassed));
                assert_eq!(is_bypassed, pair == ("allow", "bypass"), "{result} {status} {factor:?}");
            }
        }
    }

    #[test]
    fn only_waiting_is_waited_for() {
        for (result, status) in pairs() {
            assert_eq!(
                said(result, status, Factor::Push) == Ok(None),
                result == "waiting",
                "{result} {status}"
            );
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        for (status, factor, outcome) in [
            ("deny", Factor::Push, PushOutcome::Denied),
            ("deny", Factor::Passcode, PushOutcome::Wrong),
            ("fraud", Factor::Phone, PushOutcome::Fraud),
            ("timeout", Factor::Push, PushOutcome::Expired),
            ("locked_out", Factor::Passcode, PushOutcome::Locked),
            ("sent", Factor::Sms, PushOutcome::Sent),
        ] {
            assert_eq!(said("deny", status, factor), Ok(Some(outcome)));
        }
        assert!(said("deny", "sent", Factor::Push).is_err());
    }

    #[test]
    fn all_of_an_answer_is_json_and_says_everything_once() {
        for body in [
            &b"{\"stat\":\"OK\",\"response\":{\"result\":\"allow\",\"more\":\"\xf0\"}}"[..],
            br#"{"stat":"OK","response":{"result":"allow","more":"\ud800"}}"#,
            br#"{"stat":"OK","response":{"result":"allow","more":1e999}}"#,
            br#"{"stat":"OK","response":{"result":"deny","result":"allow"}}"#,
            br#"{"stat":"FAIL","stat":"OK","response":{"result":"allow"}}"#,
            br#"{"stat":"OK","response":{"result":"allow"}}x"#,
        ] {
            assert!(
                matches!(read_preauth(body), Err(AnswerError::Strange(_))),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        assert_eq!(
            read_preauth(br#"{"stat":"OK","response":{"result":"allow","more":[1]}}"#),
            Ok(PreauthResult::Allow(Printable::default()))
        );
    }

    #[test]
    fn numbers_are_hidden_but_for_their_end() {
        for (number, shown) in [
            ("+49 171 5550101", "+XX XXX XXX0101"),
            ("XXX-XXX-0100", "XXX-XXX-0100"),
            ("0101", "0101"),
            ("ext. 10101", "ext. X0101"),
            ("", ""),
        ] {
            assert_eq!(mask_number(number), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets: Vec<u8>) {
            proptest::prop_assert!(!matches!(read_preauth(&octets), Ok(PreauthResult::Allow(_))));
            let _ = (read_auth_status(&octets), read_auth(&octets), read_ping(&octets), read_failure(&octets));
        }
    }
}
