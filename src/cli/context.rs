//! Where the command finds things: the server's configuration, the module's instance in it, the store.

use super::error::Error;
use super::host;
use super::output::{self, CommandOutput};
use super::root::{self, ConfigReader};
use crate::app;
use crate::config::tree::Section;
use crate::config::{self, Config, FileLoader, ServerTimers};
use crate::store::{Administration, SqliteStore};
use crate::types::{QuotedText, Timestamp, UserName};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions keep the server's configuration.
const FOLDERS: [&str; 3] = ["/etc/freeradius/3.0", "/etc/raddb", "/etc/freeradius"];

/// The module's own file, before it is enabled.
const AVAILABLE: &str = "mods-available/mfa";

/// What the command line says about the site.
#[derive(Clone, Debug)]
pub(super) struct SiteArguments {
    pub(super) confdir: Option<PathBuf>,
    pub(super) instance: Option<String>,
}

/// The configuration, read.
pub(super) struct LoadedConfig {
    /// The server's configuration folder.
    pub(super) folder: PathBuf,
    /// All of the server's configuration.
    pub(super) server: Section,
    /// What it says about itself.
    pub(super) timers: ServerTimers,
    /// The instance's section.
    pub(super) section: Section,
    /// Whether the server loads it.
    pub(super) linked: bool,
    /// The options of the chosen instance.
    pub(super) config: Config,
    /// Reads more of its files.
    pub(super) reader: ConfigReader,
}

/// Everything a command works with.
pub(super) struct CommandContext {
    pub(super) config: Config,
    pub(super) store: Arc<SqliteStore>,
    pub(super) out: CommandOutput,
    /// When the command was started.
    pub(super) now: Timestamp,
}

impl SiteArguments {
    /// The server's configuration folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.confdir {
            return match folder.join("radiusd.conf").is_file() {
                true => Ok(folder.clone()),
                false => Err(Error::Unavailable(format!(
                    "{}: no radiusd.conf there: -d names the server's configuration folder",
                    folder.display()
                ))),
            };
        }
        FOLDERS.iter().map(PathBuf::from).find(|folder| folder.join("radiusd.conf").is_file()).ok_or_else(
            || {
                Error::Unavailable(format!(
                    "no radiusd.conf in {}: name the server's configuration folder with -d",
                    FOLDERS.join(", ")
                ))
            },
        )
    }

    /// Reads the configuration; opens nothing else.
    pub(super) fn find(&self) -> Result<LoadedConfig, Error> {
        let folder = self.folder()?;
        let radiusd_conf = folder.join("radiusd.conf");
        let reader = ConfigReader::default();
        let server = config::read_from(&reader, &radiusd_conf, &environment).map_err(unreadable)?;
        if let Some(section) = self.instance(&server)? {
            let (section, config) = (section.clone(), Config::read(section).map_err(unreadable)?);
            let timers = ServerTimers::read(&server);
            return Ok(LoadedConfig { folder, timers, server, section, linked: true, config, reader });
        }
        if !folder.join(AVAILABLE).is_file() {
            return Err(Error::Unavailable(format!(
                "{}: no module mfa is enabled, and there is no {AVAILABLE} to enable: install rlm_mfa",
                radiusd_conf.display()
            )));
        }
        let server = config::read_from(&AsIfLinked(&reader, &radiusd_conf), &radiusd_conf, &environment);
        let server = server.map_err(unreadable)?;
        let section = self.instance(&server)?.cloned();
        let section = section.ok_or_else(|| Error::Unavailable(format!("{AVAILABLE} holds no mfa {{ }}")))?;
        let config = Config::read(&section).map_err(unreadable)?;
        Ok(LoadedConfig {
            folder,
            timers: ServerTimers::read(&server),
            server,
            section,
            linked: false,
            config,
            reader,
        })
    }

    /// The folders that hold the stores of all instances, or of the chosen one; root becomes the user who owns them.
    /// A wrong option does not hide what runs with earlier options.
    pub(super) fn store_folders(&self) -> Result<Vec<PathBuf>, Error> {
        let (server, reader) = self.server()?;
        let mut instances = config::instance_names(&server);
        instances.retain(|section| self.instance.as_ref().is_none_or(|name| section.section_label() == name));
        let filename = |section: &Section| section.section("store")?.value("filename").map(PathBuf::from);
        let default = config::StoreOptions::default().filename;
        let mut folders: Vec<PathBuf> = match instances.as_slice() {
            [] => vec![self.find()?.config.store.filename],
            all => all.iter().map(|section| filename(section).unwrap_or_else(|| default.clone())).collect(),
        };
        for file in &mut folders {
            file.pop();
        }
        folders.sort();
        folders.dedup();
        let timers = ServerTimers::read(&server);
        let account = host::account(timers.user.as_deref(), timers.group.as_deref());
        let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        root::become_owner(&paths, account.ok().flatten())?;
        root::follow_writer(reader.writer(), &self.folder()?)?;
        Ok(folders)
    }

    /// What the server says about itself.
    pub(super) fn timers(&self) -> Result<ServerTimers, Error> {
        self.server().map(|(server, _)| ServerTimers::read(&server))
    }

    fn server(&self) -> Result<(Section, ConfigReader), Error> {
        let reader = ConfigReader::default();
        let server = config::read_from(&reader, &self.folder()?.join("radiusd.conf"), &environment);
        Ok((server.map_err(unreadable)?, reader))
    }

    /// The instance that is meant, among those the server loads.
    fn instance<'s>(&self, server: &'s Section) -> Result<Option<&'s Section>, Error> {
        let all = config::instance_names(server);
        let names = || all.iter().map(|s| s.section_label()).collect::<Vec<_>>().join(", ");
        match (&self.instance, all.as_slice()) {
            (_, []) => Ok(None),
            (Some(name), _) => match all.iter().find(|section| section.section_label() == name) {
                Some(section) => Ok(Some(section)),
                None => {
                    Err(Error::Usage(format!("no instance \"{name}\" of the module: there is {}", names())))
                }
            },
            (None, [only]) => Ok(Some(only)),
            (None, _) => match all.iter().find(|section| section.instance.is_none()) {
                Some(section) => Ok(Some(section)),
                None => Err(Error::Usage(format!(
                    "several instances of the module: choose one of {} with -n",
                    names()
                ))),
            },
        }
    }
}

/// The server's configuration as it would be with the module enabled.
struct AsIfLinked<'a>(&'a ConfigReader, &'a Path);

impl FileLoader for AsIfLinked<'_> {
    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let mut octets = self.0.file(path)?;
        if path == self.1 {
            octets.extend_from_slice(format!("\nmodules {{\n\t$INCLUDE {AVAILABLE}\n}}\n").as_bytes());
        }
        Ok(octets)
    }

    fn folder(&self, path: &Path) -> std::io::Result<Vec<String>> {
        self.0.folder(path)
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn unreadable(errors: impl std::fmt::Display) -> Error {
    Error::Unavailable(errors.to_string())
}

impl LoadedConfig {
    /// Numbers of the server's user and group; none if it stays who started it.
    pub(super) fn account(&self) -> Result<Option<(u32, u32)>, Error> {
        host::account(self.timers.user.as_deref(), self.timers.group.as_deref())
    }

    /// Before anything in the folder of the store is touched: root becomes the user to whom it belongs, and stays that. What only
    /// root may read has been read by then, and what only root may make is made.
    pub(super) fn enter(&self) -> Result<(), Error> {
        let entered = root::become_owner(&[&self.config.store.filename], self.account().ok().flatten());
        self.follow_writer()?;
        entered
    }

    /// Root does nothing more on the word of a configuration that another user can write.
    pub(super) fn follow_writer(&self) -> Result<(), Error> {
        root::follow_writer(self.reader.writer(), &self.folder)
    }

    /// Opens the store. No other place of the command does.
    pub(super) fn store(&self) -> Result<SqliteStore, Error> {
        self.enter()?;
        Ok(SqliteStore::open(&self.config.store)?)
    }

    /// What makes the server load the module; none if it does.
    pub(super) fn next_step(&self) -> Option<String> {
        let enabled = self.folder.join("mods-enabled");
        (!self.linked).then(|| format!("ln -s ../{AVAILABLE} {}/", QuotedText(&enabled.to_string_lossy())))
    }
}

impl CommandContext {
    /// Reads the configuration and opens the store.
    pub(super) fn open(site: &SiteArguments, out: CommandOutput) -> Result<Self, Error> {
        Self::over(&site.find()?, out)
    }

    /// Opens the store of a configuration that has been read.
    pub(super) fn over(found: &LoadedConfig, out: CommandOutput) -> Result<Self, Error> {
        if let Some(step) = found.next_step() {
            output::note(format_args!("the server does not load the module yet: {step}"));
        }
        let store = Arc::new(found.store()?);
        Ok(Self { config: found.config.clone(), store, out, now: app::now() })
    }

    /// The canonical form of a name; says so if it is another than was typed.
    pub(super) fn name(&self, typed: &str) -> Result<UserName, Error> {
        let name = match UserName::parse(typed.as_bytes(), &self.config.names) {
            Ok(name) => name,
            Err(bad) => {
                // A user of an earlier version, or of other rules, can still be renamed or deleted.
                let stored = UserName::from_canonical(typed);
                return match self.store.user(&stored) {
                    Ok(_) => Ok(stored),
                    Err(_) => Err(Error::usage(&output::shown(typed), bad)),
                };
            }
        };
        if name.as_str() != typed {
            output::note(format_args!("\"{}\" is user \"{name}\"", output::shown(typed)));
        }
        Ok(name)
    }
}
