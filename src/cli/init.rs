//! `mfa init`: makes the store, or checks the one that is there.

use super::context::SiteArguments;
use super::error::{CommandAnswer, Error};
use super::output::CommandOutput;
use super::root;
use crate::config::KeySource;
use crate::store::SqliteStore;
use serde_json::json;
use std::path::Path;

pub(super) fn run(site: &SiteArguments, out: CommandOutput) -> Result<CommandAnswer, Error> {
    let found = site.find()?;
    let store = &found.config.store;
    let exists = store.filename.symlink_metadata().is_ok();
    let key = match &store.key {
        KeySource::File(file) => file.display().to_string(),
        KeySource::Text(_) => "from the configuration".to_owned(),
    };
    if !exists {
        let owner = found.account()?;
        let writer = found.reader.writer();
        make_folder(&store.filename, owner, writer)?;
        if let KeySource::File(file) = &store.key
            && file.symlink_metadata().is_err()
        {
            make_folder(file, owner, writer)?;
        }
        found.enter()?;
        SqliteStore::create_store(store)?;
    }
    let health = found.store()?.read_health()?;
    let mut text = format!(
        "{}\n  database  {}, schema {}, {} users, {} tokens\n  key       {key}\n",
        if exists { "exists already and is sound; nothing was changed" } else { "made" },
        store.filename.display(),
        health.schema,
        health.users,
        health.tokens,
    );
    if let Some(step) = found.next_step() {
        text.push_str(&format!("next: {step} (the server does not load the module yet)\n"));
    }
    text.push_str("next: mfa user add NAME, mfa token add NAME totp, then mfa doctor");
    let object = json!({
        "created": !exists,
        "database": store.filename,
        "schema": health.schema,
        "users": health.users,
        "tokens": health.tokens,
    });
    out.say(&object, text)
}

/// The folder of a file, for the server's user if there is one.
fn make_folder(
    file: &Path,
    owner: Option<root::OwnerIds>,
    writer: Option<root::OwnerIds>,
) -> Result<(), Error> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => root::make_folder(folder, owner, writer),
        None => Ok(()),
    }
}
