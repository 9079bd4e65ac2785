//! Who the users are: an LDAP server or Active Directory ([`open`]), Entra ID ([`entra_backend`]), or another RADIUS server
//! ([`radius_backend`]), asked over the network.
//!
//! No password is kept, none is sent over a connection that has not proved who is at its other end (but for
//! `transport = clear`), and none is in an error text.

mod entra;
mod host_health;
mod ldap;
mod radius;

/// What octets from outside go through, for `fuzz/`.
#[doc(hidden)]
pub mod fuzz {
    pub use super::entra::fuzz as entra;
    pub use super::ldap::fuzz as ldap;
    pub use super::radius::fuzz as radius;
}

pub use entra::EntraBackend;
pub use ldap::{ChangeMarker, LdapDirectory, ListRequest, ListResult, ListedUser, UserDetails};
pub use radius::RadiusBackend;

use crate::config::Config;
use crate::types::{ProbeFault, Secret, SetupError, decode};
use zeroize::Zeroizing;

/// The result of probing one host, for `mfa doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProbe {
    /// The host's name.
    pub host: String,
    /// What works, or what does not.
    pub found: Result<String, ProbeFault>,
}

/// The directory of `ldap { }`, if there is one. Nothing is asked yet; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &Config) -> Result<Option<LdapDirectory>, SetupError> {
    let country = config.sms.country_code.clone();
    config
        .ldap
        .as_ref()
        .map(|ldap| LdapDirectory::new(ldap, &config.names, country))
        .transpose()
        .map_err(|why| why.in_section("ldap"))
}

/// Entra ID as `entra { }` has it, if it is there. Nothing is asked yet; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn entra_backend(config: &Config) -> Result<Option<EntraBackend>, SetupError> {
    let entra = config.entra.as_ref().map(|entra| EntraBackend::new(entra, &config.names));
    entra.transpose().map_err(|why| why.in_section("entra"))
}

/// The servers of `radius { }`, if there are any. Nothing is asked yet.
pub fn radius_backend(config: &Config) -> Option<RadiusBackend> {
    config.radius.as_ref().map(RadiusBackend::new)
}

/// A password as directories want it: UTF-8 (RFC 4513, section 5.1.3). One that is not is taken for Windows-1252, as
/// user names are. `None` if it cannot be a password: an empty one would be an anonymous bind, and so would one of
/// which a host sees only what is before a NUL.
fn text_of(password: &Secret) -> Option<Zeroizing<String>> {
    let octets = password.expose();
    if octets.is_empty() || octets.contains(&0) {
        return None;
    }
    Some(Zeroizing::new(decode(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_nobodys_are_not_sent() {
        for bad in [&b""[..], b"\0", b"\0secret", b"secret\0"] {
            assert!(text_of(&Secret::new(bad)).is_none());
        }
        assert_eq!(text_of(&Secret::new("p\u{e4}ss")).unwrap().as_str(), "p\u{e4}ss");
        assert_eq!(text_of(&Secret::new(&b"p\xe4ss"[..])).unwrap().as_str(), "p\u{e4}ss");
        assert_eq!(text_of(&Secret::new(&b"100 \x80"[..])).unwrap().as_str(), "100 \u{20ac}");
    }
}
