//! Probes external services without a login, for `mfa doctor`.

use super::delivery::run;
use crate::config::Config;
use crate::directory;
use crate::engine::directory::{AuthFailure, DirectoryUser};
use crate::factor::push;
use crate::types::UserName;
use std::time::Duration;

pub use crate::directory::LdapHostProbe as ProbedHost;

/// Time limit of a probe.
const PATIENCE: Duration = Duration::from_secs(15);

/// The result of probing the push provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderProbe {
    /// The option's word for the provider, such as `duo`.
    pub provider: &'static str,
    /// What works, if it could be tried; or the failure.
    pub found: Result<Option<String>, String>,
}

/// Whether the provider of `push { }` can be reached and accepts the key. No push is sent. `None`: there is no provider.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_provider(config: &Config) -> Result<Option<ProviderProbe>, String> {
    let Some(provider) = push::open(&config.push)? else { return Ok(None) };
    let probed = run(async { tokio::time::timeout(PATIENCE, provider.probe_service()).await })?;
    let found = match probed {
        Ok(found) => found.map_err(|trouble| trouble.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Ok(Some(ProviderProbe { provider: provider.name(), found }))
}

/// Probes each host of `ldap { }`. `None`: there is no directory.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_directory(config: &Config) -> Result<Option<Vec<ProbedHost>>, String> {
    directory::open(config)?.map(|directory| run(directory.probe_hosts())).transpose()
}

/// Probes each host of `radius { }`. `None`: no server is configured.
///
/// # Errors
///
/// A sentence that names the option.
pub fn probe_radius(config: &Config) -> Result<Option<Vec<ProbedHost>>, String> {
    directory::radius_backend(config)?.map(|radius| run(radius.probe_hosts())).transpose()
}

/// Probes Entra ID. `None`: it is not configured.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_entra(config: &Config) -> Result<Option<ProbedHost>, String> {
    directory::entra_backend(config)?.map(|entra| run(entra.probe_tenant())).transpose()
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
) -> Result<Result<DirectoryUser, AuthFailure>, String> {
    let directory = directory::open(config)?.ok_or("there is no directory: set \"host\" in ldap { }")?;
    match run(async { directory.who_is(user, typed.as_bytes()).await })? {
        Err(AuthFailure::Unavailable(why)) => Err(why.to_string()),
        said => Ok(said),
    }
}
