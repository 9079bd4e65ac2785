//! A conversation played turn by turn against a server of its own: by `radclient`, but for what that cannot send.

use crate::harness::kannel::Kannel;
use crate::harness::oath::code_in;
use crate::harness::radclient::Under;
use crate::harness::server::Token;
use crate::harness::smtp::Smtp;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Reply, Server, Site};
use std::time::Duration;

const NUMBER: &str = "+41791234567";
const MAILBOX: &str = "alice@example.test";
const STATION: &str = "198.51.100.7";

/// What alice has.
#[derive(Clone, Copy, Debug)]
pub enum Has {
    Passcodes,
    Recovery,
    Sms,
    Email,
    /// With these options of `push { }`.
    Push(&'static str),
    /// The provider knows no device of hers.
    NoDevice,
}
use Has::{Email, NoDevice, Passcodes, Push, Recovery, Sms};

/// One packet and its answer.
#[derive(Clone, Debug)]
pub struct Turn {
    /// `{passcode}` is her next one, `{same}` her last, `{recovery}` one of her recovery codes, `{sms}` and `{email}` the
    /// code that was sent to her after the one she typed last.
    typed: &'static str,
    is_new: bool,
    is_chap: bool,
    elsewhere: bool,
    after: Duration,
    /// What she answers on her device meanwhile.
    device: Option<&'static str>,
    code: Code,
    /// `{number}` is the one that she has to find.
    reads: String,
}

/// She types this, and is let in.
pub fn says(typed: &'static str) -> Turn {
    Turn {
        typed,
        is_new: false,
        is_chap: false,
        elsewhere: false,
        after: Duration::ZERO,
        device: None,
        code: Code::Accept,
        reads: String::new(),
    }
}

impl Turn {
    /// It begins another conversation.
    pub fn anew(self) -> Self {
        Self { is_new: true, ..self }
    }

    /// Over CHAP.
    pub fn chap(self) -> Self {
        Self { is_chap: true, ..self }
    }

    /// To another server on the same database.
    pub fn elsewhere(self) -> Self {
        Self { elsewhere: true, ..self }
    }

    pub fn after(self, seconds: u64) -> Self {
        Self { after: Duration::from_secs(seconds), ..self }
    }

    pub fn on_device(self, status: &'static str) -> Self {
        Self { device: Some(status), ..self }
    }

    pub fn asks(self, text: impl Into<String>) -> Self {
        Self { code: Code::Challenge, reads: text.into(), ..self }
    }

    pub fn refuses(self, text: &str) -> Self {
        Self { code: Code::Reject, reads: text.into(), ..self }
    }
}

/// Where it takes place.
pub struct Stage {
    pub server: Server,
    twin: Option<Server>,
    nas: Nas,
    pub kannel: Option<Kannel>,
    pub smtp: Option<Smtp>,
    pub webhook: Option<Webhook>,
    token: Option<Token>,
    counter: u64,
    recovery: Vec<String>,
    /// Text messages and mails whose codes she has typed.
    read: [usize; 2],
    state: Option<String>,
}

/// An instance of that mode with these options. In all but `passcode`, `pap` checks the password.
fn site(mode: &str, options: &str) -> Site {
    let (site, delimiter) = match mode {
        "passcode" => (Site::passcode(), ""),
        _ => (Site::auto(""), "delimiter = \",\"\n"),
    };
    let authorize = format!("chap\n{}", site.authorize.trim_start_matches("chap\n"));
    let authenticate = match mode {
        "passcode" => site.authenticate,
        _ => format!("{}\nAuth-Type CHAP {{\nchap\nmfa\n}}", site.authenticate),
    };
    let mfa = format!("mode = {mode}\n{delimiter}lockout {{\nslow_after = 20\n}}\n{options}");
    Site { mfa, authorize, authenticate, ..site }
}

/// Plays a row of the table.
pub fn play(mode: &str, options: &str, has: &[Has], turns: &[Turn]) -> Stage {
    let mut stage = Stage::new(site(mode, options), has);
    for (n, turn) in turns.iter().enumerate() {
        let (code, reads) = stage.take(turn);
        assert_eq!(
            (code, reads.as_str()),
            (turn.code, stage.filled(&turn.reads).as_str()),
            "{}. {turn:?}",
            n + 1
        );
    }
    stage
}

impl Stage {
    fn new(mut site: Site, has: &[Has]) -> Self {
        let (mut kannel, mut smtp, mut webhook) = (None, None, None);
        for has in has {
            let options = match has {
                Passcodes | Recovery => continue,
                Sms => kannel.insert(Kannel::start()).options(),
                Email => smtp.insert(Smtp::start()).options(),
                Push(options) => {
                    format!("push {{\n{options}\n{}}}\n", webhook.insert(Webhook::start()).options())
                }
                NoDevice => {
                    let webhook = webhook.insert(Webhook::start());
                    webhook.preset(None, "no_device", Duration::ZERO);
                    format!("push {{\n{}}}\n", webhook.options())
                }
            };
            site = site.with(&options);
        }
        let server = site.start();
        server.admin(&["user", "add", "alice"]);
        let (mut token, mut recovery) = (None, Vec::new());
        for has in has {
            match has {
                Passcodes => token = Some(server.add_token("alice", "hotp", b"12345678901234567890", &[])),
                Recovery => recovery = server.recovery("alice"),
                Sms => drop(server.admin(&["token", "add", "alice", "sms", NUMBER])),
                Email => drop(server.admin(&["token", "add", "alice", "email", MAILBOX])),
                Push(_) | NoDevice => {}
            }
        }
        let nas = Nas::new();
        Self {
            server,
            twin: None,
            nas,
            kannel,
            smtp,
            webhook,
            token,
            counter: 0,
            recovery,
            read: [0; 2],
            state: None,
        }
    }

    /// Sends what she types: the code of the answer, and what she reads.
    fn take(&mut self, turn: &Turn) -> (Code, String) {
        std::thread::sleep(turn.after);
        if turn.elsewhere && self.twin.is_none() {
            self.twin = Some(self.server.twin());
        }
        let typed = self.typed(turn.typed);
        let state = self.state.take().filter(|_| !turn.is_new);
        let server = if turn.elsewhere { self.twin.as_ref().unwrap() } else { &self.server };
        let pending: Box<dyn FnOnce() -> Reply + '_> = match typed.is_empty() {
            true => {
                let mut more = vec![(CALLING_STATION, STATION)];
                more.extend(state.as_deref().map(|state| (STATE, state)));
                let nas = &self.nas;
                let sent = nas.pap(server, "alice", "", &more);
                Box::new(move || nas.reply(&sent))
            }
            false => {
                let login = if turn.is_chap { Login::chap } else { Login::pap };
                let mut login = login("alice", &typed).with("Calling-Station-Id", STATION);
                if let Some(state) = &state {
                    login = login
                        .with("State", &format!("0x{}", data_encoding::HEXLOWER.encode(state.as_bytes())));
                }
                let under: Under = login.start(server);
                Box::new(|| under.reply())
            }
        };
        if let Some(status) = turn.device {
            let webhook = self.webhook.as_ref().unwrap();
            webhook.wait_for(1);
            webhook.decide("alice", status);
        }
        let reply = pending();
        self.state = reply.get("State").map(plain);
        (reply.code, reply.all("Reply-Message").into_iter().map(plain).collect())
    }

    /// Text messages that were sent to her.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.kannel.as_ref().unwrap().texts_to(NUMBER);
        texts.into_iter().map(|text| text.text).collect()
    }

    fn typed(&mut self, typed: &str) -> String {
        let mut typed = typed.to_owned();
        if typed.contains("{passcode}") {
            self.counter += 1;
            let code = self.token.as_ref().unwrap().code(self.counter);
            typed = typed.replace("{passcode}", &code);
        }
        if let Some(token) = &self.token {
            typed = typed.replace("{same}", &token.code(self.counter));
        }
        if typed.contains("{recovery}") {
            typed = typed.replace("{recovery}", &self.recovery.remove(0));
        }
        if typed.contains("{sms}") {
            self.read[0] += 1;
            let sent = self.kannel.as_ref().unwrap().wait_for(NUMBER, self.read[0]);
            typed = typed.replace("{sms}", &code_in(&sent.text));
        }
        if typed.contains("{email}") {
            self.read[1] += 1;
            let sent = self.smtp.as_ref().unwrap().wait_for(MAILBOX, self.read[1]);
            typed = typed.replace("{email}", &code_in(sent.text()));
        }
        typed
    }

    fn filled(&self, reads: &str) -> String {
        if !reads.contains("{number}") {
            return reads.to_owned();
        }
        let number = self.webhook.as_ref().unwrap().wait_for(1).remove(0).number;
        reads.replace("{number}", &number.unwrap())
    }
}

/// A value as it was before `radclient` wrote it.
fn plain(value: &str) -> String {
    match value.strip_prefix("0x").map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes())) {
        Some(Ok(octets)) => String::from_utf8(octets).unwrap(),
        _ => value.replace("\\n", "\n"),
    }
}
