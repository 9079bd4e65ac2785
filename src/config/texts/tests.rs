use super::*;
use crate::config::loader::NoFiles;
use crate::config::tree::{ConfigPair, ConfigPlace};

/// A folder of files.
struct Folder(Vec<(&'static str, &'static str)>);

impl FileLoader for Folder {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found =
            self.0.iter().find(|(name, _)| Path::new("/etc/raddb/mods-config/mfa").join(name) == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
    }
    fn folder(&self, path: &Path) -> io::Result<Vec<String>> {
        assert_eq!(path, Path::new("/etc/raddb/mods-config/mfa"));
        Ok(self.0.iter().map(|(name, _)| (*name).to_owned()).collect())
    }
}

fn server() -> Section {
    let at = ConfigPlace::new("/etc/raddb/radiusd.conf", 0);
    let mut server = Section::new("main", None, at.clone());
    server.items.push(SectionItem::Pair(ConfigPair::new("confdir", "=", Some("/etc/raddb"), at)));
    server
}

fn texts(files: &[(&'static str, &'static str)]) -> Result<Texts, String> {
    Texts::read(&server(), &Folder(files.to_vec())).map_err(|errors| errors.to_string())
}

#[test]
fn every_text_is_built_in_in_every_language() {
    assert_eq!(Texts::built_in().unwrap().language_names(), "de, en, fr");
    for (name, text) in BUILT_IN {
        let mut own = BTreeMap::new();
        let loader = NoFiles { name: name.into(), text: text.as_bytes() };
        read(&loader, Path::new(name), &mut own).unwrap();
        for (text, word, variables) in TextKey::ALL {
            let template = own.get(text).unwrap_or_else(|| panic!("{name} lacks {word}"));
            for variable in *variables {
                // The first name is no part of a mail in all languages.
                let is_there = template.used_variables().any(|used| used == variable);
                assert!(is_there || *variable == TextVariable::User, "{name}: {word} lacks {variable:?}");
            }
        }
    }
}

#[test]
fn list_of_texts_is_complete_and_each_name_is_one() {
    for (n, (text, name, _)) in TextKey::ALL.iter().enumerate() {
        assert_eq!(*text as usize, n, "{name} stands where the type has it");
        assert_eq!(TextKey::find(name).map(|(found, _)| found), Some(*text), "{name}");
    }
}

#[test]
fn file_comes_before_what_is_built_in_and_english_behind_it() {
    let texts = texts(&[
        ("it", "passcode = \"Codice:\"\n"),
        ("en", "wrong = 'Nope \u{1f642}.'\n"),
        ("de", "# nothing\n"),
        ("de.new", "nonsense"),
        ("en~", "nonsense"),
        ("README", "nonsense"),
    ])
    .unwrap();
    let said = |language: &str, text| texts.language_texts(language).unwrap().fill_text(text, &[]);
    assert_eq!(said("it", TextKey::Passcode), "Codice:");
    assert_eq!(said("it", TextKey::Wrong), "Nope \u{1f642}.");
    assert_eq!(said(" EN ", TextKey::Wrong), "Nope \u{1f642}.");
    assert_eq!(
        said("de", TextKey::Wrong),
        Texts::built_in().unwrap().language_texts("de").unwrap().fill_text(TextKey::Wrong, &[])
    );
    assert_eq!(texts.language_texts("tlh"), None);
    assert_eq!(texts.language_names(), "de, en, fr, it");
}

#[test]
fn variables_are_filled_in_once() {
    let texts = texts(&[("en", "push = \"To {target}, {target}! {\"\n")]);
    assert!(texts.unwrap_err().contains("without its \"}\""));
    let texts = self::texts(&[("en", "push = \"{target}: \\\"{target}\\\"\\n\\\\}\"\n")]).unwrap();
    assert_eq!(
        texts.english_texts().fill_text(TextKey::Push, &[(TextVariable::Target, "{target}")]),
        "{target}: \"{target}\"\n\\}"
    );
    assert_eq!(texts.english_texts().fill_text(TextKey::Push, &[]), ": \"\"\n\\}");
}

#[test]
fn all_that_is_wrong_is_named_with_file_and_line() {
    let told = texts(&[
        ("en", "\npasscodes = \"x\"\nwrong_left = \"{left} {lift}\"\nwrong = \"{code}\"\npasscode\n"),
        ("fr", "spent = \"a\\tb\"\nspent = \"c\"\nspent = \"d\"\nmore {\n}\nrefused += \"x\"\n"),
    ])
    .unwrap_err();
    let folder = "/etc/raddb/mods-config/mfa";
    let expected = [
        format!("{folder}/en[2]: \"passcodes\" is no text: see the file \"en\" for those there are"),
        format!("{folder}/en[3]: \"wrong_left\" has the unknown variable {{lift}}: it can hold {{left}}"),
        format!("{folder}/en[4]: \"wrong\" has the unknown variable {{code}}: it can hold none"),
        format!("{folder}/en[5]: \"passcode\" is not set: write name = \"text\""),
        format!("{folder}/fr[1]: \"spent\" has a backslash: only \\n and \\\\ mean something"),
        format!("{folder}/fr[3]: \"spent\" stands here a second time"),
        format!("{folder}/fr[4]: \"more\" is a section: there are none in a file of texts"),
        format!("{folder}/fr[6]: \"refused\" is not set: write name = \"text\""),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(value in "\\PC{0,60}") {
        let _ = parse_template("mail_text", "=", Some(&value));
        let _ = parse_template("mail_text", "=", Some(&value.replace('e', "{code}")));
    }
}
