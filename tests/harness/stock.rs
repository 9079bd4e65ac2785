//! The server's stock sites beside that of a test: as they are installed, but for their ports, and for the name of `default`.
//!
//! They make Auth-Types and Post-Auth-Types that count in every virtual server, as at a real site.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};

/// What the stock sites call, and where it is.
const MODULES: [&str; 17] = [
    "expr",
    "radutmp",
    "always",
    "attr_filter",
    "chap",
    "detail",
    "digest",
    "eap",
    "exec",
    "expiration",
    "files",
    "logintime",
    "mschap",
    "pap",
    "preprocess",
    "realm",
    "unix",
];

/// Files of policies that they call.
const POLICIES: [&str; 3] = ["accounting", "eap", "filter"];

/// What stands beside a site.
pub struct Stock {
    /// More of `modules { }`.
    pub modules: String,
    /// More of `policy { }`.
    pub policies: String,
    /// The virtual servers.
    pub sites: String,
}

impl Stock {
    /// Beside modules of a test, `own`. None if the server's configuration may not be read, which is said.
    pub fn beside(own: &str, folder: &Path) -> Option<Self> {
        let raddb = raddb()?;
        let path = |name: &str| raddb.join(name).display().to_string();
        let read = |name: &&str| std::fs::read_to_string(raddb.join("mods-available").join(name)).unwrap();
        let own: Vec<_> = sections(own).into_iter().map(|(label, _)| label).collect();
        let modules: Vec<_> = MODULES.iter().map(read).flat_map(|text| sections(&text)).collect();
        let folder = folder.display().to_string();
        // Variables of the stock radiusd.conf, some of which mean something to the module as well.
        let values = [
            ("${modconfdir}", path("mods-config")),
            ("${certdir}", path("certs")),
            ("${cadir}", path("certs")),
            ("${radacctdir}", folder.clone()),
            ("${db_dir}", folder),
        ];
        let filled = |text: String| values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        let modules =
            modules.into_iter().filter(|(label, _)| !own.contains(label)).map(|(_, text)| filled(text));
        // Not by $INCLUDE: the user to whom these files belong would be taken for one who can write the test's configuration.
        let policy = |name: &&str| std::fs::read_to_string(raddb.join("policy.d").join(name)).unwrap();
        Some(Self {
            modules: modules.collect(),
            policies: POLICIES.iter().map(policy).collect(),
            sites: ["default", "inner-tunnel"]
                .map(|name| site(&path(&format!("sites-available/{name}"))))
                .concat(),
        })
    }
}

/// The server's own configuration, if it may be read.
fn raddb() -> Option<PathBuf> {
    let places =
        ["/etc/freeradius/3.0", "/etc/freeradius", "/etc/raddb", "/usr/local/etc/raddb"].map(PathBuf::from);
    let found = places.into_iter().find(|place| std::fs::read(place.join("sites-available/default")).is_ok());
    if found.is_none() {
        eprintln!("SKIPPED: the stock sites may not be read, so this runs without them");
    }
    found
}

/// The sections that begin and end at the beginning of a line, by their names.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let head = line
            .strip_suffix('{')
            .filter(|_| !is_inside && line.starts_with(|c: char| c.is_ascii_alphabetic()));
        if let Some(head) = head {
            let label = head.split_whitespace().last().unwrap_or_default();
            found.push((label.to_owned(), String::new()));
            is_inside = true;
        }
        if let Some((_, text)) = found.last_mut().filter(|_| is_inside) {
            *text += &format!("{line}\n");
        }
        is_inside &= line != "}";
    }
    found
}

/// A site on free ports of 127.0.0.1.
fn site(file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let mut sockets = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.push(match line.trim() {
            "server default {" => "server stock {".to_owned(),
            line if line.starts_with("ipaddr =") || line.starts_with("ipv6addr =") => {
                "ipaddr = 127.0.0.1".to_owned()
            }
            line if line.starts_with("port =") => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let port = socket.local_addr().unwrap().port();
                sockets.push(socket);
                format!("port = {port}")
            }
            _ => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}
