//! Answers as another implementation of RADIUS reads them: PyPI's `pyrad`, by `tests/gear/pyrad_decode.py`.

use super::radclient::Code;
use super::wire::{self, Packet};
use super::{SECRET, SOON, Server, process};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An answer, its signature checked.
#[derive(Debug)]
pub struct Decoded {
    pub code: Code,
    /// The values of Reply-Message.
    pub messages: Vec<Vec<u8>>,
    pub states: Vec<Vec<u8>>,
    /// The values of Prompt.
    pub prompts: Vec<Vec<u8>>,
}

impl Decoded {
    /// The text in all its attributes, none longer than one can be, and each a whole one.
    pub fn text(&self) -> String {
        let whole = |octets: &Vec<u8>| {
            assert!((1..=253).contains(&octets.len()), "{} octets", octets.len());
            String::from_utf8(octets.clone()).expect("UTF-8")
        };
        self.messages.iter().map(whole).collect()
    }
}

/// Sends a packet from an address of this machine, and has the answer decoded.
pub fn ask(server: &Server, from: &str, packet: &Packet) -> Decoded {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let request = packet.finish();
    socket.send_to(&request, ("127.0.0.1", server.port)).unwrap();
    let mut octets = [0; 4096];
    let length = socket.recv(&mut octets).expect("an answer");
    decode(&request, &octets[..length])
}

/// What the octets of an answer say.
pub fn decode(request: &[u8], reply: &[u8]) -> Decoded {
    let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
    let input = serde_json::json!({ "request": hex(request), "reply": hex(reply) });
    let script = Path::new(crate::PROJECT).join("tests/gear/pyrad_decode.py");
    let output = process::run(Command::new(python()).arg(script).arg(SECRET), &format!("{input}\n"));
    assert!(output.status.success(), "{}", process::both(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (told["code"].as_u64(), told["signed"].as_bool()),
        (Some(reply[0].into()), Some(true)),
        "{told}"
    );
    let values = |number: &str| {
        let values = told[number].as_array().unwrap().iter();
        values
            .map(|value| data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap())
            .collect()
    };
    let code = wire::answer(request, reply);
    Decoded { code, messages: values("18"), states: values("24"), prompts: values("76") }
}

/// The Python that has pyrad, installed at the first use.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(crate::PROJECT);
        let output = Command::new(root.join("tests/make/gear"))
            .arg("pyrad")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap_or_else(|error| panic!("tests/make/gear: {error}: run `make deps`"));
        assert!(output.status.success(), "{}", process::both(&output));
        root.join("target/gear/pyrad/bin/python")
    })
}
