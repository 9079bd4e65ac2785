//! What an instance is made of when the server starts, read and checked: by the module, and by `mfa doctor`, which is to find
//! whatever keeps the server from starting.

use super::texts::Texts;
use super::tree::Section;
use super::{Config, Errors, FileLoader, ServerTimers, check_clients};

/// An instance's settings, fit to start with.
#[derive(Clone, Debug)]
pub struct StartSettings {
    /// The instance's options.
    pub config: Config,
    /// Texts for users, in all languages.
    pub texts: Texts,
    /// The settings of the server itself.
    pub timers: ServerTimers,
}

impl StartSettings {
    /// Reads what the server is configured with, and the instance's section in it.
    ///
    /// # Errors
    ///
    /// A line for each thing that is wrong.
    pub fn read(server: &Section, instance: &Section, loader: &dyn FileLoader) -> Result<Self, Vec<String>> {
        let told = |errors: Errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        let config = Config::read(instance).map_err(told)?;
        let texts = Texts::read(server, loader).map_err(told)?;
        check_clients(server, instance, &texts).map_err(told)?;
        let timers = ServerTimers::read(server);
        let name = instance.section_label();
        let named =
            |lines: Vec<String>| lines.into_iter().map(|line| format!("{name}: {line}")).collect::<Vec<_>>();
        timers.check_wait(server, &config.push).map_err(named)?;
        Ok(Self { config, texts, timers })
    }
}
