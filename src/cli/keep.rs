//! `mfa rekey`, `mfa backup`, `mfa restore`: keeping the store safe.

use super::context::{Context, Site};
use super::error::{Answer, Error};
use super::output::{Output, progress};
use super::{input, output};
use crate::app;
use crate::config::Key;
use crate::store::{Sqlite, Window};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file to make; it must not exist yet
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// A file made by `mfa backup`
    file: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn rekey(context: &Context) -> Result<Answer, Error> {
    let sealed = progress("sealing", |bar| context.store.rekey(bar))?;
    context.out.say(&json!({ "sealed": sealed }), format_args!("{sealed} secrets sealed with a new key"))
}

pub(super) fn backup(context: &Context, arguments: &Backup) -> Result<Answer, Error> {
    let file = &arguments.file;
    if file.symlink_metadata().is_ok() {
        return Err(Error::Exists(format!("{}: exists already, choose another name", file.display())));
    }
    progress("copying", |bar| context.store.backup(file, bar))?;
    let with_key = match &context.config.store.key {
        Key::File(key) => format!("; it is worth nothing without the key: keep {} elsewhere", key.display()),
        Key::Text(_) => String::new(),
    };
    context.out.say(&json!({ "file": file }), format_args!("saved in {}{with_key}", file.display()))
}

pub(super) fn restore(site: &Site, out: Output, arguments: &Restore) -> Result<Answer, Error> {
    let found = site.find()?;
    let (store, file) = (&found.config.store, &arguments.file);
    if !file.is_file() {
        return Err(Error::usage(&file.display().to_string(), "no such file"));
    }
    if !arguments.yes {
        input::confirm(&format!(
            "Replace {} by {}? What has changed since the backup is lost.",
            store.filename.display(),
            file.display()
        ))?;
    }
    let window = Window { totp: found.config.totp, hotp: found.config.hotp };
    let restored = progress("restoring", |bar| Sqlite::restore(store, file, window, app::now(), bar))?;
    if restored.counters > 0 {
        output::note(format_args!(
            "{} hotp tokens may have been used since the backup: whoever used many codes has to resynchronise",
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
