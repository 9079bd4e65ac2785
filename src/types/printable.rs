//! Text from strangers, made fit for a log line or a terminal.

/// Text that is safe to log: control characters and all others that are [not seen](is_invisible) are shown as `\xNN` or
/// `\u{NNNN}`, octets that are not UTF-8 as `\xNN`, and it is cut at 253 octets, the longest
/// RADIUS attribute value (RFC 2865, section 5).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Printable(String);

const LONGEST: usize = 253;

impl Printable {
    /// From octets of any kind.
    pub fn new(octets: impl AsRef<[u8]>) -> Self {
        let mut out = String::new();
        for chunk in octets.as_ref().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => out.push_str("\\\\"),
                    c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                    c if is_invisible(c) => out.extend(c.escape_unicode()),
                    c => out.push(c),
                }
                if out.len() >= LONGEST {
                    return Self(cut(out));
                }
            }
            for octet in chunk.invalid() {
                out.push_str(&format!("\\x{octet:02x}"));
            }
        }
        Self(cut(out))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is not seen, or changes how the text around it is seen: control characters, line and paragraph separators,
/// and all of the Unicode property Default_Ignorable_Code_Point and of the category Cf (Unicode 16), among them directional marks
/// and overrides, joiners, variation selectors and tags.
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}'
        | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}'
        | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(LONGEST);
    text.truncate(end);
    text
}

impl std::fmt::Display for Printable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(Printable::new("a\r\nb\u{1b}[31m").as_str(), "a\\x0d\\x0ab\\x1b[31m");
        assert_eq!(Printable::new(b"j\xfcrgen").as_str(), "j\\xfcrgen");
        assert_eq!(Printable::new("x\u{202e}y").as_str(), "x\\u{202e}y");
    }

    #[test]
    fn invisible_characters_are_shown() {
        for character in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{180b}',
            '\u{200b}',
            '\u{200e}',
            '\u{202d}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{85}',
            '\u{2028}',
        ] {
            let shown = format!("a\\u{{{:x}}}b", u32::from(character));
            assert_eq!(Printable::new(format!("a{character}b")).as_str(), shown);
        }
        for character in ['\u{e4}', '\u{301}', '\u{6d5}', '\u{4e00}', '\u{1f600}', '\u{e1000}'] {
            assert!(!is_invisible(character), "{character:?}");
        }
    }

    #[test]
    fn long_text_is_cut_on_a_character_border() {
        let text = Printable::new("\u{e4}".repeat(300));
        assert_eq!(text.as_str().len(), 252);
    }
}
