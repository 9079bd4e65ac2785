//! `mfa user`: who may have tokens.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error};
use super::output::{self, local, shown, utc};
use super::{input, token};
use crate::app;
use crate::config::PasswordBackendKind;
use crate::store::{Administration, FOREVER, UserRow};
use crate::types::{
    DistinguishedName, Mailbox, PhoneNumber, ShellArgument, Timestamp, UserName, normalise_password,
};
use clap::Subcommand;
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;

/// Passwords with fewer characters are warned of: NIST SP 800-63B asks for so many.
const SHORT: usize = 8;

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Add a user
    Add {
        /// The user's name, in any spelling a client may send
        user: String,
        /// A note about the user
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// The user's mailbox, to which an enrolment link may be sent
        #[arg(long, value_parser = input::mailbox, default_value = "", hide_default_value = true)]
        mail: String,
    },
    /// List all users
    List,
    /// Show a user and their tokens, or what the directory says of them
    Show {
        /// The user's name
        user: String,
        /// Show what the directory says, whether or not the user has tokens
        #[arg(long)]
        directory: bool,
    },
    /// Change a user's note, mailbox or name
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// The user's name
        user: String,
        /// A note about the user
        #[arg(long, group = "change")]
        note: Option<String>,
        /// The user's mailbox; "" removes it
        #[arg(long, value_parser = input::mailbox, group = "change")]
        mail: Option<String>,
        /// A new name for the user, who keeps all tokens
        #[arg(long, value_name = "NAME", group = "change")]
        rename: Option<String>,
    },
    /// Give a user a password, for "first_factor = local"; typed twice, or a line of the standard input
    Password {
        /// The user's name
        user: String,
        /// Take it away instead
        #[arg(long)]
        remove: bool,
    },
    /// Lock a user, so that none of their passcodes is accepted
    Lock {
        /// The user's name
        user: String,
        /// For how long, such as 30m, 2h or 7d; without it, until unlocked
        #[arg(long = "for", value_name = "TIME", value_parser = input::duration)]
        length: Option<Duration>,
    },
    /// Unlock a user and forget their failures
    Unlock {
        /// The user's name
        user: String,
    },
    /// Delete a user and their tokens; the audit trail stays
    Delete {
        /// The user's name
        user: String,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

pub(super) fn run(context: &CommandContext, command: UserCommand) -> Result<CommandAnswer, Error> {
    let (store, out, now) = (&context.store, context.out, context.now);
    match command {
        UserCommand::Add { user, note, mail } => {
            let user = context.name(&user)?;
            store.add_user(&user, &note, now)?;
            if !mail.is_empty() {
                store.set_mail(&user, &mail)?;
            }
            out.say(
                &json!({ "user": user }),
                format_args!(
                    "user \"{user}\" added; next: mfa token add {} totp",
                    ShellArgument(user.as_str())
                ),
            )
        }
        UserCommand::List => list(context),
        UserCommand::Show { user, directory: false } => show(context, &context.name(&user)?),
        UserCommand::Show { user, directory: true } => in_directory(context, &user),
        UserCommand::Set { user, note, mail, rename } => {
            let mut user = context.name(&user)?;
            if let Some(note) = note {
                store.set_note(&user, &note)?;
            }
            if let Some(mail) = mail {
                store.set_mail(&user, &mail)?;
            }
            if let Some(to) = rename {
                let to = context.name(&to)?;
                store.rename_user(&user, &to)?;
                user = to;
            }
            out.say(&json!({ "user": user }), format_args!("user \"{user}\" changed"))
        }
        UserCommand::Password { user, remove } => {
            let user = context.name(&user)?;
            store.user(&user)?;
            let hash = if remove { None } else { Some(password()?) };
            store.set_password(&user, hash.as_deref())?;
            if !remove && !context.config.passwords.all().any(|by| by == PasswordBackendKind::Local) {
                output::note("no login asks for it: set \"first_factor = local\", or have a domain do so");
            }
            let has = if remove { "no password any more" } else { "a new password" };
            out.say(&json!({ "user": user, "password": !remove }), format_args!("user \"{user}\" has {has}"))
        }
        UserCommand::Lock { user, length } => {
            let user = context.name(&user)?;
            let until = length.map_or(FOREVER, |length| now.plus(length));
            store.lock_user(&user, until)?;
            let until = lock_text(until, now);
            out.say(&json!({ "user": user, "state": until }), format_args!("user \"{user}\" {until}"))
        }
        UserCommand::Unlock { user } => {
            let user = context.name(&user)?;
            let had_left = store.user(&user)?.gone.is_some();
            store.lock_user(&user, Timestamp::default())?;
            let more = if had_left {
                "; the user no longer belongs to the directory, and mfa sync leaves them alone"
            } else {
                ""
            };
            out.say(
                &json!({ "user": user }),
                format_args!("user \"{user}\" unlocked, failures cleared{more}"),
            )
        }
        UserCommand::Delete { user, yes } => {
            let user = context.name(&user)?;
            let tokens = store.tokens(&user)?.len();
            if !yes {
                input::confirm(&format!("Delete user \"{user}\" and their {tokens} tokens?"))?;
            }
            store.delete_user(&user)?;
            out.say(
                &json!({ "user": user, "tokens": tokens }),
                format_args!("user \"{user}\" deleted with {tokens} tokens"),
            )
        }
    }
}

/// The hash of the password that is typed.
fn password() -> Result<String, Error> {
    let typed = input::hidden("password")?;
    if std::io::stdin().is_terminal() && input::hidden("password again")? != typed {
        return Err(Error::usage("password", "the two differ"));
    }
    let password =
        normalise_password(typed.expose()).map_err(|bad| Error::Usage(format!("the password {bad}")))?;
    if String::from_utf8_lossy(password.expose()).chars().count() < SHORT {
        let why = "a person who gets the database can guess it";
        output::note(format_args!("the password has less than {SHORT} characters: {why}"));
    }
    crate::passwords::hash_password(&password).map_err(|error| Error::Unavailable(error.to_string()))
}

fn list(context: &CommandContext) -> Result<CommandAnswer, Error> {
    let mut list = context.out.list(&["USER", "TOKENS", "STATE", "FAILURES", "LAST LOGIN", "NOTE"]);
    // The store speaks its own errors; ours waits here until it has stopped.
    let mut broken = None;
    let walked = context.store.users(&mut |row| {
        let cells = vec![
            shown(row.name.as_str()),
            row.tokens.to_string(),
            state_text(&row, context.now),
            row.failures.to_string(),
            row.last_accept.map_or_else(|| "never".to_owned(), local),
            shown(&row.note),
        ];
        list.row(&view(&row, context.now), cells).map_err(|error| {
            let text = error.to_string();
            broken = Some(error);
            crate::store::Error::Other(text)
        })
    });
    match broken {
        Some(error) => Err(error),
        None => {
            walked?;
            list.end("no users: add one with `mfa user add NAME`")
        }
    }
}

fn show(context: &CommandContext, user: &UserName) -> Result<CommandAnswer, Error> {
    let row = context.store.user(user)?;
    let tokens = context.store.tokens(user)?;
    let mut object = view(&row, context.now);
    if let Some(fields) = object.as_object_mut() {
        let views: Vec<_> = tokens.iter().map(crate::cli::token_view::view).collect();
        fields.insert("tokens".to_owned(), json!(views));
    }
    let mut text = output::facts(&[
        ("user", shown(row.name.as_str())),
        ("note", or_dash(shown(&row.note))),
        ("mail", or_dash(shown(&row.mail))),
        ("state", state_text(&row, context.now)),
        ("failures", row.failures.to_string()),
        ("enrolled", enrolled(&row).to_owned()),
        ("password", if row.has_password { "kept here" } else { "not kept here" }.to_owned()),
        ("added", local(row.created)),
        ("last login", row.last_accept.map_or_else(|| "never".to_owned(), local)),
        (
            "not asked",
            remembered(&row, context.now).map_or_else(|| "-".to_owned(), |at| format!("until {}", local(at))),
        ),
    ]);
    for held in &tokens {
        text.push_str(&format!("\n\n{}", token::facts(held)));
    }
    context.out.say(&object, text)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// What the directory says of the user.
fn in_directory(context: &CommandContext, typed: &str) -> Result<CommandAnswer, Error> {
    let user = &context.name(typed)?;
    let found = app::find_person(&context.config, user, typed)
        .map_err(|error| Error::Unavailable(error.to_string()))?;
    let person = match found {
        Ok(person) => person,
        Err(denied) => {
            let text = format_args!("user \"{user}\": {denied}");
            let _ =
                context.out.say(&json!({ "user": user, "dn": null, "refused": denied.to_string() }), text)?;
            return Ok(CommandAnswer::No);
        }
    };
    let (mail, phone) =
        (person.mail.as_ref().map(Mailbox::as_str), person.phone.as_ref().map(PhoneNumber::as_str));
    let dn = person.dn.as_ref().map(DistinguishedName::as_str);
    let groups: Vec<&str> = person.groups.iter().flatten().map(DistinguishedName::as_str).collect();
    let object = json!({
        "user": user,
        "dn": dn,
        "name": person.name,
        "upn": person.upn,
        "mail": mail,
        "phone": phone,
        "attributes": person.attributes,
        "groups": groups,
    });
    let mut text = output::facts(&[
        ("user", shown(user.as_str())),
        ("dn", shown(dn.unwrap_or_default())),
        ("name", shown(&person.name)),
        ("upn", shown(person.upn.as_deref().unwrap_or_default())),
        ("mail", shown(mail.unwrap_or_default())),
        ("phone", shown(phone.unwrap_or_default())),
    ]);
    for (name, values) in &person.attributes {
        text.push_str(&format!("\n{name} = {}", shown(&values.join(", "))));
    }
    text.push_str(&format!("\n\n{} groups", groups.len()));
    for group in groups {
        text.push_str(&format!("\n  {}", shown(group)));
    }
    context.out.say(&object, text)
}

/// A user for scripts.
fn view(row: &UserRow, now: Timestamp) -> serde_json::Value {
    let until = row.locked_until;
    json!({
        "user": row.name,
        "note": row.note,
        "mail": row.mail,
        "tokens": row.tokens,
        "locked": until > now || row.gone.is_some(),
        "locked_until": (until > now && until != FOREVER).then(|| utc(until)),
        "failures": row.failures,
        "created": utc(row.created),
        "last_accept": row.last_accept.map(utc),
        "had_token": row.had_token,
        "password": row.has_password,
        "remembered_until": remembered(row, now).map(utc),
        "left_directory": row.gone.map(utc),
    })
}

/// Whether "unenrolled" of `policy { }` may hold for a user: "accept" does not for those who had a token.
fn enrolled(row: &UserRow) -> &'static str {
    match (row.tokens, row.had_token) {
        (1.., _) => "yes",
        (0, true) => "not any more: had a token",
        (0, false) => "never",
    }
}

/// Until when a login of the user is remembered, if one is.
fn remembered(row: &UserRow, now: Timestamp) -> Option<Timestamp> {
    Some(row.remembered_until).filter(|until| *until > now)
}

fn state_text(row: &UserRow, now: Timestamp) -> String {
    output::lock_of(row, now).unwrap_or_else(|| "open".to_owned())
}

fn lock_text(until: Timestamp, now: Timestamp) -> String {
    output::lock(until, now).unwrap_or_else(|| "open".to_owned())
}
