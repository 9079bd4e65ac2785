//! The configuration as a tree that owns its text.
//!
//! Built by `freeradius` from the server's own, or by [`parser`](super::parser) from the same files. From here on
//! both are read alike. Nothing in it is checked: its readers do that.

use std::fmt;
use std::sync::Arc;

/// Where something stands: file and line. Printed as the server does, `file[line]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConfigPlace {
    /// The file; shared, since every item of it has it.
    pub file: Arc<str>,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
}

impl ConfigPlace {
    /// A line of a file.
    pub fn new(file: impl Into<Arc<str>>, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}[{line}]", self.file),
        }
    }
}

impl fmt::Debug for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `name instance { items }`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Section {
    /// The first word: `server`, `mfa`, `if`.
    pub name: String,
    /// What stands between it and the brace: the instance (`mfa` `vpn`), or an unlang condition.
    pub instance: Option<String>,
    /// What is inside, in order.
    pub items: Vec<SectionItem>,
    /// Where the section begins.
    pub at: ConfigPlace,
}

/// What a section holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionItem {
    /// `name = value`, or a bare word.
    Pair(ConfigPair),
    /// A section within.
    Section(Section),
}

/// `name operator value`, or a bare word such as `mfa` in unlang, which has neither.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ConfigPair {
    /// What stands on the left.
    pub name: String,
    /// `=`, `:=`, `+=`, ...; empty with a bare word.
    pub operator: String,
    /// What stands on the right, without its quotes.
    pub value: Option<String>,
    /// Where the pair is.
    pub at: ConfigPlace,
}

impl Section {
    /// An empty section.
    pub fn new(name: impl Into<String>, instance: Option<&str>, at: ConfigPlace) -> Self {
        Self { name: name.into(), instance: instance.map(str::to_owned), items: Vec::new(), at }
    }

    /// What the server calls it: the instance if there is one, else the name.
    pub fn section_label(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.name)
    }

    /// Its pairs and bare words.
    pub fn pairs_named(&self) -> impl Iterator<Item = &ConfigPair> {
        self.items.iter().filter_map(|item| match item {
            SectionItem::Pair(pair) => Some(pair),
            SectionItem::Section(_) => None,
        })
    }

    /// The sections in it.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.items.iter().filter_map(|item| match item {
            SectionItem::Section(section) => Some(section),
            SectionItem::Pair(_) => None,
        })
    }

    /// The first pair of that name.
    pub fn pair_named(&self, name: &str) -> Option<&ConfigPair> {
        self.pairs_named().find(|pair| pair.name == name)
    }

    /// The value of the first pair of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pair_named(name)?.value.as_deref()
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().find(|section| section.name == name)
    }
}

impl ConfigPair {
    /// `name = value`.
    pub fn new(
        name: impl Into<String>,
        operator: impl Into<String>,
        value: Option<&str>,
        at: ConfigPlace,
    ) -> Self {
        Self { name: name.into(), operator: operator.into(), value: value.map(str::to_owned), at }
    }

    /// A word without a value.
    pub fn has_word(name: impl Into<String>, at: ConfigPlace) -> Self {
        Self { name: name.into(), at, ..Self::default() }
    }
}

impl SectionItem {
    /// File and line of the item.
    pub fn place(&self) -> &ConfigPlace {
        match self {
            Self::Pair(pair) => &pair.at,
            Self::Section(section) => &section.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_name() {
        let at = || ConfigPlace::new("radiusd.conf", 3);
        let mut section = Section::new("mfa", Some("vpn"), at());
        section.items.push(SectionItem::Pair(ConfigPair::has_word("mfa", at())));
        section.items.push(SectionItem::Pair(ConfigPair::new("mode", "=", Some("append"), at())));
        section.items.push(SectionItem::Section(Section::new("store", None, at())));
        assert_eq!(section.section_label(), "vpn");
        assert_eq!(section.value("mode"), Some("append"));
        assert_eq!(section.value("mfa"), None);
        assert_eq!(section.section("store").map(Section::section_label), Some("store"));
        assert_eq!(section.at.to_string(), "radiusd.conf[3]");
    }
}
