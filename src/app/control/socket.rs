//! Where sockets lie and what they are called. The only file here that knows what Unix has and other systems have not.

use super::Desk;
use std::io;
use std::path::{Path, PathBuf};

/// The longest path that a socket may have, in octets (`sun_path`, with its final NUL).
const LONGEST_PATH: usize = 107;

/// The control socket of an instance that ran when it was found, and may have ended since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where.
    pub path: PathBuf,
    /// Process id, as the server itself sees it.
    pub process: u32,
    label: String,
}

/// A socket of this process. Dropped, it is gone from the folder.
pub(in crate::app) struct Listening(PathBuf);

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("mfa-")?.strip_suffix(".sock")?;
        let (label, process) = name.rsplit_once('-')?;
        let (label, process) = (label.to_owned(), process.parse().ok()?);
        Some(Self { path, process, label })
    }

    /// Whether it may be that instance's.
    pub fn is_of(&self, instance: &str) -> bool {
        self.label == label(instance)
    }

    /// Removes what a process has left that ended without doing so.
    pub(super) fn remove(&self) {
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
pub fn sockets(folder: &Path) -> io::Result<Vec<Socket>> {
    if !cfg!(unix) {
        return Err(io::Error::other("there are no control sockets on this system"));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        found.extend(Socket::at(entry?.path()).filter(|socket| is_socket(&socket.path)));
    }
    found.sort_by(|a, b| (a.process, &a.label).cmp(&(b.process, &b.label)));
    Ok(found)
}

/// Where the socket of an instance in a process lies.
///
/// # Errors
///
/// A sentence: the path is too long for a socket.
pub fn path(folder: &Path, instance: &str, process: u32) -> Result<PathBuf, String> {
    let path = folder.join(format!("mfa-{}-{process}.sock", label(instance)));
    match path.as_os_str().len() {
        ..=LONGEST_PATH => Ok(path),
        length => Err(format!(
            "{}: {length} octets, and a socket's path has at most {LONGEST_PATH}: choose a shorter folder in store {{ filename }}",
            path.display()
        )),
    }
}

/// An instance's name as it can stand in a file's.
fn label(instance: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.".contains(c) { c } else { '_' };
    instance.chars().map(plain).collect()
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket())
}

#[cfg(not(unix))]
fn is_socket(_path: &Path) -> bool {
    false
}

/// Listens in this folder for as long as the runtime lives, on a socket that only its owner may use.
///
/// # Errors
///
/// A sentence that names the path.
#[cfg(unix)]
pub(in crate::app) async fn listen(folder: &Path, instance: &str, desk: Desk) -> Result<Listening, String> {
    let path = path(folder, instance, std::process::id())?;
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    for socket in sockets(folder).unwrap_or_default() {
        if connect(&socket.path).await.is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused) {
            socket.remove();
        }
    }
    if is_socket(&path) {
        return Err(told(&"another process listens there"));
    }
    let listener = bind(&path).map_err(|why| told(&why))?;
    tokio::spawn(receive(listener, desk));
    Ok(Listening(path))
}

/// Nobody listens.
#[cfg(not(unix))]
pub(in crate::app) async fn listen(
    _folder: &Path,
    _instance: &str,
    _desk: Desk,
) -> Result<Listening, String> {
    Err("there are no control sockets on this system".to_owned())
}

/// The socket gets its name when it is ready: whoever finds one that refuses him knows that its process is dead.
#[cfg(unix)]
fn bind(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(&fresh)?;
    let ready = || {
        // Before anybody can connect.
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        let listener = socket.listen(64)?;
        std::fs::rename(&fresh, path)?;
        Ok(listener)
    };
    ready().inspect_err(|_| drop(std::fs::remove_file(&fresh)))
}

/// Answers so many at a time; whoever comes beyond finds the door closed.
#[cfg(unix)]
async fn receive(listener: tokio::net::UnixListener, desk: Desk) {
    let (desk, places) = (std::sync::Arc::new(desk), std::sync::Arc::new(tokio::sync::Semaphore::new(16)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() {
                    let desk = std::sync::Arc::clone(&desk);
                    tokio::spawn(async move {
                        desk.serve(stream).await;
                        drop(place);
                    });
                }
            }
            // No file descriptor is left at the moment.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

/// A connection to an instance.
#[cfg(unix)]
pub(super) async fn connect(path: &Path) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(path).await
}

/// There is none.
#[cfg(not(unix))]
pub(super) async fn connect(_path: &Path) -> io::Result<tokio::io::DuplexStream> {
    Err(io::ErrorKind::Unsupported.into())
}
