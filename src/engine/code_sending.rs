//! Codes on demand: made, remembered, handed over, and asked for.

use super::challenge_state::OfferedFactors;
use super::messenger::{CodeCourier, OutgoingCode};
use super::pending_login::PendingLogin;
use super::port::{self, CodeSending, EnrolledToken, NewCode};
use super::prompt::QuestionKind;
use super::provider::ProviderFuture;
use super::push::{AskResult, PushRefusal, StopReason, race_stop};
use super::{Decision, Engine, RefusalReason};
use crate::types::{Factor, Secret};
use std::pin::Pin;
use std::sync::Arc;

impl Engine {
    /// Sends a code and asks for it.
    pub(super) async fn send(
        &self,
        it: PendingLogin,
        token: Option<Box<EnrolledToken>>,
        factor: Factor,
        courier: Option<&dyn CodeCourier>,
        mut stop: Pin<&mut impl Future<Output = StopReason>>,
    ) -> AskResult {
        let refusal = self.check_push_allowed(&it).await;
        if !it.is_proven() {
            let token = token.filter(|_| refusal.is_none());
            return self.send_unproven(it, token, factor, courier).await;
        }
        if let Some(refusal) = refusal {
            return self.close(it, refusal).await.into();
        }
        let Some(token) = token else { return self.close(it, RefusalReason::NoDevice).await.into() };
        let asks = QuestionKind::Code { factor, to: token.masked_address().unwrap_or_default() };
        let (new, remembered, parcel) = match self.prepare_code(&it, &token) {
            Ok(packed) => packed,
            Err(refusal) => return self.close(it, refusal).await.into(),
        };
        let refusal = match (remembered.await, courier) {
            (Ok(CodeSending::Remembered), Some(courier)) => {
                match race_stop(&mut courier.send(parcel), stop.as_mut()).await {
                    Ok(Ok(())) => RefusalReason::CodesSent.into(),
                    Ok(Err(trouble)) => {
                        let _ = self.store.code_not_sent(new).await;
                        PushRefusal { reason: RefusalReason::NotSent, detail: Some(trouble.to_string()) }
                    }
                    Err(why) => why.into(),
                }
            }
            (Ok(CodeSending::Remembered), None) => RefusalReason::NotSent.into(),
            (Ok(CodeSending::JustSent), _) => RefusalReason::JustSent.into(),
            (Ok(CodeSending::TooMany), _) => RefusalReason::TooManyCodes.into(),
            (Ok(CodeSending::NoToken), _) => RefusalReason::NoDevice.into(),
            (Err(error), _) => {
                PushRefusal { reason: RefusalReason::Unavailable, detail: Some(error.to_string()) }
            }
        };
        match refusal.reason {
            RefusalReason::CodesSent | RefusalReason::JustSent => {
                self.close_asking(it, refusal, asks).await.into()
            }
            _ => self.close(it, refusal).await.into(),
        }
    }

    /// Without a verified password: every name is told at once that a code was sent, and nothing else. Whether one
    /// was sent makes no measurable difference: it is written together with the attempt.
    async fn send_unproven(
        &self,
        mut it: PendingLogin,
        token: Option<Box<EnrolledToken>>,
        factor: Factor,
        courier: Option<&dyn CodeCourier>,
    ) -> AskResult {
        let packed = token.and_then(|token| self.prepare_code(&it, &token).ok());
        it.offered = OfferedFactors::default();
        let asks = QuestionKind::Code { factor, to: String::new() };
        let decision = self.close_asking(it, RefusalReason::CodesSent.into(), asks).await;
        let rest = match (packed, courier) {
            (Some((new, remembered, parcel)), Some(courier)) => match remembered.await {
                Ok(CodeSending::Remembered) => {
                    let (sent, store) = (courier.send(parcel), Arc::clone(&self.store));
                    Some(Box::pin(async move {
                        if sent.await.is_err() {
                            let _ = store.code_not_sent(new).await;
                        }
                    }) as ProviderFuture<()>)
                }
                _ => None,
            },
            _ => None,
        };
        // All may read it.
        AskResult { decision: Decision { proven: true, ..decision }, rest }
    }

    /// Makes a code, and has it remembered.
    fn prepare_code(
        &self,
        it: &PendingLogin,
        token: &EnrolledToken,
    ) -> Result<(NewCode, port::StoreFuture<CodeSending>, OutgoingCode), PushRefusal> {
        let unavailable =
            |text: &str| PushRefusal { reason: RefusalReason::Unavailable, detail: Some(text.to_owned()) };
        let dice = it.attempt.request.dice.as_ref().ok_or_else(|| unavailable("there is no randomness"))?;
        let rules = self.config.codes;
        let code = dice.random_digits(rules.digits.get());
        let (Some(hash), Some(to)) = (token.hash_of(code.as_bytes()), token.delivery_address()) else {
            return Err(unavailable("the token has no address"));
        };
        let conversation = match &it.turn {
            Some(turn) => Some(turn.conversation),
            None => it.attempt.request.dialogue.then(|| self.conversation_of(&it.attempt)),
        };
        let source = it.attempt.request.source.clone();
        let new = NewCode { token: token.id, conversation, source, hash, at: it.attempt.request.at, rules };
        let parcel = OutgoingCode {
            factor: token.factor,
            to: to.to_owned(),
            code: Secret::new(code),
            user: it.name.to_string(),
            client: it.attempt.request.source.client.clone(),
            life: rules.life,
        };
        Ok((new.clone(), self.store.remember_code(new), parcel))
    }
}
