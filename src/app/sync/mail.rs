//! Mails new users their tokens: each to the mailbox in the directory, and nowhere else.

use super::report::{SyncError, SyncProgress};
use crate::config::Config;
use crate::engine::messenger::{MailPicture, TextMessage};
use crate::engine::provider::ProviderError;
use crate::factor::message::{self, MessageGateways};
use crate::store::{SqliteStore, SyncRules, WelcomeMail};
use crate::text::ClientTexts;
use crate::types::{Factor, Secret, UserId};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Number of mails that are sent concurrently.
const AT_ONCE: usize = 8;

/// File name of the QR code.
const NAME: &str = "qr.png";

/// Sends all pending mails and returns how many were sent. If no relay can be reached, the rest is left to the next run.
pub(super) fn send(
    config: &Config,
    store: &SqliteStore,
    words: &ClientTexts,
    draw: &dyn Fn(&str) -> Option<Secret>,
    rules: SyncRules<'_>,
    runtime: &Runtime,
    tell: &mut dyn FnMut(SyncProgress),
) -> Result<u64, SyncError> {
    let messages = message::open(config)
        .map_err(SyncError::failed)?
        .ok_or_else(|| SyncError::failed("there is no relay in email { }"))?;
    let (mut sent, mut after) = (0_u64, UserId(0));
    while let Some((last, welcomes)) = store.next_welcome_mails(rules, after).map_err(SyncError::failed)? {
        after = last;
        for some in welcomes.chunks(AT_ONCE) {
            let mut under_way = JoinSet::new();
            for welcome in some {
                let Some(mail) = mail_welcome(config, words, draw, welcome) else { continue };
                let (user, messages) = ((welcome.id, welcome.user.clone()), Arc::clone(&messages));
                under_way.spawn_on(async move { (user, hand_over(&messages, mail).await) }, runtime.handle());
            }
            let mut is_cut_off = false;
            while let Some(done) = runtime.block_on(under_way.join_next()) {
                let ((id, user), result) = done.map_err(SyncError::failed)?;
                match result {
                    Ok(()) => {
                        store.mark_welcomed(id).map_err(SyncError::failed)?;
                        sent = sent.saturating_add(1);
                    }
                    Err(trouble) => {
                        is_cut_off |= matches!(trouble, ProviderError::Unreachable(_));
                        tell(SyncProgress::Note(format!("{user}: the token could not be mailed: {trouble}")));
                    }
                }
            }
            if is_cut_off {
                return Ok(sent);
            }
        }
    }
    Ok(sent)
}

async fn hand_over(
    messages: &MessageGateways,
    (message, picture): (TextMessage, MailPicture),
) -> Result<(), ProviderError> {
    messages.deliver_with(message, Some(picture)).await.delivered().map(drop)
}

fn mail_welcome(
    config: &Config,
    words: &ClientTexts,
    draw: &dyn Fn(&str) -> Option<Secret>,
    welcome: &WelcomeMail,
) -> Option<(TextMessage, MailPicture)> {
    let link = welcome.token.otpauth_uri(&config.issuer, &welcome.user)?.to_uri();
    let octets = draw(&link)?;
    let (subject, text) = words.voice_for([], []).welcome_mail(&config.issuer, welcome.user.as_str(), &link);
    let message = TextMessage { factor: Factor::Email, to: welcome.mail.as_str().to_owned(), subject, text };
    Some((message, MailPicture { name: NAME, octets }))
}
