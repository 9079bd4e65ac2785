//! Starts an instance: reads its configuration, looks its attributes up, opens the store and the services.

use super::attributes::ModuleAttributes;
use super::error::Error;
use super::forwarded_attributes::ForwardedAttributes;
use super::instance::{MfaModule, shown_user};
use super::parking;
use super::reply_attributes::ReplyAttributes;
use crate::app::App;
use crate::config::{Config, FileSystem, ServerTimers, StartSettings, clients, coverage};
use crate::freeradius::{BUILD, InstanceSetup, LogLevel, write_log};
use crate::text::ClientTexts;
use once_cell::sync::OnceCell;
use std::fmt::Display;
use std::sync::Arc;

impl MfaModule {
    /// Makes an instance. What could let a login pass without a second factor is named in the log.
    ///
    /// # Errors
    ///
    /// Lines for the log.
    pub(super) fn start(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        let name = setup.section.section_label().to_owned();
        let StartSettings { config, texts, timers } =
            StartSettings::read(&setup.server, &setup.section, &FileSystem)?;
        let texts = ClientTexts::new(&config, texts);
        parking::check_pool_name(setup, &name, &timers)
            .map_err(|error| with_instance_name(&name, [error]))?;
        let config = Arc::new(config);
        let attributes = ModuleAttributes::find_attributes().map_err(|error| vec![error.to_string()])?;
        let reply_attributes = ReplyAttributes::find_reply_attributes(&config.replies, &setup.section)?;
        let forwarded =
            ForwardedAttributes::find_forwarded(&config).map_err(|lines| with_instance_name(&name, lines))?;
        for finding in coverage::unconfirmed(&setup.server) {
            write_log(LogLevel::Error, &format!("{name}: {}: {}", finding.at, finding.text));
        }
        for finding in coverage::check(&setup.server).into_iter().filter(coverage::CoverageFinding::is_loud) {
            write_log(LogLevel::Warn, &format!("{name}: {}: {}", finding.at, finding.text));
        }
        write_log(LogLevel::Info, &format!("{name}: second factors by {BUILD}"));
        let (app, pool) = match setup.check_only {
            true => {
                App::check_startable(&config).map_err(|error| with_instance_name(&name, [error]))?;
                (None, None)
            }
            false => {
                let app =
                    open(&name, &config, &timers).map_err(|error| with_instance_name(&name, [error]))?;
                let pool = parking::make_home_pool(setup, &name, &app, &timers)
                    .map_err(|error| with_instance_name(&name, [error]))?;
                (Some(app), pool)
            }
        };
        let first_in_sections = coverage::first_in(&setup.server);
        let conversation_servers = coverage::conversing_servers(&setup.server, &name);
        let has_client_options = clients::client_texts(&setup.server);
        Ok(Self {
            has_client_options,
            name,
            config,
            attributes,
            reply_attributes,
            forwarded,
            app,
            texts,
            pool,
            reject_delay: timers.reject_delay,
            first_in_sections,
            conversation_servers,
            auth_type: OnceCell::new(),
        })
    }
}

/// Opens the store and the services.
///
/// # Errors
///
/// [`Error::Services`].
fn open(name: &str, config: &Arc<Config>, timers: &ServerTimers) -> Result<App, Error> {
    let threads = usize::try_from(timers.max_servers).unwrap_or(1);
    let instance = name.to_owned();
    let log_lost = move |user: &str| {
        write_log(
            LogLevel::Error,
            &format!(
                "{instance}: {}: parked, but its packet never came: cancelled (does its listener say \"synchronous = yes\"?)",
                shown_user(user)
            ),
        );
    };
    let mut app = App::open(Arc::clone(config), threads, Box::new(log_lost))
        .map_err(|error| Error::Services(error.to_string()))?;
    let instance = name.to_owned();
    app.complain_to(Arc::new(move |line| write_log(LogLevel::Error, &format!("{instance}: {line}"))));
    app.start_services(name, &|line| write_log(LogLevel::Warn, &format!("{name}: {line}")))
        .map_err(|error| Error::Services(error.to_string()))?;
    Ok(app)
}

/// Lines for the log, each behind the name of the instance.
fn with_instance_name(name: &str, lines: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    lines.into_iter().map(|line| format!("{name}: {line}")).collect()
}
