//! Mailboxes.

/// A mailbox, `alice@example.test`: a local part of dots and atoms and a host name, in ASCII (RFC 5321, section 4.1.2,
/// without quotes, comments and addresses of hosts). Printed masked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox(String);

/// Why it is no mailbox. The text does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMailbox {
    /// No `@`, or nothing before or behind it.
    #[error("a mailbox is NAME@DOMAIN")]
    Shape,
    /// Over 64 octets of name, or 254 in all (RFC 5321, section 4.5.3.1).
    #[error("too long: a mailbox has at most 64 characters before the @, and 254 in all")]
    Length,
    /// A character that has no place there.
    #[error(
        "letters of ASCII, digits and dots make a mailbox, and few signs: write a domain with umlauts as xn--..."
    )]
    Character,
}

impl Mailbox {
    /// White space around it is forgiven.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, BadMailbox> {
        let text = text.trim();
        let (name, domain) = text.rsplit_once('@').ok_or(BadMailbox::Shape)?;
        if name.len() > 64 || text.len() > 254 {
            return Err(BadMailbox::Length);
        }
        // RFC 5322, section 3.2.3.
        let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        let is_host = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_label = |label: &str| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
        if name.split('.').chain(domain.split('.')).any(str::is_empty) {
            return Err(BadMailbox::Shape);
        }
        let is_good = name.split('.').all(|atom| atom.chars().all(is_atom))
            && domain.split('.').all(|label| label.chars().all(is_host) && is_label(label));
        if is_good { Ok(Self(text.to_owned())) } else { Err(BadMailbox::Character) }
    }

    /// The full address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What may be shown and logged: the first character and the domain, `j***@example.test`.
    pub fn masked(&self) -> String {
        let (name, domain) = self.0.rsplit_once('@').unwrap_or_default();
        let first = name.get(..1).filter(|_| name.len() > 1).unwrap_or_default();
        format!("{first}***@{domain}")
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_told_from_what_is_none() {
        for good in
            ["alice@example.test", " o'hara+vpn@mail.example.test ", "a@localhost", "x@xn--bcher-kva.test"]
        {
            assert_eq!(Mailbox::parse(good).unwrap().as_str(), good.trim());
        }
        for (text, why) in [
            ("", BadMailbox::Shape),
            ("alice", BadMailbox::Shape),
            ("@example.test", BadMailbox::Shape),
            ("alice@", BadMailbox::Shape),
            ("alice..b@example.test", BadMailbox::Shape),
            ("alice@example..test", BadMailbox::Shape),
            ("alice@b@example.test", BadMailbox::Character),
            ("alice@-example.test", BadMailbox::Character),
            ("alice@[192.0.2.1]", BadMailbox::Character),
            ("alice@b\u{fc}cher.test", BadMailbox::Character),
            ("alice@example.test>\r\nRCPT TO:<b@example.test", BadMailbox::Character),
            ("a b@example.test", BadMailbox::Character),
            ("Alice <alice@example.test>", BadMailbox::Character),
        ] {
            assert_eq!(Mailbox::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Mailbox::parse(&format!("{}@example.test", "a".repeat(65))), Err(BadMailbox::Length));
    }

    #[test]
    fn mailbox_shows_its_first_character_and_its_domain() {
        let masked = |text| Mailbox::parse(text).unwrap().masked();
        assert_eq!(masked("jane.doe@example.test"), "j***@example.test");
        assert_eq!(masked("j@example.test"), "***@example.test");
        assert_eq!(format!("{:?}", Mailbox::parse("jo@example.test").unwrap()), "j***@example.test");
    }
}
