//! A connection of the LDAP library that works only while it is polled: no task of its own, so that no thread has to
//! be woken for each question and each answer.

use super::error::LdapFault;
use ldap3::{Ldap, LdapConnAsync, LdapError};
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::timeout;

/// What is to be said over it, and what says it.
pub(super) struct DrivenConnection {
    pub(super) ldap: Ldap,
    pub(super) driver: ConnectionDriver,
}

/// Carries requests and answers. Never completes: once the connection has ended, each caller that waits for an answer
/// is told so.
pub(super) struct ConnectionDriver(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl DrivenConnection {
    pub(super) fn new(connection: LdapConnAsync, ldap: Ldap) -> Self {
        let driver = async { drop(connection.drive().await) };
        Self { ldap, driver: ConnectionDriver(Some(Box::pin(driver))) }
    }
}

impl ConnectionDriver {
    /// The answer, within that time.
    pub(super) async fn drive_within<T>(
        &mut self,
        what: &str,
        limit: Duration,
        asked: impl Future<Output = Result<T, LdapError>>,
    ) -> Result<T, LdapFault> {
        let mut asked = pin!(asked);
        // There are answers that the library cannot bear.
        let understood = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(context)));
            let strange = || LdapFault::Settled(format!("{what}: an answer that no directory gives"));
            polled.map_or_else(|_panic| Poll::Ready(Err(strange())), |polled| polled.map_err(LdapFault::from))
        });
        let carried = async {
            tokio::select! {
                biased;
                answer = understood => answer,
                never = self => match never {},
            }
        };
        let silent = |_elapsed| LdapFault::Silent(format!("{what}: no answer within {} s", limit.as_secs()));
        timeout(limit, carried).await.map_err(silent)?
    }

    /// Whether the other end has closed it.
    pub(super) fn is_over(&mut self) -> bool {
        let _pending = Pin::new(&mut *self).poll(&mut Context::from_waker(Waker::noop()));
        self.0.is_none()
    }
}

impl Future for ConnectionDriver {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Infallible> {
        if let Some(driver) = &mut self.0 {
            // If the library cannot bear an answer, the connection is over.
            let polled = catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(context)));
            if !matches!(polled, Ok(Poll::Pending)) {
                self.0 = None;
            }
        }
        Poll::Pending
    }
}
