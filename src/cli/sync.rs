//! `mfa sync`: users of the directory into the store.

use super::context::{CommandContext, LoadedConfig, SiteArguments};
use super::error::{CommandAnswer, Error};
use super::output::{self, CommandOutput, OutputFormat, StreamedList, progress};
use super::qr;
use crate::app::{
    self, SyncChange, SyncEffect, SyncError, SyncExtent, SyncProgress, SyncRun, SyncTotals, SyncWhat,
};
use crate::config::texts::Texts;
use crate::text::ClientTexts;
use serde_json::json;
use std::cell::RefCell;
use std::time::Duration;

/// The pause after a first failure of `--watch`; doubled with each further one, up to the interval.
const PAUSE: Duration = Duration::from_secs(60);
/// Users who are named; others are counted.
const NAMED: usize = 1000;

const COLUMNS: &[&str] = &["WHAT", "USER", "DETAIL"];

#[derive(clap::Args)]
pub(super) struct SyncArguments {
    /// Change nothing, and say what would be done
    #[arg(long, conflicts_with = "watch")]
    dry_run: bool,
    /// Read all of everybody, not only what has changed
    #[arg(long)]
    full: bool,
    /// Do it again and again, every "interval" of sync { }, until it is interrupted
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(
    site: &SiteArguments,
    out: CommandOutput,
    arguments: &SyncArguments,
) -> Result<CommandAnswer, Error> {
    let mut read = read(site)?;
    if !arguments.watch {
        return once(&read, out, arguments).map(|(answer, _)| answer);
    }
    let (mut pause, mut interval) = (PAUSE, PAUSE);
    loop {
        let wait = match once(&read, out, arguments) {
            Ok((CommandAnswer::Yes, wait)) => {
                (pause, interval) = (PAUSE, wait);
                wait
            }
            Ok((CommandAnswer::No, wait)) => wait,
            Err(Error::Closed) => return Err(Error::Closed),
            Err(error) => {
                output::note(&error);
                let wait = pause.min(interval.max(PAUSE));
                pause = pause.saturating_mul(2);
                wait
            }
        };
        // A signal ends it, here or in a run: what was done is on disk.
        std::thread::sleep(wait);
        // It may be another by now. What root could read, the server's user perhaps cannot.
        match self::read(site) {
            Ok(anew) => read = anew,
            Err(error) => output::note(format_args!("{error}: going on with the configuration of before")),
        }
    }
}

/// The configuration, and the words in it.
fn read(site: &SiteArguments) -> Result<(LoadedConfig, Texts), Error> {
    let found = site.find()?;
    let texts =
        Texts::read(&found.server, &found.reader).map_err(|errors| Error::Unavailable(errors.to_string()))?;
    Ok((found, texts))
}

/// One run, and how long to wait for the next. The store is opened anew: it may be another by now.
fn once(
    read: &(LoadedConfig, Texts),
    out: CommandOutput,
    arguments: &SyncArguments,
) -> Result<(CommandAnswer, Duration), Error> {
    let (found, texts) = read;
    let context = CommandContext::over(found, out)?;
    let words = ClientTexts::new(&context.config, texts.clone());
    let effect = if arguments.dry_run { SyncEffect::None } else { SyncEffect::Lasting };
    let reach = if arguments.full { SyncExtent::Full } else { SyncExtent::Changes };
    let run = SyncRun { now: context.now, effect, reach };
    let draw = |text: &str| qr::drawn(text).ok();
    let report = RefCell::new(SyncReport::new(out, effect));
    let work = |bar: &mut dyn FnMut(u64, u64)| {
        app::run_sync(&context.config, &context.store, &words, &draw, run, &mut |step| match step {
            SyncProgress::Done(done, of) => bar(done, of),
            SyncProgress::Change(change) => report.borrow_mut().change(change),
            SyncProgress::Note(note) => report.borrow_mut().notes.push(note),
        })
    };
    let result = match (out.form(), effect) {
        (OutputFormat::Text, SyncEffect::Lasting) => progress("synchronising", |bar| work(bar)),
        // What is printed meanwhile would be printed over it.
        _ => work(&mut |_, _| ()),
    };
    let report = report.into_inner();
    let interval = context.config.sync.interval;
    match result {
        Ok(sums) => report.end(&sums).map(|answer| (answer, interval)),
        Err(SyncError::Doubtful(why)) => {
            output::note(why);
            Ok((CommandAnswer::No, interval))
        }
        Err(SyncError::Failed(why)) => Err(Error::Unavailable(why)),
    }
}

/// Reports what was done: all of it in a dry run, else what may need attention.
struct SyncReport {
    out: CommandOutput,
    effect: SyncEffect,
    list: StreamedList,
    named: usize,
    notes: Vec<String>,
    broken: Option<Error>,
}

impl SyncReport {
    fn new(out: CommandOutput, effect: SyncEffect) -> Self {
        let list = out.list(COLUMNS).endless();
        Self { out, effect, list, named: 0, notes: Vec::new(), broken: None }
    }

    fn change(&mut self, change: SyncChange) {
        let is_usual = matches!(change.what, SyncWhat::Added | SyncWhat::Changed);
        let is_lasting = self.effect == SyncEffect::Lasting;
        if self.broken.is_some() || (is_lasting && (is_usual || self.named >= NAMED)) {
            return;
        }
        self.named = self.named.saturating_add(1);
        let cells =
            vec![change.what.as_str().to_owned(), output::shown(&change.user), output::shown(&change.detail)];
        self.broken = self.list.row(&change, cells).err();
    }

    fn end(self, sums: &SyncTotals) -> Result<CommandAnswer, Error> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let is_empty = self.named == 0;
        if !is_empty || self.out.form() == OutputFormat::Json {
            let _ = self.list.end("")?;
        }
        self.notes.iter().for_each(output::note);
        let is_dry = self.effect == SyncEffect::None;
        let mut object = json!({ "found": sums.found, "full": sums.full, "dry_run": is_dry });
        let mut facts = vec![("found", sums.found.to_string())];
        for (what, count) in sums.named_totals() {
            facts.push((what.as_str(), count.to_string()));
        }
        facts.extend([("sent", sums.sent.to_string()), ("to be sent", sums.unsent.to_string())]);
        if let Some(fields) = object.as_object_mut() {
            for (what, count) in sums.named_totals() {
                fields.insert(what.as_str().to_owned(), json!(count));
            }
            fields.insert("sent".to_owned(), json!(sums.sent));
            fields.insert("unsent".to_owned(), json!(sums.unsent));
        }
        let gap = if is_empty { "" } else { "\n" };
        let end = if is_dry { "\nnothing was changed" } else { "" };
        let answer = self.out.say(&object, format_args!("{gap}{}{end}", output::facts(&facts)))?;
        if sums.found == 0 {
            output::note(
                "no user is found in the directory: see group_dn in sync { }, search_dn and filter in ldap { }",
            );
        }
        Ok(answer)
    }
}
