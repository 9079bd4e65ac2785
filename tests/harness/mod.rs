//! The real FreeRADIUS with the real module, for tests and `make bench`.
//!
//! [`Site`] describes a configuration, [`Server`] is that site started on a free port of 127.0.0.1 from a folder of
//! its own, with its own store; it is stopped by its own process id and removed when it is dropped. Nothing of the
//! machine's own FreeRADIUS configuration is read, started or stopped.

pub mod authority;
pub mod ciba;
pub mod duo;
pub mod eapol;
pub mod entra;
pub mod kannel;
pub mod mschap;
pub mod nas;
pub mod oath;
pub mod pam;
pub mod process;
pub mod proxy;
pub mod pyrad;
pub mod radclient;
pub mod raw;
pub mod samba;
pub mod server;
pub mod site;
pub mod slapd;
pub mod smtp;
pub mod stock;
pub mod ttls;
pub mod upstream;
pub mod webhook;
pub mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use nas::Nas;
pub use radclient::{Code, Login, Reply};
pub use server::Server;
pub use site::Site;

/// The project's folder.
pub const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where cargo puts the programs of this build: beside `deps`, where the running test is.
///
/// # Panics
///
/// The test does not run from a cargo target folder.
pub fn build_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().and_then(Path::parent).unwrap().to_owned()
}

/// A folder for what tests leave to later ones, which `cargo clean` removes.
///
/// # Panics
///
/// It cannot be made.
pub fn temporary_folder() -> PathBuf {
    let folder = build_folder().parent().unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What takes longer stands still, however busy the machine is. Whatever fails on purpose takes longer by far.
pub const SOON: Duration = Duration::from_secs(30);

/// How long a silent server keeps silent: no test waits for its end.
pub const SILENCE: Duration = Duration::from_secs(600);

/// The shared secret of every test client.
pub const SECRET: &str = "testing123";
