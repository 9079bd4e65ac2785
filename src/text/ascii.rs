//! Text without characters beyond ASCII, for clients that show others as garbage.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text as it is written where there are no other letters: umlauts as in German, without accents, a question mark for what
/// has no such form.
pub(super) fn to_ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // As few characters as can be, so that an umlaut is one.
    for character in text.nfc() {
        match spell_out(character) {
            _ if character.is_ascii() => plain.push(character),
            Some(letters) => plain.push_str(letters),
            None => without_marks(character, &mut plain),
        }
    }
    plain
}

/// What is not the letter without its mark.
fn spell_out(character: char) -> Option<&'static str> {
    Some(match character {
        'ä' | 'æ' => "ae",
        'ö' | 'œ' => "oe",
        'ü' => "ue",
        'Ä' | 'Æ' => "Ae",
        'Ö' | 'Œ' => "Oe",
        'Ü' => "Ue",
        'ß' => "ss",
        'ẞ' => "SS",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        '‘' | '’' | '‚' | '‹' | '›' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '‐' | '‑' | '–' | '—' => "-",
        '•' | '·' => "*",
        '€' => "EUR",
        _ => return None,
    })
}

/// The letters of a character, its marks left out (`é`, `ﬁ`, `…`, a blank of any width).
fn without_marks(character: char, into: &mut String) {
    let before = into.len();
    let is_mark = is_combining_mark(character);
    into.extend(std::iter::once(character).nfkd().filter(char::is_ascii));
    if into.len() == before && !is_mark {
        into.push('?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_spelled_as_people_do_without_them() {
        for (text, expected) in [
            ("Jürgens Gerät, Straße", "Juergens Geraet, Strasse"),
            ("u\u{308}ber", "ueber"),
            ("Saisissez le code envoyé à Zoë :\u{a0}", "Saisissez le code envoye a Zoe : "),
            ("Łódź, Đorđe, Çelik, Ñandú", "Lodz, Dorde, Celik, Nandu"),
            ("« ça » — l’œuf…", "\" ca \" - l'oeuf..."),
            ("日本\u{1f4f1}", "???"),
        ] {
            assert_eq!(to_ascii(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_ascii_goes_out(text in "\\PC{0,40}") {
            assert!(to_ascii(&text).is_ascii());
        }
    }
}
