//! Text from strangers, made fit for a log line or a terminal.

/// Text that is safe to log: control characters (C0, C1, line and paragraph separators, bidirectional overrides) are
/// shown as `\xNN` or `\u{NNNN}`, octets that are not UTF-8 as `\xNN`, and it is cut at 253 octets, the longest
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

/// Whether nothing is seen of it, or it changes how the text around it is seen.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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
    fn long_text_is_cut_on_a_character_border() {
        let text = Printable::new("\u{e4}".repeat(300));
        assert_eq!(text.as_str().len(), 252);
    }
}
