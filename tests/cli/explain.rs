//! `mfa explain`: which settings apply to a login, what its user would read, and that nothing comes of it.

use super::site::{SECRET, Site, step};
use serde_json::{Value, json};

const CLIENTS: &str = "client vpn {\n\tipaddr = 192.0.2.7\n\tmfa_profile = Ivanti\n\tmfa_language = de\n}\n\
    client office {\n\tipaddr = 198.51.100.0/24\n\tshortname = branch\n}\n\
    client aws {\n\tipaddr = 203.0.113.1\n\tmfa_profile = aws-workspaces\n}\n";

/// Alice has an app, and a telephone to which a gateway sends codes.
fn site(options: &str) -> Site {
    let site = Site::new();
    site.write("radiusd.conf", &format!("modules {{\n\t$INCLUDE mods-enabled/\n}}\n{CLIENTS}"));
    site.configure(&format!(
        "sms {{\ngateway first {{\nurl = \"https://127.0.0.1:1/?{{to}}&{{text}}\"\n}}\n}}\n{options}"
    ));
    site.mfa(["user", "add", "alice"]).ok();
    site.mfa(["token", "add", "alice", "totp", "--secret", SECRET]).ok();
    site.mfa(["token", "add", "alice", "sms", "+41791234567"]).ok();
    site
}

fn explain(site: &Site, arguments: &[&str]) -> Value {
    site.mfa([&["explain", "--json"], arguments].concat()).json()
}

fn read(told: &Value) -> Vec<&str> {
    told["reply"]["Reply-Message"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn settings_are_told_with_where_they_stand() {
    let site = site("mode = challenge\nlanguage = fr\n");
    let told = explain(&site, &["EXAMPLE\\Alice", "--client", "192.0.2.7"]);
    assert_eq!((&told["user"], &told["typed"]), (&json!("alice"), &json!("EXAMPLE\\Alice")));
    let by = |setting: &str| {
        let by = told[setting]["by"].as_str().unwrap();
        (told[setting]["is"].as_str().unwrap().to_owned(), by.rsplit('/').next().unwrap().to_owned())
    };
    let is = |is: &str, by: &str| (is.to_owned(), by.to_owned());
    assert_eq!(by("profile"), is("ivanti", "radiusd.conf[6]"));
    assert_eq!(by("language"), is("de", "radiusd.conf[7]"));
    assert_eq!(by("format"), is("html", "by the profile"));
    assert_eq!(by("mode"), is("challenge", "mfa[11]"));
    let told = explain(&site, &["alice", "--client", "branch", "--mode", "passcode"]);
    assert_eq!(told["client"]["address"], "198.51.100.0");
    assert!(told["language"]["by"].as_str().unwrap().starts_with("language, "), "{told}");
    assert_eq!(told["profile"]["by"], "by default");
    assert_eq!(told["mode"], json!({ "is": "passcode", "by": "--mode" }));
    assert_eq!(told["tokens"][1]["gateways"], json!(["first"]));
}

#[test]
fn people_read_aligned_lines_with_the_octets_of_each_text() {
    let site = site("mode = challenge\n");
    let text = site.mfa(["explain", "alice", "--client", "office"]).ok();
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| *line == "Reply-Message  94 octets").expect(&text);
    assert_eq!(
        lines[at + 1..at + 5],
        [
            "               \"Enter a passcode or choose an option:",
            "                1. Text message to XXX-XXX-4567",
            "                Passcode or option (1): \"",
            "Prompt         Echo",
        ]
    );
    assert!(lines[at + 5].starts_with("State          mfa-") && lines[at + 5].ends_with(", for example"));
    assert!(text.contains("\ntoken          sms1: sms, to XXX-XXX-4567, enabled; sent by first\n"), "{text}");
    assert!(!text.contains("1234567"), "{text}");
    assert_eq!(
        *lines.last().unwrap(),
        "If the password is right: the user chooses one of these by its number or word, or types a passcode."
    );
}

#[test]
fn client_that_is_none_is_told_with_those_there_are() {
    let site = site("");
    let refused = |client: &str| site.mfa(["explain", "alice", "--client", client]).refused(3);
    assert_eq!(refused("vpm"), "mfa: no client \"vpm\": did you mean \"vpn\"?\n");
    assert!(refused("192.0.2.8").contains("there is vpn (192.0.2.7), branch (198.51.100.0/24), aws ("));
    assert!(site.mfa(["explain", " ", "--client", "vpn"]).refused(2).contains("empty"));
    let told = site.mfa(["explain", "alice", "--client", "vpn", "--mode", "x"]).refused(2);
    assert!(told.contains("passcode, append, challenge, auto"), "{told}");
    site.write("radiusd.conf", "modules {\n$INCLUDE mods-enabled/\n}\nclient a {\nmfa_profile = b\n}\n");
    assert!(
        site.mfa(["explain", "alice", "--client", "a"])
            .refused(4)
            .contains("radiusd.conf[5]: \"mfa_profile\"")
    );
}

#[test]
fn field_is_told_as_it_would_be_read_and_not_printed() {
    let site = site("delimiter = \",\"\n");
    for (mode, field, read_as) in [
        ("passcode", "123 456", "a passcode of 6 digits"),
        ("passcode", "hello", "a passcode of 5 characters"),
        ("passcode", "sms", "a word that asks for a code"),
        ("passcode", "", "nothing that could be an answer"),
        ("append", "hello,123456", "a password, and behind it a passcode of 6 digits"),
        ("append", "hello,sms", "a password, and behind it a word that asks for a code"),
        ("append", "hello", "no password with an answer behind it"),
        ("challenge", "hello", "a password"),
        ("challenge", "hel,lo", "a password"),
        ("challenge", "hel,lo,123456", "a password, and behind it a passcode of 6 digits"),
    ] {
        let arguments = ["alice", "--client", "office", "--mode", mode, "--password-is", field];
        let told = explain(&site, &arguments);
        assert_eq!(told["field"], json!({ "given": true, "read_as": read_as }), "{mode} {field}");
        assert!(field.len() < 6 || !told.to_string().contains(field), "{told}");
    }
    let before = self::site("passcode_position = before\ndelimiter = \",\"\n");
    for (field, read_as) in [
        ("123456,hello", "a passcode of 6 digits, and behind it a password"),
        ("hello", "no password with an answer before it"),
    ] {
        let arguments = ["alice", "--client", "office", "--mode", "append", "--password-is", field];
        assert_eq!(explain(&before, &arguments)["field"]["read_as"], read_as, "{field}");
    }
    let asked = site.mfa_with(
        "hello,sms\n",
        ["explain", "alice", "--client", "vpn", "--password-is", "-", "--mode", "append"],
    );
    assert!(asked.ok().contains("field          read as a password, and behind it a word"));
}

#[test]
fn words_of_a_provider_are_told_without_asking_it() {
    let site = site(
        "delimiter = \",\"\npush {\nprovider = webhook\nwebhook {\nstart_url = \"https://127.0.0.1:1/\"\n\
         hmac_key = 01234567890123456789012345678901\n}\n}\n",
    );
    let told = |mode: &str, field: &str| {
        let told = explain(&site, &["alice", "--client", "office", "--mode", mode, "--password-is", field]);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        (word(&told["field"]["read_as"]), word(&told["outcome"]))
    };
    let (field, outcome) = told("passcode", "Push2");
    assert_eq!(field, "the word push2");
    assert_eq!(
        outcome,
        "A push is sent to push2 by webhook, and the login waits without a thread, 25 s at most."
    );
    let (field, outcome) = told("passcode", " ");
    assert_eq!(field, "nothing, which asks the best device");
    assert!(outcome.starts_with("A push is sent to the best device by webhook, "), "{outcome}");
    let (field, outcome) = told("auto", "hello");
    assert_eq!(field, "a password");
    assert!(outcome.starts_with("If the password is right: a push is sent to the best device"), "{outcome}");
    assert_eq!(told("auto", "hello,phone").0, "a password, and behind it the word phone");
    let list = explain(&site, &["alice", "--client", "office", "--mode", "challenge"]);
    assert!(read(&list)[0].contains("\n1. Push to your device\n2. Text message to XXX-XXX-4567\n"), "{list}");
    assert_eq!((&list["provider"], &list["wait"]["seconds"]), (&json!("webhook"), &json!(25)));
}

#[test]
fn number_to_compare_is_shown_as_an_example() {
    let site = site(
        "mode = auto\npush {\nprovider = webhook\nnumber_match = yes\nwebhook {\nstart_url = \"https://127.0.0.1:1/\"\n\
         hmac_key = 01234567890123456789012345678901\n}\n}\n",
    );
    let told = explain(&site, &["alice", "--client", "office"]);
    assert!(read(&told)[0].starts_with("Choose "), "{told}");
    assert_eq!((&told["result"], &told["reply"]["case"]), (&json!("challenge"), &json!("at once")));
    let outcome = told["outcome"].as_str().unwrap();
    assert!(
        outcome.contains("a push is sent by webhook; the user finds the number there, and then"),
        "{outcome}"
    );
    assert_eq!(explain(&site, &["alice", "--client", "aws"])["reason"], "the client shows no challenges");
}

#[test]
fn right_code_is_told_like_a_wrong_one() {
    let site = site("");
    let right = super::site::code(&format!("otpauth://totp/a?secret={SECRET}"), step());
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let told = |code: &str| explain(&site, &["alice", "--client", "office", "--password-is", code]);
    assert_eq!(told(&right), told(wrong));
    assert_eq!(told(&right)["outcome"], "A right passcode is accepted, a wrong one refused.");
    assert!(site.mfa(["check", "alice", &right]).ok().contains("accept"), "it is not spent");
}

/// Where users are; it is not asked.
const DIRECTORY: &str = "ldap {\nhost = 127.0.0.1\nsearch_dn = \"dc=example,dc=test\"\n}\n";

#[test]
fn nothing_is_counted_recorded_or_written() {
    let site = site(&format!(
        "policy {{\nunenrolled = accept\naccept_logins = 1\n}}\nmode = challenge\n{DIRECTORY}"
    ));
    site.mfa(["user", "add", "bob"]).ok();
    let before = std::fs::read(site.database()).unwrap();
    for arguments in [
        ["alice", "--password-is", "sms", "--mode", "passcode"],
        ["alice", "--password-is", "000000", "--mode", "passcode"],
        ["alice", "--password-is", "hello", "--mode", "challenge"],
        ["bob", "--password-is", "hello", "--mode", "challenge"],
        ["nobody", "--password-is", "hello", "--mode", "append"],
    ] {
        let first = explain(&site, &[&arguments[..], &["--client", "office"]].concat());
        let again = explain(&site, &[&arguments[..], &["--client", "office"]].concat());
        assert_eq!((&first["reason"], &first["outcome"]), (&again["reason"], &again["outcome"]));
    }
    assert!(site.mfa(["audit"]).err.contains("no such attempt"));
    assert_eq!(site.mfa(["user", "show", "alice", "--json"]).json()["failures"], 0);
    assert!(std::fs::read(site.database()).unwrap() == before, "the database is as it was");
}

#[test]
fn policy_is_told_with_what_says_so() {
    let exceptions =
        "exceptions {\nmonitoring {\nuser = nagios\nuntil = 2999-01-31\n}\nstaff {\ngroup = staff\n}\n}\n";
    let site = site(&format!("mode = challenge\npolicy {{\n{exceptions}}}\n"));
    let told = explain(&site, &["nagios", "--client", "office"]);
    let policy =
        json!({ "second_factor": "exempt", "exception": "monitoring", "until": "2999-02-01T00:00:00Z" });
    assert_eq!((&told["policy"], &told["result"]), (&policy, &json!("accept")));
    assert_eq!(told["outcome"], "If the password is right: it alone is accepted, and that is recorded.");
    let told = explain(&site, &["alice", "--client", "office", "--group", "Staff"]);
    assert_eq!(told["policy"]["exception"], "staff");
    let text = site.mfa(["explain", "alice", "--client", "office"]).ok();
    assert!(text.contains("the groups are not known: name them with --group"), "{text}");

    let site = self::site("mode = challenge\npolicy {\nrequired {\nclient = vpn\n}\n}\n");
    let told = |client| explain(&site, &["alice", "--client", client])["policy"]["second_factor"].clone();
    assert_eq!((told("vpn"), told("office")), (json!("required"), json!("not required")));
}

#[test]
fn users_without_a_token_are_told_what_policy_has_for_them() {
    let told = |policy: &str, user: &str| {
        let site = site(&format!("mode = challenge\npolicy {{\n{policy}}}\n{DIRECTORY}"));
        site.mfa(["user", "add", "bob"]).ok();
        explain(&site, &[user, "--client", "office"])
    };
    let refused = told("", "bob");
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("not enrolled"), &json!("not enrolled")));
    assert_eq!(read(&refused), ["You have no second factor yet. Ask your help desk."]);
    let accept = "unenrolled = accept\naccept_until = 2999-01-31\n";
    assert_eq!(told(accept, "bob")["result"], "accept");
    let unknown = told(accept, "nobody");
    assert_eq!((&unknown["state"], &unknown["result"]), (&json!("unknown"), &json!("reject")));
    let enroll =
        "unenrolled = enroll\nenroll_url = \"https://example.test/{user}\"\nenroll_link = challenge\n";
    let invited = told(enroll, "bob");
    assert_eq!((&invited["unenrolled"], &invited["result"]), (&json!("enroll"), &json!("challenge")));
    assert!(read(&invited)[0].contains("https://example.test/bob"), "{invited}");
}

#[test]
fn locked_user_and_mute_client_are_told() {
    let site = site("mode = challenge\n");
    let mute = explain(&site, &["alice", "--client", "aws"]);
    assert_eq!(mute["reason"], "the client shows no challenges");
    assert!(
        mute["outcome"].as_str().unwrap().contains("the login is refused: the client shows no challenges (")
    );
    site.mfa(["user", "lock", "alice", "--for", "2h"]).ok();
    let locked = explain(&site, &["alice", "--client", "office", "--password-is", "x", "--mode", "passcode"]);
    assert_eq!((&locked["state"], &locked["reason"]), (&json!("locked"), &json!("locked")));
    assert!(
        site.mfa(["explain", "alice", "--client", "office"]).ok().contains("state          locked until 2")
    );
}
