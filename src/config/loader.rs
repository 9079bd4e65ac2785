//! The one place where configuration files are opened, so that the parser is pure.

use crate::files;
use std::io;
use std::path::{Path, PathBuf};

/// Octets that one file may have. The server sets no limit; a hundred thousand clients take a tenth of it.
pub(super) const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Where the parser has its files from.
pub trait FileLoader {
    /// The octets of a file.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names of the files in a folder; sub-folders are left out.
    fn folder(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// Reads from the file system.
pub struct FileSystem;

impl FileLoader for FileSystem {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        files::read(path, MAX_FILE)
    }

    fn folder(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // As the server does: what cannot be looked at (a dangling link) is passed over.
            let is_folder = std::fs::metadata(entry.path()).map_or(true, |found| found.is_dir());
            if let (false, Ok(name)) = (is_folder, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// The names that `$INCLUDE folder/` takes.
pub(super) fn is_included(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// A text without files around it; every `$INCLUDE` in it misses.
pub(super) struct NoFiles<'a> {
    /// What the text is called.
    pub(super) name: PathBuf,
    /// The octets of the file.
    pub(super) text: &'a [u8],
}

impl FileLoader for NoFiles<'_> {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path == self.name {
            true => Ok(self.text.to_vec()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn folder(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
