//! The configuration of the server: where it is read from, and which instances of the module it has.

use super::error::Error;
use super::loader::{FileLoader, FileSystem, NoFiles};
use super::parser;
use super::tree::Section;
use std::path::{Path, PathBuf};

/// Reads the whole configuration of the server, from `radiusd.conf` and all files that it includes. `env` resolves `$ENV{..}`.
pub fn read_server(radiusd_conf: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Section, Error> {
    read_from(&FileSystem, radiusd_conf, env)
}

/// The same, with files from `loader`.
pub fn read_from(
    loader: &dyn FileLoader,
    radiusd_conf: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Section, Error> {
    parser::parse(radiusd_conf, loader, env)
}

/// A text that includes nothing; places are of a file called `text`.
pub fn read_text(text: impl AsRef<[u8]>, env: &dyn Fn(&str) -> Option<String>) -> Result<Section, Error> {
    let name = PathBuf::from("text");
    read_from(&NoFiles { name: name.clone(), text: text.as_ref() }, &name, env)
}

/// The sections `mfa { }` and `mfa NAME { }` of `modules { }`: the module's instances.
pub fn instance_names(server: &Section) -> Vec<&Section> {
    let modules = server.sections().filter(|section| section.name == "modules");
    modules.flat_map(Section::sections).filter(|module| module.name == "mfa").collect()
}
