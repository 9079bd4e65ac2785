//! What a command reads: codes and PINs without echo, secrets from files, times and durations, a yes.

use super::error::{Error, UnreadableArgument};
use crate::types::{Mailbox, Passcode, Secret, Timestamp};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest line or file that holds a code, a PIN, a secret or a URI.
const LONGEST: u64 = 64 * 1024;

/// One line, from the terminal without echo, or else from the standard input.
pub(super) fn hidden(prompt: &str) -> Result<Secret, Error> {
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!("{prompt}: "))?));
    }
    let mut line = Vec::new();
    std::io::BufRead::read_until(&mut std::io::stdin().lock().take(LONGEST), b'\n', &mut line)?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    if line.is_empty() {
        return Err(Error::Usage(format!("{prompt} is missing: type it, or give it on the standard input")));
    }
    Ok(Secret::new(line))
}

/// A passcode: as it was given, or else asked for.
pub(super) fn passcode(given: Option<String>, prompt: &str) -> Result<Passcode, Error> {
    let typed = match given {
        Some(code) => Secret::new(code),
        None => hidden(prompt)?,
    };
    Passcode::parse(typed.expose()).ok_or_else(|| Error::Usage(format!("{prompt} is empty")))
}

/// The text of a file, or of the standard input if it is `-`, in UTF-8 whatever program has written it: a byte order mark is
/// dropped, and UTF-16 is read where one says so.
pub(super) fn file(path: &Path) -> Result<Secret, Error> {
    let fail = |why: &dyn std::fmt::Display| Error::usage(&path.display().to_string(), why);
    let mut octets = Zeroizing::new(Vec::new());
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LONGEST).read_to_end(&mut octets)?;
    } else {
        let file = std::fs::File::open(path).map_err(|error| fail(&error))?;
        file.take(LONGEST).read_to_end(&mut octets).map_err(|error| fail(&error))?;
    }
    let text = without_mark(&octets).ok_or_else(|| fail(&"is neither UTF-8 nor UTF-16"))?;
    let text = Secret::new(text.trim().as_bytes());
    if text.is_empty() {
        return Err(fail(&"is empty"));
    }
    Ok(text)
}

/// Text as Unix and Windows write it.
fn without_mark(octets: &[u8]) -> Option<Zeroizing<String>> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks();
        let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
        text.ok().filter(|_| odd.is_empty())
    };
    let text = match octets {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => std::str::from_utf8(rest).ok()?.to_owned(),
    };
    Some(Zeroizing::new(text))
}

/// Fills a buffer with the system's random octets.
pub(super) fn random(octets: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(octets)
        .map_err(|error| Error::Unavailable(format!("the system gives no random numbers: {error}")))
}

/// Asks for a yes. Without a terminal there is no answer, and `--yes` is needed.
pub(super) fn confirm(question: &str) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(format!("{question} No terminal to ask at: add --yes")));
    }
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::BufRead::read_line(&mut std::io::stdin().lock().take(LONGEST), &mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::Interrupted),
    }
}

/// A mailbox such as `alice@example.test`, or nothing.
pub(super) fn mailbox(text: &str) -> Result<String, UnreadableArgument> {
    match text {
        "" => Ok(String::new()),
        text => Mailbox::parse(text)
            .map(|mailbox| mailbox.as_str().to_owned())
            .map_err(|bad| UnreadableArgument(bad.to_string())),
    }
}

/// A length of time such as `2h`, `90m` or `1d`.
pub(super) fn duration(text: &str) -> Result<Duration, UnreadableArgument> {
    let bad = |_| UnreadableArgument("a length of time such as 90s, 30m, 2h or 7d".to_owned());
    let span: jiff::Span = text.parse().map_err(bad)?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(bad)?;
    Duration::try_from(length).map_err(bad)
}

/// A point in time: so long ago (`2h`), a local day or time (`2026-11-01`, `2026-11-01T08:30`), or one with its offset.
pub(super) fn since(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Ok(ago) = duration(text) {
        return Ok(now.minus(ago));
    }
    let local = || {
        let civil: jiff::civil::DateTime = text.parse()?;
        civil.to_zoned(jiff::tz::TimeZone::system()).map(|zoned| zoned.timestamp())
    };
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| local());
    match instant.map(|instant| u64::try_from(instant.as_millisecond()).unwrap_or(0)) {
        Ok(millis) => Ok(Timestamp::from_millis(millis)),
        Err(_) => Err(Error::usage(
            &format!("--since {text}"),
            "so long ago (2h, 7d), a day (2026-11-01) or a time (2026-11-01T08:30)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "2", "-2h", "soon", "1 month"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_is_read_as_programs_write_it() {
        let read = |octets: &[u8]| without_mark(octets).map(|text| text.to_string());
        assert_eq!(read(b"GEZD\n").as_deref(), Some("GEZD\n"));
        assert_eq!(read(b"\xef\xbb\xbfGEZD").as_deref(), Some("GEZD"));
        assert_eq!(read(b"\xff\xfeG\0E\0").as_deref(), Some("GE"));
        assert_eq!(read(b"\xfe\xff\0G\0E").as_deref(), Some("GE"));
        for bad in [&b"\xff\xfeG"[..], b"\xff\xfe\x00\xd8", b"\xe9"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn points_in_time_are_read() {
        let now = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(since("2h", now).unwrap(), Timestamp::from_seconds(1_800_000_000 - 7200));
        let at = since("2026-11-01T08:30:00Z", now).unwrap();
        assert_eq!(at, Timestamp::from_seconds(1_793_521_800));
        assert!(since("2026-11-01", now).is_ok());
        assert!(since("2026-11-01 08:30", now).is_ok());
        assert!(since("yesterday", now).is_err());
        assert_eq!(since("1969-01-01T00:00:00Z", now).unwrap(), Timestamp::default());
    }
}
