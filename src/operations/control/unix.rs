//! Unix domain sockets.

use std::io;
use std::path::Path;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Why there are none.
pub(super) const MISSING: Option<&str> = None;

/// Accepts connections.
pub(super) type ControlListener = UnixListener;

/// Whether this is one, and not only called so.
pub(super) fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket())
}

/// A socket that only its owner may use. It gets its name when it is ready: a socket that refuses a connection
/// belongs to a dead process.
pub(super) fn bind(path: &Path) -> io::Result<ControlListener> {
    use std::os::unix::fs::PermissionsExt;
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let socket = UnixSocket::new_stream()?;
    socket.bind(&fresh)?;
    let ready = || {
        // Before a client can connect.
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        let door = socket.listen(64)?;
        std::fs::rename(&fresh, path)?;
        Ok(door)
    };
    ready().inspect_err(|_| drop(std::fs::remove_file(&fresh)))
}

/// A connection to an instance.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}
