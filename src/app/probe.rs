//! Looks at what is outside without logging anybody in, for `mfa doctor`.

use super::delivery::run;
use crate::config::Config;
use crate::directory;
use crate::engine::directory::{AuthFailure, DirectoryUser};
use crate::factor::push;
use crate::types::UserName;
use std::time::Duration;

pub use crate::directory::LdapHostProbe as ProbedHost;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(15);

/// What looking at the provider came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderProbe {
    /// The option's word for the provider, such as `duo`.
    pub provider: &'static str,
    /// What is well, if anything could be tried; or what is not.
    pub found: Result<Option<String>, String>,
}

/// Whether the provider of `push { }` can be reached and takes our key, without asking anybody. None: there is no provider.
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

/// What each host of `ldap { }` says. None: there is no directory.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_directory(config: &Config) -> Result<Option<Vec<ProbedHost>>, String> {
    directory::open(config)?.map(|directory| run(directory.probe_hosts())).transpose()
}

/// What each host of `radius { }` says. None: there is no such server.
///
/// # Errors
///
/// A sentence that names the option.
pub fn probe_radius(config: &Config) -> Result<Option<Vec<ProbedHost>>, String> {
    directory::radius_backend(config)?.map(|radius| run(radius.probe_hosts())).transpose()
}

/// What Entra ID says. None: it is not asked.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_entra(config: &Config) -> Result<Option<ProbedHost>, String> {
    directory::entra_backend(config)?.map(|entra| run(entra.probe_tenant())).transpose()
}

/// Who a user is, by the directory, whose name was typed like this; or why it would not let them in.
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
