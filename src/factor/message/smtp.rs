//! A session with a mail relay up to where mail may be sent: TLS as the option says and never less, a certificate
//! that is verified, AUTH within TLS only.
//!
//! STARTTLS is spoken here rather than by the SMTP library: what was injected before TLS begins must not be taken for
//! an answer within it (RFC 3207, section 6).

use super::delivery::{DeliveryError, scrub_text};
use crate::config::message::{RelayOptions, RelayTls};
use crate::tls::{self, ServerName};
use crate::types::SetupError;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest answer to what is said before TLS, in octets.
const LONGEST: u64 = 16 * 1024;

/// Opens sessions to one relay.
pub(super) struct SmtpConnector {
    pub(super) relay: RelayOptions,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    hello: ClientId,
}

impl SmtpConnector {
    /// Opens nothing; reads `ca_file`.
    pub(super) fn new(relay: &RelayOptions) -> Result<Self, SetupError> {
        let named = |why: SetupError| why.in_section(format!("relay {}", relay.name));
        let tls = match relay.tls {
            RelayTls::None => None,
            RelayTls::StartTls | RelayTls::Tls => {
                let config = tls::client(relay.ca_file.as_deref()).map_err(named)?;
                let server = ServerName::try_from(relay.host.clone())
                    .map_err(|why| named(SetupError::Missing(why.to_string())))?;
                Some((TlsConnector::from(Arc::new(config)), server))
            }
        };
        Ok(Self { relay: relay.clone(), tls, hello: ClientId::default() })
    }

    /// Connects, greets, and proves who we are. Takes as long as the relay takes.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let relay = &self.relay;
        let unreachable = |what: &str, error: &io::Error| {
            DeliveryError::Unreachable(format!(
                "{}:{}: {what}{}",
                relay.host,
                relay.port,
                tls::error_line(error)
            ))
        };
        let mut stream = TcpStream::connect((relay.host.as_str(), relay.port))
            .await
            .map_err(|error| unreachable("", &error))?;
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().map_err(|error| unreachable("", &error))?;
        if relay.tls == RelayTls::StartTls {
            self.ask_for_tls(&mut stream).await?;
        }
        let inner: Box<dyn SmtpStream> = match &self.tls {
            None => Box::new(stream),
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), stream).await;
                Box::new(stream.map_err(|error| unreachable("TLS: ", &error))?)
            }
        };
        // The library waits for a greeting, which was given before TLS began.
        let before: &[u8] = if relay.tls == RelayTls::StartTls { b"220 \r\n" } else { b"" };
        let stream = Box::new(GreetedStream { before, inner, peer });
        let mut session = AsyncSmtpConnection::connect_with_transport(stream, &self.hello)
            .await
            .map_err(|error| command_fault("EHLO", &error))?;
        if let Some((user, password)) = &relay.login {
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            let credentials = Credentials::new(user.clone(), password);
            session.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| no_login(&error))?;
        }
        Ok(session)
    }

    /// What is said in the clear: greeting, EHLO, STARTTLS.
    async fn ask_for_tls(&self, stream: &mut TcpStream) -> Result<(), DeliveryError> {
        let mut talk = BufReader::new(stream);
        expect(&mut talk, "220", "greeting").await?;
        send_command(&mut talk, &format!("EHLO {}\r\n", self.hello)).await?;
        let offers = expect(&mut talk, "250", "EHLO").await?;
        if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
            return Err(DeliveryError::Refused(
                "it offers no STARTTLS, and nothing is sent in the clear".to_owned(),
            ));
        }
        send_command(&mut talk, "STARTTLS\r\n").await?;
        expect(&mut talk, "220", "STARTTLS").await?;
        match talk.buffer().is_empty() {
            true => Ok(()),
            false => Err(DeliveryError::Refused("data was received before TLS has begun".to_owned())),
        }
    }
}

async fn send_command(talk: &mut BufReader<&mut TcpStream>, line: &str) -> Result<(), DeliveryError> {
    talk.write_all(line.as_bytes()).await.map_err(|error| cut_off(&error))
}

/// The lines of an answer (RFC 5321, section 4.2) if it begins with that code.
async fn expect(
    talk: &mut (impl AsyncBufRead + Unpin),
    code: &str,
    to: &str,
) -> Result<Vec<String>, DeliveryError> {
    let mut talk = talk.take(LONGEST);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = talk.read_until(b'\n', &mut line).await.map_err(|error| cut_off(&error))?;
        if read == 0 || !line.ends_with(b"\n") {
            return Err(DeliveryError::Unreachable(format!(
                "{to}: the connection ended, or what it says has no end"
            )));
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let Some(rest) = line.strip_prefix(code) else {
            return Err(DeliveryError::Refused(format!("{to}: {}", scrub_text(&line))));
        };
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(lines);
        }
    }
}

/// Parses the octets of a relay before TLS, for `fuzz/` only. No I/O.
pub mod fuzz {
    use crate::factor::message::delivery::DeliveryError;
    use crate::factor::message::smtp;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// The lines of an answer that has to begin with this code, and what is left behind it.
    ///
    /// # Errors
    ///
    /// It does not, or has no end.
    pub fn expect<'o>(octets: &'o [u8], code: &str) -> Result<(Vec<String>, &'o [u8]), DeliveryError> {
        let mut rest = octets;
        let lines = {
            let expected = pin!(smtp::expect(&mut rest, code, "EHLO"));
            match expected.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(lines) => lines?,
                Poll::Pending => {
                    return Err(DeliveryError::Unsure("octets that are there are waited for".to_owned()));
                }
            }
        };
        Ok((lines, rest))
    }
}

fn cut_off(error: &io::Error) -> DeliveryError {
    DeliveryError::Unreachable(tls::error_line(error).to_string())
}

/// Why a command came to nothing before there was a message.
pub(super) fn command_fault(command: &str, error: &Error) -> DeliveryError {
    match error.status() {
        Some(code) => {
            let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            DeliveryError::Refused(format!("{command}: {code} {}", scrub_text(&said)))
        }
        None => DeliveryError::Unreachable(format!("{command}: {}", tls::error_line(error))),
    }
}

/// Why there is no login. What the relay says of it may hold what it was sent.
fn no_login(error: &Error) -> DeliveryError {
    match error.status() {
        Some(code) => DeliveryError::Refused(format!("AUTH: {code}: compare username and password")),
        None if error.is_client() => {
            DeliveryError::Refused("it offers neither AUTH PLAIN nor AUTH LOGIN".to_owned())
        }
        None => {
            DeliveryError::Unreachable("AUTH: the connection ended, or the answer is none of SMTP".to_owned())
        }
    }
}

trait SmtpStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> SmtpStream for T {}

/// A stream before which something is read.
struct GreetedStream {
    before: &'static [u8],
    inner: Box<dyn SmtpStream>,
    peer: SocketAddr,
}

impl AsyncTokioStream for GreetedStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl std::fmt::Debug for GreetedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.peer)
    }
}

impl AsyncRead for GreetedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, into);
        }
        let (now, later) = self.before.split_at(self.before.len().min(into.remaining()));
        into.put_slice(now);
        self.before = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GreetedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
