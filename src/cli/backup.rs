//! `mfa rekey`, `mfa backup`, `mfa restore`: keeping the store safe.

use super::context::{CommandContext, SiteArguments};
use super::error::{CommandAnswer, Error};
use super::output::{CommandOutput, progress};
use super::root::{ExistingFile, NewOwnedFile};
use super::{input, output};
use crate::app;
use crate::config::KeySource;
use crate::store::{AcceptanceWindow, BackupFile, SqliteStore};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct BackupArguments {
    /// The file to make; it must not exist yet
    file: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct RestoreArguments {
    /// A file made by `mfa backup`
    file: PathBuf,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn rekey(context: &CommandContext) -> Result<CommandAnswer, Error> {
    let sealed = progress("sealing", |bar| context.store.rekey(bar))?;
    context.out.say(&json!({ "sealed": sealed }), format_args!("{sealed} secrets sealed with a new key"))
}

/// The file of a backup. It is made before the store is opened: its place may be root's alone.
pub(super) fn create(arguments: &BackupArguments) -> Result<NewOwnedFile, Error> {
    let shown = arguments.file.display();
    NewOwnedFile::create(&arguments.file, ExistingFile::Keep).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Exists(format!("{shown}: exists already, choose another name"))
        }
        _ => Error::Unavailable(format!("{shown} cannot be made: {error}")),
    })
}

pub(super) fn backup(
    context: &CommandContext,
    arguments: &BackupArguments,
    mut to: NewOwnedFile,
) -> Result<CommandAnswer, Error> {
    let file = &arguments.file;
    progress("copying", |bar| context.store.backup_into(to.file(), file, bar))?;
    to.keep();
    let with_key = match &context.config.store.key {
        KeySource::File(key) => {
            format!("; it is worth nothing without the key: keep {} elsewhere", key.display())
        }
        KeySource::Text(_) => String::new(),
    };
    context.out.say(&json!({ "file": file }), format_args!("saved in {}{with_key}", file.display()))
}

pub(super) fn restore(
    site: &SiteArguments,
    out: CommandOutput,
    arguments: &RestoreArguments,
) -> Result<CommandAnswer, Error> {
    let found = site.find()?;
    let (store, file) = (&found.config.store, &arguments.file);
    if !file.is_file() {
        return Err(Error::usage(&file.display().to_string(), "no such file"));
    }
    let backup = BackupFile::open(file)?;
    if !arguments.yes {
        input::confirm(&format!(
            "Replace {} by {}? What has changed since the backup is lost.",
            store.filename.display(),
            file.display()
        ))?;
    }
    found.enter()?;
    let window = AcceptanceWindow { totp: found.config.totp, hotp: found.config.hotp };
    let restored =
        progress("restoring", |bar| SqliteStore::restore_from(store, backup, window, app::now(), bar))?;
    if restored.counters > 0 {
        output::note(format_args!(
            "{} hotp tokens may have been used since the backup: users who used many codes have to resynchronise",
            restored.counters
        ));
    }
    if restored.recovery > 0 {
        output::note(format_args!(
            "{} lists of recovery codes may have been used since the backup: renew them with `mfa recovery`",
            restored.recovery
        ));
    }
    out.say(
        &restored,
        format_args!(
            "{} users with {} tokens restored from {}; codes that may have been used are burnt",
            restored.users,
            restored.tokens,
            file.display()
        ),
    )
}
