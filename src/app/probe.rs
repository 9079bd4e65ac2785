//! Probes external services without a login, for `mfa doctor`.

use super::delivery::run;
use crate::config::Config;
use crate::directory;
use crate::engine::directory::{AuthFailure, BackendUnavailable, DirectoryUser};
use crate::factor::push;
use crate::types::{ProbeFault, SetupError, UserName};
use std::time::Duration;

pub use crate::directory::HostProbe as ProbedHost;

/// Time limit of a probe.
const PATIENCE: Duration = Duration::from_secs(15);

/// The result of probing the push provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderProbe {
    /// The option's word for the provider, such as `duo`.
    pub provider: &'static str,
    /// What works, if it could be tried; or the failure.
    pub found: Result<Option<String>, ProbeFault>,
}

/// Whether the provider of `push { }` can be reached and accepts the key. No push is sent. `None`: there is no provider.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_provider(config: &Config) -> Result<Option<ProviderProbe>, SetupError> {
    let Some(provider) = push::open(&config.push)? else { return Ok(None) };
    let probed = run(async { tokio::time::timeout(PATIENCE, provider.probe_service()).await })?;
    let found = match probed {
        Ok(found) => found.map_err(ProbeFault::new),
        Err(_elapsed) => Err(ProbeFault(format!("no answer within {} s", PATIENCE.as_secs()))),
    };
    Ok(Some(ProviderProbe { provider: provider.name(), found }))
}

/// Probes each host of `ldap { }`. `None`: there is no directory.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_directory(config: &Config) -> Result<Option<Vec<ProbedHost>>, SetupError> {
    directory::open(config)?.map(|directory| run(directory.probe_hosts())).transpose()
}

/// Probes each host of `radius { }`. `None`: no server is configured.
///
/// # Errors
///
/// A sentence that names the option.
pub fn probe_radius(config: &Config) -> Result<Option<Vec<ProbedHost>>, SetupError> {
    directory::radius_backend(config).map(|radius| run(radius.probe_hosts())).transpose()
}

/// Probes Entra ID. `None`: it is not configured.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_entra(config: &Config) -> Result<Option<ProbedHost>, SetupError> {
    directory::entra_backend(config)?.map(|entra| run(entra.probe_tenant())).transpose()
}

/// Why a user cannot be looked up in the directory.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// None is configured.
    #[error("there is no directory: set \"host\" in ldap {{ }}")]
    NoDirectory,
    /// It cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It does not answer.
    #[error(transparent)]
    Unavailable(#[from] BackendUnavailable),
}

/// The directory's entry of the user whose name was typed as `typed`, or why the directory would refuse them.
///
/// # Errors
///
/// There is no directory, it does not answer, or a sentence that names the option and the file.
pub fn find_person(
    config: &Config,
    user: &UserName,
    typed: &str,
) -> Result<Result<DirectoryUser, AuthFailure>, LookupError> {
    let directory = directory::open(config)?.ok_or(LookupError::NoDirectory)?;
    match run(async { directory.who_is(user, typed.as_bytes()).await })? {
        Err(AuthFailure::Unavailable(why)) => Err(why.into()),
        said => Ok(said),
    }
}
