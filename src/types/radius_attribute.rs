//! RADIUS attributes as octets (RFC 2865, section 5): their numbers, how they are walked, and which of them carry secrets.

/// Numbers of attributes.
pub mod kind {
    /// User-Name.
    pub const USER_NAME: u8 = 1;
    /// User-Password.
    pub const USER_PASSWORD: u8 = 2;
    /// CHAP-Password.
    pub const CHAP_PASSWORD: u8 = 3;
    /// NAS-IP-Address.
    pub const NAS_IP_ADDRESS: u8 = 4;
    /// Reply-Message.
    pub const REPLY_MESSAGE: u8 = 18;
    /// State.
    pub const STATE: u8 = 24;
    /// Vendor-Specific.
    pub const VENDOR_SPECIFIC: u8 = 26;
    /// NAS-Identifier.
    pub const NAS_IDENTIFIER: u8 = 32;
    /// Proxy-State.
    pub const PROXY_STATE: u8 = 33;
    /// CHAP-Challenge.
    pub const CHAP_CHALLENGE: u8 = 60;
    /// Tunnel-Password (RFC 2868).
    pub const TUNNEL_PASSWORD: u8 = 69;
    /// Prompt (RFC 2869).
    pub const PROMPT: u8 = 76;
    /// EAP-Message (RFC 3579).
    pub const EAP_MESSAGE: u8 = 79;
    /// Message-Authenticator (RFC 3579).
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
    /// NAS-IPv6-Address (RFC 3162).
    pub const NAS_IPV6_ADDRESS: u8 = 95;
}

/// Numbers of Microsoft's attributes (RFC 2548).
pub mod microsoft {
    /// Microsoft's own number as a vendor.
    pub const VENDOR: u32 = 311;
    /// MS-CHAP-Response.
    pub const CHAP_RESPONSE: u8 = 1;
    /// MS-CHAP-Error.
    pub const CHAP_ERROR: u8 = 2;
    /// MS-CHAP-CPW-1: a change of password, as the three that follow.
    pub const CHAP_CPW_1: u8 = 3;
    /// MS-CHAP-CPW-2.
    pub const CHAP_CPW_2: u8 = 4;
    /// MS-CHAP-LM-Enc-PW.
    pub const CHAP_LM_ENC_PW: u8 = 5;
    /// MS-CHAP-NT-Enc-PW.
    pub const CHAP_NT_ENC_PW: u8 = 6;
    /// MS-CHAP-Challenge.
    pub const CHAP_CHALLENGE: u8 = 11;
    /// MS-CHAP-MPPE-Keys.
    pub const CHAP_MPPE_KEYS: u8 = 12;
    /// MS-MPPE-Send-Key.
    pub const MPPE_SEND_KEY: u8 = 16;
    /// MS-MPPE-Recv-Key.
    pub const MPPE_RECV_KEY: u8 = 17;
    /// MS-CHAP2-Response.
    pub const CHAP2_RESPONSE: u8 = 25;
    /// MS-CHAP2-Success.
    pub const CHAP2_SUCCESS: u8 = 26;
    /// MS-CHAP2-CPW: a change of password.
    pub const CHAP2_CPW: u8 = 27;
}

/// The kind of secret that an attribute carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeSecret {
    /// A password, the response to a challenge, or a change of password. It comes in requests.
    Credential,
    /// A key of the session, or the password of a tunnel. It comes in accepts, encrypted.
    SessionKey,
}

/// The vendor number of an attribute that is not vendor-specific.
const NO_VENDOR: u32 = 0;

/// Every attribute that carries a secret: vendor, number, kind of secret.
const SECRETS: [(u32, u8, AttributeSecret); 13] = [
    (NO_VENDOR, kind::USER_PASSWORD, AttributeSecret::Credential),
    (NO_VENDOR, kind::CHAP_PASSWORD, AttributeSecret::Credential),
    (NO_VENDOR, kind::TUNNEL_PASSWORD, AttributeSecret::SessionKey),
    (microsoft::VENDOR, microsoft::CHAP_RESPONSE, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP_CPW_1, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP_CPW_2, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP_LM_ENC_PW, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP_NT_ENC_PW, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP_MPPE_KEYS, AttributeSecret::SessionKey),
    (microsoft::VENDOR, microsoft::MPPE_SEND_KEY, AttributeSecret::SessionKey),
    (microsoft::VENDOR, microsoft::MPPE_RECV_KEY, AttributeSecret::SessionKey),
    (microsoft::VENDOR, microsoft::CHAP2_RESPONSE, AttributeSecret::Credential),
    (microsoft::VENDOR, microsoft::CHAP2_CPW, AttributeSecret::Credential),
];

/// The secret that an attribute carries, by vendor (0 for none) and number.
fn secret_of(vendor: u32, number: u8) -> Option<AttributeSecret> {
    let entry = SECRETS.iter().find(|(of, known, _)| (*of, *known) == (vendor, number));
    entry.map(|(_, _, secret)| *secret)
}

/// The secret that one of Microsoft's attributes carries.
pub fn microsoft_secret(number: u8) -> Option<AttributeSecret> {
    secret_of(microsoft::VENDOR, number)
}

/// The secret that an attribute carries as it is on the wire, encrypted or not. Of several Microsoft attributes in one
/// Vendor-Specific attribute, the first that carries one counts.
pub fn carried_secret(kind: u8, value: &[u8]) -> Option<AttributeSecret> {
    match kind {
        kind::VENDOR_SPECIFIC => {
            microsoft_attributes(value)?.find_map(|(number, _)| microsoft_secret(number))
        }
        _ => secret_of(NO_VENDOR, kind),
    }
}

/// The first attribute: its number, its value, and the octets behind it. `None` at the end, or if its length is wrong.
pub fn split_attribute(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, _) = octets.split_first_chunk::<2>()?;
    let [kind, length] = *head;
    let (whole, behind) = octets.split_at_checked(length.into())?;
    Some((kind, whole.get(2..)?, behind))
}

/// The attributes in order, number and value, up to the end or the first whose length is wrong.
pub fn walk_attributes(octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (kind, value, behind) = split_attribute(rest)?;
        rest = behind;
        Some((kind, value))
    })
}

/// Microsoft's attributes in the value of a Vendor-Specific attribute. `None` if it is another vendor's.
pub fn microsoft_attributes(value: &[u8]) -> Option<impl Iterator<Item = (u8, &[u8])>> {
    let (vendor, octets) = value.split_first_chunk::<4>()?;
    (u32::from_be_bytes(*vendor) == microsoft::VENDOR).then(|| walk_attributes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_walked_to_the_first_wrong_length() {
        let walk =
            |octets| walk_attributes(octets).map(|(kind, value)| (kind, value.to_vec())).collect::<Vec<_>>();
        assert_eq!(walk(b"\x01\x03a\x02\x02"), [(1, b"a".to_vec()), (2, vec![])]);
        for wrong in
            [&b"\x01\x03a\x02"[..], b"\x01\x03a\x02\x01", b"\x01\x03a\x02\x00", b"\x01\x03a\x02\x04x"]
        {
            assert_eq!(walk(wrong), [(1, b"a".to_vec())], "{wrong:?}");
        }
        assert_eq!(walk(b""), []);
    }

    #[test]
    fn secrets_are_known_by_vendor_and_number() {
        for (kind, value, secret) in [
            (2, &b"x"[..], Some(AttributeSecret::Credential)),
            (69, b"\x01x", Some(AttributeSecret::SessionKey)),
            (16, b"x", None),
            (26, b"\0\0\x01\x37\x10\x03k", Some(AttributeSecret::SessionKey)),
            (26, b"\0\0\x01\x37\x0a\x03a\x19\x03r", Some(AttributeSecret::Credential)),
            (26, b"\0\0\x01\x37\x1a\x03s", None),
            (26, b"\0\0\0\x09\x10\x03k", None),
            (26, b"\0\0\x01", None),
        ] {
            assert_eq!(carried_secret(kind, value), secret, "{kind} {value:?}");
        }
    }
}
