//! The folders on the way to a path, and who can exchange what lies there.

use super::OwnerIds;
use crate::cli::error::Error;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links on a way, at most: as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Who can exchange the names in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FolderControl {
    /// Only root can change it.
    Root,
    /// Everybody may make names in it, and only root exchange one of root's: the sticky bit of `/tmp`.
    Sticky,
    /// This user, beside root.
    User(OwnerIds),
    /// More than one user.
    Many,
}

/// A path, as far as only root can change where it leads.
#[derive(Debug)]
pub(super) struct TrustedPath {
    /// The last folder that is reached so, free of links.
    pub(super) folder: PathBuf,
    /// Who can exchange what lies in it.
    pub(super) hold: FolderControl,
    /// What comes behind it. Empty if the path leads to the folder itself.
    pub(super) rest: Vec<OsString>,
}

impl TrustedPath {
    /// Follows a path from the root folder on, and stops at the first folder or link that is not root's alone, at a
    /// file, and at what does not exist. Up to there only root can change the path, however long ago it was read.
    pub(super) fn to(path: &Path, server: Option<OwnerIds>) -> Result<Self, Error> {
        let told = |path: &Path, error: io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
        let path = std::path::absolute(path).map_err(|error| told(path, error))?;
        let mut rest = Vec::new();
        push(&mut rest, &path);
        let mut folder = PathBuf::from("/");
        let found = folder.symlink_metadata().map_err(|error| told(&folder, error))?;
        let mut hold = hold_of(&found, server);
        let mut links = 0;
        while matches!(hold, FolderControl::Root | FolderControl::Sticky) {
            let Some(next) = rest.pop() else { break };
            if next == ".." {
                folder.pop();
                hold = hold_of(&folder.symlink_metadata().map_err(|error| told(&folder, error))?, server);
                continue;
            }
            let here = folder.join(&next);
            let found = match here.symlink_metadata() {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    rest.push(next);
                    break;
                }
                Err(error) => return Err(told(&here, error)),
            };
            if found.is_symlink() {
                if found.uid() != 0 {
                    hold = FolderControl::User((found.uid(), found.gid()));
                    rest.push(next);
                    break;
                }
                links += 1;
                if links > MOST_LINKS {
                    return Err(told(&path, io::Error::other("too many links")));
                }
                let target = std::fs::read_link(&here).map_err(|error| told(&here, error))?;
                if target.is_absolute() {
                    folder = PathBuf::from("/");
                    hold = hold_of(&folder.symlink_metadata().map_err(|error| told(&folder, error))?, server);
                }
                push(&mut rest, &target);
                continue;
            }
            if !found.is_dir() {
                rest.push(next);
                break;
            }
            folder = here;
            hold = hold_of(&found, server);
        }
        rest.reverse();
        Ok(Self { folder, hold, rest })
    }
}

/// The components of a path, the first one last.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push(name.to_owned()),
            Component::ParentDir => rest.push("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// Who can exchange the names in a folder. A group that may write there is the server's, or a crowd.
fn hold_of(found: &Metadata, server: Option<OwnerIds>) -> FolderControl {
    let (mode, group) = (found.mode(), found.gid());
    match server {
        _ if found.uid() != 0 => FolderControl::User((found.uid(), group)),
        _ if mode & 0o022 != 0 && mode & 0o1000 != 0 => FolderControl::Sticky,
        _ if mode & 0o002 != 0 => FolderControl::Many,
        _ if mode & 0o020 == 0 || group == 0 => FolderControl::Root,
        Some(server) if server.1 == group && server.0 != 0 => FolderControl::User(server),
        _ => FolderControl::Many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    fn root() -> Option<tempfile::TempDir> {
        let folder = tempfile::tempdir().unwrap();
        let is_root = folder.path().metadata().unwrap().uid() == 0;
        if !is_root {
            eprintln!("SKIPPED: needs root");
        }
        is_root.then_some(folder)
    }

    #[test]
    fn way_ends_where_another_user_could_turn_it() {
        let Some(top) = root() else { return };
        let top = std::fs::canonicalize(top.path()).unwrap();
        std::fs::create_dir_all(top.join("a/b/c")).unwrap();
        let way = |path: &str| TrustedPath::to(&top.join(path), Some((7, 8))).unwrap();
        assert_eq!((way("a/b").hold, way("a/b").folder), (FolderControl::Root, top.join("a/b")));
        assert_eq!(way("a/new/name").rest, ["new", "name"]);

        chown(top.join("a/b"), Some(5), Some(6)).unwrap();
        let ended = way("a/b/c");
        assert_eq!((ended.hold, ended.folder), (FolderControl::User((5, 6)), top.join("a/b")));
        assert_eq!(ended.rest, ["c"], "what lies there is not looked at");

        symlink("a/b/../..", top.join("roots")).unwrap();
        assert_eq!(way("roots/x").folder, top.join("a/b"), "through the folder of another user");
        symlink("/", top.join("theirs")).unwrap();
        lchown(top.join("theirs"), Some(5), Some(6)).unwrap();
        assert_eq!(way("theirs/etc").hold, FolderControl::User((5, 6)));
        symlink("loop", top.join("loop")).unwrap();
        assert!(TrustedPath::to(&top.join("loop/x"), None).is_err());
    }

    #[test]
    fn folders_that_others_may_write_in_are_told_apart() {
        let Some(top) = root() else { return };
        let way = |mode: u32, group: u32, path: &str| {
            chown(top.path(), Some(0), Some(group)).unwrap();
            std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            TrustedPath::to(&top.path().join(path), Some((7, 8))).unwrap().hold
        };
        std::fs::create_dir(top.path().join("in")).unwrap();
        assert_eq!(way(0o755, 8, ""), FolderControl::Root);
        assert_eq!(way(0o770, 8, ""), FolderControl::User((7, 8)), "as the server writes there");
        assert_eq!(way(0o770, 9, ""), FolderControl::Many);
        assert_eq!(way(0o770, 0, ""), FolderControl::Root);
        assert_eq!(way(0o777, 0, "in"), FolderControl::Many);
        assert_eq!(way(0o1777, 0, "in"), FolderControl::Root, "what is there cannot be exchanged");
        assert_eq!(way(0o1777, 0, "new"), FolderControl::Sticky);
    }
}
