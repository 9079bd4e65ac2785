//! Factors, tokens and their parameters, by their OATH names.

use std::num::NonZeroU64;

/// How a login's password field is read (`mode` in raddb, `MFA-Mode` in unlang).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only the second factor.
    #[default]
    Passcode,
    /// Password, then passcode, in one field.
    Append,
    /// The password; then the user chooses a factor in a challenge.
    Challenge,
    /// Only the password, or the password and an answer behind the delimiter; then the user's device is asked.
    Auto,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Passcode, Self::Append, Self::Challenge, Self::Auto];

    /// The word used in raddb, in the store and in `MFA-Mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passcode => "passcode",
            Self::Append => "append",
            Self::Challenge => "challenge",
            Self::Auto => "auto",
        }
    }
}

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// Time-based passcode (RFC 6238).
    Totp,
    /// Counter-based passcode (RFC 4226).
    Hotp,
    /// One of a list of codes, each for one use.
    Recovery,
    /// A question on the user's device.
    Push,
    /// A telephone call.
    Phone,
    /// Codes by text message.
    Sms,
    /// Codes by e-mail.
    Email,
    /// A passcode that the provider checks.
    Passcode,
}

impl Factor {
    /// Whether its codes come from a clock or a counter.
    pub const fn is_oath(self) -> bool {
        matches!(self, Self::Totp | Self::Hotp)
    }

    /// The word used in raddb, in the store and in `MFA-Factor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Hotp => "hotp",
            Self::Recovery => "recovery",
            Self::Push => "push",
            Self::Phone => "phone",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Passcode => "passcode",
        }
    }
}

/// The hash under a token's HMAC (RFC 6238, section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub enum Algorithm {
    /// HMAC-SHA-1, what every authenticator app knows.
    #[default]
    #[serde(rename = "SHA1")]
    Sha1,
    /// HMAC-SHA-256.
    #[serde(rename = "SHA256")]
    Sha256,
    /// HMAC-SHA-512.
    #[serde(rename = "SHA512")]
    Sha512,
}

impl Algorithm {
    /// The word of the otpauth URI and of the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// Digits of a passcode: 6 to 8 (RFC 4226, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Digits(u8);

/// Length of a time step: 15 to 300 seconds (RFC 6238, section 5.2 recommends 30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Period(NonZeroU64);

/// A token parameter out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Not a factor of ours.
    #[error("unknown factor \"{0}\": totp, hotp or recovery")]
    Factor(String),
    /// Not a hash of RFC 6238.
    #[error("unknown algorithm \"{0}\": SHA1, SHA256 or SHA512")]
    Algorithm(String),
    /// Digits out of 6 to 8.
    #[error("{0} digits: 6, 7 or 8")]
    Digits(u64),
    /// Period out of 15 to 300 s.
    #[error("period of {0} s: 15 to 300")]
    Period(u64),
}

impl std::str::FromStr for Factor {
    type Err = BadToken;
    fn from_str(word: &str) -> Result<Self, BadToken> {
        match word {
            "totp" => Ok(Self::Totp),
            "hotp" => Ok(Self::Hotp),
            "recovery" => Ok(Self::Recovery),
            "push" => Ok(Self::Push),
            "phone" => Ok(Self::Phone),
            "sms" => Ok(Self::Sms),
            "email" => Ok(Self::Email),
            "passcode" => Ok(Self::Passcode),
            other => Err(BadToken::Factor(other.to_owned())),
        }
    }
}

impl std::str::FromStr for Algorithm {
    type Err = BadToken;
    /// Case, dashes (`sha-256`) and the HMAC in front (`HmacSHA256`, `HMAC-SHA-256`) are forgiven.
    fn from_str(word: &str) -> Result<Self, BadToken> {
        let plain = word.to_ascii_uppercase().replace(['-', '_', ' '], "");
        match plain.strip_prefix("HMAC").unwrap_or(&plain) {
            "SHA1" => Ok(Self::Sha1),
            "SHA256" => Ok(Self::Sha256),
            "SHA512" => Ok(Self::Sha512),
            _ => Err(BadToken::Algorithm(word.to_owned())),
        }
    }
}

impl Digits {
    /// Checks the bounds.
    pub fn new(digits: u64) -> Result<Self, BadToken> {
        match u8::try_from(digits) {
            Ok(d @ 6..=8) => Ok(Self(d)),
            _ => Err(BadToken::Digits(digits)),
        }
    }
    /// The number of digits.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self(6)
    }
}

impl Period {
    /// Checks the bounds; in seconds.
    pub fn new(seconds: u64) -> Result<Self, BadToken> {
        match NonZeroU64::new(seconds) {
            Some(s) if (15..=300).contains(&seconds) => Ok(Self(s)),
            _ => Err(BadToken::Period(seconds)),
        }
    }
    /// The period in seconds.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl Default for Period {
    fn default() -> Self {
        const { Self(NonZeroU64::new(30).unwrap()) }
    }
}

/// A user's row in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub i64);

/// A token's row in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_read_as_libraries_call_them() {
        for (word, algorithm) in [
            ("SHA1", Algorithm::Sha1),
            ("sha-256", Algorithm::Sha256),
            ("HmacSHA256", Algorithm::Sha256),
            ("HMAC-SHA-256", Algorithm::Sha256),
            ("hmac_sha512", Algorithm::Sha512),
            ("HMACSHA1", Algorithm::Sha1),
        ] {
            assert_eq!(word.parse(), Ok(algorithm), "{word}");
        }
        for bad in ["", "HMAC", "MD5", "SHA224", "SHA"] {
            assert_eq!(bad.parse::<Algorithm>(), Err(BadToken::Algorithm(bad.into())));
        }
    }
}
