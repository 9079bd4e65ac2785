//! Looks at what is outside without logging anybody in, for `mfa doctor`.

use crate::config::Config;
use crate::directory;
use crate::factor::push;
use std::time::Duration;

pub use crate::directory::Probed as ProbedHost;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(15);

/// What looking at the provider came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Its word: `duo`.
    pub provider: &'static str,
    /// What is well, if anything could be tried; or what is not.
    pub found: Result<Option<String>, String>,
}

/// Whether the provider of `push { }` can be reached and takes our key, without asking anybody. None: there is no provider.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe(config: &Config) -> Result<Option<Probed>, String> {
    let Some(provider) = push::open(&config.push)? else { return Ok(None) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("nothing to try it with: {why}"))?;
    let probed = runtime.block_on(async { tokio::time::timeout(PATIENCE, provider.probe()).await });
    let found = match probed {
        Ok(found) => found.map_err(|trouble| trouble.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(Some(Probed { provider: provider.name(), found }))
}

/// What each host of `ldap { }` says. None: there is no directory.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn probe_directory(config: &Config) -> Result<Option<Vec<ProbedHost>>, String> {
    let Some(directory) = directory::open(config)? else { return Ok(None) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("nothing to try it with: {why}"))?;
    let probed = runtime.block_on(directory.probe());
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(Some(probed))
}
