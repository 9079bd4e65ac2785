//! A real Kannel.

use super::{CODE, NUMBER, Sender, configured, refused, taken, unreachable};
use crate::harness::SOON;
use crate::harness::kannel::Kannel;
use rlm_mfa::factor::message::DeliveryError;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port without a listener.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn message_reaches_the_network() {
    let kannel = Kannel::start();
    let sender = Sender::new(&kannel.options());
    assert_eq!(taken(&sender.send(NUMBER)), "kannel");
    let text = kannel.wait_for(NUMBER, 1);
    assert_eq!((text.from.as_str(), text.text), ("VPN", format!("Your code is {CODE}")));
    // What is in a URL would be in its access log.
    assert!(!kannel.log("smsbox.log").contains("sendsms?"), "{}", kannel.log("smsbox.log"));
}

#[test]
fn message_arrives_as_it_was_written() {
    let kannel = Kannel::start();
    let sender = Sender::new(&kannel.options());
    let texts = [
        "a&b=c+d%20?#\"{to}\" \\ 100 %",
        "F\u{fc}r Ihr VPN: 123456. G\u{fc}ltig 5 Minuten.",
        "Entrez le code 123456 d\u{e8}s que possible, \u{e0} bient\u{f4}t",
        "code \u{1f600} 123456",
        "Code 123456\n\n@vpn.example.test #123456",
    ];
    for (n, text) in texts.iter().enumerate() {
        let number = format!("+4179123450{n}");
        assert_eq!(taken(&sender.say(&number, text)), "kannel", "{text}");
        let start = Instant::now();
        while kannel.wait_for(&number, 1).text != *text && start.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(kannel.wait_for(&number, 1).text, *text);
    }
}

#[test]
fn queued_for_later_is_not_sent_and_the_next_gateway_is_tried() {
    let (mut first, second) = (Kannel::start(), Kannel::start());
    first.disconnect();
    let alone = Sender::new(&first.options());
    let sent = alone.send(NUMBER);
    assert_eq!(refused(&sent), "HTTP 202: 3: Queued for later delivery");
    let both = Sender::new(&format!("sms {{\n{}{}}}", first.gateway("first"), second.gateway("second")));
    let sent = both.send(NUMBER);
    assert_eq!((taken(&sent), sent.refusals.len()), ("second", 1));
    second.wait_for(NUMBER, 1);
    first.connect();
    first.wait_for(NUMBER, 1);
}

#[test]
fn gateway_that_is_down_is_passed_over() {
    let kannel = Kannel::start();
    let down = format!(
        "gateway down {{\npreset = kannel\nurl = \"http://127.0.0.1:{}/\"\nuser = u\npassword = p\nfrom = f\n}}\n",
        nobody()
    );
    let sender = Sender::new(&format!("sms {{\n{down}{}}}", kannel.gateway("up")));
    let sent = sender.send(NUMBER);
    assert_eq!(taken(&sent), "up");
    assert!(matches!(&sent.refusals[0].why, DeliveryError::Unreachable(_)), "{sent:?}");
    kannel.wait_for(NUMBER, 1);
    let sent = Sender::new(&format!("sms {{\n{down}}}")).send(NUMBER);
    assert!(unreachable(&sent).contains("refused"), "{sent:?}");
}

#[test]
fn wrong_password_is_told() {
    let kannel = Kannel::start();
    let options = kannel.options().replace("password = smspw", "password = wrong");
    let sent = Sender::new(&options).send(NUMBER);
    assert!(refused(&sent).contains("credentials"), "{sent:?}");
    assert!(kannel.texts_to(NUMBER).is_empty());
}

#[test]
fn what_is_no_number_goes_nowhere() {
    let kannel = Kannel::start();
    let sender = Sender::new(&kannel.options());
    for to in ["", "alice", "0791234567", "+41791234567 +41791234568", "+41791234567\r\nX-Kannel-To: +1"] {
        assert!(refused(&sender.send(to)).contains("not a telephone number"), "{to:?}");
    }
    assert!(configured(&kannel.options()).email.relays.is_empty());
    assert!(kannel.log("network").matches("got message").count() == 0);
}
