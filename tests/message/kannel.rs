//! A real Kannel.

use super::{CODE, NUMBER, Sender, refused, taken, unreachable};
use crate::harness::kannel::Kannel;

#[test]
fn message_reaches_the_network() {
    let kannel = Kannel::start();
    let sender = Sender::new(&kannel.options());
    assert_eq!(taken(&sender.send(NUMBER)), "kannel");
    let text = kannel.wait_for(NUMBER, 1);
    assert_eq!((text.from.as_str(), text.text), ("VPN", format!("Your code is {CODE}")));
    // What is in the URL would be in its access log.
    assert!(!kannel.log("smsbox.log").contains("sendsms?"), "{}", kannel.log("smsbox.log"));
}
