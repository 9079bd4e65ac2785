//! How a host is reached: name, TCP, TLS. What comes out is a connection over which nothing has been said yet.
//!
//! STARTTLS is asked for here rather than by the LDAP library: what is received before TLS begins is read without
//! recursion, up to a small size, and never taken for an answer within it.

use super::ber;
use super::driver::DrivenConnection;
use super::error::LdapFault;
use crate::config::directory::{self, LdapTransport};
use crate::tls;
use crate::types::SetupError;
use ldap3::{LdapConnAsync, LdapConnSettings, StdStream};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take in all: less than answers, since a dead host is to cost little.
const CONNECT: Duration = Duration::from_secs(2);
/// And one of several addresses, at least.
const ADDRESS: Duration = Duration::from_millis(300);
/// The addresses of a name that are tried.
const ADDRESSES: usize = 6;
/// The longest answer before TLS, in octets.
const LONGEST: usize = 4096;

/// Message 1: an extended request (RFC 4511, section 4.14.1).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Opens connections to one host.
pub(super) struct LdapConnector {
    pub(super) host: String,
    port: u16,
    transport: LdapTransport,
    tls: Option<Arc<tls::ClientConfig>>,
    limit: Duration,
}

impl LdapConnector {
    /// To each of the hosts. Reads `ca_file`.
    pub(super) fn all(config: &directory::LdapOptions) -> Result<Vec<Self>, SetupError> {
        let tls = match config.transport {
            LdapTransport::Clear => None,
            LdapTransport::Ldaps | LdapTransport::StartTls => {
                Some(Arc::new(tls::client(config.ca_file.as_deref())?))
            }
        };
        let line = |host: &String| Self {
            host: host.clone(),
            port: config.port,
            transport: config.transport,
            tls: tls.clone(),
            limit: config.timeout.min(CONNECT),
        };
        Ok(config.hosts.iter().map(line).collect())
    }

    /// A new connection.
    pub(super) async fn open_session(&self) -> Result<DrivenConnection, LdapFault> {
        let mut stream = self.open_stream().await?;
        let rest = async {
            if self.transport == LdapTransport::StartTls {
                start_tls(&mut stream).await?;
            }
            let stream = stream.into_std().map_err(|error| unreachable_fault(&error))?;
            self.start_ldap(stream).await
        };
        let silent = || LdapFault::Silent(format!("no TLS within {} s", self.limit.as_secs()));
        timeout(self.limit, rest).await.map_err(|_elapsed| silent())?
    }

    async fn open_stream(&self) -> Result<TcpStream, LdapFault> {
        let found = timeout(self.limit, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
        let found =
            found.map_err(|_elapsed| LdapFault::Silent("its name is not resolved in time".to_owned()))?;
        let addresses: Vec<_> = found.map_err(|error| unreachable_fault(&error))?.take(ADDRESSES).collect();
        let share = u32::try_from(addresses.len()).ok().and_then(|n| self.limit.checked_div(n));
        let share = share.unwrap_or(self.limit).max(ADDRESS);
        let mut fault = LdapFault::Unreachable("its name has no address".to_owned());
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => fault = unreachable_fault(&error),
                Err(_elapsed) => {
                    fault = LdapFault::Silent(format!("no connection within {} ms", share.as_millis()));
                }
            }
        }
        Err(fault)
    }

    /// TLS, if it is to be, and the library behind it.
    async fn start_ldap(&self, stream: std::net::TcpStream) -> Result<DrivenConnection, LdapFault> {
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Tcp(stream));
        let (scheme, settings) = match &self.tls {
            // Also after STARTTLS, which has been said.
            Some(tls) => ("ldaps", settings.set_config(Arc::clone(tls))),
            None => ("ldap", settings),
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let url = format!("{scheme}://{host}:{}", self.port);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &url)
            .await
            .map_err(|error| LdapFault::Refused(format!("TLS: {}", tls::error_line(&error))))?;
        Ok(DrivenConnection::new(connection, ldap))
    }
}

fn unreachable_fault(error: &io::Error) -> LdapFault {
    LdapFault::Unreachable(tls::error_line(error).to_string())
}

async fn start_tls(stream: &mut TcpStream) -> Result<(), LdapFault> {
    stream.write_all(START_TLS).await.map_err(|error| unreachable_fault(&error))?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    loop {
        // Not an octet more than its own header tells: whatever follows would have to be TLS.
        let missing = missing_octets(&answer).ok_or_else(no_answer)?;
        if missing == 0 {
            return is_start_tls_accepted(&answer);
        }
        let into = chunk.get_mut(..missing.min(512)).ok_or_else(no_answer)?;
        match stream.read(into).await.map_err(|error| unreachable_fault(&error))? {
            0 => return Err(LdapFault::Unreachable("STARTTLS: the connection ended".to_owned())),
            read => answer.extend_from_slice(into.get(..read).ok_or_else(no_answer)?),
        }
    }
}

fn no_answer() -> LdapFault {
    LdapFault::Refused("STARTTLS: what it says is no answer of LDAP".to_owned())
}

/// How many octets of a message are still to come, as far as can be told yet.
pub(super) fn missing_octets(message: &[u8]) -> Option<usize> {
    let Some((tag, rest)) = message.split_first() else { return Some(2) };
    let header = match rest.first() {
        _ if *tag != 0x30 => return None,
        None => return Some(1),
        Some(long @ 0x81..=0x84) => usize::from(long & 0x7f),
        Some(..=0x7f) => 0,
        Some(_) => return None,
    };
    match ber::read_length(rest) {
        None => header.checked_add(1)?.checked_sub(rest.len()),
        Some((length, rest)) if length <= LONGEST => length.checked_sub(rest.len()),
        Some(_) => None,
    }
}

/// Whether it is the answer to [`START_TLS`], and yes.
pub(super) fn is_start_tls_accepted(message: &[u8]) -> Result<(), LdapFault> {
    let result = || {
        let (content, _) = ber::expect_element(message, 0x30)?;
        let (id, content) = ber::expect_element(content, 0x02)?;
        let (answer, _) = ber::expect_element(content, 0x78)?;
        let (code, _) = ber::expect_element(answer, 0x0a)?;
        (ber::read_number(id)? == 1).then(|| ber::read_number(code)).flatten()
    };
    match result() {
        Some(0) => Ok(()),
        Some(code) => Err(LdapFault::Refused(format!("it refuses STARTTLS, result code {code}"))),
        None => Err(no_answer()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_one_whole_message() {
        assert_eq!(missing_octets(START_TLS), Some(0));
        let (content, rest) = ber::expect_element(START_TLS, 0x30).unwrap();
        let (_, content) = ber::expect_element(content, 2).unwrap();
        let (request, after) = ber::expect_element(content, 0x77).unwrap();
        assert_eq!(ber::expect_element(request, 0x80), Some((&b"1.3.6.1.4.1.1466.20037"[..], &[][..])));
        assert!(rest.is_empty() && after.is_empty());
    }

    #[test]
    fn answer_is_read_to_its_end_and_no_further() {
        let yes = [0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
        let long = [&[0x30, 0x84, 0, 0, 0, 12][..], &yes[2..]].concat();
        for answer in [&yes[..], &long] {
            let mut read = 0;
            while let missing @ 1.. = missing_octets(&answer[..read]).unwrap() {
                read += missing;
            }
            assert_eq!(read, answer.len());
            assert!(is_start_tls_accepted(answer).is_ok());
        }
        let mut no = yes;
        no[9] = 52;
        assert!(matches!(is_start_tls_accepted(&no), Err(LdapFault::Refused(text)) if text.contains("52")));
        let mut other = yes;
        other[4] = 2;
        assert!(is_start_tls_accepted(&other).is_err());
        for bad in
            [&b"HTTP"[..], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x82, 0x20, 0]]
        {
            assert_eq!(missing_octets(bad), None, "{bad:?}");
        }
    }
}
