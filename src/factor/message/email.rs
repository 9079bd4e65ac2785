//! Mail by SMTP relays (RFC 5321).

use super::delivery::{DeliveryError, DeliveryResult, RelayProbe};
use super::smtp::{SmtpConnector, command_fault};
use crate::config::message;
use crate::engine::messenger::{MailPicture, TextMessage};
use crate::types::{Factor, Mailbox, ProbeFault, SetupError};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox as Address, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a relay may take to say good-bye.
const FAREWELL: Duration = Duration::from_millis(500);

/// Sessions that may be under way at once: each has a connection of its own, and the server needs most descriptors itself.
/// What is beyond waits for its turn.
const SESSIONS: usize = 32;

/// All relays.
pub(super) struct EmailRelays {
    relays: Vec<SmtpConnector>,
    from: Address,
    timeout: Duration,
    room: Semaphore,
}

/// Why a message cannot be written as mail.
#[derive(Debug, thiserror::Error)]
enum MailFault {
    #[error("not a mailbox: {0}")]
    Mailbox(String),
    /// The library takes the mailbox for none; masked.
    #[error("{0} is no mailbox")]
    Address(String),
    #[error("the message cannot be written as mail")]
    Unwritable,
}

impl EmailRelays {
    /// With the relays of `email { }`.
    pub(super) fn new(config: &message::EmailOptions, from: &(String, Mailbox)) -> Result<Self, SetupError> {
        let (name, mailbox) = from;
        let from = library_address(Some(name.clone()).filter(|name| !name.is_empty()), mailbox)
            .map_err(|why| SetupError::Missing(why.to_string()))?;
        let relays = config.relays.iter().map(SmtpConnector::new).collect::<Result<_, _>>()?;
        Ok(Self { relays, from, timeout: config.timeout, room: Semaphore::new(SESSIONS) })
    }

    /// Hands it to the first that takes it.
    pub(super) async fn deliver_mail(
        &self,
        message: &TextMessage,
        picture: Option<&MailPicture>,
    ) -> DeliveryResult {
        let written = match self.write(message, picture) {
            Ok(written) => written,
            Err(why) => return DeliveryResult::not_delivered("email", why.to_string()),
        };
        // Never closed.
        let _turn = self.room.acquire().await.ok();
        let mut sent = DeliveryResult::new();
        for line in &self.relays {
            let result = self.send(line, &written).await;
            if sent.record_failure(&line.relay.name, result).is_some() {
                break;
            }
        }
        sent
    }

    /// The mail. It is marked as automatic (RFC 3834), so that no absence notice answers.
    fn write(
        &self,
        message: &TextMessage,
        picture: Option<&MailPicture>,
    ) -> Result<lettre::Message, MailFault> {
        let to = Mailbox::parse(&message.to).map_err(|why| MailFault::Mailbox(why.to_string()))?;
        let text = String::from_utf8_lossy(message.text.expose()).replace("\r\n", "\n").replace('\r', "\n");
        let subject: String = message.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let machine =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let mail = MessageBuilder::new()
            .from(self.from.clone())
            .to(library_address(None, &to)?)
            .subject(subject)
            .date_now()
            .message_id(None)
            .raw_header(machine);
        let written = match picture {
            None => mail.header(ContentType::TEXT_PLAIN).body(text),
            Some(picture) => {
                let png = ContentType::parse("image/png").map_err(|_| MailFault::Unwritable)?;
                let octets = picture.octets.expose().to_vec();
                let file = Attachment::new(picture.name.to_owned()).body(octets, png);
                mail.multipart(MultiPart::mixed().singlepart(SinglePart::plain(text)).singlepart(file))
            }
        };
        written.map_err(|_| MailFault::Unwritable)
    }

    async fn send(&self, line: &SmtpConnector, written: &lettre::Message) -> Result<(), DeliveryError> {
        let end = Instant::now() + self.timeout;
        // Less than the whole, so that there is time for the mail itself.
        let prepared = timeout(self.timeout.mul_f32(0.75), prepare_mail(line, written)).await;
        let mut session = prepared.map_err(|_elapsed| DeliveryError::Unreachable(self.deadline_text()))??;
        let unsure = |why: &str| DeliveryError::Unsure(format!("{why}; it may have taken the mail"));
        match timeout_at(end, session.message(&written.formatted())).await {
            Err(_elapsed) => return Err(unsure(&self.deadline_text())),
            Ok(Err(error)) if error.status().is_none() => return Err(unsure("no answer to the mail")),
            Ok(Err(error)) => return Err(command_fault("the mail", &error)),
            Ok(Ok(_taken)) => {}
        }
        let _ = timeout(FAREWELL, session.quit()).await;
        Ok(())
    }

    fn deadline_text(&self) -> String {
        format!("no answer within {} s", self.timeout.as_secs())
    }

    /// Has each show its certificate and take our password.
    pub(super) async fn probe_relays(&self) -> Vec<RelayProbe> {
        let mut all = Vec::new();
        for line in &self.relays {
            let look = async {
                let mut session = line.open().await?;
                session.command(Noop).await.map_err(|error| command_fault("NOOP", &error))?;
                let _ = timeout(FAREWELL, session.quit()).await;
                Ok::<_, DeliveryError>(())
            };
            let found = match timeout(self.timeout, look).await {
                Ok(Ok(())) if line.relay.login.is_some() => Ok(Some("it answers, and takes our password")),
                Ok(Ok(())) => Ok(Some("it answers")),
                Ok(Err(why)) => Err(ProbeFault::new(why)),
                Err(_elapsed) => Err(ProbeFault(self.deadline_text())),
            };
            let found = found.map(|well| well.map(str::to_owned));
            all.push(RelayProbe { factor: Factor::Email, name: line.relay.name.clone(), found });
        }
        all
    }
}

/// As far as the relay will have the mail itself.
async fn prepare_mail(
    line: &SmtpConnector,
    written: &lettre::Message,
) -> Result<AsyncSmtpConnection, DeliveryError> {
    let mut session = line.open().await?;
    let envelope = written.envelope();
    let from = Mail::new(envelope.from().cloned(), Vec::new());
    session.command(from).await.map_err(|error| command_fault("MAIL FROM", &error))?;
    for to in envelope.to() {
        let to = Rcpt::new(to.clone(), Vec::new());
        session.command(to).await.map_err(|error| command_fault("RCPT TO", &error))?;
    }
    session.command(Data).await.map_err(|error| command_fault("DATA", &error))?;
    Ok(session)
}

/// In the words of the library.
fn library_address(name: Option<String>, mailbox: &Mailbox) -> Result<Address, MailFault> {
    let address = mailbox.as_str().parse().map_err(|_| MailFault::Address(mailbox.masked()))?;
    Ok(Address::new(name, address))
}
