//! Each client is spoken to in its language, and as its product shows it.

use crate::harness::pyrad::{self, Decoded};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::Packet;
use crate::harness::{Code, SECRET, Server, Site};

const ECHO: [[u8; 4]; 1] = [[0, 0, 0, 1]];

/// Every login shows a number.
fn site(webhook: &Webhook) -> Site {
    Site::auto(&format!("{}\nnumber_match = yes", webhook.options()))
}

/// 127.0.0.2 is a client with these items in its section.
fn client(items: &str) -> String {
    format!("client elsewhere {{\nipaddr = 127.0.0.2\nsecret = {SECRET}\n{items}\n}}\n")
}

fn login(server: &Server, from: &str, seed: u64) -> Decoded {
    pyrad::ask(server, from, &Packet::pap(seed, format!("user{seed}").as_bytes(), PASSWORD.as_bytes()))
}

/// The text with its number taken out.
fn without_number(decoded: &Decoded) -> String {
    decoded.text().chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn client_is_spoken_to_as_its_section_says() {
    let webhook = Webhook::start();
    let mut site = site(&webhook);
    site.root = client("mfa_profile = ivanti\nmfa_language = de");
    let server = site.start();
    let here = login(&server, "127.0.0.1", 1);
    assert_eq!((here.code, here.states.len()), (Code::Challenge, 1));
    assert_eq!(without_number(&here), "Choose  on your device, then type ok here: ");
    assert_eq!(here.prompts, ECHO);
    let there = login(&server, "127.0.0.2", 2);
    assert_eq!((there.code, there.prompts.len()), (Code::Challenge, 0));
    assert_eq!(without_number(&there), "Bitte wählen Sie  auf Ihrem Gerät und geben Sie dann hier ok ein:");
}

#[test]
fn unlang_comes_before_the_client_and_the_client_before_the_instance() {
    let webhook = Webhook::start();
    let mut site = site(&webhook)
        .with("language = fr\nclient_profile = fortigate\nprompt_format = ascii")
        .first("if (&User-Name == \"user3\") {\nupdate control {\n&MFA-Language := \"en\"\n&MFA-Profile := \"generic\"\n}\n}");
    site.root = client("mfa_profile = ivanti\nmfa_language = de");
    let server = site.start();
    assert_eq!(
        without_number(&login(&server, "127.0.0.1", 1)),
        "Choisissez  sur votre appareil, puis saisissez ici ok :",
        "in ASCII"
    );
    assert!(without_number(&login(&server, "127.0.0.2", 2)).starts_with("Bitte wählen Sie"));
    let both = login(&server, "127.0.0.2", 3);
    assert_eq!(without_number(&both), "Choose  on your device, then type ok here: ");
    assert_eq!(both.prompts, ECHO);
}

#[test]
fn client_that_shows_no_challenge_is_sent_none() {
    let webhook = Webhook::start();
    let mut site = site(&webhook);
    site.root = client("mfa_profile = meraki");
    let server = site.start();
    assert_eq!(login(&server, "127.0.0.2", 1).code, Code::Reject);
    assert!(server.logged("the client shows no challenges"));
    assert_eq!(webhook.asked(), 0, "nobody is asked in vain");
}

/// Starts it with a file of texts.
fn with_texts(site: Site, language: &str, texts: &str) -> Result<Server, String> {
    let mut server = Server::prepare(site);
    let folder = server.folder.join("mods-config/mfa");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(language), texts).unwrap();
    assert!(server.mfa(&["init"]).ok);
    match server.up() {
        Ok(()) => Ok(server),
        Err(refused) => Err(refused.0),
    }
}

#[test]
fn long_text_goes_on_in_more_attributes_and_no_character_is_broken() {
    let webhook = Webhook::start();
    let long = "Grüße von Jürgen 👨‍👩‍👧‍👦📱 ".repeat(16);
    let mut site = site(&webhook).with("language = gsw");
    site.root = client("mfa_profile = pam_radius");
    let server = with_texts(site, "gsw", &format!("approve_number = \"{long}{{number}}\"\n")).unwrap();
    let here = login(&server, "127.0.0.1", 1);
    assert_eq!(without_number(&here), format!("{long} "));
    assert!((2..=4).contains(&here.messages.len()), "{}", here.messages.len());
    let there = login(&server, "127.0.0.2", 2);
    assert_eq!(there.messages.len(), 1);
    assert!(long.starts_with(&there.text()) && there.text().len() > 200, "{}", there.text());
}

#[test]
fn what_is_not_there_is_named_with_file_and_line() {
    let webhook = Webhook::start();
    let mut wrong = site(&webhook);
    wrong.root = client("mfa_profile = ivanty\nmfa_language = tlh");
    let text = Server::prepare(wrong).check().text;
    assert!(text.contains("\"mfa_profile\" must be one of generic, ivanti, "), "{text}");
    assert!(text.contains("\"mfa_language\" must be one of de, en, fr, not \"tlh\""), "{text}");
    assert!(text.contains("radiusd.conf["), "{text}");
    let text = Server::prepare(site(&webhook).with("language = tlh")).check().text;
    assert!(text.contains("\"language\" must be one of") && text.contains("mods-enabled/mfa["), "{text}");
    let text = with_texts(site(&webhook), "de", "\npasscode = \"{kode}\"\n").err().unwrap();
    assert!(text.contains("mods-config/mfa/de[2]: \"passcode\" has the unknown variable {kode}"), "{text}");
}
