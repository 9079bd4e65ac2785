//! What the sections of the clients in `clients.conf` say for us: `mfa_profile` and `mfa_language`.

use super::profile::Profile;
use super::texts::Texts;
use super::tree::{Pair, Section};
use super::{Error, Errors};

/// The item of a client that names its profile.
pub const PROFILE: &str = "mfa_profile";
/// The item of a client that names the language of its users.
pub const LANGUAGE: &str = "mfa_language";

/// Whether all clients of the server, and this instance, name profiles and languages that exist.
///
/// # Errors
///
/// All that do not, with file and line.
pub fn check_clients(server: &Section, instance: &Section, texts: &Texts) -> Result<(), Errors> {
    let mut errors = Vec::new();
    errors.extend(instance.pair("language").and_then(|pair| wrong_language(pair, texts)));
    for client in clients(server) {
        errors.extend(client.pair(PROFILE).and_then(wrong_profile));
        errors.extend(client.pair(LANGUAGE).and_then(|pair| wrong_language(pair, texts)));
    }
    errors.sort_by(|a, b| a.at.cmp(&b.at));
    if errors.is_empty() { Ok(()) } else { Err(Errors(errors)) }
}

/// `client { }` at the root, in `clients { }`, in `server { }`, and in `clients { }` there.
fn clients(server: &Section) -> impl Iterator<Item = &Section> {
    let named = |name: &'static str| move |section: &&Section| section.name == name;
    let places = std::iter::once(server).chain(server.sections().filter(named("server")));
    let places =
        places.flat_map(move |place| std::iter::once(place).chain(place.sections().filter(named("clients"))));
    places.flat_map(move |place| place.sections().filter(named("client")))
}

fn wrong_profile(pair: &Pair) -> Option<Error> {
    let name = pair.value.as_deref().unwrap_or_default();
    let known = name.is_empty() || Profile::find(name).is_some();
    (!known).then(|| {
        let text = format!("\"{}\" must be one of {}, not \"{name}\"", pair.name, Profile::names());
        Error::new(&pair.at, text)
    })
}

fn wrong_language(pair: &Pair, texts: &Texts) -> Option<Error> {
    let name = pair.value.as_deref().unwrap_or_default();
    let known = name.is_empty() || texts.language(name).is_some();
    (!known).then(|| {
        let text = format!(
            "\"{}\" must be one of {}, not \"{name}\": for another language, put a file of that name into mods-config/mfa",
            pair.name,
            texts.names()
        );
        Error::new(&pair.at, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    #[test]
    fn every_client_that_names_what_does_not_exist_is_told() {
        let tree = read_text(
            "client a {\nmfa_profile = ivanty\nmfa_language = tlh\n}\nclients c {\nclient b {\nmfa_profile = x\n}\n}\n\
             server s {\nclient d {\nmfa_language = x\n}\nclients {\nclient e {\nmfa_profile = y\n}\n}\n}\n\
             client good {\nmfa_profile = Ivanti\nmfa_language = DE\n}\nclient old {\nmfa_profile = \"\"\n}\n\
             mfa {\nlanguage = elvish\n}\n",
            &|_| None,
        )
        .unwrap();
        let texts = Texts::built_in().unwrap();
        let told = check_clients(&tree, tree.section("mfa").unwrap(), &texts).unwrap_err().0;
        let lines: Vec<_> = told.iter().map(|error| error.at.line).collect();
        assert_eq!(lines, [2, 3, 7, 12, 16, 28], "{told:#?}");
        assert!(told.iter().any(|e| e.text.starts_with("\"mfa_profile\" must be one of generic, ivanti, ")));
        assert!(told.iter().any(|e| e.text.contains("must be one of de, en, fr, not \"tlh\"")));
    }
}
