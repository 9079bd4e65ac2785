//! Kannel, an SMS gateway, with the fake network that it comes with: on free ports of 127.0.0.1, from a folder of its own.
//! Ends when it is dropped.

use super::{SOON, process};
use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user who may send.
pub const USER: &str = "radius";
/// The gateway's password.
pub const PASSWORD: &str = "smspw";

/// A gateway that has started.
pub struct Kannel {
    /// Where it takes messages.
    pub url: String,
    network_port: u16,
    bearerbox: Child,
    smsbox: Child,
    network: Option<Child>,
    folder: tempfile::TempDir,
}

/// A message that the network has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub from: String,
    pub to: String,
    pub text: String,
}

impl Kannel {
    /// With a network that takes everything.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [admin, link, send, network_port] = free_ports();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut text = String::new();
        write!(
            text,
            "group = core\nadmin-port = {admin}\nadmin-interface = 127.0.0.1\nadmin-password = admin\n\
             smsbox-port = {link}\nsmsbox-interface = 127.0.0.1\nlog-file = {}\nlog-level = 1\n\
             box-deny-ip = \"*.*.*.*\"\nbox-allow-ip = \"127.0.0.1\"\ndlr-storage = internal\n\n\
             group = smsc\nsmsc = fake\nsmsc-id = FAKE\nport = {network_port}\nconnect-allow-ip = 127.0.0.1\n\n\
             group = smsbox\nbearerbox-host = 127.0.0.1\nbearerbox-port = {link}\nsendsms-interface = 127.0.0.1\n\
             sendsms-port = {send}\nlog-file = {}\nlog-level = 0\n\n\
             group = sendsms-user\nusername = {USER}\npassword = {PASSWORD}\nmax-messages = 3\nconcatenation = true\n\
             user-deny-ip = \"*.*.*.*\"\nuser-allow-ip = \"127.0.0.1\"\n\n\
             group = sms-service\nkeyword = default\ntext = \"no service\"\n",
            path("bearerbox.log"),
            path("smsbox.log"),
        )
        .unwrap();
        std::fs::write(folder.path().join("kannel.conf"), text).unwrap();
        let start = |program: &str| {
            let mut command = Command::new(program);
            command.args(["-v", "4"]).arg(folder.path().join("kannel.conf")).current_dir(folder.path());
            spawn(&mut command, &folder.path().join("out"))
        };
        let bearerbox = start("/usr/sbin/bearerbox");
        wait_for_port(link);
        let smsbox = start("/usr/sbin/smsbox");
        wait_for_port(send);
        let url = format!("http://127.0.0.1:{send}/cgi-bin/sendsms");
        let mut kannel = Self { url, network_port, bearerbox, smsbox, network: None, folder };
        kannel.connect();
        kannel
    }

    /// Has the network come back.
    pub fn connect(&mut self) {
        let mut fake = Command::new("/usr/lib/kannel/test/fakesmsc");
        // It sends nothing of its own.
        fake.args(["-H", "127.0.0.1", "-r", &self.network_port.to_string(), "-i", "1000000", "-m", "0"]);
        fake.arg("100 200 text hello");
        let before = self.log("bearerbox.log").matches("Fakesmsc client connected").count();
        self.network = Some(spawn(&mut fake, &self.folder.path().join("network")));
        self.wait_until("the network's line", |kannel| {
            kannel.log("bearerbox.log").matches("Fakesmsc client connected").count() > before
        });
    }

    /// Has the network go away.
    pub fn disconnect(&mut self) {
        let before = self.log("bearerbox.log").matches("fakesmsc client. Closing connection").count();
        end(self.network.take());
        self.wait_until("the end of the network's line", |kannel| {
            kannel.log("bearerbox.log").matches("fakesmsc client. Closing connection").count() > before
        });
    }

    /// What to write into the instance to have messages sent through it.
    pub fn options(&self) -> String {
        format!("sms {{\ntimeout = 20\n{}}}\n", self.gateway("kannel"))
    }

    /// One such gateway.
    pub fn gateway(&self, name: &str) -> String {
        format!(
            "gateway {name} {{\npreset = kannel\nurl = \"{}\"\nuser = {USER}\npassword = {PASSWORD}\nfrom = VPN\n}}\n",
            self.url
        )
    }

    /// All messages to a number, from the oldest.
    pub fn texts_to(&self, number: &str) -> Vec<Text> {
        let log = self.log("network");
        let mut texts: Vec<Text> = Vec::new();
        let said = log.lines().filter_map(|line| line.split_once(" Got message ")?.1.split_once(": <"));
        for said in said.filter_map(|(_, said)| said.strip_suffix('>')) {
            match (text(said), texts.last_mut()) {
                (Some(text), _) => texts.push(text),
                // To the fake network each line of a message is another.
                (None, Some(last)) => last.text = format!("{}\n{said}", last.text),
                (None, None) => {}
            }
        }
        texts.retain(|text| text.to == number);
        texts
    }

    /// The `count`th message to a number, from 1, waiting up to 10 seconds. Of several lines, at least the first.
    pub fn wait_for(&self, number: &str, count: usize) -> Text {
        self.wait_until("the message", |kannel| kannel.texts_to(number).len() >= count);
        self.texts_to(number).swap_remove(count - 1)
    }

    /// One of its logs.
    pub fn log(&self, name: &str) -> String {
        process::text(&self.folder.path().join(name))
    }

    fn wait_until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(
                start.elapsed() < SOON,
                "{what} does not come: {}{}",
                self.log("bearerbox.log"),
                self.log("network")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// `FROM TO text TEXT`, or with everything quoted as in a URL, `data` or `ucs-2` and TEXT.
fn text(said: &str) -> Option<Text> {
    let mut words = said.splitn(4, ' ');
    let (from, to, kind, text) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        decoded(&percent_encoding::percent_decode_str(&text).collect::<Vec<u8>>())
    };
    let text = match kind {
        "text" => text.to_owned(),
        // A header of its own before the message.
        "udh" => plain(text.split_once(' ')?.1),
        "data" | "ucs-2" => plain(text),
        _ => return None,
    };
    Some(Text { from: plain(from), to: to.to_owned(), text })
}

/// What does not fit the alphabet of GSM travels in UTF-16.
fn decoded(octets: &[u8]) -> String {
    if !octets.contains(&0) {
        return String::from_utf8_lossy(octets).into_owned();
    }
    let wide: Vec<u16> =
        octets.chunks_exact(2).map(|pair| u16::from_be_bytes(pair.try_into().unwrap())).collect();
    String::from_utf16_lossy(&wide)
}

impl Drop for Kannel {
    fn drop(&mut self) {
        end(self.network.take());
        for child in [&mut self.smsbox, &mut self.bearerbox] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(command: &mut Command, out: &PathBuf) -> Child {
    let out = std::fs::OpenOptions::new().create(true).append(true).open(out).unwrap();
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}: run `make deps`"))
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn free_ports() -> [u16; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn wait_for_port(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < SOON, "nobody listens: run `make deps`");
        std::thread::sleep(Duration::from_millis(20));
    }
}
