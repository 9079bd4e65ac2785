//! Reading the configuration. Where another user can write it, as on Debian, that user could have root read whatever file they
//! name by `$INCLUDE`, and send it to a host that they name too. So root reads it with their rights.

use super::OwnerIds;
use super::trusted_path::{FolderControl, TrustedPath};
use crate::cli::host;
use crate::config::{FileLoader, FileSystem};
use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setegid, seteuid, setgroups};
use std::cell::Cell;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The files of a configuration.
#[derive(Debug, Default)]
pub(in crate::cli) struct ConfigReader {
    writer: Cell<Option<OwnerIds>>,
}

impl ConfigReader {
    /// The first user other than root who can write what was read; none if it is root's alone.
    pub(in crate::cli) fn writer(&self) -> Option<OwnerIds> {
        self.writer.get()
    }

    fn read<T>(&self, path: &Path, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if !geteuid().is_root() {
            return read();
        }
        let writer = writer(path)?;
        if self.writer.get().is_none() {
            self.writer.set(writer);
        }
        match writer.or(self.writer.get()) {
            Some(account) => with_rights_of(account, read).map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => io::Error::other(format!(
                    "Permission denied to user {}, who can write the configuration that names it: let them read it, or, if they \
                     should not write there, chown root and chmod go-w",
                    account.0
                )),
                _ => error,
            }),
            None => read(),
        }
    }
}

impl FileLoader for ConfigReader {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path, || FileSystem.file(path))
    }

    fn folder(&self, path: &Path) -> io::Result<Vec<String>> {
        self.read(path, || FileSystem.folder(path))
    }
}

/// The user other than root who can write what lies there, or put something else there.
fn writer(path: &Path) -> io::Result<Option<OwnerIds>> {
    let way = TrustedPath::to(path, None).map_err(|error| io::Error::other(error.to_string()))?;
    let found = match way.hold {
        FolderControl::User(account) => return Ok(Some(account)),
        FolderControl::Many => way.folder.metadata()?,
        FolderControl::Root | FolderControl::Sticky => path.metadata()?,
    };
    let (mode, group) = (found.mode(), found.gid());
    match found.uid() {
        0 if mode & 0o002 != 0 => Err(io::Error::other("everybody can write there: chmod go-w")),
        // A group of several users is that of administrators.
        0 if mode & 0o020 != 0 && group != 0 => Ok(host::user_of_group(group).map(|user| (user, group))),
        0 => Ok(None),
        user => Ok(Some((user, group))),
    }
}

/// What only this thread does meanwhile: there is no other.
fn with_rights_of<T>((user, group): OwnerIds, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let (group, groups) = host::groups(user, None).unwrap_or((group, vec![group]));
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    let (before, own_group) = (getgroups()?, getegid());
    let change = || {
        setgroups(&groups)?;
        setegid(Gid::from_raw(group))?;
        seteuid(Uid::from_raw(user))
    };
    let done = change().map_err(io::Error::from).and_then(|()| work());
    seteuid(Uid::from_raw(0))?;
    setegid(own_group)?;
    setgroups(&before)?;
    done
}
