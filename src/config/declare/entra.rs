//! The options of `entra { }`.

use crate::config::entra::{ClientCredential, EntraMfa, EntraOptions, EntraVerdict, error_code_row};
use crate::config::error::{InvalidValue, invalid};
use crate::config::push::HttpOptions;
use crate::config::reader::OptionReader;
use crate::config::values::{http, optional_file, secret, text};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// `None` if no tenant is set, or an option is missing; the latter is recorded as an error.
pub(super) fn entra(r: &mut OptionReader<'_, '_>) -> Option<EntraOptions> {
    let tenant = r.read_option("tenant", None, |_: &Option<String>| None, |name| tenant(name).map(Some));
    let client_id = r.read_option(
        "client_id",
        None,
        |_: &Option<String>| None,
        |id| match id {
            "" => Err(invalid!("is empty")),
            id => text(id).map(Some),
        },
    );
    let proof = proof(r);
    let domain = r.read_option("domain", None, |_| Some(String::new()), domain);
    let authority = authority(r);
    let mfa = r.read_yes_no("require_entra_mfa", EntraMfa::Optional, EntraMfa::Required, EntraMfa::Optional);
    let verdicts = r.section("verdicts", verdicts);
    let http =
        http(r, "timeout", HttpOptions { timeout: Duration::from_secs(10), ca_file: None, proxy: None });
    for (name, is_set) in [("tenant", tenant.is_some()), ("client_id", client_id.is_some())] {
        // What stands there without them would silently not hold.
        let others =
            ["tenant", "client_id", "client_secret", "certificate_file", "domain", "require_entra_mfa"];
        if !is_set && !r.has_option(name) && others.iter().any(|other| r.has_option(other)) {
            r.report_conflict(
                name,
                "is missing: Entra ID is asked for a tenant, in the name of an application of it",
            );
        }
    }
    Some(EntraOptions {
        tenant: tenant?,
        client_id: client_id?,
        proof,
        domain,
        authority,
        mfa,
        verdicts,
        http,
    })
}

/// The endpoint for all tenants would let users of all tenants in.
fn tenant(name: &str) -> Result<String, InvalidValue> {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "common" | "organizations" | "consumers" => {
            Err(invalid!("must not be {lower}, where users of other tenants are let in, too: name your own"))
        }
        name if name.contains(|c: char| c != '.') && name.chars().all(is_in) => Ok(lower),
        _ => Err(invalid!(
            "must be the tenant's id, or one of its domains, such as \"example.onmicrosoft.com\", not \"{name}\""
        )),
    }
}

fn proof(r: &mut OptionReader<'_, '_>) -> ClientCredential {
    let secret = r.read_option(
        "client_secret",
        None,
        |_| None,
        |given| match given {
            "" => Err(invalid!("is empty: set it, or remove it for a public client")),
            given => secret(given).map(Some),
        },
    );
    let certificate = optional_file(r, "certificate_file");
    let key = optional_file(r, "private_key_file");
    if certificate.is_some() != key.is_some() {
        let lacks = if key.is_some() { "certificate_file" } else { "private_key_file" };
        r.report_conflict(lacks, "is missing: a certificate and its private key go together");
    }
    match (secret, certificate, key) {
        (Some(_), Some(_), _) => {
            r.report_conflict("client_secret", "and \"certificate_file\" are both set: remove one");
            ClientCredential::Public
        }
        (Some(secret), ..) => ClientCredential::Secret(secret),
        (None, Some(certificate), Some(key)) => ClientCredential::Certificate { certificate, key },
        (None, ..) => ClientCredential::Public,
    }
}

fn domain(text: &str) -> Result<Option<String>, InvalidValue> {
    let is_bad = |c: char| c == '@' || c == '\\' || c.is_whitespace() || c.is_control();
    match text {
        "" => Ok(None),
        text if text.contains(is_bad) => {
            Err(invalid!("must be a domain alone, such as \"example.test\", not \"{text}\""))
        }
        text => Ok(Some(text.to_owned())),
    }
}

/// Where its logins are.
fn authority(r: &mut OptionReader<'_, '_>) -> String {
    const PUBLIC: &str = "https://login.microsoftonline.com";
    let clouds = [
        ("public", PUBLIC),
        ("usgov", "https://login.microsoftonline.us"),
        ("china", "https://login.partner.microsoftonline.cn"),
    ];
    let cloud = r.read_choice("cloud", PUBLIC, &clouds);
    let own = r.read_option("authority", None, |_| None, |text| root(text).map(Some));
    if own.is_some() && r.has_option("cloud") {
        r.report_conflict("authority", "and \"cloud\" are both set: remove one");
    }
    own.unwrap_or_else(|| cloud.to_owned())
}

/// Passwords go there: never without TLS, not even to this machine.
fn root(text: &str) -> Result<String, InvalidValue> {
    match Url::parse(text) {
        Ok(url)
            if url.scheme() == "https"
                && url.path() == "/"
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(url.origin().ascii_serialization())
        }
        _ => Err(invalid!("must be https:// and a host, such as https://login.example.test, not \"{text}\"")),
    }
}

fn verdicts(r: &mut OptionReader<'_, '_>) -> BTreeMap<u64, EntraVerdict> {
    let mut verdicts = BTreeMap::new();
    r.read_free_pairs(|code, word| {
        let number = code.parse().ok().filter(|code| *code > 0);
        let code: u64 = number.ok_or("must be a number, such as 53003 of AADSTS53003")?;
        let found = EntraVerdict::WORDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        let (_, verdict) = found.ok_or_else(|| {
            let words = EntraVerdict::WORDS.map(|(word, _)| word);
            format!("must be {}, not \"{word}\"", words.join(" or "))
        })?;
        // Those of which it is known that they come whatever the password.
        let proves = error_code_row(code)
            .is_none_or(|row| matches!(row.verdict, EntraVerdict::Accept | EntraVerdict::Blocked));
        if verdict == EntraVerdict::Accept && !proves {
            return Err(invalid!("must not be accept: Entra ID says so of wrong passwords, too"));
        }
        match verdicts.insert(code, verdict) {
            None => Ok(()),
            Some(_) => Err(invalid!("stands here a second time")),
        }
    });
    verdicts
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;
    use super::*;

    const WHOLE: &str =
        "tenant = Example.onmicrosoft.com\nclient_id = 11111111-2222-3333-4444-555555555555\n";

    fn entra_of(text: &str) -> Result<Option<EntraOptions>, String> {
        config_of(&format!("entra {{\n{text}\n}}")).map(|config| config.entra)
    }

    #[test]
    fn tenant_and_application_will_do() {
        let entra = entra_of(WHOLE).unwrap().unwrap();
        assert_eq!(
            (entra.tenant.as_str(), entra.proof, entra.domain),
            ("example.onmicrosoft.com", ClientCredential::Public, None)
        );
        assert_eq!(
            (entra.authority.as_str(), entra.mfa),
            ("https://login.microsoftonline.com", EntraMfa::Optional)
        );
        assert!(entra_of("timeout = 3").unwrap().is_none());
        let own = format!(
            "{WHOLE}authority = \"https://login.example.test:8443\"\nverdicts {{\n53003 = accept\n}}"
        );
        let entra = entra_of(&own).unwrap().unwrap();
        assert_eq!(entra.authority, "https://login.example.test:8443");
        assert_eq!(
            (entra.code_verdict(53003), entra.code_verdict(50126)),
            (Some(EntraVerdict::Accept), Some(EntraVerdict::Wrong))
        );
        assert_eq!(entra.code_verdict(4711), None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("client_id = a", "\"tenant\" is missing"),
            ("tenant = a.test", "\"client_id\" is missing"),
            ("require_entra_mfa = yes", "\"tenant\" is missing"),
            ("tenant = Common\nclient_id = a", "users of other tenants are let in"),
            ("tenant = organizations\nclient_id = a", "users of other tenants are let in"),
            ("tenant = \"a/b\"\nclient_id = a", "must be the tenant's id"),
            ("tenant = ..\nclient_id = a", "must be the tenant's id"),
            (&format!("{WHOLE}client_secret = \"\""), "is empty"),
            (&format!("{WHOLE}certificate_file = /a"), "\"private_key_file\" is missing"),
            (&format!("{WHOLE}private_key_file = /a"), "\"certificate_file\" is missing"),
            (
                &format!("{WHOLE}client_secret = a\ncertificate_file = /a\nprivate_key_file = /b"),
                "are both set",
            ),
            (&format!("{WHOLE}domain = \"@example.test\""), "must be a domain alone"),
            (&format!("{WHOLE}authority = \"http://127.0.0.1\""), "must be https://"),
            (&format!("{WHOLE}authority = \"https://a.test/tenant\""), "must be https://"),
            (&format!("{WHOLE}authority = \"https://a.test\"\ncloud = china"), "are both set"),
            (&format!("{WHOLE}verdicts {{\nAADSTS53003 = accept\n}}"), "must be a number"),
            (&format!("{WHOLE}verdicts {{\n53003 = yes\n}}"), "must be accept or expired"),
            (&format!("{WHOLE}verdicts {{\n53003 = accept\n053003 = wrong\n}}"), "a second time"),
        ] {
            let refused = entra_of(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }

    #[test]
    fn wrong_passwords_cannot_be_made_right() {
        for code in [50126, 50053, 50057, 50034, 50055, 7000218, 90033] {
            let refused = entra_of(&format!("{WHOLE}verdicts {{\n{code} = accept\n}}")).unwrap_err();
            assert!(refused.contains("must not be accept"), "{code}: {refused}");
        }
    }
}
