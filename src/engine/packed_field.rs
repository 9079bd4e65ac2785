//! Password fields that are not what was typed: with rubbish behind a NUL octet, or OpenVPN's static challenge, which packs
//! password and answer into one (`management-notes.txt` of OpenVPN, "Challenge/Response Protocol").

use super::{RefusalReason, SubmittedPassword};
use crate::config::FieldDecoding;
use crate::types::Secret;
use data_encoding::BASE64;

/// How the field of a static challenge begins: then come the password and the response, each in base64, with a colon between
/// them.
const STATIC: &[u8] = b"SCRV1:";

/// How an answer to a dynamic challenge begins. What makes such challenges of RADIUS ones answers with a State instead.
const DYNAMIC: &[u8] = b"CRV1:";

/// Whether what becomes of this field depends on whether its client sends static challenges.
pub fn is_packed(field: &Secret) -> bool {
    field.expose().starts_with(STATIC) || field.expose().starts_with(DYNAMIC)
}

/// What the field presents: [`SubmittedPassword::Plain`] or [`SubmittedPassword::Separate`].
///
/// # Errors
///
/// It does not decode, in whole and by the letter. It is no password then, nor is any part of it.
pub fn unpack_field(mut field: Secret, how: FieldDecoding) -> Result<SubmittedPassword, RefusalReason> {
    if how.null_byte
        && let Some(end) = field.expose().iter().position(|octet| *octet == 0)
    {
        field = Secret::new(field.expose().get(..end).unwrap_or_default());
    }
    if !how.static_challenge || !is_packed(&field) {
        return Ok(SubmittedPassword::Plain(field));
    }
    let (password, answer) = decode(&field).ok_or(RefusalReason::NotDecoded)?;
    // A NUL octet would end the password where it is passed on as a C string; and a password that was packed twice is
    // refused.
    if password.expose().contains(&0) || is_packed(&password) {
        return Err(RefusalReason::NotDecoded);
    }
    Ok(SubmittedPassword::Separate { password, answer })
}

/// Password and response of a static challenge.
fn decode(field: &Secret) -> Option<(Secret, Secret)> {
    let mut parts = field.expose().strip_prefix(STATIC)?.split(|octet| *octet == b':');
    let (password, answer) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let [password, answer] = [password, answer].map(|part| BASE64.decode(part).ok().map(Secret::new));
    password.zip(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: FieldDecoding = FieldDecoding { static_challenge: true, null_byte: true };
    const STATIC_CHALLENGE: FieldDecoding = FieldDecoding { static_challenge: true, null_byte: false };
    const NULL_BYTE: FieldDecoding = FieldDecoding { static_challenge: false, null_byte: true };

    fn packed(password: &[u8], answer: &[u8]) -> String {
        format!("SCRV1:{}:{}", BASE64.encode(password), BASE64.encode(answer))
    }

    /// Password and answer; the field alone if it is not packed.
    fn unpacked(field: &[u8], how: FieldDecoding) -> Result<(Vec<u8>, Option<Vec<u8>>), RefusalReason> {
        Ok(match unpack_field(Secret::new(field), how)? {
            SubmittedPassword::Separate { password, answer } => {
                (password.expose().to_vec(), Some(answer.expose().to_vec()))
            }
            SubmittedPassword::Plain(field) => (field.expose().to_vec(), None),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn static_challenge_is_taken_apart() {
        // The example of OpenVPN's manual.
        let manual = b"SCRV1:cGFzc3dvcmQ=:Nzg5MDEy";
        assert_eq!(unpacked(manual, STATIC_CHALLENGE), Ok((b"password".to_vec(), Some(b"789012".to_vec()))));
        assert_eq!(unpacked(b"SCRV1::", STATIC_CHALLENGE), Ok((vec![], Some(vec![]))));
        assert_eq!(unpacked(b"SCRV1:c2VjcmV0:", STATIC_CHALLENGE), Ok((b"secret".to_vec(), Some(vec![]))));
        let latin = packed(b"J\xfcrgen\xff", b"\xff1");
        assert_eq!(
            unpacked(latin.as_bytes(), STATIC_CHALLENGE),
            Ok((b"J\xfcrgen\xff".to_vec(), Some(b"\xff1".to_vec())))
        );
    }

    #[test]
    fn what_does_not_decode_is_no_password() {
        for field in [
            &b"SCRV1:"[..],
            b"SCRV1:c2VjcmV0",
            b"SCRV1:c2VjcmV0:MTIzNDU2:",
            b"SCRV1:c2VjcmV0:MTIzNDU2:MTIzNDU2",
            // No padding, too much of it, bits left over, another alphabet.
            b"SCRV1:cGFzc3dvcmQ:MTIzNDU2",
            b"SCRV1:c2VjcmV0====:MTIzNDU2",
            b"SCRV1:c2VjcmV0:MTIzNDU2Nx==",
            b"SCRV1:-_-_:MTIzNDU2",
            b"SCRV1:c2Vj cmV0:MTIzNDU2",
            b"SCRV1:c2VjcmV0\n:MTIzNDU2",
            b"SCRV1:secret:123456",
            b"SCRV1:\xff\xfe:MTIzNDU2",
            b"SCRV1:c2VjcmV0:MTIzNDU2\0",
            b"CRV1::Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l::123456",
        ] {
            assert_eq!(unpacked(field, STATIC_CHALLENGE), Err(RefusalReason::NotDecoded), "{field:?}");
        }
        for password in [&b"sec\0ret"[..], b"\0", b"SCRV1:c2VjcmV0:MTIzNDU2", b"CRV1:"] {
            let field = packed(password, b"123456");
            assert_eq!(
                unpacked(field.as_bytes(), STATIC_CHALLENGE),
                Err(RefusalReason::NotDecoded),
                "{password:?}"
            );
        }
    }

    #[test]
    fn nothing_is_done_unless_it_is_asked_for() {
        for field in [&b"SCRV1:c2VjcmV0:MTIzNDU2"[..], b"SCRV1:", b"secret\0rubbish", b"", b"\0"] {
            assert_eq!(unpacked(field, FieldDecoding::default()), Ok((field.to_vec(), None)));
        }
        for field in [&b"scrv1:c2VjcmV0:MTIzNDU2"[..], b" SCRV1:c2VjcmV0:MTIzNDU2", b"secret", b"SCRV2::"] {
            assert_eq!(unpacked(field, BOTH), Ok((field.to_vec(), None)));
        }
    }

    #[test]
    fn rubbish_behind_a_nul_octet_is_cut_off_first() {
        for (field, left) in
            [(&b"secret\0rub\0bish"[..], &b"secret"[..]), (b"\0secret", b""), (b"secret", b"secret")]
        {
            assert_eq!(unpacked(field, NULL_BYTE), Ok((left.to_vec(), None)), "{field:?}");
        }
        let field = [packed(b"secret", b"123456").as_bytes(), b"\0rubbish"].concat();
        assert_eq!(unpacked(&field, BOTH), Ok((b"secret".to_vec(), Some(b"123456".to_vec()))));
    }

    proptest::proptest! {
        #[test]
        fn what_was_packed_is_unpacked(password: Vec<u8>, answer: Vec<u8>) {
            proptest::prop_assume!(!password.contains(&0) && !is_packed(&Secret::new(password.clone())));
            let field = packed(&password, &answer);
            proptest::prop_assert_eq!(unpacked(field.as_bytes(), STATIC_CHALLENGE), Ok((password, Some(answer))));
        }

        #[test]
        fn one_field_has_one_meaning(field in "SCRV1:[A-Za-z0-9+/=:]{0,24}") {
            if let Ok((password, Some(answer))) = unpacked(field.as_bytes(), STATIC_CHALLENGE) {
                proptest::prop_assert_eq!(packed(&password, &answer), field);
            }
        }

        /// What is left in the request is read again by a later section.
        #[test]
        fn what_is_unpacked_stays_as_it_is(field: Vec<u8>, prefix in "(SCRV1:|CRV1:|SCRV1:U0NSVjE6:)?") {
            let field = [prefix.into_bytes(), field].concat();
            if let Ok((password, _)) = unpacked(&field, BOTH) {
                proptest::prop_assert_eq!(unpacked(&password, BOTH), Ok((password, None)));
            }
        }
    }
}
