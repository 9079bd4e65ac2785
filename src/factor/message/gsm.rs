//! The alphabet of GSM: whether a text needs another.

/// The characters of the default alphabet and its extension (3GPP TS 23.038, sections 6.2.1 and 6.2.1.1), but for the letters
/// and digits of ASCII.
const OTHERS: &str = "@\u{a3}$\u{a5}\u{e8}\u{e9}\u{f9}\u{ec}\u{f2}\u{c7}\n\u{d8}\u{f8}\r\u{c5}\u{e5}\u{394}_\u{3a6}\u{393}\
                      \u{39b}\u{3a9}\u{3a0}\u{3a8}\u{3a3}\u{398}\u{39e}\u{c6}\u{e6}\u{df}\u{c9} !\"#\u{a4}%&'()*+,-./:;<=>?\
                      \u{a1}\u{c4}\u{d6}\u{d1}\u{dc}\u{a7}\u{bf}\u{e4}\u{f6}\u{f1}\u{fc}\u{e0}\u{c}^{}\\[~]|\u{20ac}";

/// Whether the text fits into one message (GSM 03.38).
pub(super) fn fits_gsm_alphabet(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || OTHERS.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_fits_and_some_french_does_not() {
        assert!(fits_gsm_alphabet(
            "Ihr Code f\u{fc}r \u{ab}VPN\u{bb}".replace(['\u{ab}', '\u{bb}'], "\"").as_str()
        ));
        assert!(fits_gsm_alphabet("Gr\u{f6}\u{df}e \u{20ac} [1] {2}\n"));
        assert!(
            !fits_gsm_alphabet("bient\u{f4}t")
                && !fits_gsm_alphabet("\u{1f600}")
                && !fits_gsm_alphabet("`")
                && !fits_gsm_alphabet("\u{e7}a")
        );
    }
}
