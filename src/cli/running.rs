//! Which servers run on the stores of a configuration, as their control sockets tell.

use super::context::SiteArguments;
use super::error::Error;
use crate::operations::control::{self, ControlError, ControlSocket, InstanceReport};
use std::path::Path;
use std::time::{Duration, Instant};

/// Sockets in a folder: more servers than that do not share a store.
const MOST: usize = 64;
/// How long they may take, all of them together; one that is asked by then may take its own time.
const LONGEST: Duration = Duration::from_secs(60);

/// The sockets of all instances, or of the chosen one, in the folders of their stores.
pub(super) fn sockets(site: &SiteArguments) -> Result<Vec<ControlSocket>, Error> {
    let mut found = Vec::new();
    for folder in site.store_folders()? {
        found.extend(in_folder(&folder)?);
    }
    if let Some(instance) = &site.instance {
        found.retain(|socket| socket.is_of(instance));
    }
    Ok(found)
}

/// Those in one folder. Where there is no folder yet, nothing runs.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<ControlSocket>, Error> {
    match control::list_sockets(folder) {
        Ok(found) if found.len() > MOST => Err(Error::Unavailable(format!(
            "{}: more than {MOST} control sockets: remove those of servers that do not run (mfa-*.sock)",
            folder.display()
        ))),
        Ok(found) => Ok(found),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::Unavailable(format!("{}: {error}", folder.display()))),
    }
}

/// What those tell of themselves that run, and what is wrong with those that do not answer.
pub(super) fn ask(sockets: &[ControlSocket]) -> (Vec<InstanceReport>, Vec<String>) {
    let (mut reports, mut silent) = (Vec::new(), Vec::new());
    let since = Instant::now();
    for socket in sockets {
        if since.elapsed() > LONGEST {
            silent.push(format!(
                "process {}, {}: not asked, since others took too long",
                socket.process,
                socket.path.display()
            ));
            continue;
        }
        match control::request_status(socket) {
            Ok(report) => reports.push(report),
            Err(ControlError::Gone) => {}
            Err(ControlError::Silent(why)) => silent.push(why),
        }
    }
    (reports, silent)
}
