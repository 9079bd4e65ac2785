//! `mfa send-test`, and what `mfa doctor` says of gateways and relays.

use super::harness::smtp::Smtp;
use super::site::Site;

#[test]
fn test_message_is_sent_and_told_by_whom() {
    let smtp = Smtp::start();
    let site = Site::bare();
    site.configure(&smtp.options());
    let told = site.mfa(["send-test", "email", "alice@example.test"]).ok();
    assert_eq!(told, "first took the message to alice@example.test\n");
    assert!(smtp.wait_for("alice@example.test", 1).text().starts_with("This is a test"));
    let told = site.mfa(["send-test", "email", "alice@example.test", "--json"]).json();
    assert_eq!(told["gateway"], "first");
}

#[test]
fn what_each_said_is_told_if_nobody_took_it() {
    let smtp = Smtp::start();
    let site = Site::bare();
    site.configure(&smtp.options());
    let told = site.mfa(["send-test", "email", "reject@example.test"]).refused(1);
    assert_eq!(
        told,
        "mfa: first: RCPT TO: 550 5.1.1 *** no such user\nmfa: no gateway or relay accepted the message\n"
    );
    let outcome = site.mfa(["send-test", "email", "reject@example.test", "--json"]);
    assert!(outcome.status == 1 && outcome.out.contains("\"gateway\":null"), "{outcome:?}");
}

#[test]
fn wrong_usage_is_told() {
    let site = Site::bare();
    assert!(site.mfa(["send-test", "sms", "+41791234567"]).refused(4).contains("no gateway in sms { }"));
    assert!(site.mfa(["send-test", "email", "a@example.test"]).refused(4).contains("no relay in email { }"));
    assert!(site.mfa(["send-test", "sms", "079 123 45 67"]).refused(2).contains("country_code"));
    assert!(site.mfa(["send-test", "sms", "alice"]).refused(2).contains("telephone number has digits"));
    assert!(site.mfa(["send-test", "email", "alice"]).refused(2).contains("NAME@DOMAIN"));
    site.configure("sms {\ngateway g {\nurl = \"https://127.0.0.1/?{text}{tex}\"\n}\n}\n");
    assert!(site.mfa(["send-test", "sms", "+41791234567"]).refused(4).contains("unknown variable {tex}"));
    site.configure("email {\nfrom = a@example.test\nrelay r {\nhost = h\nca_file = /nowhere.pem\n}\n}\n");
    let told = site.mfa(["send-test", "email", "a@example.test"]).refused(4);
    assert!(told.contains("relay r: ca_file /nowhere.pem"), "{told}");
}

#[test]
fn doctor_tries_relays_and_sends_nothing() {
    let smtp = Smtp::start();
    let site = Site::new();
    let gateway = "sms {\ngateway g {\nurl = \"https://127.0.0.1:1/?{text}\"\n}\n}\n";
    site.configure(&format!("{gateway}{}", smtp.options()));
    let found = site.mfa(["doctor"]).out;
    assert!(found.contains("ok    email          first: it answers, and takes our password"), "{found}");
    assert!(found.contains("ok    sms            g: not tried, since that would send a message"), "{found}");
    site.configure(&smtp.options().replace("password = mailpw", "password = wrong"));
    let found = site.mfa(["doctor"]);
    assert!(found.status == 1 && found.out.contains("fail  email          first: AUTH: 535"), "{found:?}");
    assert!(found.out.contains("-> see email { relay first { } }"), "{found:?}");
    site.configure("");
    let found = site.mfa(["doctor"]).out;
    assert!(found.contains("no gateway: no codes"), "{found}");
}
