//! Where no user is root: permissions of folders are the administrator's business.

use super::{ExistingFile, OwnerIds};
use crate::cli::error::Error;
use crate::cli::output;
use crate::config::{Files, Loader};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Does nothing on this system.
pub(in crate::cli) fn become_owner(_paths: &[&Path], _server: Option<OwnerIds>) -> Result<(), Error> {
    Ok(())
}

/// Nothing to do: the store makes it.
pub(in crate::cli) fn make_folder(
    _folder: &Path,
    _owner: Option<OwnerIds>,
    _writer: Option<OwnerIds>,
) -> Result<(), Error> {
    Ok(())
}

/// Does nothing on this system.
pub(in crate::cli) fn follow_writer(_writer: Option<OwnerIds>, _folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// The files of a configuration.
#[derive(Debug, Default)]
pub(in crate::cli) struct ConfigReader;

impl ConfigReader {
    /// The writer is not known on this system.
    pub(in crate::cli) fn writer(&self) -> Option<OwnerIds> {
        None
    }
}

impl Loader for ConfigReader {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        Files.file(path)
    }

    fn folder(&self, path: &Path) -> io::Result<Vec<String>> {
        Files.folder(path)
    }
}

/// A file that did not exist before. It is gone again when dropped before [`NewOwnedFile::keep`].
#[derive(Debug)]
pub(in crate::cli) struct NewOwnedFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl NewOwnedFile {
    /// Creates the file.
    pub(in crate::cli) fn create(path: &Path, existing: ExistingFile) -> io::Result<Self> {
        if existing == ExistingFile::Replace {
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

impl Drop for NewOwnedFile {
    fn drop(&mut self) {
        // Windows removes no file that is open; an empty one tells nothing.
        if !self.is_kept && self.file.set_len(0).and_then(|()| std::fs::remove_file(&self.path)).is_err() {
            output::note(format_args!("{} was made, and is empty: remove it", self.path.display()));
        }
    }
}
