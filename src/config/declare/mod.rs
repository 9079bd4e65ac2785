//! Every option, once: its name, its default, its bounds.

mod client;
mod entra;
mod message;
mod password;
mod policy;

use super::policy::UnenrolledRule;
use super::push::FailMode;
use super::reader::{OptionReader, OptionSpec, ReadFindings};
use super::tree::Section;
use super::values::{DAY, SECOND, declare_template};
use super::{
    ChallengeLimits, Config, Errors, FailureLimits, FieldDecoding, FirstFactor, HotpRules, KeySource,
    MetricsOptions, PasscodePosition, SentCodeLimits, StoreOptions, TotpRules,
};
use super::{directory, push, radius, reply, sync};
use crate::config::error::{InvalidValue, invalid};
use crate::types::{CaseRule, Digits, DomainRule, Mode, NameRules, Secret};
use std::net::SocketAddr;

impl Config {
    /// Reads the section of an instance.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, in the order of the file.
    pub fn read(section: &Section) -> Result<Self, Errors> {
        let mut found = ReadFindings::default();
        let mut reader = OptionReader::new(section, &mut found);
        let config = config(&mut reader);
        reader.finish_section();
        found.errors().map(|()| config)
    }
}

/// All options, with their defaults.
pub fn options() -> Vec<OptionSpec> {
    let (nothing, mut found) = (Section::default(), ReadFindings::default());
    let _ = config(&mut OptionReader::new(&nothing, &mut found));
    found.options
}

fn config(r: &mut OptionReader<'_, '_>) -> Config {
    let mut config = all(r);
    password::read_gaps(&mut config);
    if config.push.failmode != FailMode::Secure && config.mode == Mode::Passcode {
        r.report_conflict("mode", "and \"failmode = safe\" do not go together: where the passcode is all there is, it would let in without any factor");
    }
    let nobody_checks = config.mode == Mode::Passcode && config.first_factor == FirstFactor::None;
    let unenrolled = match config.policy.unenrolled {
        UnenrolledRule::Reject => None,
        UnenrolledRule::Accept(_) => Some("accept"),
        UnenrolledRule::Enroll(_) => Some("enroll"),
    };
    if let Some(word) = unenrolled.filter(|_| nobody_checks) {
        r.conflict_in("policy", "unenrolled", &format!("is {word}, and no password is checked: set \"mode\" to append, challenge or auto, or \"first_factor = client\" if the client has checked it, or \"unenrolled = reject\""));
    }
    let counts = matches!(config.policy.unenrolled, UnenrolledRule::Accept(_)) && !nobody_checks;
    if counts && !config.checks_password(config.mode) && config.ldap.is_none() {
        r.conflict_in("policy", "unenrolled", "is accept, and the password is not checked by this module: then only `mfa sync` tells users without a token from other spellings of users with one. Set \"host\" in ldap { } and run `mfa sync`, or have this module check the password (\"first_factor\" is ldap, entra, radius or local), or set \"unenrolled = reject\"");
    }
    password::check(r, &config);
    if config.mode == Mode::Auto && config.push.provider.is_none() {
        r.report_conflict("mode", "needs a provider: set \"provider\" in push { }");
    }
    config
}

fn all(r: &mut OptionReader<'_, '_>) -> Config {
    let default = Config::default();
    let (names, stored_as) = r.section("username", |r| (declare_names(r), declare_template(r, "stored_as")));
    let client = client::client(r);
    let (first_factor, passwords) = password::password(r);
    let email = r.section("email", message::email);
    let ldap = r.section("ldap", directory::ldap);
    let sync = r.section("sync", |r| sync::sync(r, ldap.as_ref(), &email));
    Config {
        mode: r.read_choice(
            "mode",
            client.profile.mode.unwrap_or(default.mode),
            &Mode::ALL.map(|mode| (mode.as_str(), mode)),
        ),
        delimiter: r.read_option(
            "delimiter",
            default.delimiter,
            |d| Some(d.clone().unwrap_or_default()),
            declare_delimiter,
        ),
        passcode_position: r.read_choice(
            "passcode_position",
            default.passcode_position,
            &[("after", PasscodePosition::After), ("before", PasscodePosition::Before)],
        ),
        unpacking: FieldDecoding {
            static_challenge: r.read_yes_no("static_challenge", false, true, false),
            null_byte: r.read_yes_no("split_null_byte", false, true, false),
        },
        first_factor,
        passwords,
        issuer: r.read_option("issuer", default.issuer, |issuer| Some(issuer.clone()), declare_issuer),
        client,
        totp: r.section("totp", declare_totp),
        hotp: r.section("hotp", declare_hotp),
        lockout: r.section("lockout", declare_lockout),
        policy: r.section("policy", |r| policy::policy(r, &names)),
        challenge: ChallengeLimits {
            lifetime: r.read_duration("challenge_lifetime", default.challenge.lifetime, SECOND, 10..=600),
            tries: r.read_number("challenge_tries", default.challenge.tries, 0..=10),
        },
        resend_time: r.read_duration("resend_time", default.resend_time, SECOND, 0..=120),
        codes: r.section("codes", declare_codes),
        push: r.section("push", push::push),
        sms: r.section("sms", message::sms),
        entra: r.section("entra", entra::entra),
        radius: r.section("radius", radius::radius),
        email,
        ldap,
        sync,
        metrics: r.section("metrics", declare_metrics),
        store: r.section("store", store),
        names,
        stored_as,
        replies: r.section("reply", reply::replies),
    }
}

fn declare_names(r: &mut OptionReader<'_, '_>) -> NameRules {
    let default = NameRules::default();
    let mut rules = NameRules {
        case: r.read_yes_no("case_sensitive", default.case, CaseRule::Keep, CaseRule::Fold),
        domain: r.read_choice(
            "domain",
            default.domain,
            &[("strip", DomainRule::Strip), ("keep", DomainRule::Keep)],
        ),
        domains: default.domains,
    };
    r.section("domains", |r| {
        r.read_free_pairs(|domain, to| {
            if to.contains(['@', '\\']) || to.contains(char::is_whitespace) {
                return Err(invalid!("must be a domain alone, such as \"example.test\", not \"{to}\""));
            }
            match rules.domains.insert(NameRules::domain_key(domain), to.to_owned()) {
                None => Ok(()),
                Some(_) => Err(invalid!("stands here a second time, upper and lower case being the same")),
            }
        });
        if let Some(domain) = rules.unstable_domain() {
            r.report_conflict(domain, "is mapped to a domain that is mapped in turn: name the last one here");
        }
    });
    rules
}

fn declare_totp(r: &mut OptionReader<'_, '_>) -> TotpRules {
    let default = TotpRules::default();
    TotpRules {
        back: r.read_number("window_back", default.back, 0..=10),
        forward: r.read_number("window_forward", default.forward, 0..=10),
        max_drift: r.read_number("max_drift", default.max_drift, 0..=100),
    }
}

fn declare_hotp(r: &mut OptionReader<'_, '_>) -> HotpRules {
    let default = HotpRules::default();
    HotpRules {
        look_ahead: r.read_number("look_ahead", default.look_ahead, 0..=100),
        resync: r.read_number("resync", default.resync, 0..=1000),
    }
}

fn declare_lockout(r: &mut OptionReader<'_, '_>) -> FailureLimits {
    let default = FailureLimits::default();
    let limits = FailureLimits {
        slow_after: r.read_number("slow_after", default.slow_after, 1..=1000),
        slow_time: r.read_duration("slow_time", default.slow_time, SECOND, 1..=3600),
        slow_max: r.read_duration("slow_max", default.slow_max, SECOND, 1..=86400),
        lock_after: r.read_number("lock_after", default.lock_after, 1..=1000),
        lock_after_unproven: r.read_number("lock_after_unproven", default.lock_after_unproven, 1..=100_000),
        lock_time: r.read_duration("lock_time", default.lock_time, SECOND, 1..=31_536_000),
        guesses_per_user: r.read_number("guesses_per_user", default.guesses_per_user, 10..=100_000),
        guesses_per_client: r.read_number("guesses_per_client", default.guesses_per_client, 10..=10_000_000),
    };
    if limits.slow_max < limits.slow_time {
        r.report_conflict("slow_max", "must not be less than \"slow_time\"");
    }
    if limits.lock_after_unproven < limits.lock_after {
        r.report_conflict("lock_after_unproven", "must not be less than \"lock_after\"");
    }
    limits
}

fn declare_codes(r: &mut OptionReader<'_, '_>) -> SentCodeLimits {
    let default = SentCodeLimits::default();
    let digits = r.read_number("digits", default.digits.get(), 6..=8);
    SentCodeLimits {
        digits: Digits::new(digits.into()).unwrap_or_default(),
        life: r.read_duration("life", default.life, SECOND, 30..=3600),
        tries: r.read_number("tries", default.tries, 1..=10),
        per_hour: r.read_number("per_hour", default.per_hour, 1..=1000),
        pause: r.read_duration("pause", default.pause, SECOND, 0..=600),
    }
}

fn declare_metrics(r: &mut OptionReader<'_, '_>) -> MetricsOptions {
    let listen = |text: &str| match text.parse::<SocketAddr>() {
        _ if text.is_empty() => Ok(None),
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        _ => Err(invalid!(
            "must be an address of this machine with a port, such as 127.0.0.1:9812, not \"{text}\""
        )),
    };
    MetricsOptions { listen: r.read_option("listen", None, |_| Some(String::new()), listen) }
}

fn store(r: &mut OptionReader<'_, '_>) -> StoreOptions {
    let default = StoreOptions::default();
    let default_key = match default.key {
        KeySource::File(path) => path,
        KeySource::Text(_) => Default::default(),
    };
    let filename = r.file("filename", default.filename);
    let key_file = r.file("key_file", default_key);
    let key = r.read_option(
        "key",
        None,
        |_| None,
        |text| match text {
            "" => Err(invalid!(
                "is empty: is the variable of $ENV{{..}} set for this process? Or use \"key_file\""
            )),
            text => Ok(Some(Secret::new(text))),
        },
    );
    if r.has_option("key") && r.has_option("key_file") {
        r.report_conflict("key", "and \"key_file\" are both set: remove one");
    }
    if key_file == filename {
        r.report_conflict("key_file", "is the database itself: the key needs a file of its own");
    }
    StoreOptions {
        filename,
        key: key.map_or(KeySource::File(key_file), KeySource::Text),
        audit_keep: r.read_duration("audit_days", default.audit_keep, DAY, 1..=36_500),
        audit_refusals: r.read_number("audit_refusals", default.audit_refusals, 1000..=100_000_000),
    }
}

/// What people type inside of a passcode can be no delimiter: it would cut the passcode in two.
fn declare_delimiter(text: &str) -> Result<Option<String>, InvalidValue> {
    let is_bad = |c: char| c.is_alphanumeric() || c.is_whitespace() || c.is_control() || c == '-';
    match text {
        "" => Ok(None),
        text if text.chars().count() > 8 => Err(invalid!("must have at most 8 characters, not \"{text}\"")),
        text if text.contains(is_bad) => Err(invalid!(
            "must not hold letters, digits, white space or dashes, since passcodes may; \"{text}\" does: take \",\""
        )),
        text => Ok(Some(text.to_owned())),
    }
}

/// Apps split the label of an enrolment at its colon.
fn declare_issuer(text: &str) -> Result<String, InvalidValue> {
    match text.trim() {
        "" => Err(invalid!("must not be empty: apps show it above the code")),
        text if text.chars().count() > 64 => Err(invalid!("must have at most 64 characters")),
        text if text.contains(|c: char| c == ':' || c.is_control()) => {
            Err(invalid!("must not hold colons or control characters, not \"{text}\""))
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::read_text;

    pub(in crate::config) fn config_of(text: &str) -> Result<Config, String> {
        let tree = read_text(format!("mfa {{\n{text}\n}}\n"), &|name| {
            (name == "MFA_KEY").then(|| "hello".to_owned())
        })
        .unwrap();
        Config::read(tree.section("mfa").unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        assert_eq!(format!("{:?}", config_of("").unwrap()), format!("{:?}", Config::default()));
    }

    #[test]
    fn profile_sets_the_mode_where_none_is_set() {
        assert_eq!(config_of("client_profile = Ivanti").unwrap().mode, Mode::Challenge);
        assert_eq!(config_of("client_profile = ivanti\nmode = append").unwrap().mode, Mode::Append);
    }

    #[test]
    fn everything_can_be_said() {
        let config = config_of(
            "mode = append\ndelimiter = \"::\"\npasscode_position = before\nstatic_challenge = yes\nsplit_null_byte = yes\nfirst_factor = client\nissuer = \"Example Inc\"\n\
             username {\n case_sensitive = Yes\n domain = keep\n domains {\n EXAMPLE = \"example.test\"\n home.test = \"\"\n }\n}\n\
             totp {\n window_back = 0\n window_forward = 2\n max_drift = 0\n}\nhotp {\n look_ahead = 5\n resync = 0\n}\n\
             lockout {\n lock_after = 3\n lock_time = 60\n}\n\
             store {\n filename = /srv/mfa.db\n key = $ENV{MFA_KEY}\n audit_days = 30\n}",
        )
        .unwrap();
        assert_eq!((config.mode, config.delimiter.as_deref()), (Mode::Append, Some("::")));
        assert_eq!(config.passcode_position, PasscodePosition::Before);
        assert_eq!(config.unpacking, FieldDecoding { static_challenge: true, null_byte: true });
        assert_eq!((config.first_factor, config.issuer.as_str()), (FirstFactor::Client, "Example Inc"));
        assert_eq!((config.names.case, config.names.domain), (CaseRule::Keep, DomainRule::Keep));
        assert_eq!(config.names.domains.get("example").map(String::as_str), Some("example.test"));
        assert_eq!(config.totp, TotpRules { back: 0, forward: 2, max_drift: 0 });
        assert_eq!((config.lockout.lock_after, config.lockout.lock_time.as_secs()), (3, 60));
        assert_eq!(config.store.key, KeySource::Text(Secret::new("hello")));
        assert_eq!(config.store.audit_keep, 30 * DAY);
    }

    #[test]
    fn domains_that_are_mapped_twice_are_refused() {
        let told = config_of("username {\n domains {\n a = b\n b = c\n }\n}").unwrap_err();
        assert_eq!(
            told,
            "text[4]: \"a\" is mapped to a domain that is mapped in turn: name the last one here"
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let told = config_of(
            "mode = apend\ndelimitter = \",\"\nlook_ahead = 3\ntotp {\n window_back = 11\n window_back = 1\n}\n\
             lockout {\n lock_after = 0\n slow_time = 500\n}\ntopt {\n}\n\
             store {\n filename = mfa.db\n key = $ENV{NONE}\n key_file = /x\n audit_days\n}",
        )
        .unwrap_err();
        let expected = [
            "text[2]: \"mode\" must be passcode or append or challenge or auto, not \"apend\"",
            "text[3]: unknown option \"delimitter\": did you mean \"delimiter\"?",
            "text[4]: unknown option \"look_ahead\": it belongs into the section \"hotp\"",
            "text[6]: \"window_back\" must be a number from 0 to 10, not \"11\"",
            "text[7]: \"window_back\" stands here a second time; the first is at text[6]",
            "text[9]: \"slow_max\" must not be less than \"slow_time\"",
            "text[10]: \"lock_after\" must be a number from 1 to 1000, not \"0\"",
            "text[13]: unknown option \"topt\": did you mean \"totp\"?",
            "text[16]: \"filename\" must be a whole path, not \"mfa.db\": the server's working folder is not yours",
            "text[17]: \"key\" is empty: is the variable of $ENV{..} set for this process? Or use \"key_file\"",
            "text[17]: \"key\" and \"key_file\" are both set: remove one",
            "text[19]: \"audit_days\" has no value",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn misplaced_options_are_told_where_they_belong() {
        for (text, told) in [
            (
                "reply {\n attribute = \"Class = x\"\n}",
                "text[3]: unknown option \"attribute\": it belongs into a section within this one, such as \"staff { }\"",
            ),
            (
                "mfa_profile = ivanti",
                "text[2]: unknown option \"mfa_profile\": it belongs into the section of a client, in clients.conf",
            ),
            (
                "smtp = 1\nhost = x",
                "text[3]: unknown option \"host\": it belongs into one of the sections \"email.relay\", \"ldap\", \"radius\"",
            ),
            (
                "lockout {\n mode = append\n}",
                "text[3]: unknown option \"mode\": it belongs outside of this section, right into the module's",
            ),
            (
                "totp {\n}\ntotp {\n}",
                "text[4]: \"totp\" stands here a second time: move what is in it into the first, at text[2]",
            ),
            ("push {\n provider = duo\n}", "text[2]: \"ikey\" is missing: the provider needs it"),
        ] {
            let errors = config_of(text).unwrap_err();
            assert!(errors.lines().any(|line| line == told), "{text}: {errors}");
        }
    }

    #[test]
    fn delimiters_that_occur_in_passcodes_are_refused() {
        for bad in ["-", "a", "1", " ", ", ", "\u{ff11}", ",,,,,,,,,"] {
            assert!(declare_delimiter(bad).is_err(), "{bad:?}");
        }
        assert_eq!(declare_delimiter(",").unwrap().as_deref(), Some(","));
        assert_eq!(declare_delimiter("").unwrap(), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "([a-z_]{1,12} = [\\PC]{0,20}\n|totp \\{\n|store \\{\n|\\}\n){0,20}") {
            if let Ok(tree) = read_text(&text, &|_| None) {
                let _ = Config::read(&tree);
            }
        }
    }
}
