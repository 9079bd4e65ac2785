//! As much of BER (X.690) as answers need that the LDAP library does not read: flat, bounded, no recursion.

/// The first element: its identifier octet, its content, and what follows it. None if it is cut off or of another kind than LDAP
/// allows (RFC 4511, section 5.1: definite lengths only).
pub(super) fn read_element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (length, rest) = read_length(rest)?;
    Some((*tag, rest.get(..length)?, rest.get(length..)?))
}

/// The content of the first element, which has to be of this kind, and what follows it.
pub(super) fn expect_element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    read_element(octets).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// A length, and what follows it.
pub(super) fn read_length(octets: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = octets.split_first()?;
    match *first {
        short @ ..=0x7f => Some((short.into(), rest)),
        // As long as Active Directory likes them: four octets.
        long @ 0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = octets.iter().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
            Some((length, rest))
        }
        _ => None,
    }
}

/// A small number that is not negative.
pub(super) fn read_number(content: &[u8]) -> Option<u32> {
    match content {
        [] => None,
        [first, ..] if *first > 0x7f || content.len() > 4 => None,
        octets => Some(octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short_or_long() {
        assert_eq!(read_element(&[4, 1, 7, 9]), Some((4, &[7][..], &[9][..])));
        assert_eq!(read_element(&[4, 0x84, 0, 0, 0, 1, 7]), Some((4, &[7][..], &[][..])));
        for bad in [&[][..], &[4], &[4, 2, 7], &[4, 0x80, 0, 0], &[4, 0x85, 0, 0, 0, 0, 1, 7], &[4, 0x82, 1]]
        {
            assert_eq!(read_element(bad), None, "{bad:?}");
        }
        assert_eq!((read_number(&[1, 0]), read_number(&[0x80]), read_number(&[])), (Some(256), None, None));
    }
}
