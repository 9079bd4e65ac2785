//! Who the users are: an LDAP server or Active Directory, asked over the network. [`open`] makes what the engine asks.
//!
//! No password is kept, none is sent over a connection that has not proved who is at its other end (but for
//! `transport = clear`), and none is in an error text.

mod ldap;

pub use ldap::{Ask, Ldap, Listed, Member, Probed, Since, Told};

use crate::config::Config;

/// The directory of `ldap { }`, if there is one. Nothing is asked yet; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &Config) -> Result<Option<Ldap>, String> {
    let country = config.sms.country_code.clone();
    config
        .ldap
        .as_ref()
        .map(|ldap| Ldap::new(ldap, country))
        .transpose()
        .map_err(|why| format!("ldap: {why}"))
}
