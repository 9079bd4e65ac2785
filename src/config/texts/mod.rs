//! What users read, in their language: files `mods-config/mfa/LANGUAGE` of `name = "text with {variables}"`.
//!
//! English, German and French are built in from the files that are shipped, so that the module works without them. What a file of
//! the administrator's says comes first, then what is built in for its language, then English.

mod text;

pub use text::TextKey;

use super::loader::FileLoader;
use super::tree::{Section, SectionItem};
use super::{Error, Errors, parser};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What everything falls back to.
pub const ENGLISH: &str = "en";

/// The languages that are built in.
const BUILT_IN: [(&str, &str); 3] = [
    (ENGLISH, include_str!("../../../raddb/mods-config/mfa/en")),
    ("de", include_str!("../../../raddb/mods-config/mfa/de")),
    ("fr", include_str!("../../../raddb/mods-config/mfa/fr")),
];

/// Octets of a text.
const LONGEST: usize = 2000;

/// All languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    languages: BTreeMap<String, LanguageTexts>,
    english: LanguageTexts,
}

/// The texts of a language; cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageTexts(Arc<BTreeMap<TextKey, TextTemplate>>);

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TextTemplate(Vec<TextPiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TextPiece {
    Words(String),
    Variable(String),
}

impl Texts {
    /// What is built in.
    ///
    /// # Errors
    ///
    /// None, as a test shows.
    pub fn built_in() -> Result<Self, Errors> {
        let mut english = BTreeMap::new();
        let mut languages = BTreeMap::new();
        for (name, text) in BUILT_IN {
            let path = PathBuf::from(name);
            let loader = super::loader::NoFiles { name: path.clone(), text: text.as_bytes() };
            let mut own = english.clone();
            read(&loader, &path, &mut own)?;
            if name == ENGLISH {
                english = own.clone();
            }
            languages.insert(name.to_owned(), LanguageTexts(Arc::new(own)));
        }
        Ok(Self { languages, english: LanguageTexts(Arc::new(english)) })
    }

    /// What is built in, and over it every file of the folder that belongs to this server's configuration.
    ///
    /// # Errors
    ///
    /// All that is wrong in these files, with file and line.
    pub fn read(server: &Section, loader: &dyn FileLoader) -> Result<Self, Errors> {
        let mut texts = Self::built_in()?;
        let Some(folder) = load_folder(server) else { return Ok(texts) };
        let mut names = match loader.folder(&folder) {
            Ok(names) => names,
            Err(why) if why.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(why) => {
                return Err(Error::new(
                    &server.at,
                    format!("cannot read the folder {}: {why}", folder.display()),
                )
                .into());
            }
        };
        names.retain(|name| is_language(name));
        // English first: the others fall back to what it says now.
        names.sort_by_key(|name| (name != ENGLISH, name.clone()));
        let mut errors = Vec::new();
        for name in names {
            let mut own =
                texts.language_texts(&name).unwrap_or_else(|| texts.english.clone()).0.as_ref().clone();
            match read(loader, &folder.join(&name), &mut own) {
                Ok(()) => {}
                Err(Errors(wrong)) => errors.extend(wrong),
            }
            let language = LanguageTexts(Arc::new(own));
            if name == ENGLISH {
                texts.english = language.clone();
            }
            texts.languages.insert(name, language);
        }
        if errors.is_empty() { Ok(texts) } else { Err(Errors(errors)) }
    }

    /// The language of that name; case and white space around it are forgiven.
    pub fn language_texts(&self, name: &str) -> Option<LanguageTexts> {
        self.languages.get(&name.trim().to_ascii_lowercase()).cloned()
    }

    /// What everything falls back to.
    pub fn english_texts(&self) -> LanguageTexts {
        self.english.clone()
    }

    /// All names, for a message.
    pub fn language_names(&self) -> String {
        let names: Vec<_> = self.languages.keys().map(String::as_str).collect();
        names.join(", ")
    }
}

impl LanguageTexts {
    /// A text, with `values` for the variables in it.
    pub fn fill_text(&self, text: TextKey, values: &[(&str, &str)]) -> String {
        let Some(TextTemplate(pieces)) = self.0.get(&text) else { return String::new() };
        let mut said = String::new();
        for piece in pieces {
            match piece {
                TextPiece::Words(words) => said.push_str(words),
                TextPiece::Variable(name) => {
                    let value = values.iter().find(|(known, _)| known == name);
                    said.push_str(value.map(|(_, value)| *value).unwrap_or_default());
                }
            }
        }
        said
    }
}

/// `${modconfdir}/mfa`, or where that is if nothing is said.
fn load_folder(server: &Section) -> Option<PathBuf> {
    let modules = server.value("modconfdir").map(PathBuf::from);
    modules
        .or_else(|| server.value("confdir").map(|folder| Path::new(folder).join("mods-config")))
        .map(|f| f.join("mfa"))
}

/// `de`, `de-ch`, `klingon`: what an editor or a package manager leaves beside them is none.
fn is_language(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')
}

/// Reads a file over what is there already.
fn read(
    loader: &dyn FileLoader,
    path: &Path,
    into: &mut BTreeMap<TextKey, TextTemplate>,
) -> Result<(), Errors> {
    let file = parser::parse(path, loader, &|_| None)?;
    let mut errors = Vec::new();
    let mut seen = Vec::new();
    for item in &file.items {
        // What the parser puts in itself stands in no line.
        if item.place().line == 0 {
            continue;
        }
        let (name, read) = match item {
            SectionItem::Section(section) => {
                (&section.name, Err("is a section: there are none in a file of texts".to_owned()))
            }
            SectionItem::Pair(pair) => {
                (&pair.name, parse_template(&pair.name, &pair.operator, pair.value.as_deref()))
            }
        };
        let read = read.and_then(|(text, template)| match seen.contains(&text) {
            true => Err("stands here a second time".to_owned()),
            false => Ok((text, template)),
        });
        match read {
            Ok((text, template)) => {
                seen.push(text);
                into.insert(text, template);
            }
            Err(why) => errors.push(Error::new(item.place(), format!("\"{name}\" {why}"))),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Errors(errors)) }
}

fn parse_template(
    name: &str,
    operator: &str,
    value: Option<&str>,
) -> Result<(TextKey, TextTemplate), String> {
    let (text, variables) =
        TextKey::find(name).ok_or("is no text: see the file \"en\" for those there are")?;
    let value = value.filter(|_| operator == "=").ok_or("is not set: write name = \"text\"")?;
    if value.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} octets"));
    }
    let mut pieces = Vec::new();
    let mut rest = unescape_text(value)?;
    while let Some((before, behind)) = rest.split_once('{') {
        let (variable, after) = behind.split_once('}').ok_or("has an opening brace without a closing one")?;
        if !variables.contains(&variable) {
            let known: Vec<_> = variables.iter().map(|name| format!("{{{name}}}")).collect();
            return Err(match known.is_empty() {
                true => format!("has the variable {{{variable}}}, and no variable can stand in it"),
                false => {
                    format!("has the variable {{{variable}}}, and only {} can stand in it", known.join(", "))
                }
            });
        }
        pieces.extend((!before.is_empty()).then(|| TextPiece::Words(before.to_owned())));
        pieces.push(TextPiece::Variable(variable.to_owned()));
        rest = after.to_owned();
    }
    pieces.extend((!rest.is_empty()).then_some(TextPiece::Words(rest)));
    Ok((text, TextTemplate(pieces)))
}

/// `\n` is a new line, `\\` a backslash; nothing else is escaped, and there are no other control characters.
fn unescape_text(value: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('\\') => text.push('\\'),
                _ => return Err("has a backslash: only \\n and \\\\ mean something".to_owned()),
            },
            c if c.is_control() => return Err("holds a control character".to_owned()),
            c => text.push(c),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
