//! Whom a name means: the search for the one entry, and what is read of it.

use super::error::LdapFault;
use super::session::{LdapSession, SearchResult, ServerKind};
use crate::config::directory::{GroupMode, LdapOptions};
use crate::engine::directory::{AuthFailure, DirectoryUser};
use crate::types::{CountryCode, DistinguishedName, DomainRule, Mailbox, NameRules, PhoneNumber, UserName};
use ldap3::{Scope, SearchEntry, ldap_escape};
use std::collections::BTreeMap;

/// Attributes that are read in addition to the configured ones: identity and groups.
pub(super) const UPN: &str = "userPrincipalName";
pub(super) const SID: &str = "objectSid";
pub(super) const PRIMARY_GROUP: &str = "primaryGroupID";
pub(super) const MEMBER_OF: &str = "memberOf";
pub(super) const UID: &str = "uid";
pub(super) const GID: &str = "gidNumber";

/// An entry, its attributes by their names in lower case.
pub(super) struct LdapEntry {
    pub(super) dn: DistinguishedName,
    texts: BTreeMap<String, Vec<String>>,
    octets: BTreeMap<String, Vec<Vec<u8>>>,
}

impl LdapEntry {
    pub(super) fn new(entry: SearchEntry) -> Result<Self, LdapFault> {
        let dn = DistinguishedName::parse(&entry.dn)
            .map_err(|bad| LdapFault::Settled(format!("search: the name of an entry {bad}")))?;
        let texts = entry.attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values));
        let octets = entry.bin_attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values));
        Ok(Self { dn, texts: texts.collect(), octets: octets.collect() })
    }

    /// The values that are text.
    pub(super) fn text_values(&self, name: &str) -> &[String] {
        self.texts.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// All values that are text, by the attribute's name in lower case.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.texts.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// The first value, text or not.
    pub(super) fn first_octets(&self, name: &str) -> Option<&[u8]> {
        let text = self.text_values(name).first().map(String::as_bytes);
        text.or_else(|| self.octets.get(&name.to_ascii_lowercase())?.first().map(Vec::as_slice))
    }
}

/// The name that is asked about.
pub(super) struct AskedName {
    /// As it was typed, by which the directory is searched: what is equal to it, the directory says.
    pub(super) spelled: String,
    /// What the name of the entry that is found must come to by our rules. Directories find more than they were asked for, such as
    /// "bob" for "b\u{f3}b", or "mary ann" for the same with two blanks; and the rules here take more for equal than they do.
    canonical: UserName,
    rules: NameRules,
    /// The user, and the rules of the site.
    user: UserName,
    names: NameRules,
}

impl AskedName {
    /// None if there can be no entry of that name.
    pub(super) fn new(
        config: &LdapOptions,
        names: &NameRules,
        user: &UserName,
        typed: &[u8],
    ) -> Option<Self> {
        let filled = |name: &str| config.username.fill_template(&|_| Some(name.to_owned())).ok();
        let spelled = filled(&UserName::with_typed_spelling(typed, names).ok()?)?;
        if spelled.is_empty() || spelled.chars().any(char::is_control) {
            return None;
        }
        let rules = NameRules { case: names.case, domain: DomainRule::Keep, ..NameRules::default() };
        let canonical = UserName::parse(filled(user.as_str())?.as_bytes(), &rules).ok()?;
        Some(Self { spelled, canonical, rules, user: user.clone(), names: names.clone() })
    }

    /// Whether the user is called like that wherever the entry's own name is taken: by `mfa sync`.
    fn is_of(&self, entry: &LdapEntry, config: &LdapOptions) -> bool {
        match entry.text_values(&config.username_attribute) {
            [own] => UserName::parse(own.as_bytes(), &self.names).is_ok_and(|own| own == self.user),
            _ => false,
        }
    }

    /// Whether that is the name.
    fn is_named(&self, own: &str) -> bool {
        UserName::parse(own.as_bytes(), &self.rules).is_ok_and(|own| own == self.canonical)
    }
}

/// The one entry of this name, below `search_dn` or, if it is given, at `dn`.
pub(super) async fn find_entry(
    session: &mut LdapSession,
    config: &LdapOptions,
    user: &AskedName,
    dn: Option<&str>,
) -> Result<Result<LdapEntry, AuthFailure>, LdapFault> {
    let attribute = naming_attribute(config, &user.spelled);
    let own = format!("({attribute}={})", ldap_escape(user.spelled.as_str()));
    let filter = config.filter.as_ref().map_or_else(|| own.clone(), |filter| format!("(&{filter}{own})"));
    let mut wanted =
        vec![attribute, &config.username_attribute, UPN, &config.mail_attribute, &config.phone_attribute];
    wanted.extend(config.attributes.iter().map(String::as_str));
    match session.tree.kind {
        _ if config.groups == GroupMode::None => {}
        ServerKind::Active => wanted.extend([SID, PRIMARY_GROUP]),
        ServerKind::Other => wanted.extend([MEMBER_OF, UID, GID]),
    }
    wanted.sort_unstable_by_key(|name| name.to_ascii_lowercase());
    wanted.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    let mut found: Option<LdapEntry> = None;
    let places = match dn {
        Some(dn) => vec![(dn, Scope::Base)],
        None => config.search_dn.iter().map(|base| (base.as_str(), Scope::Subtree)).collect(),
    };
    for (base, scope) in places {
        let SearchResult { entries, is_cut } =
            session.search_entries(base, scope, &filter, &wanted, 2).await?;
        if is_cut {
            return Ok(Err(AuthFailure::Ambiguous));
        }
        for entry in entries {
            let entry = LdapEntry::new(entry)?;
            // Bases may overlap.
            if found.as_ref().is_some_and(|found| found.dn != entry.dn) {
                return Ok(Err(AuthFailure::Ambiguous));
            }
            found = Some(entry);
        }
    }
    let Some(entry) = found else { return Ok(Err(AuthFailure::Unknown)) };
    if entry.text_values(attribute).is_empty() {
        let text = format!("the entry of a user was found by {attribute}, which may not be read");
        return Err(LdapFault::Settled(text));
    }
    // Another spelling would make another user here, without a token.
    let is_named = entry.text_values(attribute).iter().any(|own| user.is_named(own));
    Ok(if is_named { Ok(entry) } else { Err(AuthFailure::Unknown) })
}

/// Where the name stands.
fn naming_attribute<'c>(config: &'c LdapOptions, user: &str) -> &'c str {
    if user.contains('@') { &config.at_attribute } else { &config.username_attribute }
}

/// The entry's own spelling of this name.
pub(super) fn name_of<'e>(entry: &'e LdapEntry, config: &LdapOptions, user: &'e AskedName) -> &'e str {
    let own =
        entry.text_values(naming_attribute(config, &user.spelled)).iter().find(|own| user.is_named(own));
    own.unwrap_or(&user.spelled)
}

/// The user as the engine sees them.
pub(super) fn to_directory_user(
    config: &LdapOptions,
    country: Option<&CountryCode>,
    user: &AskedName,
    entry: &LdapEntry,
    groups: Vec<DistinguishedName>,
) -> DirectoryUser {
    let mut mails = entry.text_values(&config.mail_attribute).iter();
    let mut phones = entry.text_values(&config.phone_attribute).iter();
    let wanted = [&config.mail_attribute, &config.phone_attribute].into_iter().chain(&config.attributes);
    let told = wanted.map(|name| (name.to_ascii_lowercase(), entry.text_values(name).to_vec()));
    DirectoryUser {
        dn: Some(entry.dn.clone()),
        name: name_of(entry, config, user).to_owned(),
        upn: entry.text_values(UPN).first().cloned(),
        mail: mails.find_map(|text| Mailbox::parse(text).ok()),
        phone: phones.find_map(|text| PhoneNumber::parse(text, country).ok()),
        attributes: told.filter(|(_, values)| !values.is_empty()).collect(),
        groups: (config.groups != GroupMode::None).then_some(groups),
        reply: Vec::new(),
        is_named: user.is_of(entry, config),
    }
}
