//! What a command does that root runs. The store lies in a folder of the server's user, who can exchange each name in it for a
//! link at any time; so root never opens, makes or gives away anything there. Whatever the command line names (a backup, a QR
//! code, a secret) is opened first; then the process becomes the user to whom the folder belongs, for good, and only then
//! touches the store. It does so before it starts a thread.
//!
//! Where the configuration can be written by another user, it is no word of root's either: root reads it with the rights of that
//! user, and does nothing in a folder of root's because it says so, but making the store's usual folder.

#[cfg(unix)]
mod reader;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "unsupported.rs")]
mod system;
#[cfg(unix)]
mod trusted_path;

#[cfg(unix)]
pub(super) use reader::ConfigReader;
#[cfg(not(unix))]
pub(super) use system::Reader;
pub(super) use system::{NewOwnedFile, become_owner, follow_writer, make_folder};

/// User and group, by number.
pub(super) type OwnerIds = (u32, u32);

/// Whether an existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExistingFile {
    /// It stays, and that is an error.
    Keep,
    /// An existing file is replaced.
    Replace,
}
