//! What a user reads.

use crate::engine::Reason;
use crate::engine::prompt::{Asks, Prompt, Way};
use crate::types::Factor;

/// A question in words.
pub(super) fn ask(prompt: &Prompt) -> String {
    let because = match prompt.because {
        Some(Reason::WrongCode) => "Wrong code. ",
        Some(Reason::SpentCode) => "This code was used already: wait for the next one. ",
        Some(Reason::TimedOut) => "The request was not answered in time. ",
        Some(Reason::JustSent) => "A code was sent a moment ago. ",
        Some(Reason::NotSent) => "The code could not be sent. ",
        Some(Reason::TooManyCodes) => "Too many codes were sent: try another way. ",
        Some(Reason::NoDevice) => "There is no device for that. ",
        Some(Reason::NotUnderstood) => "Please answer with one of these. ",
        _ => "",
    };
    let asks = match &prompt.asks {
        Asks::Factor { ways, passcode } => {
            let lines: String =
                (1..).zip(ways).map(|(number, way)| format!("{number}. {}\n", line(way))).collect();
            let passcode = if *passcode { "Passcode or option" } else { "Option" };
            format!("Choose a second factor:\n{lines}{passcode} (1-{}): ", ways.len())
        }
        Asks::Code { to, .. } if to.is_empty() => "Enter the code that was sent to you: ".to_owned(),
        Asks::Code { to, .. } => format!("Enter the code that was sent to {to}: "),
        Asks::Passcode => "Enter a passcode: ".to_owned(),
        Asks::Enroll { link } => super::enrol::text(prompt.because, link.as_deref()),
        Asks::Approval { number } if number.is_empty() => {
            "Approve the request on your device, then press Enter here: ".to_owned()
        }
        Asks::Approval { number } => format!("Choose {number} on your device, then press Enter here: "),
    };
    format!("{because}{asks}")
}

fn line(way: &Way) -> String {
    let what = match way.choice.factor {
        Factor::Push => "Push",
        Factor::Phone => "Phone call",
        Factor::Sms => "SMS code",
        Factor::Email => "E-mail code",
        _ => "Code",
    };
    match way.target.as_str() {
        "" => what.to_owned(),
        target => format!("{what} to {target}"),
    }
}
