//! A table of conversations: for each, what is configured and what the user has; then what she types, turn by turn, and what
//! she reads.

use super::stage::Has::{Email, NoDevice, Passcodes, Push, Recovery, Sms};
use super::stage::{play, says};
use crate::harness::site::PASSWORD;

/// The list of these ways.
fn list(heading: &str, ways: &[&str], question: &str) -> String {
    let ways = ways.iter().enumerate().map(|(n, way)| format!("{}. {way}\n", n + 1));
    let numbers = if ways.len() == 1 { "1".into() } else { format!("1-{}", ways.len()) };
    format!("{heading}\n{}{question} ({numbers}): ", ways.collect::<String>())
}

/// To choose one of these ways.
fn choose(ways: &[&str]) -> String {
    list("Confirm your login:", ways, "Option")
}

/// The same, or to type a passcode.
fn choose_or_type(ways: &[&str]) -> String {
    list("Enter a passcode or choose an option:", ways, "Passcode or option")
}

const TO_PHONE: &str = "Text message to XXX-XXX-4567";
const TO_MAILBOX: &str = "E-mail to a***@example.test";
const TO_DEVICE: &str = "Push to your device";
const TYPE: &str = "Enter a passcode: ";
const SENT_TO_PHONE: &str = "Enter the code sent to XXX-XXX-4567: ";
const SENT_TO_MAILBOX: &str = "Enter the code sent to a***@example.test: ";
const SPENT: &str = "This code was already used. Wait for the next one.";
const TIMED_OUT: &str = "The request was not answered in time.";
/// A refusal that says no more.
const NOTHING: &str = "";

/// A reason before a question.
fn because(reason: &str, question: impl AsRef<str>) -> String {
    format!("{reason}\n{}", question.as_ref())
}

#[test]
fn number_of_the_list_sends_a_code_by_text_message() {
    let stage = play(
        "challenge",
        "",
        &[Passcodes, Sms, Email],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_PHONE, TO_MAILBOX])),
            says("1").asks(SENT_TO_PHONE),
            says("{sms}"),
        ],
    );
    assert!(stage.texts()[0].contains("your code for localhost,"), "{:?}", stage.texts());
}

#[test]
fn word_of_the_list_sends_a_code_by_mail_whatever_its_case_and_spaces() {
    for word in ["email", "EMail", "  e m a i l "] {
        play(
            "challenge",
            "",
            &[Sms, Email],
            &[
                says(PASSWORD).asks(choose(&[TO_PHONE, TO_MAILBOX])),
                says(word).asks(SENT_TO_MAILBOX),
                says("{email}"),
            ],
        );
    }
}

#[test]
fn passcode_answers_a_list_and_is_spent() {
    play(
        "challenge",
        "",
        &[Passcodes, Sms],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_PHONE])),
            says(" {passcode} "),
            says(PASSWORD).anew().asks(choose_or_type(&[TO_PHONE])),
            says("{same}").asks(because(SPENT, choose_or_type(&[TO_PHONE]))),
            says("{passcode}"),
        ],
    );
}

#[test]
fn recovery_code_is_asked_for_by_its_word_or_typed_at_once() {
    play(
        "challenge",
        "",
        &[Recovery, Sms],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_PHONE])),
            says("Recovery").asks(TYPE),
            says("{recovery}"),
            says(PASSWORD).anew().asks(choose_or_type(&[TO_PHONE])),
            says("{recovery}"),
        ],
    );
}

#[test]
fn push_is_chosen_and_approved() {
    play(
        "challenge",
        "",
        &[Passcodes, Push("")],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_DEVICE])),
            says("push").on_device("approved"),
            says(PASSWORD).anew().asks(choose_or_type(&[TO_DEVICE])),
            says("1").on_device("approved"),
        ],
    );
}

#[test]
fn denied_push_ends_the_conversation() {
    play(
        "challenge",
        "",
        &[Passcodes, Push("")],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_DEVICE])),
            says("1").on_device("denied").refuses("The request was denied on your device."),
        ],
    );
}

#[test]
fn unanswered_push_leaves_the_other_ways_if_the_site_says_so() {
    let list = choose_or_type(&[TO_DEVICE, TO_PHONE]);
    let turns = [
        says(PASSWORD).asks(list.as_str()),
        says("push").asks(because(TIMED_OUT, &list)),
        says("sms").asks(SENT_TO_PHONE),
        says("{sms}"),
    ];
    play("challenge", "", &[Passcodes, Push("limit = 2\non_timeout = challenge"), Sms], &turns);
    play(
        "challenge",
        "",
        &[Passcodes, Push("limit = 2"), Sms],
        &[says(PASSWORD).asks(list.as_str()), says("push").refuses(TIMED_OUT)],
    );
}

#[test]
fn number_is_found_on_the_device() {
    play(
        "challenge",
        "",
        &[Passcodes, Push("number_match = yes")],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_DEVICE])),
            says("1").asks("Choose {number} on your device, then type ok here: "),
            says("").on_device("approved"),
        ],
    );
}

#[test]
fn code_of_one_way_counts_after_another_was_chosen() {
    play(
        "challenge",
        "",
        &[Sms, Email],
        &[
            says(PASSWORD).asks(choose(&[TO_PHONE, TO_MAILBOX])),
            says("sms").asks(SENT_TO_PHONE),
            says("email").asks(SENT_TO_MAILBOX),
            says("{sms}"),
        ],
    );
}

#[test]
fn code_of_another_conversation_does_not_count() {
    let list = choose(&[TO_PHONE, TO_MAILBOX]);
    play(
        "challenge",
        "challenge_tries = 2",
        &[Sms, Email],
        &[
            says(PASSWORD).asks(list.as_str()),
            says("sms").asks(SENT_TO_PHONE),
            says(PASSWORD).anew().asks(list.as_str()),
            says("{sms}").asks(because("This code is wrong. 2 tries left.", &list)),
            says("email").asks(SENT_TO_MAILBOX),
            says("{email}"),
        ],
    );
}

#[test]
fn second_code_is_not_sent_for_a_repeated_choice() {
    let stage = play(
        "challenge",
        "",
        &[Sms],
        &[
            says(PASSWORD).asks(choose(&[TO_PHONE])),
            says("1").asks(SENT_TO_PHONE),
            says("1").asks(because("A code was sent a moment ago. Enter that one.", SENT_TO_PHONE)),
            says("{sms}"),
        ],
    );
    assert_eq!(stage.texts().len(), 1);
}

#[test]
fn what_was_not_offered_is_asked_for_again() {
    let list = choose_or_type(&[TO_PHONE]);
    let again = because("Answer with one of these.", &list);
    play(
        "challenge",
        "challenge_tries = 7",
        &[Passcodes, Sms],
        &[
            says(PASSWORD).asks(list.as_str()),
            says("2").asks(again.as_str()),
            says("0").asks(again.as_str()),
            says("").asks(again.as_str()),
            says("   ").asks(again.as_str()),
            says("push").asks(again.as_str()),
            says("sms2").asks(again.as_str()),
            says("{passcode}"),
        ],
    );
}

#[test]
fn tries_are_counted_over_wrong_codes_and_what_makes_no_sense() {
    play(
        "challenge",
        "challenge_tries = 2",
        &[Passcodes],
        &[
            says(PASSWORD).asks(TYPE),
            says("000000").asks(because("This code is wrong. 2 tries left.", TYPE)),
            says("99").asks(because("Answer with one of these.", TYPE)),
            says("000001").refuses("This code is wrong."),
        ],
    );
}

#[test]
fn wrong_password_is_refused_without_a_word() {
    play("challenge", "", &[Passcodes, Sms], &[says("wrong").refuses(NOTHING)]);
}

#[test]
fn answer_after_its_time_is_refused() {
    play(
        "challenge",
        "challenge_lifetime = 10",
        &[Passcodes],
        &[
            says(PASSWORD).asks(TYPE),
            says("{passcode}").after(11).refuses(NOTHING),
            says(PASSWORD).anew().asks(TYPE),
            says("{same}"),
        ],
    );
}

#[test]
fn conversation_goes_on_at_another_server_of_the_database() {
    play(
        "challenge",
        "",
        &[Passcodes, Sms],
        &[
            says(PASSWORD).asks(choose_or_type(&[TO_PHONE])),
            says("{passcode}").elsewhere(),
            says(PASSWORD).anew().asks(choose_or_type(&[TO_PHONE])),
            says("sms").elsewhere().asks(SENT_TO_PHONE),
            says("000000").asks(because("This code is wrong. 2 tries left.", choose_or_type(&[TO_PHONE]))),
            says("{sms}").elsewhere(),
        ],
    );
}

#[test]
fn word_in_passcode_mode_sends_a_code() {
    play("passcode", "", &[Sms], &[says("sms").asks("Enter the code you were sent: "), says("{sms}")]);
}

#[test]
fn word_behind_the_password_sends_a_code() {
    play(
        "append",
        "",
        &[Sms],
        &[says("hello,sms").asks(SENT_TO_PHONE), says("{sms}"), says("wrong,sms").anew().refuses(NOTHING)],
    );
}

#[test]
fn push_that_cannot_be_becomes_a_challenge() {
    play(
        "auto",
        "",
        &[Passcodes, Email, NoDevice],
        &[
            says(PASSWORD).asks(because("You have no device for this.", choose_or_type(&[TO_MAILBOX]))),
            says("{passcode}"),
        ],
    );
}

#[test]
fn client_that_shows_no_challenges_is_sent_none() {
    let stage = play(
        "challenge",
        "client_profile = openvpn",
        &[Passcodes, Sms],
        &[
            says(PASSWORD).refuses(NOTHING),
            says("hello,{passcode}"),
            says("hello,sms").refuses("Passcodes were sent. Log in with one of them."),
            says("hello,{sms}"),
        ],
    );
    assert!(stage.server.logged("needs a client that sends PAP and shows challenges"));
}

#[test]
fn chap_cannot_be_challenged_and_the_log_says_so() {
    let stage = play("challenge", "", &[Passcodes], &[says(PASSWORD).chap().refuses(NOTHING)]);
    assert!(stage.server.logged("needs a client that sends PAP and shows challenges"));
}

#[test]
fn chap_answer_to_a_challenge_is_refused_and_ends_it() {
    play(
        "challenge",
        "",
        &[Passcodes],
        &[says(PASSWORD).asks(TYPE), says("{passcode}").chap().refuses(NOTHING)],
    );
}
