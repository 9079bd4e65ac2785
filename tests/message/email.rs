//! A real mail server with TLS, STARTTLS and AUTH, and some that are none.

use super::{CODE, Sender, refused, taken, unreachable, unsure};
use crate::harness::SOON;
use crate::harness::authority::Authority;
use crate::harness::smtp::Smtp;
use rlm_mfa::factor::message::DeliveryError;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const ALICE: &str = "alice@example.test";

/// `email { }` with these relays.
fn through(relays: &str) -> Sender {
    through_within(20, relays)
}

/// The same with that `timeout`.
fn through_within(seconds: u32, relays: &str) -> Sender {
    Sender::new(&format!("email {{\nfrom = \"VPN <vpn@example.test>\"\ntimeout = {seconds}\n{relays}}}\n"))
}

/// A server that speaks no TLS and answers each line with the next of these; returns what was received.
fn somebody(answers: &'static [&'static str]) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&told);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            for answer in answers {
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                let mut line = Vec::new();
                let _ = lines.read_until(b'\n', &mut line);
                heard.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        }
    });
    (port, told)
}

/// A relay on that port, spoken to by STARTTLS.
fn relay(name: &str, port: u16, smtp: &Smtp) -> String {
    smtp.relay(name).replace(&format!("port = {}", smtp.starttls), &format!("port = {port}"))
}

#[test]
fn mail_arrives_by_starttls_by_tls_and_on_this_machine_without() {
    let smtp = Smtp::start();
    let tls = relay("tls", smtp.tls, &smtp).replace("host", "tls = tls\nhost");
    let plain = format!("relay plain {{\nhost = localhost\nport = {}\ntls = none\n}}\n", smtp.plain);
    for (n, (relay, name)) in
        [(smtp.relay("first"), "first"), (tls, "tls"), (plain, "plain")].iter().enumerate()
    {
        assert_eq!(taken(&through(relay).send(ALICE)), *name);
        let mail = smtp.wait_for(ALICE, n + 1);
        assert_eq!(
            (mail.from.as_str(), mail.text()),
            ("vpn@example.test", format!("Your code is {CODE}").as_str())
        );
    }
    let mail = smtp.wait_for(ALICE, 1);
    assert_eq!(mail.header("From"), Some("VPN <vpn@example.test>"));
    assert_eq!(mail.header("To"), Some(ALICE));
    assert_eq!(mail.header("Subject"), Some("Your code"));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("Date").is_some() && mail.header("Message-ID").is_some(), "{mail:?}");
}

#[test]
fn text_of_any_language_arrives_in_ascii() {
    let smtp = Smtp::start();
    let sender = Sender::new(&smtp.options());
    assert_eq!(
        taken(&sender.say(ALICE, "F\u{fc}r Sie: 123456 \u{1f600}\n.\nRCPT TO:<b@example.test>\n")),
        "first"
    );
    let mail = smtp.wait_for(ALICE, 1);
    assert!(mail.data.is_ascii() && mail.header("Content-Transfer-Encoding").is_some(), "{mail:?}");
}

#[test]
fn lines_of_a_text_cannot_end_the_mail() {
    let smtp = Smtp::start();
    let sender = Sender::new(&smtp.options());
    for (n, end) in ["\n", "\r\n", "\r"].iter().enumerate() {
        let text = ["one", ".", "MAIL FROM:<b@example.test>", "..", "two"].join(end);
        assert_eq!(taken(&sender.say(ALICE, &text)), "first");
        let mail = smtp.wait_for(ALICE, n + 1);
        let lines: Vec<&str> = mail.text().lines().collect();
        assert_eq!(lines, ["one", ".", "MAIL FROM:<b@example.test>", "..", "two"], "{end:?}");
        assert!(!mail.data.replace("\r\n", "").contains(['\r', '\n']), "{end:?}: {mail:?}");
    }
}

#[test]
fn relay_that_offers_no_tls_is_sent_nothing() {
    let smtp = Smtp::start();
    let (port, told) = somebody(&["220 here\r\n", "250-here\r\n250 AUTH PLAIN LOGIN\r\n", "250 ok\r\n"]);
    let sent = through(&relay("r", port, &smtp)).send(ALICE);
    assert!(refused(&sent).contains("no STARTTLS"), "{sent:?}");
    let told = told.lock().unwrap().clone();
    assert!(told.iter().all(|line| line.is_empty() || line.starts_with("EHLO ")), "{told:?}");
    let (port, told) = somebody(&["220 here\r\n", "250 STARTTLS\r\n", "454 4.7.0 TLS not available\r\n"]);
    let sent = through(&relay("r", port, &smtp)).send(ALICE);
    assert!(refused(&sent).contains("STARTTLS: 454 4.7.0 TLS not available"), "{sent:?}");
    assert!(!told.lock().unwrap().iter().any(|line| line.starts_with("AUTH")));
    // And where TLS is expected from the beginning.
    let sent = through(&relay("r", smtp.plain, &smtp).replace("host", "tls = tls\nhost")).send(ALICE);
    assert!(unreachable(&sent).contains("TLS"), "{sent:?}");
    assert!(smtp.mails_to(ALICE).is_empty());
}

#[test]
fn what_was_slipped_in_before_tls_is_no_answer() {
    let smtp = Smtp::start();
    let (port, _) = somebody(&["220 here\r\n", "250 STARTTLS\r\n", "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n"]);
    let sent = through(&relay("r", port, &smtp)).send(ALICE);
    assert!(refused(&sent).contains("before TLS has begun"), "{sent:?}");
}

#[test]
fn wrong_certificate_gets_neither_password_nor_mail() {
    for issue in [Authority::issue_for_another, Authority::forge] {
        let authority = Authority::new();
        issue(&authority, "server");
        let (wrong, right) = (Smtp::start_as(authority), Smtp::start());
        for kind in ["", "tls = tls\n"] {
            let port = if kind.is_empty() { wrong.starttls } else { wrong.tls };
            let first = relay("first", port, &wrong).replace("host", &format!("{kind}host"));
            let sent = through(&first).send(ALICE);
            assert!(unreachable(&sent).contains("certificate"), "{sent:?}");
            assert_eq!(taken(&through(&format!("{first}{}", right.relay("second"))).send(ALICE)), "second");
        }
        assert!(wrong.mails_to(ALICE).is_empty());
    }
}

#[test]
fn refused_login_is_told() {
    let smtp = Smtp::start();
    let options = smtp.options().replace("password = mailpw", "password = wrong");
    let sent = Sender::new(&options).send(ALICE);
    assert_eq!(refused(&sent), "AUTH: 535: compare username and password");
    let found = Sender::new(&options).probe();
    let expected = rlm_mfa::types::ProbeFault::new("AUTH: 535: compare username and password");
    assert_eq!(found[0].found, Err(expected));
    let sent = through(&smtp.relay("r").replace("username = radius\npassword = mailpw\n", "")).send(ALICE);
    assert!(refused(&sent).contains("MAIL FROM: 530"), "{sent:?}");
}

#[test]
fn refused_recipients_are_told_by_their_code() {
    let smtp = Smtp::start();
    let sender = Sender::new(&smtp.options());
    for (to, told) in [
        ("reject@example.test", "RCPT TO: 550 5.1.1 *** no such user"),
        ("grey@example.test", "RCPT TO: 451 4.7.1 *** try again later"),
        ("spam@example.test", "the mail: 554 5.7.1 looks like spam: Your code is ***"),
    ] {
        assert_eq!(refused(&sender.send(to)), told);
    }
}

#[test]
fn next_relay_is_tried_unless_the_first_may_have_the_mail() {
    let (first, second) = (Smtp::start(), Smtp::start());
    let relays = format!("{}{}", first.relay("first"), second.relay("second"));
    let both = through(&relays);
    // The second refuses them as well.
    for to in ["reject@example.test", "grey@example.test", "spam@example.test"] {
        assert_eq!(both.send(to).refusals.len(), 2, "{to}");
    }
    let both = through_within(4, &relays);
    let start = Instant::now();
    let sent = both.send("silent@example.test");
    assert!(unsure(&sent).contains("it may have taken the mail"), "{sent:?}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(first.mails_to("silent@example.test").len(), 1);
    assert_eq!(second.mails_to("silent@example.test").len(), 0);
    // No answer to RCPT TO: it has no mail yet.
    let sent = both.send("slow@example.test");
    assert!(
        sent.refusals.iter().all(|refusal| matches!(refusal.why, DeliveryError::Unreachable(_))),
        "{sent:?}"
    );
    assert_eq!(sent.refusals.len(), 2);
}

#[test]
fn relay_that_is_down_mute_or_strange_is_passed_over() {
    let smtp = Smtp::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let (busy, _) = somebody(&["421 4.3.2 too busy\r\n"]);
    let (strange, _) = somebody(&["HTTP/1.1 400 Bad Request\r\n"]);
    let (ends, _) = somebody(&["220-here"]);
    let mute_port = mute.local_addr().unwrap().port();
    for port in [nobody, mute_port, busy, strange, ends] {
        let seconds = if port == mute_port { 4 } else { 20 };
        let relays = format!("{}{}", relay("first", port, &smtp), smtp.relay("second"));
        let sender = through_within(seconds, &relays);
        let start = Instant::now();
        let sent = sender.send(ALICE);
        assert_eq!(taken(&sent), "second", "{sent:?}");
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}

#[test]
fn what_is_no_mailbox_goes_nowhere() {
    let smtp = Smtp::start();
    let sender = Sender::new(&smtp.options());
    for to in ["alice@", "alice@example.test>\r\nRCPT TO:<b@example.test", "a@b@c", "Alice <a@example.test>"]
    {
        assert!(refused(&sender.send(to)).contains("not a mailbox"), "{to:?}");
    }
}

#[test]
fn relay_is_probed_without_mail() {
    let smtp = Smtp::start();
    let found = Sender::new(&smtp.options()).probe();
    assert_eq!(found[0].found, Ok(Some("it answers, and takes our password".to_owned())));
    let ca_file = format!("ca_file = {}\n", smtp.ca_file().display());
    let found = Sender::new(&smtp.options().replace(&ca_file, "")).probe();
    assert!(found[0].found.as_ref().is_err_and(|why| why.0.contains("certificate")), "{found:?}");
}
