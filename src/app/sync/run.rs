//! One run: the directory is read to its end and staged, then the staged users are applied to the store.

use super::mail;
use super::report::{LastSync, SyncError, SyncExtent, SyncProgress, SyncRun, SyncTotals};
use crate::config::Config;
use crate::config::name_template::{NameTemplate, NameVariable};
use crate::config::sync::EnrolmentMail;
use crate::directory::{self, ChangeMarker, LdapDirectory, ListRequest, ListedUser, UserDetails};
use crate::engine::directory::BackendUnavailable;
use crate::engine::provider::ProviderFuture;
use crate::store::{ChangeKind, Error, SqliteStore, StagedDetails, StagedUser, SyncEffect, SyncRules};
use crate::text::ClientTexts;
use crate::types::{Secret, Timestamp, UnusableValue, UserName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Interval after which all users are read, even if the directory can list changes.
const FULL: Duration = Duration::from_secs(24 * 60 * 60);
/// Number of users that are read ahead, and that are staged at once.
const AHEAD: usize = 500;

/// What a run stores for the next one.
#[derive(Serialize, Deserialize)]
struct SyncCheckpoint {
    since: Option<ChangeMarker>,
    /// When all users were last read, in seconds since the epoch.
    full_at: u64,
    /// Digest of the options that decide what is read.
    options: String,
}

/// Imports the users. `words` are the texts of mails; `draw` renders a text as a QR code (PNG).
///
/// # Errors
///
/// Why the run failed.
pub fn run_sync(
    config: &Config,
    store: &SqliteStore,
    words: &ClientTexts,
    draw: &dyn Fn(&str) -> Option<Secret>,
    run: SyncRun,
    tell: &mut dyn FnMut(SyncProgress),
) -> Result<SyncTotals, SyncError> {
    let result = sync_users(config, store, words, draw, run, tell);
    if run.effect == SyncEffect::Lasting {
        let now = run.now.as_millis();
        let before = last_sync(store).unwrap_or_default().and_then(|last| last.well_at);
        let well_at = if result.is_ok() { Some(now) } else { before };
        let last = LastSync { at: now, well_at, result: result.clone().map_err(|why| why.to_string()) };
        store.set_last_sync(&text_of(&last)?).map_err(SyncError::failed)?;
    }
    result
}

/// The last run, if there was one.
///
/// # Errors
///
/// The store cannot be read.
pub fn last_sync(store: &SqliteStore) -> Result<Option<LastSync>, Error> {
    let last = store.last_sync()?;
    Ok(last.and_then(|last| serde_json::from_str(&last).ok()))
}

fn text_of(value: &impl Serialize) -> Result<String, SyncError> {
    serde_json::to_string(value).map_err(SyncError::failed)
}

fn sync_users(
    config: &Config,
    store: &SqliteStore,
    words: &ClientTexts,
    draw: &dyn Fn(&str) -> Option<Secret>,
    run: SyncRun,
    tell: &mut dyn FnMut(SyncProgress),
) -> Result<SyncTotals, SyncError> {
    let directory = directory::open(config).map_err(SyncError::failed)?;
    let directory =
        directory.ok_or_else(|| SyncError::failed("there is no directory: set \"host\" in ldap { }"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime =
        runtime.map_err(|why| SyncError::failed(format!("no threads to ask the directory with: {why}")))?;
    let rules =
        SyncRules { sync: &config.sync, digits: config.codes.digits, now: run.now, effect: run.effect };
    let mut reader = StagingReader { store, config, runtime: &runtime, tell, read: 0, known: 0 };
    let (mark, full) = reader.stage_directory(&directory, run)?;
    let census = store.count_users().map_err(SyncError::failed)?;
    if census.present == 0 && census.known > 0 {
        return Err(SyncError::Doubtful(format!(
            "no user is found in the directory, where {} users were: see group_dn in sync {{ }}, search_dn and filter in ldap {{ }}, \
             and what the service account may read; nothing was changed",
            census.known
        )));
    }
    let most = config.sync.max_removals.of(census.known);
    if census.leaving > most {
        return Err(SyncError::Doubtful(format!(
            "{} of {} users would be locked, since they are not found any more; max_removals in sync {{ }} allows {most}: if it is \
             right that they have left, raise it for one run; nothing was changed",
            census.leaving, census.known
        )));
    }
    let mut sums = SyncTotals { found: census.present, full, ..SyncTotals::default() };
    let all = census.present.saturating_mul(2);
    let followed = store.apply_staged(rules, &mut |change| {
        for (_, count) in
            ChangeKind::ALL.iter().zip(&mut sums.counts).filter(|(what, _)| **what == change.what)
        {
            *count = count.saturating_add(1);
        }
        tell(SyncProgress::Change(change));
        let done = sums.counts.iter().fold(census.present, |sum, count| sum.saturating_add(*count));
        tell(SyncProgress::Done(done.min(all), all));
    });
    followed.map_err(SyncError::failed)?;
    if run.effect == SyncEffect::Lasting {
        if config.sync.mail == EnrolmentMail::Yes {
            sums.sent = mail::send(config, store, words, draw, rules, &runtime, tell)?;
            sums.unsent = store.count_unwelcomed().map_err(SyncError::failed)?;
        }
        store.set_sync_mark(&text_of(&mark)?).map_err(SyncError::failed)?;
    }
    store.clear_stage().map_err(SyncError::failed)?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(sums)
}

/// Reads the directory and stages its users.
struct StagingReader<'a> {
    store: &'a SqliteStore,
    config: &'a Config,
    runtime: &'a Runtime,
    tell: &'a mut dyn FnMut(SyncProgress),
    read: u64,
    known: u64,
}

impl StagingReader<'_> {
    /// Stages the users. Returns the checkpoint for the next run, and whether all users were read.
    fn stage_directory(
        &mut self,
        directory: &LdapDirectory,
        run: SyncRun,
    ) -> Result<(SyncCheckpoint, bool), SyncError> {
        self.store.clear_stage().map_err(SyncError::failed)?;
        self.known = self.store.count_users().map_err(SyncError::failed)?.known;
        let options = options(self.config);
        let last = self.store.sync_mark().map_err(SyncError::failed)?;
        let last: Option<SyncCheckpoint> = last.and_then(|last| serde_json::from_str(&last).ok());
        let last = last.filter(|last| {
            let full_at = Timestamp::from_seconds(last.full_at);
            run.reach == SyncExtent::Changes
                && last.options == options
                && full_at <= run.now
                && run.now.since(full_at) < FULL
        });
        let since = last.as_ref().and_then(|last| last.since.clone());
        let ask = ListRequest { groups: self.config.sync.groups.clone(), since, now: run.now };
        let listed = self.put_aside(|to| directory.list(ask, to))?;
        if !listed.is_full {
            let mut after = String::new();
            loop {
                let ids = self.store.unknown_users(&after).map_err(SyncError::failed)?;
                let Some(end) = ids.last().cloned() else { break };
                after = end;
                self.put_aside(|to| directory.look_up(ids, to))?;
            }
        }
        let full_at = match &last {
            Some(last) if !listed.is_full => last.full_at,
            _ => run.now.as_seconds(),
        };
        Ok((SyncCheckpoint { since: listed.since, full_at, options }, listed.is_full))
    }

    fn put_aside<T: Send + 'static>(
        &mut self,
        ask: impl FnOnce(Sender<ListedUser>) -> ProviderFuture<Result<T, BackendUnavailable>>,
    ) -> Result<T, SyncError> {
        let (to, mut from) = channel(AHEAD);
        let asked = self.runtime.spawn(ask(to));
        while let Some(some) = next_of(&mut from) {
            let some: Vec<StagedUser> = some.into_iter().map(|member| self.to_staged(member)).collect();
            self.store.stage_users(&some).map_err(SyncError::failed)?;
            self.read = self.read.saturating_add(u64::try_from(some.len()).unwrap_or_default());
            (self.tell)(SyncProgress::Done(self.read, self.known.max(self.read).saturating_mul(2)));
        }
        let answer = self.runtime.block_on(asked).map_err(SyncError::failed)?;
        answer.map_err(|why| SyncError::failed(format!("{why}; nothing was changed")))
    }

    fn to_staged(&self, member: ListedUser) -> StagedUser {
        let details =
            |told: UserDetails| StagedDetails { name: self.name(&told), mail: told.mail, phone: told.phone };
        StagedUser { id: member.id, details: member.told.map(details) }
    }

    /// The name under which a login finds the user's tokens.
    fn name(&self, told: &UserDetails) -> Result<UserName, UnusableValue> {
        let parsed =
            |text: &str| UserName::parse(text.as_bytes(), &self.config.names).map_err(UnusableValue::new);
        let user = parsed(&told.name)?;
        let template = &self.config.stored_as;
        if *template == NameTemplate::default() {
            return Ok(user);
        }
        let value = |gap: &NameVariable| match gap {
            NameVariable::User => Some(user.to_string()),
            NameVariable::Upn => told.upn.clone(),
            NameVariable::Mail => told.mail.as_ref()?.as_ref().ok().map(|mail| mail.as_str().to_owned()),
            NameVariable::Attribute(name) => told.attributes.get(name).cloned(),
        };
        let filled = template.fill_template(&value);
        let missing = |gap: &NameVariable| {
            UnusableValue(format!("{user}: has no {}, which \"stored_as\" needs", gap.as_str()))
        };
        parsed(&filled.map_err(missing)?)
    }
}

/// The next users that have been read, up to [`AHEAD`]. `None`: there are no more.
fn next_of(from: &mut Receiver<ListedUser>) -> Option<Vec<ListedUser>> {
    let mut some = vec![from.blocking_recv()?];
    while some.len() < AHEAD {
        match from.try_recv() {
            Ok(member) => some.push(member),
            Err(_) => break,
        }
    }
    Some(some)
}

/// A digest of the options that decide what is read, to compare with the last run's. It covers no secrets.
fn options(config: &Config) -> String {
    let ldap = config.ldap.as_ref().map(|ldap| {
        let attributes = (&ldap.username_attribute, &ldap.mail_attribute, &ldap.phone_attribute);
        (&ldap.search_dn, &ldap.filter, attributes, &ldap.attributes)
    });
    let text = format!(
        "{ldap:?} {:?} {:?} {:?} {:?}",
        config.names, config.stored_as, config.sms.country_code, config.sync
    );
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}
