//! What stands in for sockets where there are none.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use tokio::io::DuplexStream;

/// Why there are none.
pub(super) const MISSING: Option<&str> = Some("there are no control sockets on this system");

/// No control sockets on this system.
pub(super) struct ControlListener(Infallible);

impl ControlListener {
    pub(super) async fn accept(&self) -> io::Result<(DuplexStream, ())> {
        match self.0 {}
    }
}

pub(super) fn is_socket(_path: &Path) -> bool {
    false
}

pub(super) fn bind(_path: &Path) -> io::Result<ControlListener> {
    Err(io::Error::other(MISSING.unwrap_or_default()))
}

pub(super) async fn connect(_path: &Path) -> io::Result<DuplexStream> {
    Err(io::Error::other(MISSING.unwrap_or_default()))
}
