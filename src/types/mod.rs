//! The vocabulary: small values that every other folder speaks in. No I/O, no clock, no randomness.

mod choice;
mod digest;
mod dn;
mod encoding;
mod factor;
mod mailbox;
mod otpauth;
mod passcode;
mod password;
mod phone;
mod printable;
pub mod radius_attribute;
mod secret;
mod secret_text;
mod setup_error;
mod shell;
mod time;
mod user;

pub use choice::FactorChoice;
pub use digest::keyed_digest;
pub use dn::{BadDn, DistinguishedName};
pub use encoding::decode;
pub use factor::{Algorithm, BadToken, Digits, Factor, Mode, Period, TokenId, UserId};
pub use mailbox::{BadMailbox, Mailbox};
pub use otpauth::{BadUri, OathParameters, OtpAuth, secret_to_base32};
pub use passcode::{Passcode, RECOVERY_LENGTH};
pub use password::{BadPassword, normalise_password};
pub use phone::{BadPhone, CountryCode, PhoneNumber};
pub use printable::{Printable, is_invisible};
pub use secret::Secret;
pub use secret_text::{BadSecret, SecretEncoding, secret_from_text, strip_quotes};
pub use setup_error::{ProbeFault, SetupError, UnusableValue};
pub use shell::{QuotedText, ShellArgument};
pub use time::Timestamp;
pub use user::{BadName, CaseRule, DomainRule, NameRules, UserName};
