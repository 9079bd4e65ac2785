//! Words, quotes and operators of one line of the server's configuration syntax.
//!
//! Follows what `src/lib/token.c` of the server does with a line. Where the server is strict about unlang, this is not:
//! the server itself has the last word on that.

use super::error::SyntaxError;

/// One line being read, continuations already joined.
pub(super) struct LexerLine<'a> {
    rest: &'a str,
}

/// A word, and whether `${..}` in it is expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConfigWord {
    pub(super) text: String,
    pub(super) quote: Option<char>,
}

/// Longer ones first.
const OPERATORS: [&str; 15] =
    ["=~", "!~", "++", "+=", "-=", ":=", "=*", "!*", "==", "!=", ">=", "<=", "=", ">", "<"];

impl<'a> LexerLine<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut line = Self { rest: text };
        line.skip_space();
        line
    }

    /// Whether nothing is left but a comment.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// What is left, cut short for a message.
    pub(super) fn remaining(&self) -> String {
        self.rest.chars().take(40).collect()
    }

    /// Takes `token` and the space behind it.
    pub(super) fn skip_token(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                self.skip_space();
                true
            }
            None => false,
        }
    }

    /// Whether `token` comes next.
    pub(super) fn looks_at(&self, token: &str) -> bool {
        self.rest.starts_with(token)
    }

    /// An operator, if one comes next.
    pub(super) fn read_operator(&mut self) -> Option<&'static str> {
        OPERATORS.into_iter().find(|operator| self.skip_token(operator))
    }

    /// The name of a pair or a section: ends at white space, a brace, a comma, a comment or an operator.
    pub(super) fn name(&mut self) -> Result<ConfigWord, SyntaxError> {
        if let Some(quote @ ('"' | '\'' | '`')) = self.rest.chars().next() {
            return self.read_quoted(quote);
        }
        let end = match self.rest.starts_with("%{") {
            true => expansion_end(self.rest).ok_or("the expansion %{ has no closing brace")?,
            false => self
                .rest
                .char_indices()
                .find(|(at, c)| {
                    c.is_ascii_whitespace()
                        || "{}(),#".contains(*c)
                        || OPERATORS.iter().any(|operator| starts_at(self.rest, *at, operator))
                })
                .map_or(self.rest.len(), |(at, _)| at),
        };
        Ok(self.take_word(end))
    }

    /// A value: quoted, or up to white space or a comma.
    pub(super) fn value(&mut self) -> Result<ConfigWord, SyntaxError> {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => self.read_quoted(quote),
            _ => {
                let end = self.rest.find(|c: char| c == ',' || c.is_ascii_whitespace());
                Ok(self.take_word(end.unwrap_or(self.rest.len())))
            }
        }
    }

    /// Everything before the brace that opens a section; the brace is taken. Quotes, parentheses, regular expressions and
    /// expansions may hold braces of their own.
    pub(super) fn read_header(&mut self) -> Result<String, SyntaxError> {
        let missing = || SyntaxError::from("expected '{' at the end of this line");
        let (mut at, mut depth, mut is_regex) = (0usize, 0u32, false);
        loop {
            let rest = self.rest.get(at..).unwrap_or_default();
            let c = rest.chars().next().ok_or_else(missing)?;
            let length = match c {
                '"' | '\'' | '`' => quote_end(rest, c).ok_or("unterminated string")?,
                '/' if is_regex => quote_end(rest, c).ok_or("unterminated regular expression")?,
                '%' | '$' if rest.get(1..2) == Some("{") => {
                    expansion_end(rest).ok_or("an expansion has no closing brace")?
                }
                '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
                '{' if depth == 0 => break,
                _ => c.len_utf8(),
            };
            match c {
                '(' => depth += 1,
                ')' => depth = depth.checked_sub(1).ok_or("a closing parenthesis too many")?,
                _ => {}
            }
            if !c.is_ascii_whitespace() {
                is_regex = c == '~';
            }
            at += length;
        }
        let (header, _) = self.rest.split_at_checked(at).ok_or_else(missing)?;
        let header = header.trim().to_owned();
        self.rest = self.rest.get(at + 1..).unwrap_or_default();
        self.skip_space();
        Ok(header)
    }

    fn read_quoted(&mut self, quote: char) -> Result<ConfigWord, SyntaxError> {
        let end = quote_end(self.rest, quote)
            .ok_or_else(|| SyntaxError(format!("unterminated string: no closing {quote}")))?;
        let inside = self.rest.get(1..end - 1).unwrap_or_default();
        let text = inside.replace(&format!("\\{quote}"), &quote.to_string());
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.skip_space();
        Ok(ConfigWord { text, quote: Some(quote) })
    }

    fn take_word(&mut self, end: usize) -> ConfigWord {
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.skip_space();
        ConfigWord { text: text.to_owned(), quote: None }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

fn starts_at(text: &str, at: usize, token: &str) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(token))
}

/// The octet behind the closing quote of `text`, which begins with the opening one.
fn quote_end(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match (is_escaped, c) {
            (true, _) => is_escaped = false,
            (false, '\\') => is_escaped = true,
            (false, c) if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The octet behind the brace that closes the expansion with which `text` begins.
fn expansion_end(text: &str) -> Option<usize> {
    let mut depth = 0u32;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_the_server_ends_them() {
        for (text, name, rest) in [
            ("Auth-Type PAP {", "Auth-Type", "PAP {"),
            ("&control:Auth-Type:=Accept", "&control:Auth-Type", ":=Accept"),
            ("&reply: += &session-state:", "&reply:", "+= &session-state:"),
            ("-sql # maybe", "-sql", "# maybe"),
            ("%{exec:/bin/x {a}} }", "%{exec:/bin/x {a}}", "}"),
            ("ok=return", "ok", "=return"),
            ("\"a b\" = 1", "a b", "= 1"),
        ] {
            let mut line = LexerLine::new(text);
            assert_eq!(line.name().unwrap().text, name, "{text}");
            assert_eq!(line.remaining(), rest, "{text}");
        }
    }

    #[test]
    fn values_keep_their_escapes_but_for_the_quote() {
        for (text, value) in [
            ("\"a \\\"b\\\" \\n # c\" # comment", "a \"b\" \\n # c"),
            ("'it\\'s ${x}'", "it's ${x}"),
            ("bare#word # comment", "bare#word"),
            ("${a}/b,", "${a}/b"),
            ("", ""),
        ] {
            assert_eq!(LexerLine::new(text).value().unwrap().text, value, "{text}");
        }
        assert!(LexerLine::new("\"a").value().unwrap_err().0.contains("unterminated"));
    }

    #[test]
    fn headers_may_hold_braces() {
        for (text, header) in [
            ("(&User-Name =~ /^a{3}\\/b$/) {", "(&User-Name =~ /^a{3}\\/b$/)"),
            ("(\"%{User-Name}\" == 'a{') { # x", "(\"%{User-Name}\" == 'a{')"),
            ("(!&reply:Class && (ok || updated)) { reject }", "(!&reply:Class && (ok || updated))"),
            ("{", ""),
        ] {
            assert_eq!(LexerLine::new(text).read_header().unwrap(), header, "{text}");
        }
        assert!(LexerLine::new("(a == b)").read_header().is_err());
    }
}
