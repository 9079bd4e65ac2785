//! Values that several sections share: URLs, hosts, files, secrets, names.

use crate::config::error::{InvalidValue, invalid};
use crate::config::http_options::HttpOptions;
use crate::config::name_template::NameTemplate;
use crate::config::policy::GroupName;
use crate::config::reader::OptionReader;
use crate::types::{DistinguishedName, Secret};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

pub(in crate::config) const SECOND: Duration = Duration::from_secs(1);
pub(in crate::config) const MINUTE: Duration = Duration::from_secs(60);
pub(in crate::config) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A template of user attributes; `{user}` by default.
pub(in crate::config) fn declare_template(r: &mut OptionReader<'_, '_>, name: &'static str) -> NameTemplate {
    r.read_option(
        name,
        NameTemplate::default(),
        |template| Some(template.to_string()),
        |text| Ok(NameTemplate::parse(text)?),
    )
}

/// What a section that is there lacks.
pub(in crate::config) fn missing<T>(r: &mut OptionReader<'_, '_>, option: &str, text: &str) -> Option<T> {
    if r.is_there() {
        r.report_conflict(option, text);
    }
    None
}

/// A name or a number in one line; nothing if it is not set.
pub(in crate::config) fn plain(r: &mut OptionReader<'_, '_>, name: &'static str) -> String {
    r.read_option(
        name,
        String::new(),
        |_| None,
        |text| match text.chars().any(char::is_control) {
            true => Err(invalid!("must not hold control characters")),
            false => Ok(text.to_owned()),
        },
    )
}

/// How servers are reached by HTTP; `timeout` is what the option is called.
pub(in crate::config) fn http(
    r: &mut OptionReader<'_, '_>,
    timeout: &'static str,
    default: HttpOptions,
) -> HttpOptions {
    HttpOptions {
        timeout: r.read_duration(timeout, default.timeout, SECOND, 1..=50),
        ca_file: optional_file(r, "ca_file"),
        proxy: r.read_option("proxy", None, |_: &Option<Url>| None, |text| through(text).map(Some)),
    }
}

pub(in crate::config) fn text(text: &str) -> Result<String, InvalidValue> {
    match text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        true => Err(invalid!("must not hold white space or control characters")),
        false => Ok(text.to_owned()),
    }
}

pub(in crate::config) fn secret(text: &str) -> Result<Secret, InvalidValue> {
    Ok(Secret::new(text))
}

/// A file that need not be there.
pub(in crate::config) fn optional_file(r: &mut OptionReader<'_, '_>, name: &'static str) -> Option<PathBuf> {
    match r.has_option(name) {
        true => Some(r.file(name, PathBuf::new())),
        false => r.read_option(name, None, |_| None, |_| Ok(None)),
    }
}

/// A proxy. It sees only the destination, so `http` is enough.
fn through(text: &str) -> Result<Url, InvalidValue> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
        _ => Err(invalid!("must be an address such as http://proxy.example.test:3128, not \"{text}\"")),
    }
}

/// A URL: `https`, or `http` to this machine only, since the response of a provider accepts logins.
pub(in crate::config) fn web(text: &str) -> Result<Url, InvalidValue> {
    let url =
        Url::parse(text).map_err(|error| invalid!("must be an address (URL), not \"{text}\": {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid!("must not hold a user name or a password"));
    }
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(invalid!(
            "must begin with https://, not \"{text}\": only this machine may be asked without TLS"
        )),
    }
}

pub(in crate::config) fn host(text: &str) -> Result<String, InvalidValue> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    match text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.chars().all(is_name)) {
        true => Ok(text.to_owned()),
        false => Err(invalid!(
            "must be the name or address of one host, without its port, not \"{text}\"; further hosts have a \
             line each"
        )),
    }
}

pub(in crate::config) fn dn(text: &str) -> Result<DistinguishedName, InvalidValue> {
    DistinguishedName::parse(text).map_err(|bad| {
        let comma = if text.contains(',') {
            "; a comma within a name is written \\, or \\2C, as in \"cn=Sales\\, Europe,dc=example,dc=test\""
        } else {
            ""
        };
        invalid!("{bad}: \"{text}\"{comma}")
    })
}

pub(in crate::config) fn group(text: &str) -> Result<GroupName, InvalidValue> {
    match text.trim() {
        "" => Err(invalid!("is empty")),
        name => Ok(GroupName::new(name)),
    }
}

pub(in crate::config) fn word(text: &str) -> Result<&str, InvalidValue> {
    match text {
        "" => Err(invalid!("is empty")),
        text if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err(invalid!("must not hold white space or control characters"))
        }
        text => Ok(text),
    }
}
