//! Telephone numbers, in the one form that gateways understand.

/// A telephone number as ITU-T E.164 has it: `+`, the country's code, the rest; 7 to 15 digits. Printed masked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// The code of a country (ITU-T E.164, section 6.2.1): what stands for the `0` of national numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryCode(String);

/// Why it is no telephone number. The text does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPhone {
    /// Letters, signs, digits of other scripts, a `+` that is not the first.
    #[error("a telephone number has digits, and between them blanks, dashes, dots, slashes or brackets")]
    Character,
    /// A number of digits other than 7 to 15.
    #[error("{0} digits: an international telephone number has 7 to 15, the country's code among them")]
    Length(usize),
    /// A national number, and nothing says of which country.
    #[error("the country is missing: write +41 79 ..., or set \"country_code\" in sms {{ }}")]
    NoCountry,
    /// A country code that begins with 0.
    #[error("no country's code begins with 0: leave the 0 out")]
    Zero,
}

impl CountryCode {
    /// One to three digits, with or without the `+`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_one = matches!(digits.len(), 1..=3)
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        is_one.then(|| Self(digits.to_owned()))
    }
}

impl PhoneNumber {
    /// `+41 79 123 45 67`, `0041 79 ...`, `+41 (0)79 ...`; with `country` also a national number, `079 ...`.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn parse(text: &str, country: Option<&CountryCode>) -> Result<Self, BadPhone> {
        let text = text.trim();
        let (is_international, rest) = match text.strip_prefix('+') {
            // The 0 that is dialled within the country only.
            Some(rest) => (true, rest.replacen("(0)", "", 1)),
            None => (false, text.to_owned()),
        };
        if rest
            .chars()
            .any(|c| !c.is_ascii_digit() && !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '/' | '(' | ')'))
        {
            return Err(BadPhone::Character);
        }
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        let digits = match (is_international, digits.strip_prefix("00"), digits.strip_prefix('0'), country) {
            (true, ..) => digits,
            (false, Some(international), ..) => international.to_owned(),
            (false, None, Some(national), Some(CountryCode(code))) => format!("{code}{national}"),
            (false, ..) if digits.is_empty() => return Err(BadPhone::Length(0)),
            (false, ..) => return Err(BadPhone::NoCountry),
        };
        match digits.len() {
            _ if digits.starts_with('0') => Err(BadPhone::Zero),
            7..=15 => Ok(Self(format!("+{digits}"))),
            length => Err(BadPhone::Length(length)),
        }
    }

    /// E.164, with the `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the `+`, as some gateways have it.
    pub fn without_plus(&self) -> &str {
        self.0.trim_start_matches('+')
    }

    /// What may be shown and logged: the last four digits, `XXX-XXX-1234`.
    pub fn masked(&self) -> String {
        let last = self.0.len().saturating_sub(4);
        format!("XXX-XXX-{}", self.0.get(last..).unwrap_or_default())
    }
}

impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, BadPhone> {
        PhoneNumber::parse(text, CountryCode::parse("+41").as_ref()).map(|phone| phone.as_str().to_owned())
    }

    #[test]
    fn numbers_are_brought_into_one_form() {
        for text in [
            "+41791234567",
            " +41 79 123 45 67 ",
            "+41 (0)79 123-45-67",
            "0041 79/123.45.67",
            "079 123 45 67",
            "+41\u{a0}79\u{a0}1234567",
        ] {
            assert_eq!(parsed(text).as_deref(), Ok("+41791234567"), "{text}");
        }
        assert_eq!(parsed("+1 (201) 555-0123").as_deref(), Ok("+12015550123"));
    }

    #[test]
    fn what_is_no_number_is_told() {
        for (text, why) in [
            ("", BadPhone::Length(0)),
            ("alice", BadPhone::Character),
            ("+41 79 123 45 6x", BadPhone::Character),
            ("+41+791234567", BadPhone::Character),
            ("+\u{0664}\u{0661}791234567", BadPhone::Character),
            ("+41791234567;ext=1", BadPhone::Character),
            ("+41791234567\r\nX-Header: 1", BadPhone::Character),
            ("+123456", BadPhone::Length(6)),
            ("+1234567890123456", BadPhone::Length(16)),
            ("791234567", BadPhone::NoCountry),
            ("+079 123 45 67", BadPhone::Zero),
            ("000791234567", BadPhone::Zero),
        ] {
            assert_eq!(parsed(text), Err(why), "{text:?}");
        }
        assert_eq!(PhoneNumber::parse("0791234567", None), Err(BadPhone::NoCountry));
    }

    #[test]
    fn country_codes_have_one_to_three_digits() {
        for text in ["", "+", "0", "041", "4a", "1234"] {
            assert_eq!(CountryCode::parse(text), None, "{text:?}");
        }
        assert_eq!(CountryCode::parse("+423"), CountryCode::parse("423"));
    }

    #[test]
    fn number_shows_its_end_only() {
        let phone = PhoneNumber::parse("+41791234567", None).unwrap();
        assert_eq!(
            (phone.masked().as_str(), format!("{phone:?}").as_str()),
            ("XXX-XXX-4567", "XXX-XXX-4567")
        );
        assert_eq!(phone.without_plus(), "41791234567");
    }

    proptest::proptest! {
        #[test]
        fn what_was_parsed_stays_as_it_is(text in "[+0-9 ()/.-]{0,24}|\\PC{0,24}") {
            if let Ok(phone) = PhoneNumber::parse(&text, CountryCode::parse("49").as_ref()) {
                assert_eq!(PhoneNumber::parse(phone.as_str(), None), Ok(phone));
            }
        }
    }
}
