//! Paths of the control sockets, and the listener.

use super::server::ControlServer;
use super::system::{ControlListener, MISSING, bind, connect, is_socket};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest path that a socket may have, in octets (`sun_path`, with its final NUL).
const LONGEST_PATH: usize = 107;
/// Connections at a time.
const PLACES: usize = 16;

/// The control socket of an instance that ran when it was found, and may have ended since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSocket {
    /// The socket's path.
    pub path: PathBuf,
    /// Process id, as the server itself sees it.
    pub process: u32,
    label: String,
}

/// A socket of this process. Dropping it removes it from the folder.
pub(crate) struct ListeningSocket(PathBuf);

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl ControlSocket {
    fn from_path(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("mfa-")?.strip_suffix(".sock")?;
        let (label, process) = name.rsplit_once('-')?;
        let (label, process) = (label.to_owned(), process.parse().ok()?);
        Some(Self { path, process, label })
    }

    /// The instance's name, as far as it can stand in a file's.
    pub fn instance_label(&self) -> &str {
        &self.label
    }

    /// Whether it may be that instance's.
    pub fn is_of(&self, instance: &str) -> bool {
        self.label == file_label(instance)
    }

    /// Removes the socket of a process that ended without removing it.
    pub(crate) fn remove(&self) {
        if is_socket(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The sockets in a folder of a store, oldest process id first.
///
/// # Errors
///
/// The folder cannot be read, or the system has no such sockets.
pub fn list_sockets(folder: &Path) -> io::Result<Vec<ControlSocket>> {
    if let Some(why) = MISSING {
        return Err(io::Error::other(why));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        found.extend(ControlSocket::from_path(entry?.path()).filter(|socket| is_socket(&socket.path)));
    }
    found.sort_by(|a, b| (a.process, &a.label).cmp(&(b.process, &b.label)));
    Ok(found)
}

/// Why an instance has no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is longer than the system takes.
    #[error(
        "{}: {length} octets, and a socket's path has at most {LONGEST_PATH}: choose a shorter folder in store {{ filename }}",
        .path.display()
    )]
    TooLong {
        /// The path that it would have.
        path: PathBuf,
        /// Its length in octets.
        length: usize,
    },
    /// There is a socket already that is answered.
    #[error("{}: another process listens there", .0.display())]
    InUse(PathBuf),
    /// The system refuses it.
    #[error("{}: {why}", .path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
}

/// Where the socket of an instance in a process lies.
///
/// # Errors
///
/// The path is too long for a socket.
pub fn path(folder: &Path, instance: &str, process: u32) -> Result<PathBuf, SocketError> {
    let path = folder.join(format!("mfa-{}-{process}.sock", file_label(instance)));
    match path.as_os_str().len() {
        ..=LONGEST_PATH => Ok(path),
        length => Err(SocketError::TooLong { path, length }),
    }
}

/// An instance's name as it can stand in a file's.
fn file_label(instance: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.".contains(c) { c } else { '_' };
    instance.chars().map(plain).collect()
}

/// Listens in this folder for as long as the runtime lives.
///
/// # Errors
///
/// A sentence that names the path.
pub(crate) async fn listen_in(
    folder: &Path,
    instance: &str,
    desk: ControlServer,
) -> Result<ListeningSocket, SocketError> {
    let path = path(folder, instance, std::process::id())?;
    for socket in list_sockets(folder).unwrap_or_default() {
        let answer = connect(&socket.path).await;
        if answer.is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused) {
            socket.remove();
        }
    }
    if is_socket(&path) {
        return Err(SocketError::InUse(path));
    }
    let door = bind(&path).map_err(|why| SocketError::Bind { path: path.clone(), why })?;
    tokio::spawn(accept_connections(door, desk));
    Ok(ListeningSocket(path))
}

/// Serves a limited number of connections at a time and closes any beyond that.
async fn accept_connections(door: ControlListener, desk: ControlServer) {
    let (desk, places) = (Arc::new(desk), Arc::new(Semaphore::new(PLACES)));
    loop {
        let Ok((stream, _)) = door.accept().await else {
            // No file descriptor is left at the moment.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                desk.serve_connection(stream).await;
                drop(place);
            });
        }
    }
}
