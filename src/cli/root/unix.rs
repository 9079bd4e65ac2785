//! Users as Unix has them.

use super::trusted_path::{FolderControl, TrustedPath};
use super::{ExistingFile, OwnerIds};
use crate::cli::error::Error;
use crate::cli::{host, output};
use crate::config;
use crate::types::QuotedText;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, UnlinkatFlags, geteuid, setgroups, setresgid, setresuid, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Before root touches what lies at these paths, all of them in folders of one user: becomes that user, for good. Nothing happens
/// if only root can change where they lead, nor if another user runs this.
pub(in crate::cli) fn become_owner(paths: &[&Path], server: Option<OwnerIds>) -> Result<(), Error> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let mut chosen: Option<(OwnerIds, PathBuf)> = None;
    for path in paths {
        let way = TrustedPath::to(path, server)?;
        let account = match way.hold {
            FolderControl::Root => continue,
            FolderControl::Many | FolderControl::Sticky => return Err(many(&way.folder)),
            FolderControl::User(account) => account,
        };
        // What lies below belongs to the same user, or this could work for neither.
        if let Some((below, owner)) = owner_below(path).filter(|(below, _)| *below != way.folder)
            && owner != account.0
        {
            return Err(Error::Unavailable(format!(
                "folder {} belongs to user {}, but {} in it to user {owner}: as root, mfa could act for only one of them: \
                 have the folders above the store belong to root",
                way.folder.display(),
                account.0,
                below.display(),
            )));
        }
        match &chosen {
            Some((other, folder)) if other.0 != account.0 => {
                return Err(Error::Unavailable(format!(
                    "the stores belong to several users ({} to {}, {} to {}): choose one instance with -n",
                    folder.display(),
                    other.0,
                    way.folder.display(),
                    account.0,
                )));
            }
            Some(_) => {}
            None => chosen = Some((account, way.folder)),
        }
    }
    match chosen {
        Some((account, folder)) => change_to(account, &folder, server),
        None => Ok(()),
    }
}

/// Root does not act on the word of another user: where that user can write the configuration in `folder`, becomes them.
pub(in crate::cli) fn follow_writer(writer: Option<OwnerIds>, folder: &Path) -> Result<(), Error> {
    match writer {
        Some(account) if geteuid().is_root() => change_to(account, folder, None),
        _ => Ok(()),
    }
}

/// The folder that a path leads to or into, with its owner.
fn owner_below(path: &Path) -> Option<(PathBuf, u32)> {
    let real =
        std::fs::canonicalize(path).or_else(|_| std::fs::canonicalize(path.parent().unwrap_or(path))).ok()?;
    let folder = if real.is_dir() { real } else { real.parent()?.to_owned() };
    let owner = folder.metadata().ok()?.uid();
    Some((folder, owner))
}

fn many(folder: &Path) -> Error {
    Error::Unavailable(format!(
        "folder {} can be written by others, who could exchange what root works on: chmod go-w {}",
        folder.display(),
        QuotedText(&folder.to_string_lossy())
    ))
}

/// Gives up being root. All threads follow (POSIX), and nothing leads back.
fn change_to((user, group): OwnerIds, folder: &Path, server: Option<OwnerIds>) -> Result<(), Error> {
    let (group, groups) = host::groups(user, server).unwrap_or((group, vec![group]));
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(group));
    let change = || {
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    };
    change().map_err(|error| {
        Error::Unavailable(format!(
            "{} belongs to user {user}, whom root cannot become here ({}): run mfa as that user",
            folder.display(),
            error.desc(),
        ))
    })
}

/// Before root makes the store: makes the folder, if it is not there, and gives it to `owner`, by its descriptor. What is there is
/// never given away: it has to be the owner's already. `writer` can write the configuration that names the folder: in a folder of
/// root's, only the usual one is made for them.
pub(in crate::cli) fn make_folder(
    folder: &Path,
    owner: Option<OwnerIds>,
    writer: Option<OwnerIds>,
) -> Result<(), Error> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = owner.filter(|owner| owner.0 != 0).or(writer);
    let shown = folder.display();
    let way = TrustedPath::to(folder, owner)?;
    let failed = |error: io::Error| Error::Unavailable(format!("folder {shown} cannot be made: {error}"));
    match (way.hold, way.rest.as_slice(), owner) {
        (FolderControl::Root | FolderControl::Sticky, [_], Some((user, group)))
            if writer.is_some() && config::StoreOptions::default().filename.parent() != Some(folder) =>
        {
            Err(Error::Unavailable(format!(
                "folder {shown} is not there, and the configuration that names it can be written by others than root: make it, \
                 if it is the right one: install -d -m 700 -o {user} -g {group} {}",
                QuotedText(&folder.to_string_lossy()),
            )))
        }
        (FolderControl::Root | FolderControl::Sticky, [name], _) => {
            make_and_give(&way.folder.join(name), owner).map_err(failed)
        }
        (FolderControl::Root | FolderControl::Sticky, [_, ..], _) => {
            Err(failed(io::Error::other("make the folder above it first")))
        }
        (FolderControl::Many, [_, ..], _) => Err(many(&way.folder)),
        // It belongs to that user, or lies in a folder that does: everything else is done as that user.
        (FolderControl::User(_), _, None) => Ok(()),
        (FolderControl::User((user, _)), _, Some(owner)) if user == owner.0 => {
            become_owner(&[folder], Some(owner))
        }
        // Who can write there is looked at before it is used.
        (_, [], None) => Ok(()),
        (FolderControl::User((user, _)), [_, ..], Some(_)) => Err(Error::Unavailable(format!(
            "folder {} belongs to user {user}, who is not the server's: choose another folder in store {{ }}",
            way.folder.display()
        ))),
        (_, [], Some(_)) if writer.is_some() => Err(Error::Unavailable(format!(
            "folder {shown} does not belong to the server's user, and the configuration that names it can be written by others \
             than root: see whether `filename` and `key_file` in store {{ }} are what you want"
        ))),
        (_, [], Some((user, group))) => Err(Error::Unavailable(format!(
            "folder {shown} does not belong to the server's user, who must be able to write in it: \
             chown -h {user}:{group} {}, or remove it, and mfa init makes it",
            QuotedText(&way.folder.to_string_lossy()),
        ))),
    }
}

/// The folder above is root's alone, so that what was made cannot be exchanged.
fn make_and_give(folder: &Path, owner: Option<OwnerIds>) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let Some((user, group)) = owner else { return Ok(()) };
    let how = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let made = File::options().read(true).custom_flags(how.bits()).open(folder)?;
    fchown(&made, Some(user), Some(group))
}

/// A file that did not exist before and that only its owner may read. It is gone again when dropped before [`NewOwnedFile::keep`].
#[derive(Debug)]
pub(in crate::cli) struct NewOwnedFile {
    path: PathBuf,
    /// Where root has made it: the folder itself, however it is called meanwhile.
    folder: Option<OwnedFd>,
    name: OsString,
    file: File,
    is_kept: bool,
}

impl NewOwnedFile {
    /// Makes it. In a folder that others can exchange, root follows no links.
    pub(in crate::cli) fn create(path: &Path, existing: ExistingFile) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("is a folder"))?.to_owned();
        let path = path.to_owned();
        if !geteuid().is_root() {
            if existing == ExistingFile::Replace {
                absent(std::fs::remove_file(&path))?;
            }
            let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            return Ok(Self { path, folder: None, name, file, is_kept: false });
        }
        let folder = folder_of(&path)?;
        if existing == ExistingFile::Replace {
            let gone = unlinkat(&folder, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
            absent(gone.map_err(io::Error::from))?;
        }
        let how = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&folder, name.as_os_str(), how, Mode::S_IRUSR | Mode::S_IWUSR)?;
        Ok(Self { path, folder: Some(folder), name, file: file.into(), is_kept: false })
    }

    /// What is written to it.
    pub(in crate::cli) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// It is whole, and stays.
    pub(in crate::cli) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewOwnedFile {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let gone = match &self.folder {
            Some(folder) => {
                unlinkat(folder, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir).map_err(io::Error::from)
            }
            None => std::fs::remove_file(&self.path),
        };
        if absent(gone).is_err() {
            // The command is not root any more.
            let _ = self.file.set_len(0);
            output::note(format_args!("{} was made, and is empty: remove it", self.path.display()));
        }
    }
}

fn absent(gone: io::Result<()>) -> io::Result<()> {
    gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The folder that a new file is to lie in, opened.
fn folder_of(path: &Path) -> io::Result<OwnedFd> {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let way = TrustedPath::to(parent, None).map_err(|error| io::Error::other(error.to_string()))?;
    let mut folder = OwnedFd::from(File::open(&way.folder)?);
    for name in &way.rest {
        folder = enter(&folder, name)?;
    }
    Ok(folder)
}

fn enter(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let how = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match name {
        name if name == ".." => Err(Errno::ELOOP),
        name => openat(folder, name, how, Mode::empty()),
    }
    .map_err(|error| match error {
        Errno::ELOOP | Errno::ENOTDIR => {
            let name = name.to_string_lossy();
            io::Error::other(format!("\"{name}\" on the way there is no folder, or a link of another user's"))
        }
        error => error.into(),
    })
}
