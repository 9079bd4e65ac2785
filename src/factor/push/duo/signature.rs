//! Duo's signature, version 2: an HMAC-SHA-512 over date, method, host, path and parameters in one canonical form, sent as the
//! password of HTTP's Basic authentication.

use crate::types::Secret;
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha512;

/// All but letters, digits and what RFC 3986 (2.3) leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `key=value`, percent-encoded and joined with `&`, in the order given.
pub(super) fn encode_pairs(params: &[(&str, String)]) -> String {
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let pairs: Vec<_> =
        params.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    pairs.join("&")
}

/// The parameters in canonical form, which is also the form in which they are sent: sorted by key.
pub(super) fn canonical(params: &[(&str, String)]) -> String {
    let mut sorted = params.to_vec();
    sorted.sort();
    encode_pairs(&sorted)
}

/// The parts of a request that are signed.
pub(super) struct SignedMessage<'m> {
    /// The value of the header `Date`.
    pub(super) date: &'m str,
    /// `GET` or `POST`.
    pub(super) method: &'m str,
    /// The host's name, without a port.
    pub(super) host: &'m str,
    /// The path.
    pub(super) path: &'m str,
    /// The parameters in [canonical] form.
    pub(super) params: &'m str,
}

/// The value of `Authorization`.
pub(super) fn authorization_header(ikey: &str, skey: &Secret, message: &SignedMessage<'_>) -> String {
    let SignedMessage { date, method, host, path, params } = message;
    let host = host.to_lowercase();
    let signature = match Hmac::<Sha512>::new_from_slice(skey.expose()) {
        Ok(mut mac) => {
            mac.update(format!("{date}\n{method}\n{host}\n{path}\n{params}").as_bytes());
            HEXLOWER.encode(&mac.finalize().into_bytes())
        }
        // HMAC takes keys of any length.
        Err(_) => String::new(),
    };
    format!("Basic {}", BASE64.encode(format!("{ikey}:{signature}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_are_sorted_and_encoded() {
        let sorted = canonical(&params(&[
            ("username", "j\u{f6}rg müller+x@example.test"),
            ("factor", "push"),
            ("a", "-_.~ /?=&%\r\n"),
            ("empty", ""),
        ]));
        assert_eq!(
            sorted,
            "a=-_.~%20%2F%3F%3D%26%25%0D%0A&empty=&factor=push&\
             username=j%C3%B6rg%20m%C3%BCller%2Bx%40example.test"
        );
    }

    #[test]
    fn signature_is_that_of_openssl() {
        // printf 'DATE\nPOST\napi-1.example.test\n/auth/v2/preauth\nusername=anna' | openssl dgst -sha512 -hmac skey
        let value = authorization_header(
            "DIIKEY",
            &Secret::new("skey"),
            &SignedMessage {
                date: "Tue, 21 Aug 2012 17:29:18 -0000",
                method: "POST",
                host: "API-1.example.test",
                path: "/auth/v2/preauth",
                params: "username=anna",
            },
        );
        let decoded = BASE64.decode(value.strip_prefix("Basic ").unwrap().as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(decoded).unwrap(),
            "DIIKEY:62beb1be73a0fb3b1d29a66e3f5689ac13777f8fc752d4463e842294ba380293\
             67627afbc27fdbf40311cb760d782134d25df804e1dd985b6127d291447cc477"
        );
    }
}
