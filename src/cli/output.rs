//! What a command prints: aligned tables for people, JSON for scripts, notes and progress beside them.
//!
//! Whatever a database, a socket or a directory says may be in it. So nothing is written here that a terminal takes for a
//! command, but for [`raw_line`]: what is invisible is escaped on its way out, and [`shown`] escapes line feeds as well.
//!
//! Every write may fail (a full disk, a closed pipe), and says so to its caller.

use super::error::{CommandAnswer, Error};
use crate::store::{FOREVER, ProgressCallback, UserRow};
use crate::types::{Printable, Timestamp, is_invisible};
use comfy_table::{ColumnConstraint, Table, TableStyle, Width};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// Tables and sentences.
    Text,
    /// JSON, one object a line.
    Json,
}

/// The output of this run.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandOutput {
    form: OutputFormat,
}

impl CommandOutput {
    pub(super) const fn new(form: OutputFormat) -> Self {
        Self { form }
    }

    pub(super) const fn form(self) -> OutputFormat {
        self.form
    }

    /// One result: the object for scripts, the text for people.
    pub(super) fn say(self, object: &impl Serialize, text: impl Display) -> Result<CommandAnswer, Error> {
        match self.form {
            OutputFormat::Text => line(text),
            OutputFormat::Json => line(json(object)?),
        }?;
        Ok(CommandAnswer::Yes)
    }

    /// A list with these columns.
    pub(super) fn list(self, columns: &'static [&'static str]) -> StreamedList {
        StreamedList {
            form: self.form,
            columns,
            rows: Vec::new(),
            widths: Vec::new(),
            written: 0,
            each_line: false,
        }
    }
}

/// A list that is written as it comes, so that a million rows cost no memory.
pub(super) struct StreamedList {
    form: OutputFormat,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
    widths: Vec<u16>,
    written: u64,
    each_line: bool,
}

impl StreamedList {
    /// One object on each line instead of an array: for lists that do not end.
    pub(super) fn endless(mut self) -> Self {
        self.each_line = true;
        self
    }

    /// Writes one row.
    pub(super) fn row(&mut self, object: &impl Serialize, cells: Vec<String>) -> Result<(), Error> {
        if self.form == OutputFormat::Text {
            self.rows.push(cells);
            return if self.rows.len() >= 1000 { self.flush() } else { Ok(()) };
        }
        let before = match (self.each_line, self.written) {
            (true, _) => "",
            (false, 0) => "[\n",
            (false, _) => ",\n",
        };
        let after = if self.each_line { "\n" } else { "" };
        self.written = self.written.saturating_add(1);
        text(format_args!("{before}{}{after}", json(object)?))
    }

    /// Writes what has been gathered. The columns keep at least their width from then on.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(std::io::stdout().lock().flush()?);
        }
        let mut table = plain_table();
        if self.written == 0 {
            table.set_header(self.columns);
        }
        self.written = self.written.saturating_add(1);
        table.add_rows(self.rows.drain(..));
        pad(&mut table);
        let widths = table.column_max_content_widths();
        table.set_constraints(widths.iter().enumerate().map(|(at, width)| {
            let width = (*width).max(self.widths.get(at).copied().unwrap_or(0)).saturating_add(PAD);
            ColumnConstraint::LowerBoundary(Width::Fixed(width))
        }));
        self.widths = widths;
        line(table.trim_fmt())
    }

    /// The end of it; `none` is said to people if there was no row.
    pub(super) fn end(mut self, none: &str) -> Result<CommandAnswer, Error> {
        match (self.form, self.written, self.rows.is_empty()) {
            (OutputFormat::Json, _, _) if self.each_line => {}
            (OutputFormat::Json, 0, _) => line("[]")?,
            (OutputFormat::Json, ..) => line("\n]")?,
            (OutputFormat::Text, 0, true) => note(none),
            (OutputFormat::Text, ..) => self.flush()?,
        }
        Ok(CommandAnswer::Yes)
    }
}

/// Spaces between columns.
const PAD: u16 = 2;

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table
}

fn pad(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, PAD));
    }
}

/// Names and values, aligned.
pub(super) fn facts(pairs: &[(&str, String)]) -> String {
    let mut table = plain_table();
    table.add_rows(pairs.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]));
    pad(&mut table);
    table.trim_fmt()
}

/// A line of the output.
pub(super) fn line(text_: impl Display) -> Result<(), Error> {
    text(format_args!("{text_}\n"))
}

fn text(text: impl Display) -> Result<(), Error> {
    raw(harmless(&text.to_string()))
}

/// A line of which all is ours, with colours in it.
pub(super) fn raw_line(text: impl Display) -> Result<(), Error> {
    raw(format_args!("{text}\n"))
}

fn raw(text: impl Display) -> Result<(), Error> {
    Ok(write!(std::io::stdout().lock(), "{text}")?)
}

/// The text as a terminal may have it: lines, and in them nothing that moves the cursor or turns the text around.
fn harmless(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The text in one line.
pub(super) fn one_line(text: &str) -> String {
    harmless(&text.replace('\n', "\\x0a"))
}

/// Octets of the output.
pub(super) fn bytes(octets: &[u8]) -> Result<CommandAnswer, Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(octets)?;
    out.flush()?;
    Ok(CommandAnswer::Yes)
}

/// A remark or an error, beside the output.
pub(super) fn note(text: impl Display) {
    let mut out = std::io::stderr().lock();
    for line in harmless(&text.to_string()).lines() {
        // Error output is gone: there is no place to report it.
        let _ = writeln!(out, "mfa: {line}");
    }
}

/// JSON escapes the control characters of ASCII; the other invisible ones are escaped here, as it may be read on a terminal.
fn json(object: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string(object).map_err(|error| Error::Unavailable(format!("JSON: {error}")))?;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if is_invisible(c) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Text from outside (a client, an administrator), fit for a terminal.
pub(super) fn shown(text: &str) -> String {
    Printable::new(text).to_string()
}

/// A time for people: local, RFC 3339.
pub(super) fn local(at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::system();
    instant(at).to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A time for scripts: UTC, RFC 3339.
pub(super) fn utc(at: Timestamp) -> String {
    instant(at).to_string()
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}

/// A lock for people; none if there is none at `now`.
pub(super) fn lock(until: Timestamp, now: Timestamp) -> Option<String> {
    match until {
        FOREVER => Some("locked by administrator".to_owned()),
        until if until > now => Some(format!("locked until {}", local(until))),
        _ => None,
    }
}

/// The same for a user, who may also have been removed from the directory.
pub(super) fn lock_of(row: &UserRow, now: Timestamp) -> Option<String> {
    match row.gone {
        Some(gone) => Some(format!("locked, has left the directory {}", local(gone))),
        None => lock(row.locked_until, now),
    }
}

/// Does something that may take long, with a bar on a terminal once it has taken a second. The bar moves while the work is
/// silent too.
pub(super) fn progress<T>(label: &'static str, work: impl FnOnce(ProgressCallback<'_>) -> T) -> T {
    let style = ProgressStyle::with_template("{msg} {spinner} {wide_bar} {percent} % {elapsed}");
    let bar = ProgressBar::hidden().with_message(label);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let result = std::thread::scope(|scope| {
        if std::io::stderr().is_terminal() {
            scope.spawn(|| {
                let waiting = waiting;
                if waiting.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                    bar.enable_steady_tick(Duration::from_millis(100));
                }
            });
        }
        let result = work(&mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        });
        drop(done);
        result
    });
    bar.finish_and_clear();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_printed_that_a_terminal_obeys() {
        let hostile = "a\x1b]0;x\x07\u{9b}2J\u{202e}b\u{2028}\r\n\u{feff}c";
        let printed = harmless(hostile);
        assert!(printed.chars().all(|c| c == '\n' || !is_invisible(c)), "{printed:?}");
        assert_eq!(printed, "a\\x1b]0;x\\x07\\u{9b}2J\\u{202e}b\\u{2028}\\x0d\n\\u{feff}c");
        assert!(!one_line("ok\nfail").contains('\n'));
        let told = json(&hostile).unwrap();
        assert!(!told.chars().any(is_invisible), "{told:?}");
        assert_eq!(serde_json::from_str::<String>(&told).unwrap(), hostile, "and JSON says the same");
    }

    #[test]
    fn facts_are_aligned() {
        let text = facts(&[("user", "alice".into()), ("last login", "never".into())]);
        assert_eq!(text, "user        alice\nlast login  never");
    }

    #[test]
    fn locks_are_told_in_words() {
        let now = Timestamp::from_seconds(1000);
        assert_eq!(lock(Timestamp::default(), now), None);
        assert_eq!(lock(now, now), None);
        assert_eq!(lock(FOREVER, now).as_deref(), Some("locked by administrator"));
        assert!(lock(Timestamp::from_seconds(1001), now).is_some_and(|l| l.contains("1970-01-01T")));
        assert_eq!(utc(Timestamp::from_millis(1_500)), "1970-01-01T00:00:01.5Z");
    }
}
