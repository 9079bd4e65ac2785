//! `first_factor` and its like: who checks the password.

use crate::config::directory::{LdapOptions, SearchAccount};
use crate::config::error::invalid;
use crate::config::name_template::{NameTemplate, NameVariable};
use crate::config::profile::StaticChallenge;
use crate::config::reader::OptionReader;
use crate::config::values::{MINUTE, SECOND};
use crate::config::{Config, FirstFactor, PasswordBackendKind, PasswordSource};
use crate::types::{Mode, NameRules};

/// What `first_factor` may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstFactorWord {
    None,
    Client,
    By(PasswordBackendKind),
}

pub(super) fn password(r: &mut OptionReader<'_, '_>) -> (FirstFactor, PasswordSource) {
    let own = PasswordBackendKind::ALL.map(|by| (by.as_str(), FirstFactorWord::By(by)));
    let mut words = vec![("none", FirstFactorWord::None), ("client", FirstFactorWord::Client)];
    words.extend(own);
    let word = r.read_choice("first_factor", FirstFactorWord::None, &words);
    let mut fallbacks = vec![("none", None)];
    fallbacks.extend(PasswordBackendKind::ALL.map(|by| (by.as_str(), Some(by))));
    let fallback = r.read_choice("first_factor_fallback", None, &fallbacks);
    let mut passwords = PasswordSource { fallback, ..PasswordSource::default() };
    r.section("first_factor_domains", |r| {
        r.read_free_pairs(|domain, to| {
            let by = PasswordBackendKind::ALL.into_iter().find(|by| by.as_str() == to);
            let by = by.ok_or_else(|| invalid!("must be ldap, entra, radius or local, not \"{to}\""))?;
            match passwords.domains.insert(NameRules::domain_key(domain), by) {
                None => Ok(()),
                Some(_) => Err(invalid!("stands here a second time, upper and lower case being the same")),
            }
        });
    });
    passwords.wrong_cache = r.read_duration("wrong_cache", passwords.wrong_cache, SECOND, 0..=600);
    passwords.right_cache = r.read_duration("password_cache", passwords.right_cache, MINUTE, 0..=480);
    let first = match word {
        FirstFactorWord::None => FirstFactor::None,
        FirstFactorWord::Client => FirstFactor::Client,
        FirstFactorWord::By(by) => {
            passwords.by = Some(by);
            FirstFactor::Own
        }
    };
    if first != FirstFactor::Own && (fallback.is_some() || !passwords.domains.is_empty()) {
        let which = if fallback.is_some() { "first_factor_fallback" } else { "first_factor_domains" };
        r.report_conflict(
            which,
            "needs a \"first_factor\" that this module asks: ldap, entra, radius or local",
        );
    }
    if fallback.is_some() && fallback == passwords.by {
        r.report_conflict("first_factor_fallback", "is \"first_factor\" itself: name another, or remove it");
    }
    let has_cache =
        passwords.all().any(|by| matches!(by, PasswordBackendKind::Ldap | PasswordBackendKind::Entra));
    if !passwords.right_cache.is_zero() && !has_cache {
        r.report_conflict(
            "password_cache",
            "is for the passwords of ldap and entra, and neither is asked: remove it",
        );
    }
    (first, passwords)
}

/// Whether those who are named are there.
pub(super) fn check(r: &mut OptionReader<'_, '_>, config: &Config) {
    if config.first_factor == FirstFactor::Own && config.mode == Mode::Passcode {
        r.report_conflict(
            "mode",
            "is passcode, where there is no password that \"first_factor\" could check: take append, challenge or auto",
        );
    }
    for by in config.passwords.all() {
        let is_there = match by {
            PasswordBackendKind::Ldap => config.ldap.is_some(),
            PasswordBackendKind::Entra => config.entra.is_some(),
            PasswordBackendKind::Radius => config.radius.is_some(),
            PasswordBackendKind::Local => true,
        };
        if !is_there {
            let by = by.as_str();
            r.report_conflict("first_factor", &format!("needs {by} {{ }}: where is it?"));
        }
    }
    check_account(r, config);
}

/// Checks that the directory can look up users without their password.
fn check_account(r: &mut OptionReader<'_, '_>, config: &Config) {
    let Some(LdapOptions { account: SearchAccount::User(_), .. }) = &config.ldap else { return };
    let is_own = config.first_factor == FirstFactor::Own;
    let what = match () {
        () if !config.stored_as.needs_only_the_name() => "\"stored_as\" of username { }",
        () if is_own && config.policy.goes_by_groups() => "a group in policy { }",
        () if !is_own && !config.replies.is_empty() => "reply { }",
        () if !is_own && !config.push.username.needs_only_the_name() => "\"username\" of push { }",
        () => return,
    };
    let (option, why) = match (is_own, config.mode) {
        (false, _) => ("first_factor", "does not have the password checked here"),
        (true, Mode::Append) => ("mode", "is append, where codes come before passwords"),
        (true, _) if config.delimiter.is_some() => ("delimiter", "lets codes come before passwords"),
        (true, _) if config.unpacking.static_challenge => {
            ("static_challenge", "lets codes come before passwords")
        }
        (true, _) if config.client.profile.static_challenge == StaticChallenge::Packed => {
            ("client_profile", "lets codes come before passwords, in static challenges")
        }
        (true, _) => return,
    };
    let text = format!(
        "{why}, and {what} needs to know the user without it: set \"service_account_username\" in ldap {{ }} \
         instead of \"bind_as\""
    );
    r.report_conflict(option, &text);
}

/// Adds the variables of templates to the attributes that are read from the directory.
pub(super) fn read_gaps(config: &mut Config) {
    let Some(ldap) = &mut config.ldap else { return };
    let replies = config.replies.iter().flat_map(|reply| &reply.attributes).map(|(_, template)| template);
    for gap in
        replies.chain([&config.stored_as, &config.push.username]).flat_map(NameTemplate::used_variables)
    {
        if let NameVariable::Attribute(name) = gap
            && !ldap.attributes.iter().any(|own| own.eq_ignore_ascii_case(name))
        {
            ldap.attributes.push(name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;

    #[test]
    fn what_has_to_be_known_before_the_password_needs_an_account() {
        let with = |mode: &str, more: &str| {
            config_of(&format!(
                "mode = {mode}\nfirst_factor = ldap\nldap {{\n host = dc1\n search_dn = \"dc=test\"\n bind_as = \"{{user}}@test\"\n}}\n{more}"
            ))
        };
        let group = "policy {\nrequired {\ngroup = vpn\n}\n}";
        for (more, what) in [("username {\nstored_as = \"{mail}\"\n}", "stored_as"), (group, "group")] {
            let told = with("append", more).unwrap_err();
            assert!(told.contains("instead of \"bind_as\"") && told.contains(what), "{told}");
            assert!(with("challenge", more).is_ok());
            let told = with("challenge", &format!("delimiter = \",\"\n{more}")).unwrap_err();
            assert!(told.contains("\"delimiter\" lets codes come before"), "{told}");
            for (option, name) in [
                ("static_challenge = yes", "static_challenge"),
                ("client_profile = openvpn", "client_profile"),
            ] {
                let told = with("challenge", &format!("{option}\n{more}")).unwrap_err();
                assert!(told.contains(&format!("\"{name}\" lets codes come before")), "{told}");
            }
        }
        for more in
            ["reply {\nall {\nattribute = \"Class = {mail}\"\n}\n}", "push {\nusername = \"{mail}\"\n}"]
        {
            let own = with("append", more);
            assert!(own.is_ok(), "{own:?}");
            let client = format!(
                "mode = append\nldap {{\n host = dc1\n search_dn = \"dc=test\"\n bind_as = \"{{user}}@test\"\n}}\n{more}"
            );
            let told = config_of(&client).unwrap_err();
            assert!(told.contains("\"first_factor\" does not have the password checked"), "{told}");
        }
        assert!(with("append", "username {\nstored_as = \"{user}@test\"\n}").is_ok());
    }

    #[test]
    fn passwords_are_remembered_as_told() {
        let passwords = config_of("").unwrap().passwords;
        assert_eq!((passwords.wrong_cache.as_secs(), passwords.right_cache.as_secs()), (30, 0));
        let ldap = "mode = challenge\nfirst_factor = ldap\nldap {\n host = ldap.example.test\n search_dn = \"dc=example,dc=test\"\n}";
        let passwords =
            config_of(&format!("{ldap}\nwrong_cache = 0\npassword_cache = 15")).unwrap().passwords;
        assert_eq!((passwords.wrong_cache.as_secs(), passwords.right_cache.as_secs()), (0, 900));
    }

    #[test]
    fn right_passwords_of_the_store_or_of_a_server_are_not_remembered() {
        for by in ["local", "none"] {
            let told = config_of(&format!("mode = challenge\nfirst_factor = {by}\npassword_cache = 15"))
                .unwrap_err();
            assert!(told.contains("\"password_cache\" is for the passwords of ldap and entra"), "{told}");
        }
    }
}
