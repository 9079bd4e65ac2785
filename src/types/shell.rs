//! Words as a shell takes them, for commands that are printed to be copied.

use std::fmt::{Display, Formatter, Result, Write};

/// An argument of a printed command. It is quoted where a POSIX shell would read it otherwise, and stands behind `--` where the
/// command would take it for an option; so it must be the first of those that are no options.
#[derive(Clone, Copy, Debug)]
pub struct ShellArgument<'a>(pub &'a str);

/// Part of a printed command that cannot be an option, such as an absolute path.
#[derive(Clone, Copy, Debug)]
pub struct QuotedText<'a>(pub &'a str);

impl Display for ShellArgument<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0.starts_with('-') {
            f.write_str("-- ")?;
        }
        QuotedText(self.0).fmt(f)
    }
}

impl Display for QuotedText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            return f.write_str(self.0);
        }
        f.write_char('\'')?;
        for (at, part) in self.0.split('\'').enumerate() {
            if at > 0 {
                f.write_str("'\\''")?;
            }
            f.write_str(part)?;
        }
        f.write_char('\'')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_cut_or_change_them() {
        for (word, printed) in [
            ("alice", "alice"),
            ("alice@example.test", "alice@example.test"),
            ("j\u{fc}rgen", "j\u{fc}rgen"),
            ("hans maier", "'hans maier'"),
            ("o'brien", "'o'\\''brien'"),
            ("$(reboot)", "'$(reboot)'"),
            ("corp\\bob", "'corp\\bob'"),
            ("", "''"),
            ("~", "'~'"),
            ("-x", "-- -x"),
            ("-x y", "-- '-x y'"),
        ] {
            assert_eq!(ShellArgument(word).to_string(), printed);
        }
        assert_eq!(QuotedText("-x").to_string(), "-x");
    }
}
