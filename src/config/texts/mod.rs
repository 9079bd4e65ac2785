//! What users read, in their language: files `mods-config/mfa/LANGUAGE` of `name = "text with {variables}"`.
//!
//! English, German and French are built in from the files that are shipped, so that the module works without them. What a file of
//! the administrator's says comes first, then what is built in for its language, then English.

mod text;

pub use text::{TextKey, TextVariable};

use super::error::{Error, Errors, InvalidValue, invalid};
use super::loader::FileLoader;
use super::parser;
use super::template::{LooseBrace, Template, TemplateError};
use super::tree::{Section, SectionItem};
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

type TextTemplate = Template<TextVariable>;

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
    /// A text, with `values` for its variables. A variable without a value is empty.
    pub fn fill_text(&self, text: TextKey, values: &[(TextVariable, &str)]) -> String {
        let value = |variable: &TextVariable| {
            let found = values.iter().find(|(known, _)| known == variable);
            found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
        };
        self.0.get(&text).map(|template| template.fill(value)).unwrap_or_default()
    }
}

/// `${modconfdir}/mfa`, or its default below `confdir`.
fn load_folder(server: &Section) -> Option<PathBuf> {
    let modules = server.value("modconfdir").map(PathBuf::from);
    modules
        .or_else(|| server.value("confdir").map(|folder| Path::new(folder).join("mods-config")))
        .map(|f| f.join("mfa"))
}

/// `de`, `de-ch`, `klingon`; not the backup files of editors and package managers.
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
                (&section.name, Err(invalid!("is a section: there are none in a file of texts")))
            }
            SectionItem::Pair(pair) => {
                (&pair.name, parse_template(&pair.name, &pair.operator, pair.value.as_deref()))
            }
        };
        let read = read.and_then(|(text, template)| match seen.contains(&text) {
            true => Err(invalid!("stands here a second time")),
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
) -> Result<(TextKey, TextTemplate), InvalidValue> {
    let (text, variables) =
        TextKey::find(name).ok_or("is no text: see the file \"en\" for those there are")?;
    let value = value.filter(|_| operator == "=").ok_or("is not set: write name = \"text\"")?;
    if value.len() > LONGEST {
        return Err(invalid!("is longer than {LONGEST} octets"));
    }
    let template = Template::parse_with(&unescape_text(value)?, LooseBrace::RejectOpening, |word| {
        variables.iter().find(|variable| variable.as_str() == word).copied().ok_or_else(|| {
            TemplateError::UnknownVariable {
                name: word.to_owned(),
                known: variables.iter().map(|variable| variable.as_str()).collect(),
            }
        })
    })?;
    Ok((text, template))
}

/// `\n` is a new line, `\\` a backslash; nothing else is escaped, and there are no other control characters.
fn unescape_text(value: &str) -> Result<String, InvalidValue> {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('\\') => text.push('\\'),
                _ => return Err(invalid!("has a backslash: only \\n and \\\\ mean something")),
            },
            c if c.is_control() => return Err(invalid!("holds a control character")),
            c => text.push(c),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
