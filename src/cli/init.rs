//! `mfa init`: makes the store, or checks the one that is there.

use super::context::{Found, Site};
use super::error::{Answer, Error};
use super::host;
use super::output::Output;
use crate::config::Key;
use crate::store::Sqlite;
use serde_json::json;

pub(super) fn run(site: &Site, out: Output) -> Result<Answer, Error> {
    let found = site.find()?;
    let store = &found.config.store;
    let exists = store.filename.symlink_metadata().is_ok();
    let key = match &store.key {
        Key::File(file) => file.display().to_string(),
        Key::Text(_) => "from the configuration".to_owned(),
    };
    if !exists {
        Sqlite::create(store, owner(&found)?)?;
    }
    let health = Sqlite::open(store)?.health()?;
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

/// Who the files shall belong to; none if they are made by the server's user himself.
fn owner(found: &Found) -> Result<Option<(u32, u32)>, Error> {
    Ok(found.account()?.filter(|(uid, _)| host::own_uid() != Some(*uid)))
}
