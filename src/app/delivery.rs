//! Sends a message, or probes whether one could be sent, without a server: for `mfa send-test` and `mfa doctor`.

use crate::config::Config;
use crate::engine::messenger::{Messenger, TextMessage};
use crate::factor::message;
use crate::types::SetupError;
use std::time::Duration;

pub use crate::factor::message::{DeliveryRefusal, DeliveryResult, RelayProbe as ProbedRelay};

/// Hands a message to the first gateway that accepts it, and returns the result. `None`: there is no gateway for its factor.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn send(config: &Config, message: TextMessage) -> Result<Option<DeliveryResult>, SetupError> {
    let messages = message::open(config)?.filter(|messages| messages.can_send(message.factor));
    messages.map(|messages| run(messages.deliver_message(message))).transpose()
}

/// Probes each gateway and relay without sending a message.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_relays(config: &Config) -> Result<Vec<ProbedRelay>, SetupError> {
    match message::open(config)? {
        Some(messages) => run(messages.probe_all()),
        None => Ok(Vec::new()),
    }
}

/// Runs a future on a new runtime, for callers that have none.
pub(super) fn run<T>(work: impl Future<Output = T>) -> Result<T, SetupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| SetupError::System(format!("nothing to try it with: {why}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(result)
}
