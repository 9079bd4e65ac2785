//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date in one of the three formats of section 5.6.7.

use std::time::{Duration, SystemTime};

/// The time to wait. A date counts from the `Date` of the same answer, so that it does not matter how far this machine's clock is
/// off; without one, from `now`. A date that has passed is no time to wait.
pub(super) fn parse(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let since = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(now);
    Some(until.duration_since(since).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn seconds(value: &str, date: Option<&str>) -> Option<u64> {
        parse(value, date, now()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_all_three_formats_of_a_date_are_read() {
        for value in [
            "90",
            " 90 ",
            "Sun, 06 Nov 1994 08:51:07 GMT",
            "Sunday, 06-Nov-94 08:51:07 GMT",
            "Sun Nov  6 08:51:07 1994",
        ] {
            assert_eq!(seconds(value, None), Some(90), "{value}");
        }
        for value in ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:51:07", "Sun, 99 Nov 1994 08:51:07 GMT"] {
            assert_eq!(seconds(value, None), None, "{value}");
        }
    }

    #[test]
    fn date_counts_from_the_clock_that_it_was_written_by() {
        let until = "Sun, 06 Nov 1994 08:51:07 GMT";
        assert_eq!(seconds(until, Some("Sun, 06 Nov 1994 08:51:00 GMT")), Some(7));
        assert_eq!(seconds(until, Some("Sun, 06 Nov 1994 09:00:00 GMT")), Some(0), "it has passed");
        assert_eq!(seconds(until, Some("yesterday")), Some(90), "a date that is none");
        assert_eq!(seconds("90", Some("Sun, 06 Nov 1994 09:00:00 GMT")), Some(90), "seconds are seconds");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(value: String, date: Option<String>) {
            let _ = parse(&value, date.as_deref(), now());
        }
    }
}
