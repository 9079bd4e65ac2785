//! A State is answered where it was put: at that instance and virtual server, and where the same one checks the password.

use crate::harness::oath::code_in;
use crate::harness::site::PASSWORD;
use crate::harness::smtp::Smtp;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Nas, Server, Site};

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");

/// Virtual servers by the address that they listen at: of the same instance, in the same mode and in mode `passcode`; and of
/// another instance.
const DEFAULT: &str = "127.0.0.1";
const TWIN: &str = "127.0.0.6";
const PASSCODE: &str = "127.0.0.7";
const SECOND: &str = "127.0.0.8";

/// `pap` checks the password in all but one, where no module does.
fn site(mode: &str, options: &str) -> Site {
    let server = |name: &str, address: &str, authorize: &str, mfa: &str| {
        format!(
            "server {name} {{\nlisten {{\ntype = auth\nipaddr = {address}\nport = {{port}}\n}}\n\
             authorize {{\n{authorize}\n}}\n\
             authenticate {{\nAuth-Type PAP {{\npap\n{mfa}\n}}\nAuth-Type {mfa} {{\n{mfa}\n}}\n}}\n\
             post-auth {{\n{mfa}\n}}\n}}\n"
        )
    };
    let base = Site::auto("");
    let options = format!("mode = {mode}\n{options}");
    Site {
        modules: format!(
            "mfa second {{\n{options}\nstore {{\nfilename = {{store}}/mfa.db\nkey_file = {{store}}/mfa.key\n}}\n}}"
        ),
        root: [
            server("twin", TWIN, &base.authorize, "mfa"),
            server("open", PASSCODE, "mfa_passcode", "mfa"),
            server("other", SECOND, &base.authorize.replace("mfa\n", "second\n"), "second"),
        ]
        .concat(),
        mfa: options,
        ..base
    }
}

/// What alice is told at that address; the State of her answer.
fn told(server: &Server, nas: &Nas, to: &str, field: &str) -> String {
    let reply = nas.reply(&nas.pap_to(to, server, "alice", field, &[STATION]));
    assert_eq!(reply.code, Code::Challenge, "{to}");
    reply.get("State").unwrap().to_owned()
}

fn answers(server: &Server, nas: &Nas, to: &str, state: &str, field: &str) -> Code {
    nas.reply(&nas.pap_to(to, server, "alice", field, &[STATION, (STATE, state)])).code
}

#[test]
fn challenge_is_answered_where_it_was_put_and_nowhere_else() {
    let smtp = Smtp::start();
    let options = format!(
        "{}lockout {{\nslow_after = 1000\n}}\ncodes {{\nper_hour = 50\npause = 0\n}}",
        smtp.options()
    );
    let server = site("challenge", &options).start();
    let alice = server.enrol("alice");
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let nas = Nas::new();
    let (mut counter, mut mails) = (0, 0);
    for put in [DEFAULT, TWIN, PASSCODE, SECOND] {
        for here in [DEFAULT, TWIN, PASSCODE, SECOND] {
            let state = told(&server, &nas, put, if put == PASSCODE { "email" } else { PASSWORD });
            let code = if put == PASSCODE {
                mails += 1;
                code_in(smtp.wait_for("alice@example.test", mails).text())
            } else {
                counter += 1;
                alice.code(counter - 1)
            };
            let expected = if put == here { Code::Accept } else { Code::Reject };
            assert_eq!(
                answers(&server, &nas, here, &state, &code),
                expected,
                "put at {put}, answered at {here}"
            );
            let (_, reason) = server.audit("alice").pop().unwrap();
            assert_eq!(reason, if put == here { "right code" } else { "unknown or used State" });
        }
    }
}

#[test]
fn number_that_is_shown_where_no_password_is_asked_for_stands_for_none() {
    let webhook = Webhook::start();
    let options = format!("push {{\n{}\nnumber_match = yes\nper_hour_unproven = 50\n}}", webhook.options());
    let server = site("auto", &options).start();
    let nas = Nas::new();
    for (put, field) in [(PASSCODE, "push"), (DEFAULT, PASSWORD)] {
        let reply = nas.reply(&nas.pap_to(put, &server, "alice", field, &[STATION]));
        let number: String =
            reply.get("Reply-Message").unwrap().chars().filter(char::is_ascii_digit).collect();
        let state = reply.get("State").unwrap().to_owned();
        webhook.wait_for(1);
        webhook.approve_with("alice", &number);
        for elsewhere in [DEFAULT, TWIN, PASSCODE, SECOND].into_iter().filter(|here| *here != put) {
            assert_eq!(answers(&server, &nas, elsewhere, &state, ""), Code::Reject, "{put}, {elsewhere}");
        }
        assert_eq!(answers(&server, &nas, put, &state, ""), Code::Accept, "{put}");
    }
}
