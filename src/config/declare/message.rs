//! The options of `sms { }` and `email { }`.

use crate::config::error::{InvalidValue, invalid};
use crate::config::gateway::{GatewayPreset, PRESETS, RequestTemplate, RequestVariable};
use crate::config::message::{
    BodyType, EmailOptions, GatewayOptions, HttpMethod, RelayOptions, RelayTls, SmsOptions,
};
use crate::config::reader::OptionReader;
use crate::config::values::{SECOND, http, missing, optional_file, plain, secret, web};
use crate::types::{CountryCode, Mailbox, Secret};

pub(super) fn sms(r: &mut OptionReader<'_, '_>) -> SmsOptions {
    let default = SmsOptions::default();
    SmsOptions {
        country_code: r.read_option(
            "country_code",
            None,
            |_| Some(String::new()),
            |text| match text {
                "" => Ok(None),
                text => CountryCode::parse(text)
                    .map(Some)
                    .ok_or_else(|| invalid!("must be the code of a country, such as 41, not \"{text}\"")),
            },
        ),
        http: http(r, "timeout", default.http),
        gateways: r.sections("gateway", gateway),
    }
}

/// `None` if an option is missing, which is recorded as an error.
fn gateway(r: &mut OptionReader<'_, '_>, name: &str) -> Option<GatewayOptions> {
    let words: Vec<_> = PRESETS.iter().map(|(word, preset)| (*word, *preset)).collect();
    let preset = r.read_choice("preset", GatewayPreset::default(), &words);
    let url = r.read_option("url", preset.url.map(str::to_owned), |_| None, |text| Ok(Some(text.to_owned())));
    let url = match url.as_deref().map(address) {
        Some(Ok(url)) => Some(url),
        Some(Err(error)) => missing(r, "url", &error.to_string()),
        None => missing(r, "url", "is missing: where does the gateway take messages? Or choose a \"preset\""),
    };
    let from = plain(r, "from");
    let user = plain(r, "user");
    let password = r.read_option("password", Secret::new(""), |_| None, secret);
    let method = r.read_option(
        "method",
        preset.method,
        |_| None,
        |text| match text.to_ascii_uppercase().as_str() {
            "GET" => Ok(Some(HttpMethod::Get)),
            "POST" => Ok(Some(HttpMethod::Post)),
            "PUT" => Ok(Some(HttpMethod::Put)),
            _ => Err(invalid!("must be GET, POST or PUT, not \"{text}\"")),
        },
    );
    let body_type = r.read_option(
        "body_type",
        preset.body.map(|(kind, _)| kind),
        |_| None,
        |text| match text {
            "form" => Ok(Some(BodyType::Form)),
            "json" => Ok(Some(BodyType::Json)),
            "text" => Ok(Some(BodyType::Text)),
            _ => Err(invalid!("must be form, json or text, not \"{text}\"")),
        },
    );
    let body_type = body_type.unwrap_or(BodyType::Form);
    let preset_body = preset.body.and_then(|(_, body)| RequestTemplate::parse(body).ok());
    let body = r.read_option(
        "body",
        preset_body,
        |_| None,
        |text| match text {
            "" => Ok(None),
            text => Ok(Some(RequestTemplate::parse(text)?)),
        },
    );
    if let Some(body) = body.as_ref().filter(|_| body_type == BodyType::Json)
        && serde_json::from_str::<serde_json::Value>(&body.fill(|_| "a".to_owned())).is_err()
    {
        r.report_conflict(
            "body",
            "is no JSON: variables stand between double quotes, as in \"to\": \"{to}\"",
        );
    }
    let headers = headers(r, &preset);
    let status = r.read_option("status", Vec::new(), |_| Some(String::new()), statuses);
    let accepted = words_of_answer(r, "accepted", preset.accepted);
    let refused = words_of_answer(r, "refused", preset.refused);
    let method = method.unwrap_or(if body.is_some() { HttpMethod::Post } else { HttpMethod::Get });
    if body.is_some() && method == HttpMethod::Get {
        r.report_conflict("method", "must not be GET where there is a \"body\"");
    }
    let templates = url.iter().chain(body.iter()).chain(headers.iter().map(|(_, value)| value));
    let used: Vec<RequestVariable> = templates.flat_map(RequestTemplate::used_variables).copied().collect();
    let mut need = |option: &str, is_empty: bool, by: &[RequestVariable]| {
        if is_empty && used.iter().any(|variable| by.contains(variable)) {
            let _: Option<()> = missing(r, option, "is missing: the gateway's request holds it");
        }
    };
    need("from", from.is_empty(), &[RequestVariable::From]);
    need("user", user.is_empty(), &[RequestVariable::User, RequestVariable::Basic]);
    need("password", password.is_empty(), &[RequestVariable::Password, RequestVariable::Basic]);
    if !used.is_empty() && !used.contains(&RequestVariable::Text) {
        let _: Option<()> =
            missing(r, "body", "holds no {text}, nor does \"url\": the code would not be sent");
    }
    Some(GatewayOptions {
        name: name.to_owned(),
        method,
        url: url?,
        headers,
        body: body.map(|body| (body_type, body)),
        status,
        accepted,
        refused,
        from,
        user,
        password,
    })
}

/// A text to look for in responses; "" turns off the one of the preset.
fn words_of_answer(
    r: &mut OptionReader<'_, '_>,
    name: &'static str,
    preset: Option<&'static str>,
) -> Option<String> {
    r.read_option(
        name,
        preset.map(str::to_owned),
        |_| Some(String::new()),
        |text| Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
    )
}

/// A URL with variables after the host only. The error does not repeat it, since it may contain a key.
fn address(text: &str) -> Result<RequestTemplate, InvalidValue> {
    let template = RequestTemplate::parse(text)?;
    let filled = |with: &str| web(&template.fill(|_| with.to_owned())).ok();
    match (filled("a"), filled("b")) {
        (Some(one), Some(other)) if one.origin() == other.origin() => Ok(template),
        _ => Err(InvalidValue::from(
            "must begin with https://HOST/, or http:// with an address of this machine, and have variables \
                  only behind that",
        )),
    }
}

/// The preset's headers, and those of `headers { }`, which come before them.
fn headers(r: &mut OptionReader<'_, '_>, preset: &GatewayPreset) -> Vec<(String, RequestTemplate)> {
    let mut headers = Vec::new();
    r.section("headers", |r| {
        r.read_free_pairs(|name, value| {
            // RFC 9110, section 5.6.2.
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)) {
                return Err(invalid!("is no name of an HTTP header"));
            }
            if value.chars().any(char::is_control) {
                return Err(invalid!("must not hold control characters"));
            }
            headers.push((name.to_owned(), RequestTemplate::parse(value)?));
            Ok(())
        });
    });
    for (name, value) in preset.headers {
        if !headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
            && let Ok(value) = RequestTemplate::parse(value)
        {
            headers.push(((*name).to_owned(), value));
        }
    }
    headers
}

fn statuses(text: &str) -> Result<Vec<u16>, InvalidValue> {
    let numbers = text.split([' ', ',']).filter(|word| !word.is_empty());
    numbers
        .map(|word| word.parse().ok().filter(|status| (200..300).contains(status)))
        .collect::<Option<_>>()
        .ok_or_else(|| invalid!("must be HTTP statuses from 200 to 299, such as \"200 202\", not \"{text}\""))
}

pub(super) fn email(r: &mut OptionReader<'_, '_>) -> EmailOptions {
    let default = EmailOptions::default();
    let from =
        r.read_option("from", None, |_: &Option<(String, Mailbox)>| None, |text| sender(text).map(Some));
    let timeout = r.read_duration("timeout", default.timeout, SECOND, 1..=50);
    let relays = r.sections("relay", relay);
    if !relays.is_empty() && !r.has_option("from") {
        r.report_conflict("from", "is missing: whom are the mails from?");
    }
    EmailOptions { relays, from, timeout }
}

/// `NAME <MAILBOX>`, or the mailbox alone.
fn sender(text: &str) -> Result<(String, Mailbox), InvalidValue> {
    let (name, mailbox) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, mailbox)) => (name.trim().trim_matches('"'), mailbox),
        None => ("", text),
    };
    if name.chars().any(char::is_control) {
        return Err(invalid!("must not hold control characters"));
    }
    let mailbox = Mailbox::parse(mailbox)
        .map_err(|why| invalid!("must be such as \"VPN <vpn@example.test>\", not \"{text}\": {why}"))?;
    Ok((name.to_owned(), mailbox))
}

fn relay(r: &mut OptionReader<'_, '_>, name: &str) -> Option<RelayOptions> {
    let host = r.read_option(
        "host",
        None,
        |_| None,
        |text| match url::Host::parse(text) {
            Ok(_) => Ok(Some(text.to_owned())),
            // An address of version 6 stands there without brackets.
            Err(_) if text.parse::<std::net::Ipv6Addr>().is_ok() => Ok(Some(text.to_owned())),
            Err(_) => Err(invalid!("must be the name or address of a host, not \"{text}\"")),
        },
    );
    let tls = r.read_choice(
        "tls",
        RelayTls::StartTls,
        &[("starttls", RelayTls::StartTls), ("tls", RelayTls::Tls), ("none", RelayTls::None)],
    );
    let port = r.read_option(
        "port",
        tls.port(),
        |_| Some(RelayTls::StartTls.port().to_string()),
        |text| match text.parse() {
            Ok(port @ 1..) => Ok(port),
            _ => Err(invalid!("must be a number from 1 to 65535, not \"{text}\"")),
        },
    );
    let username = plain(r, "username");
    let password = r.read_option("password", Secret::new(""), |_| None, secret);
    let ca_file = optional_file(r, "ca_file");
    if username.is_empty() != password.is_empty() {
        let lacks = if username.is_empty() { "username" } else { "password" };
        let _: Option<()> = missing(r, lacks, "is missing: the relay takes both or none");
    }
    if let (RelayTls::None, Some(host)) = (tls, &host) {
        let address = host.parse::<std::net::IpAddr>();
        if host != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
            r.report_conflict(
                "tls",
                "must not be none: only a relay on this machine is spoken to in the clear",
            );
        }
    }
    let Some(host) = host else {
        return if r.has_option("host") {
            None
        } else {
            missing(r, "host", "is missing: where is the relay?")
        };
    };
    let login = (!username.is_empty()).then_some((username, password));
    Some(RelayOptions { name: name.to_owned(), host, port, tls, login, ca_file })
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;
    use super::*;

    fn sms_of(gateway: &str) -> Result<GatewayOptions, String> {
        config_of(&format!("sms {{\n gateway g {{\n{gateway}\n }}\n}}"))
            .map(|mut config| config.sms.gateways.remove(0))
    }

    fn relay_of(relay: &str) -> Result<RelayOptions, String> {
        config_of(&format!("email {{\n from = \"a@example.test\"\n relay r {{\n{relay}\n }}\n}}"))
            .map(|mut config| config.email.relays.remove(0))
    }

    #[test]
    fn preset_wants_the_credentials_alone() {
        for (word, _) in &PRESETS[1..] {
            let gateway = sms_of(&format!("preset = {word}\nuser = u\npassword = p\nfrom = f")).unwrap();
            assert_eq!((gateway.name.as_str(), gateway.method), ("g", HttpMethod::Post), "{word}");
        }
        let told = sms_of("preset = twilio\nuser = u").unwrap_err();
        assert!(told.contains("\"from\" is missing") && told.contains("\"password\" is missing"), "{told}");
    }

    #[test]
    fn what_the_preset_says_can_be_said_otherwise() {
        let gateway = sms_of(
            "preset = kannel\nurl = \"https://sms.example.test/send\"\nuser = u\npassword = p\naccepted = \"\"\n\
             headers {\n x-kannel-from = \"VPN\"\n X-Kannel-SMSC = one\n}\nstatus = \"200, 202\"",
        )
        .unwrap();
        let filled = |name: &str| {
            let mut found = gateway.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            let value = found.next().map(|(_, value)| value.fill(|_| "?".to_owned()));
            assert!(found.next().is_none(), "{name} twice");
            value
        };
        assert_eq!(filled("X-Kannel-From").as_deref(), Some("VPN"));
        assert_eq!(filled("X-Kannel-SMSC").as_deref(), Some("one"));
        assert_eq!(filled("X-Kannel-To").as_deref(), Some("?"));
        assert_eq!((gateway.status.as_slice(), &gateway.accepted), (&[200, 202][..], &None));
    }

    #[test]
    fn what_is_wrong_with_a_gateway_is_told() {
        let here = "url = \"http://127.0.0.1/?{text}\"";
        for (gateway, told) in [
            ("from = f", "\"url\" is missing"),
            ("preset = carrier", "\"preset\" must be none or kannel or twilio"),
            (
                "url = \"https://example.test/?t={tekst}\"",
                "\"url\" has the unknown variable {tekst}: it can hold {to}",
            ),
            (
                "url = \"https://example.test/?key=hello&t={text}\"\nbody = \"{tex}\"",
                "\"body\" has the unknown",
            ),
            ("url = \"http://example.test/?key=hello&t={text}\"", "\"url\" must begin with https://HOST/"),
            ("url = \"https://{user}/?key=hello&t={text}\"", "only behind that"),
            ("url = \"https://example.test{user}/{text}\"\nuser = u", "only behind that"),
            ("url = \"https://u:p@example.test/{text}\"", "\"url\" must begin with"),
            ("url = \"https://example.test/{to}\"", "\"body\" holds no {text}"),
            (&format!("{here}\nheaders {{\n a = \"{{x}}\"\n}}"), "\"a\" has the unknown variable {x}"),
            (&format!("{here}\nheaders {{\n \"a b\" = x\n}}"), "is no name of an HTTP header"),
            (&format!("{here}\nheaders {{\n a = \"x\u{1}y\"\n}}"), "\"a\" must not hold control"),
            (&format!("{here}\nbody_type = json\nbody = '{{\"t\": {{text}}'"), "\"body\" is no JSON"),
            (&format!("{here}\nbody_type = json\nbody = '{{\"t\": {{text}}}}'"), "\"body\" is no JSON"),
            (&format!("{here}\nmethod = DELETE"), "\"method\" must be GET, POST or PUT"),
            (&format!("{here}\nmethod = GET\nbody = x"), "\"method\" must not be GET"),
            (&format!("{here}\nstatus = \"500\""), "\"status\" must be HTTP statuses"),
            (&format!("{here}\nfrm = f"), "unknown option \"frm\": did you mean \"from\"?"),
        ] {
            let text = sms_of(gateway).unwrap_err();
            assert!(text.contains(told), "{gateway}: {text}");
            assert!(!text.contains("hello"), "{text}");
        }
        let twice = "sms {\n gateway a {\n preset = none\n }\n gateway a {\n preset = none\n }\n}";
        assert!(config_of(twice).unwrap_err().contains("\"gateway a\" stands here a second time"));
        let text = config_of("sms {\n country_code = 041\n}").unwrap_err();
        assert!(text.contains("\"country_code\" must be the code of a country"), "{text}");
    }

    #[test]
    fn empty_gateways_and_relays_are_none() {
        let config = config_of("sms {\n gateway a {\n }\n}\nemail {\n relay a {\n }\n}").unwrap();
        assert!(config.sms.gateways.is_empty() && config.email.relays.is_empty());
    }

    #[test]
    fn relay_has_the_port_of_its_kind() {
        for (relay, port) in [
            ("host = mail.example.test", 587),
            ("host = mail.example.test\ntls = tls", 465),
            ("host = 127.0.0.1\ntls = none", 25),
            ("host = ::1\ntls = none\nport = 2525", 2525),
        ] {
            assert_eq!(relay_of(relay).unwrap().port, port, "{relay}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_relay_is_told() {
        for (relay, told) in [
            ("port = 25", "\"host\" is missing"),
            ("host = \"a b\"", "\"host\" must be the name or address"),
            ("host = mail.example.test\ntls = none", "\"tls\" must not be none"),
            ("host = localhost.example.test\ntls = none", "\"tls\" must not be none"),
            ("host = mail.example.test\ntls = maybe", "\"tls\" must be starttls or tls or none"),
            ("host = mail.example.test\nusername = u", "\"password\" is missing"),
            ("host = mail.example.test\npassword = hello", "\"username\" is missing"),
            ("host = mail.example.test\nport = 0", "\"port\" must be a number from 1 to 65535"),
            ("host = mail.example.test\nca_file = ca.pem", "\"ca_file\" must be a whole path"),
        ] {
            let text = relay_of(relay).unwrap_err();
            assert!(text.contains(told) && !text.contains("hello"), "{relay}: {text}");
        }
        let text = config_of("email {\n relay r {\n host = h\n }\n}").unwrap_err();
        assert!(text.contains("\"from\" is missing"), "{text}");
    }

    #[test]
    fn sender_may_have_a_name() {
        let parsed = |text| sender(text).map(|(name, mailbox)| (name, mailbox.as_str().to_owned()));
        let one = |name: &str| Ok((name.to_owned(), "a@example.test".to_owned()));
        assert_eq!(parsed("a@example.test"), one(""));
        assert_eq!(parsed("The VPN <a@example.test>"), one("The VPN"));
        assert_eq!(parsed("\"VPN, Example\" <a@example.test>"), one("VPN, Example"));
        assert!(parsed("VPN").is_err() && parsed("a\r\nb <a@example.test>").is_err());
    }
}
