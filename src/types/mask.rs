//! Numbers and mailboxes as they may be shown to whoever has the password: enough to know one's own.

/// `+41791234567` as `XXX-XXX-4567`.
pub fn mask_phone(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits.iter().skip(digits.len().saturating_sub(4)).collect();
    if digits.len() > 4 { format!("XXX-XXX-{last}") } else { "XXX-XXX-XXXX".to_owned() }
}

/// `jane@example.test` as `j***@example.test`.
pub fn mask_mailbox(mailbox: &str) -> String {
    match mailbox.rsplit_once('@') {
        Some((name, domain)) => {
            format!("{}***@{domain}", name.chars().next().map(String::from).unwrap_or_default())
        }
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_and_one_letter_are_left() {
        assert_eq!(mask_phone("+41 79 123 45 67"), "XXX-XXX-4567");
        assert_eq!(mask_phone("117"), "XXX-XXX-XXXX");
        assert_eq!(mask_mailbox("jane.doe@example.test"), "j***@example.test");
        assert_eq!(mask_mailbox("\u{fc}@x"), "\u{fc}***@x");
        assert_eq!(mask_mailbox("nothing"), "***");
    }
}
