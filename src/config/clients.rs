//! The clients of `clients.conf`: their addresses, and the items for this module in their sections (`mfa_profile` and the like).

use super::profile::ClientProfile;
use super::spelling::edit_distance;
use super::texts::Texts;
use super::tree::{ConfigPair, Section};
use super::{Error, Errors};
use ipnet::IpNet;
use std::net::IpAddr;

/// The item of a client that names its profile.
pub const PROFILE: &str = "mfa_profile";
/// The item of a client that names the language of its users.
pub const LANGUAGE: &str = "mfa_language";
/// The item of a client that marks a proxy which cannot sign its requests.
pub const PROXY: &str = "mfa_proxy";
/// The item of a client that names its group: logins that are remembered are at all clients of one group.
pub const REMEMBER_GROUP: &str = "mfa_remember_group";
/// The item of a client that sends the packets of one login from several ports.
pub const PORT_CHANGES: &str = "mfa_port_changes";
/// All items of a client that the module reads.
pub(super) const ITEMS: [&str; 5] = [PROFILE, LANGUAGE, PROXY, REMEMBER_GROUP, PORT_CHANGES];
/// What the names of all of them begin with.
const PREFIX: &str = "mfa_";

/// Whether all clients of the server, and this instance, name profiles and languages that exist.
///
/// # Errors
///
/// All that do not, with file and line.
pub fn check_clients(server: &Section, instance: &Section, texts: &Texts) -> Result<(), Errors> {
    let mut errors = Vec::new();
    errors.extend(instance.pair_named("language").and_then(|pair| wrong_language(pair, texts)));
    for client in all(server) {
        errors.extend(client.pair_named(PROFILE).and_then(wrong_profile));
        errors.extend(client.pair_named(LANGUAGE).and_then(|pair| wrong_language(pair, texts)));
        errors.extend(client.pair_named(PROXY).and_then(wrong_switch));
        errors.extend(client.pair_named(PORT_CHANGES).and_then(wrong_switch));
        errors.extend(client.pair_named(REMEMBER_GROUP).and_then(wrong_group));
        errors.extend(unknown_items(client));
        errors.extend(ITEMS.into_iter().filter_map(|item| repeated_item(client, item)));
    }
    errors.sort_by(|a, b| a.at.cmp(&b.at));
    if errors.is_empty() { Ok(()) } else { Err(Errors(errors)) }
}

/// Whether any client may say how it is spoken to. Of dynamic ones it is not known before they come.
pub fn client_texts(server: &Section) -> bool {
    let items = [PROFILE, LANGUAGE, REMEMBER_GROUP, PORT_CHANGES, "dynamic_clients"];
    all(server).any(|client| items.iter().any(|item| client.pair_named(item).is_some()))
}

/// A client of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NasClient<'s> {
    /// What the server and policy call it: its `shortname`, or else the name of its section.
    pub name: &'s str,
    /// The address in its section: an address, a network, or a DNS name.
    pub place: &'s str,
    /// The address that was meant: of a network the first if none was. None if only the DNS knows it.
    pub address: Option<IpAddr>,
    /// The client's section in clients.conf.
    pub section: &'s Section,
}

impl<'s> NasClient<'s> {
    /// From `client NAME { }`.
    fn new(section: &'s Section) -> Self {
        let place = ["ipaddr", "ipv4addr", "ipv6addr"].iter().find_map(|name| section.value(name));
        // Without any of these the name is the address.
        let place = place.unwrap_or_else(|| section.section_label());
        let name = section.value("shortname").unwrap_or_else(|| section.section_label());
        let mut nas = Self { name, place, address: None, section };
        nas.address = nas.client_network().map(|network| network.network());
        nas
    }

    /// The addresses from which its packets come, as the server reads them.
    fn client_network(&self) -> Option<IpNet> {
        if self.place == "*" {
            let any = if self.section.pair_named("ipv6addr").is_some() { "::/0" } else { "0.0.0.0/0" };
            return any.parse().ok();
        }
        let network = match self.place.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => IpNet::new(address, 0).ok()?,
            Ok(address) => address.into(),
            Err(_) => self.place.parse::<IpNet>().ok()?,
        };
        let mask = self.section.value("netmask").and_then(|mask| mask.parse().ok());
        mask.map_or(Some(network), |mask| IpNet::new(network.addr(), mask).ok())
            .map(|network| network.trunc())
    }
}

/// No client has the name. Says which one may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownClient(String);

/// The client of that name or `shortname`, or else the client with the smallest network that contains this address.
///
/// # Errors
///
/// A sentence with the clients that may have been meant.
pub fn find_client<'s>(server: &'s Section, wanted: &str) -> Result<NasClient<'s>, UnknownClient> {
    let all: Vec<NasClient<'_>> = all(server).map(NasClient::new).collect();
    if let Some(named) = all.iter().find(|nas| nas.section.section_label() == wanted || nas.name == wanted) {
        return Ok(named.clone());
    }
    let address = wanted.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let near = address.and_then(|address| {
        let of = |nas: &&NasClient<'_>| nas.client_network().filter(|network| network.contains(&address));
        // The first of those that are equal.
        let found = all.iter().rev().filter(|nas| of(nas).is_some());
        found.max_by_key(|nas| of(nas).map(|network| network.prefix_len()))
    });
    if let Some(nas) = near {
        return Ok(NasClient { address, ..nas.clone() });
    }
    Err(unknown_client(&all, wanted))
}

/// Whether a client has that `shortname`, by which `policy { }` names it.
///
/// # Errors
///
/// A sentence with the clients that may have been meant.
pub fn check_shortname(server: &Section, wanted: &str) -> Result<(), UnknownClient> {
    let all: Vec<NasClient<'_>> = all(server).map(NasClient::new).collect();
    if all.iter().any(|nas| nas.name == wanted) {
        return Ok(());
    }
    Err(match all.iter().find(|nas| nas.section.section_label() == wanted) {
        Some(nas) => {
            UnknownClient(format!("the shortname of client \"{wanted}\" is \"{}\": write that", nas.name))
        }
        None => unknown_client(&all, wanted),
    })
}

/// That there is no such client, and which there are.
fn unknown_client(all: &[NasClient<'_>], wanted: &str) -> UnknownClient {
    let nearest = all.iter().map(|nas| (edit_distance(nas.name, wanted), nas.name)).min();
    let hint = match nearest {
        Some((0..=2, name)) => format!("did you mean \"{name}\"?"),
        Some(_) => {
            let names: Vec<_> =
                all.iter().take(SHOWN).map(|nas| format!("{} ({})", nas.name, nas.place)).collect();
            let more = if all.len() > SHOWN { ", and more" } else { "" };
            format!("there is {}{more}", names.join(", "))
        }
        None => "the server has none: add it to clients.conf".to_owned(),
    };
    UnknownClient(format!("no client \"{wanted}\": {hint}"))
}

/// Clients that share a name which was set explicitly elsewhere.
const SHOWN: usize = 10;

/// The sections of all clients: `client { }` at the root, in `clients { }`, in `server { }`, and in `clients { }` there.
pub fn all(server: &Section) -> impl Iterator<Item = &Section> {
    let named = |name: &'static str| move |section: &&Section| section.name == name;
    let places = std::iter::once(server).chain(server.sections().filter(named("server")));
    let places =
        places.flat_map(move |place| std::iter::once(place).chain(place.sections().filter(named("clients"))));
    places.flat_map(move |place| place.sections().filter(named("client")))
}

/// Whether the value of an item means yes.
pub fn is_yes(word: &str) -> bool {
    ["yes", "true", "on", "1"].iter().any(|yes| yes.eq_ignore_ascii_case(word))
}

fn wrong_switch(pair: &ConfigPair) -> Option<Error> {
    let word = pair.value.as_deref().unwrap_or_default();
    let is_no = ["no", "false", "off", "0"].iter().any(|no| no.eq_ignore_ascii_case(word));
    (!is_yes(word) && !is_no)
        .then(|| Error::new(&pair.at, format!("\"{}\" must be yes or no, not \"{word}\"", pair.name)))
}

fn wrong_profile(pair: &ConfigPair) -> Option<Error> {
    let name = pair.value.as_deref().unwrap_or_default();
    let known = name.is_empty() || ClientProfile::find_profile(name).is_some();
    (!known).then(|| {
        let text =
            format!("\"{}\" must be one of {}, not \"{name}\"", pair.name, ClientProfile::profile_names());
        Error::new(&pair.at, text)
    })
}

fn wrong_group(pair: &ConfigPair) -> Option<Error> {
    let value = pair.value.as_deref().unwrap_or_default();
    let text = format!("\"{}\" must be a name of 1 to 60 characters, not \"{value}\"", pair.name);
    (value.trim().is_empty() || value.chars().count() > 60).then(|| Error::new(&pair.at, text))
}

/// Items that look like ours and are none: the server itself passes over all that it does not know.
fn unknown_items(client: &Section) -> impl Iterator<Item = Error> {
    let unknown = client.pairs_named().filter(|pair| pair.name.starts_with(PREFIX));
    unknown.filter(|pair| !ITEMS.contains(&pair.name.as_str())).map(|pair| {
        let nearest = ITEMS.iter().map(|item| (edit_distance(item, &pair.name), *item)).min();
        let hint = match nearest {
            Some((0..=2, item)) => format!("did you mean \"{item}\"?"),
            _ => format!("a client has {}", ITEMS.join(", ")),
        };
        Error::new(&pair.at, format!("unknown option \"{}\" of a client: {hint}", pair.name))
    })
}

fn repeated_item(client: &Section, item: &str) -> Option<Error> {
    let mut same = client.pairs_named().filter(|pair| pair.name == item);
    let (first, second) = (same.next()?, same.next()?);
    let text = format!("\"{item}\" stands here a second time; the first is at {}: remove one", first.at);
    Some(Error::new(&second.at, text))
}

fn wrong_language(pair: &ConfigPair, texts: &Texts) -> Option<Error> {
    let name = pair.value.as_deref().unwrap_or_default();
    let known = name.is_empty() || texts.language_texts(name).is_some();
    (!known).then(|| {
        let text = format!(
            "\"{}\" must be one of {}, not \"{name}\": for another language, put a file of that name into mods-config/mfa",
            pair.name,
            texts.language_names()
        );
        Error::new(&pair.at, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    #[test]
    fn client_is_found_by_name_shortname_and_the_smallest_network() {
        let tree = read_text(
            "client office {\nipaddr = 192.0.2.0/24\nshortname = nets\n}\nclient vpn {\nipaddr = 192.0.2.7\n}\n\
             clients c {\nclient 10.1.2.3/8 {\n}\nclient old {\nipaddr = 198.51.100.77\nnetmask = 24\n}\n}\n\
             server s {\nclient any {\nipv6addr = *\n}\nclient dns {\nipaddr = nas.example.test\n}\n}\n",
            &|_| None,
        )
        .unwrap();
        let found = |wanted: &str| {
            let nas = find_client(&tree, wanted).map_err(|error| error.to_string())?;
            let address = nas.address.map(|address| address.to_string()).unwrap_or_default();
            Ok::<_, String>(format!("{} {address}", nas.name))
        };
        for (wanted, expected) in [
            ("office", "nets 192.0.2.0"),
            ("nets", "nets 192.0.2.0"),
            ("vpn", "vpn 192.0.2.7"),
            ("192.0.2.7", "vpn 192.0.2.7"),
            ("::ffff:192.0.2.7", "vpn 192.0.2.7"),
            ("192.0.2.8", "nets 192.0.2.8"),
            ("10.9.9.9", "10.1.2.3/8 10.9.9.9"),
            ("198.51.100.1", "old 198.51.100.1"),
            ("2001:db8::1", "any 2001:db8::1"),
            ("dns", "dns "),
        ] {
            assert_eq!(found(wanted).as_deref(), Ok(expected), "{wanted}");
        }
        assert_eq!(found("vpm").unwrap_err(), "no client \"vpm\": did you mean \"vpn\"?");
        assert!(
            found("203.0.113.1").unwrap_err().contains("there is nets (192.0.2.0/24), vpn (192.0.2.7), ")
        );
        let none = Section::default();
        assert!(
            find_client(&none, "vpn").unwrap_err().0.ends_with("the server has none: add it to clients.conf")
        );
    }

    #[test]
    fn items_of_a_client_that_make_no_sense_are_told() {
        let tree = read_text(
            "client a {\nmfa_port_changes = maybe\nmfa_remember_group = \" \"\n}\n\
             client b {\nmfa_port_changes = On\nmfa_remember_group = vpn\n}\nmfa {\n}\n",
            &|_| None,
        )
        .unwrap();
        let texts = Texts::built_in().unwrap();
        let told = check_clients(&tree, tree.section("mfa").unwrap(), &texts).unwrap_err().0;
        let lines: Vec<_> = told.iter().map(|error| (error.at.line, error.text.as_str())).collect();
        let group = "\"mfa_remember_group\" must be a name of 1 to 60 characters, not \" \"";
        assert_eq!(lines, [(2, "\"mfa_port_changes\" must be yes or no, not \"maybe\""), (3, group)]);
        assert!(client_texts(&tree));
    }

    #[test]
    fn items_of_a_client_that_do_not_exist_or_stand_twice_are_told() {
        let tree = read_text(
            "client a {\nmfa_profil = ivanti\nmfa_mode = append\nsecret = x\n}\n\
             client b {\nmfa_proxy = no\nmfa_proxy = yes\n}\nmfa {\n}\n",
            &|_| None,
        )
        .unwrap();
        let texts = Texts::built_in().unwrap();
        let told = check_clients(&tree, tree.section("mfa").unwrap(), &texts).unwrap_err().to_string();
        let expected = [
            "text[2]: unknown option \"mfa_profil\" of a client: did you mean \"mfa_profile\"?",
            "text[3]: unknown option \"mfa_mode\" of a client: a client has mfa_profile, mfa_language, mfa_proxy, mfa_remember_group, mfa_port_changes",
            "text[8]: \"mfa_proxy\" stands here a second time; the first is at text[7]: remove one",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_client_that_names_what_does_not_exist_is_told() {
        let tree = read_text(
            "client a {\nmfa_profile = ivanty\nmfa_language = tlh\n}\nclients c {\nclient b {\nmfa_profile = x\n}\n}\n\
             server s {\nclient d {\nmfa_language = x\n}\nclients {\nclient e {\nmfa_profile = y\n}\n}\n}\n\
             client good {\nmfa_profile = Ivanti\nmfa_language = DE\n}\nclient old {\nmfa_profile = \"\"\nmfa_proxy = Yes\n}\n\
             client p {\nmfa_proxy = maybe\n}\nmfa {\nlanguage = elvish\n}\n",
            &|_| None,
        )
        .unwrap();
        let texts = Texts::built_in().unwrap();
        let told = check_clients(&tree, tree.section("mfa").unwrap(), &texts).unwrap_err().0;
        let lines: Vec<_> = told.iter().map(|error| error.at.line).collect();
        assert_eq!(lines, [2, 3, 7, 12, 16, 29, 32], "{told:#?}");
        assert!(told.iter().any(|e| e.text.starts_with("\"mfa_profile\" must be one of generic, ivanti, ")));
        assert!(told.iter().any(|e| e.text.contains("must be one of de, en, fr, not \"tlh\"")));
    }
}
