//! Where no user is root: permissions of folders are the administrator's business.

use super::{Account, Existing};
use crate::cli::error::Error;
use crate::cli::output;
use crate::config::{Files, Loader};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Nothing to do.
pub(in crate::cli) fn become_owner(_paths: &[&Path], _server: Option<Account>) -> Result<(), Error> {
    Ok(())
}

/// Nothing to do: the store makes it.
pub(in crate::cli) fn make_folder(
    _folder: &Path,
    _owner: Option<Account>,
    _writer: Option<Account>,
) -> Result<(), Error> {
    Ok(())
}

/// Nothing to do.
pub(in crate::cli) fn follow_writer(_writer: Option<Account>, _folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// The files of a configuration.
#[derive(Debug, Default)]
pub(in crate::cli) struct Reader;

impl Reader {
    /// Not known.
    pub(in crate::cli) fn writer(&self) -> Option<Account> {
        None
    }
}

impl Loader for Reader {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        Files.file(path)
    }

    fn folder(&self, path: &Path) -> io::Result<Vec<String>> {
        Files.folder(path)
    }
}

/// A file that did not exist before. It is gone again when dropped before [`NewFile::keep`].
#[derive(Debug)]
pub(in crate::cli) struct NewFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl NewFile {
    /// Makes it.
    pub(in crate::cli) fn create(path: &Path, existing: Existing) -> io::Result<Self> {
        if existing == Existing::Replace {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, is_kept: false })
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

impl Drop for NewFile {
    fn drop(&mut self) {
        // Windows removes no file that is open; an empty one tells nothing.
        if !self.is_kept && self.file.set_len(0).and_then(|()| std::fs::remove_file(&self.path)).is_err() {
            output::note(format_args!("{} was made, and is empty: remove it", self.path.display()));
        }
    }
}
