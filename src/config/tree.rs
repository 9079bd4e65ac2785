//! The configuration as a tree that owns its text.
//!
//! Built by `freeradius` from the server's own, or by [`parser`](super::parser) from the same files. From here on both
//! are read alike. Nothing in it is checked: that is the business of whoever reads it.

use std::fmt;
use std::sync::Arc;

/// Where something stands: file and line. Printed as the server does, `file[line]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The file; shared, since every item of it has it.
    pub file: Arc<str>,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
}

impl Place {
    /// A line of a file.
    pub fn new(file: impl Into<Arc<str>>, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}[{line}]", self.file),
        }
    }
}

impl fmt::Debug for Place {
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
    pub items: Vec<Item>,
    /// Where it begins.
    pub at: Place,
}

/// What a section holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `name = value`, or a bare word.
    Pair(Pair),
    /// A section within.
    Section(Section),
}

/// `name operator value`, or a bare word such as `mfa` in unlang, which has neither.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pair {
    /// What stands on the left.
    pub name: String,
    /// `=`, `:=`, `+=`, ...; empty with a bare word.
    pub operator: String,
    /// What stands on the right, without its quotes.
    pub value: Option<String>,
    /// Where it stands.
    pub at: Place,
}

impl Section {
    /// An empty one.
    pub fn new(name: impl Into<String>, instance: Option<&str>, at: Place) -> Self {
        Self { name: name.into(), instance: instance.map(str::to_owned), items: Vec::new(), at }
    }

    /// What the server calls it: the instance if there is one, else the name.
    pub fn label(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.name)
    }

    /// Its pairs and bare words.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.items.iter().filter_map(|item| match item {
            Item::Pair(pair) => Some(pair),
            Item::Section(_) => None,
        })
    }

    /// The sections in it.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.items.iter().filter_map(|item| match item {
            Item::Section(section) => Some(section),
            Item::Pair(_) => None,
        })
    }

    /// The first pair of that name.
    pub fn pair(&self, name: &str) -> Option<&Pair> {
        self.pairs().find(|pair| pair.name == name)
    }

    /// The value of the first pair of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pair(name)?.value.as_deref()
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().find(|section| section.name == name)
    }
}

impl Pair {
    /// `name = value`.
    pub fn new(name: impl Into<String>, operator: impl Into<String>, value: Option<&str>, at: Place) -> Self {
        Self { name: name.into(), operator: operator.into(), value: value.map(str::to_owned), at }
    }

    /// A bare word.
    pub fn word(name: impl Into<String>, at: Place) -> Self {
        Self { name: name.into(), at, ..Self::default() }
    }
}

impl Item {
    /// Where it stands.
    pub fn at(&self) -> &Place {
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
        let at = || Place::new("radiusd.conf", 3);
        let mut section = Section::new("mfa", Some("vpn"), at());
        section.items.push(Item::Pair(Pair::word("mfa", at())));
        section.items.push(Item::Pair(Pair::new("mode", "=", Some("append"), at())));
        section.items.push(Item::Section(Section::new("store", None, at())));
        assert_eq!(section.label(), "vpn");
        assert_eq!(section.value("mode"), Some("append"));
        assert_eq!(section.value("mfa"), None);
        assert_eq!(section.section("store").map(Section::label), Some("store"));
        assert_eq!(section.at.to_string(), "radiusd.conf[3]");
    }
}
