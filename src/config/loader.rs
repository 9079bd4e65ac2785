//! The only place in `config` that opens files; `tests/layers.rs` checks that.

use crate::files;
use std::io;
use std::path::{Path, PathBuf};

/// Maximum size of one file, in octets. The server has no limit; 100,000 clients take about a tenth of this.
pub(super) const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A source of configuration files.
pub trait FileLoader {
    /// The content of a file.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of the files in a folder, without its sub-folders.
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
            // Like the server, skip what has no metadata (a dangling link).
            let is_folder = std::fs::metadata(entry.path()).map_or(true, |found| found.is_dir());
            if let (false, Ok(name)) = (is_folder, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Whether `$INCLUDE folder/` reads a file of this name.
pub(super) fn is_included(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// A text that is not a file. Each `$INCLUDE` in it fails.
pub(super) struct NoFiles<'a> {
    /// The name of the text in error messages.
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
