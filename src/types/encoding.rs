//! Octets as text: UTF-8, or else the code page that Windows clients send.

/// Windows code page 1252, 0x80 to 0x9F, as the WHATWG Encoding Standard has it: the five octets that it leaves undefined are C1
/// control characters. All other octets are those of Latin-1.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

/// The text of these octets: UTF-8 if they are that, else Windows-1252. The text may be a secret: no copy of it is left in memory
/// but the one that is returned.
pub fn decode(octets: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(octets) {
        return text.to_owned();
    }
    // No character of Windows-1252 takes more than three octets, so the text is never moved.
    let mut text = String::with_capacity(octets.len().saturating_mul(3));
    text.extend(octets.iter().map(|octet| {
        let special = octet.checked_sub(0x80).and_then(|at| WINDOWS_1252.get(usize::from(at)));
        special.copied().unwrap_or(char::from(*octet))
    }));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_are_not_utf8_are_windows_1252() {
        assert_eq!(decode("p\u{e4}ss".as_bytes()), "p\u{e4}ss");
        assert_eq!(decode(b"p\xe4ss"), "p\u{e4}ss");
        assert_eq!(decode(b"100 \x80"), "100 \u{20ac}");
        assert_eq!(decode(b"\x93x\x94 \x96 \x99"), "\u{201c}x\u{201d} \u{2013} \u{2122}");
        assert_eq!(decode(b"\x81\x8d\x8f\x90\x9d"), "\u{81}\u{8d}\u{8f}\u{90}\u{9d}");
        assert_eq!(decode(b"\x7f\xa0\xff"), "\u{7f}\u{a0}\u{ff}");
    }

    #[test]
    fn every_octet_is_another_character() {
        let all: Vec<char> =
            (0x80..=0xffu8).flat_map(|octet| decode(&[octet]).chars().collect::<Vec<_>>()).collect();
        let different: std::collections::BTreeSet<char> = all.iter().copied().collect();
        assert_eq!((all.len(), different.len()), (128, 128));
    }
}
