//! Reads the options of a section, and collects all errors in them.
//!
//! [`declare`](super::declare) and the files of the sections declare the options. Anything else in the file is an error, and so
//! [`options`](super::options) can tell them all without a second list.

use super::clients;
use super::error::{Error, Errors, InvalidValue, invalid};
use super::spelling::edit_distance;
use super::tree::{ConfigPair, ConfigPlace, Section};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// An option as raddb documents it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OptionSpec {
    /// The sub-section it stands in, `username.domains`; empty for the module's own section.
    pub section: String,
    /// The option's name.
    pub name: &'static str,
    /// What it is when it is absent, as it would be written; none if it has to be absent.
    pub default: Option<String>,
}

/// In a list of sub-sections: pairs of any name, sections of any name.
const ANY_PAIR: &str = "*";
const ANY_SECTION: &str = "*{}";

/// One level of sections, and all that has been found in this and the others.
pub(super) struct OptionReader<'t, 'f> {
    /// Absent if the file does not have it: then everything is as by default.
    section: Option<&'t Section>,
    path: String,
    subsections: Vec<&'static str>,
    /// The place of the nearest section around it that the file has.
    outer: ConfigPlace,
    found: &'f mut ReadFindings<'t>,
}

/// What all levels together have found.
#[derive(Default)]
pub(super) struct ReadFindings<'t> {
    pub(super) options: Vec<OptionSpec>,
    errors: Vec<Error>,
    /// Pairs and sections that no declaration has read: place, path of the section, name.
    unknown: Vec<(&'t ConfigPlace, String, &'t str)>,
}

impl<'t, 'f> OptionReader<'t, 'f> {
    pub(super) fn new(section: &'t Section, found: &'f mut ReadFindings<'t>) -> Self {
        let outer = ConfigPlace::default();
        Self { section: Some(section), path: String::new(), subsections: Vec::new(), outer, found }
    }

    /// Reads a sub-section with `read`. Whatever `read` does not ask for is an error.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut OptionReader<'t, '_>) -> T,
    ) -> T {
        self.subsections.push(name);
        let mut same = self.section.into_iter().flat_map(Section::sections).filter(|s| s.name == name);
        let section = same.next();
        if let (Some(first), Some(second)) = (section, same.next()) {
            let text = format!(
                "\"{name}\" stands here a second time: move what is in it into the first, at {}",
                first.at
            );
            self.found.errors.push(Error::new(&second.at, text));
        }
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        let outer = self.place_of();
        let mut inner =
            OptionReader { section, path, subsections: Vec::new(), outer, found: &mut *self.found };
        let result = read(&mut inner);
        inner.finish_section();
        result
    }

    /// Reads each of the sub-sections `name LABEL { }` with `read`, in the order of the file. One with nothing in it is as if it
    /// were not there.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut OptionReader<'t, '_>, &'t str) -> Option<T>,
    ) -> Vec<T> {
        self.subsections.push(name);
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let all = self.section.into_iter().flat_map(Section::sections).filter(|section| section.name == name);
        let all: Vec<_> = all.filter(|section| !is_empty(section)).collect();
        if all.is_empty() {
            // The options are there all the same.
            let outer = self.place_of();
            let mut inner =
                OptionReader { section: None, path, subsections: Vec::new(), outer, found: &mut *self.found };
            let _ = read(&mut inner, "");
            return Vec::new();
        }
        let mut results = Vec::new();
        for (at, section) in all.iter().enumerate() {
            if all.iter().take(at).any(|before| before.section_label() == section.section_label()) {
                let text = format!("\"{name} {}\" stands here a second time", section.section_label());
                self.found.errors.push(Error::new(&section.at, text));
            }
            let mut inner = OptionReader {
                section: Some(section),
                path: path.clone(),
                subsections: Vec::new(),
                outer: ConfigPlace::default(),
                found: &mut *self.found,
            };
            results.extend(read(&mut inner, section.section_label()));
            inner.finish_section();
        }
        results
    }

    /// Whether the section stands in the file.
    pub(super) fn is_there(&self) -> bool {
        self.section.is_some()
    }

    /// Whether an option stands in it.
    pub(super) fn is_set(&self) -> bool {
        self.section.is_some_and(|section| section.pairs_named().next().is_some())
    }

    /// Every pair of the section, whatever it is called.
    pub(super) fn read_free_pairs(
        &mut self,
        mut read: impl FnMut(&'t str, &'t str) -> Result<(), InvalidValue>,
    ) {
        for pair in self.section.into_iter().flat_map(Section::pairs_named) {
            let result = match pair.value.as_deref() {
                Some(value) => read(&pair.name, value),
                None => Err(invalid!("has no value")),
            };
            if let Err(text) = result {
                self.found.errors.push(Error::new(&pair.at, format!("\"{}\" {text}", pair.name)));
            }
        }
        self.subsections.push(ANY_PAIR);
    }

    /// Reads each sub-section with `read`, whatever its name. [`options`](super::options) lists its options under `example`.
    pub(super) fn read_named_sections<T>(
        &mut self,
        example: &'static str,
        mut read: impl FnMut(&str, &mut OptionReader<'t, '_>) -> T,
    ) -> Vec<T> {
        let path = format!("{}.{example}", self.path);
        let sections: Vec<_> = self.section.into_iter().flat_map(Section::sections).collect();
        if sections.is_empty() {
            let (path, mut found) = (path.clone(), ReadFindings::default());
            let outer = ConfigPlace::default();
            let mut inner =
                OptionReader { section: None, path, subsections: Vec::new(), outer, found: &mut found };
            read(example, &mut inner);
            self.found.options.append(&mut found.options);
        }
        self.subsections.push(ANY_SECTION);
        let mut results = Vec::new();
        for (n, section) in sections.iter().enumerate() {
            let name = section.name.as_str();
            if section.instance.is_some() {
                let text = format!("\"{name}\" has more than a name before its brace");
                self.found.errors.push(Error::new(&section.at, text));
            }
            if sections.iter().take(n).any(|other| other.name == name) {
                let text = format!("\"{name}\" stands here a second time");
                self.found.errors.push(Error::new(&section.at, text));
            }
            let (section, path, outer) = (Some(*section), path.clone(), ConfigPlace::default());
            let mut inner =
                OptionReader { section, path, subsections: Vec::new(), outer, found: &mut *self.found };
            results.push(read(name, &mut inner));
            inner.finish_section();
        }
        results
    }

    /// Reads an option that can be set several times. An invalid value is left out and recorded as an error.
    pub(super) fn read_values<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Vec<T> {
        self.found.options.push(OptionSpec { section: self.path.clone(), name, default: None });
        let mut values = Vec::new();
        for pair in self.section.into_iter().flat_map(Section::pairs_named).filter(|pair| pair.name == name) {
            let result = match pair.value.as_deref() {
                None => Err(invalid!("has no value")),
                Some(_) if pair.operator != "=" => {
                    Err(invalid!("is set with \"=\", not \"{}\"", pair.operator))
                }
                Some(value) => parse(value),
            };
            match result {
                Ok(value) => values.push(value),
                Err(text) => self.report_wrong(pair, &text.to_string()),
            }
        }
        values
    }

    /// Reads an option with `parse`. Returns `default` if it is absent or invalid; an invalid value is recorded as an error.
    pub(super) fn read_option<T>(
        &mut self,
        name: &'static str,
        default: T,
        show: impl FnOnce(&T) -> Option<String>,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> T {
        self.found.options.push(OptionSpec { section: self.path.clone(), name, default: show(&default) });
        let mut same =
            self.section.into_iter().flat_map(Section::pairs_named).filter(|pair| pair.name == name);
        let Some(pair) = same.next() else { return default };
        if let Some(second) = same.next() {
            let first = &pair.at;
            let text = format!("\"{name}\" stands here a second time; the first is at {first}");
            self.found.errors.push(Error::new(&second.at, text));
        }
        let result = match pair.value.as_deref() {
            None => Err(invalid!("has no value")),
            Some(_) if pair.operator != "=" => Err(invalid!("is set with \"=\", not \"{}\"", pair.operator)),
            Some(value) => parse(value),
        };
        result.unwrap_or_else(|text| {
            self.report_wrong(pair, &text.to_string());
            default
        })
    }

    /// A whole number within `range`.
    pub(super) fn read_number<N>(&mut self, name: &'static str, default: N, range: RangeInclusive<N>) -> N
    where
        N: Copy + Display + PartialOrd + std::str::FromStr,
    {
        let show = |n: &N| Some(n.to_string());
        self.read_option(name, default, show, |text| match text.parse::<N>() {
            Ok(n) if range.contains(&n) => Ok(n),
            _ => Err(invalid!("must be a number from {} to {}, not \"{text}\"", range.start(), range.end())),
        })
    }

    /// A number of `unit`s within `range`.
    pub(super) fn read_duration(
        &mut self,
        name: &'static str,
        default: Duration,
        unit: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        let units = default.as_secs() / unit.as_secs().max(1);
        Duration::from_secs(self.read_number(name, units, range).saturating_mul(unit.as_secs()))
    }

    /// One of a few words.
    pub(super) fn read_choice<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        default: T,
        words: &[(&str, T)],
    ) -> T {
        let show = |value: &T| words.iter().find(|(_, v)| v == value).map(|(word, _)| (*word).to_owned());
        self.read_option(name, default, show, |text| {
            let found =
                words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                invalid!("must be {}, not \"{text}\"", words.join(" or "))
            })
        })
    }

    /// Yes or no, in all the words that the server takes for it.
    pub(super) fn read_yes_no<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        default: T,
        yes: T,
        no: T,
    ) -> T {
        let show = |value: &T| Some(if *value == yes { "yes" } else { "no" }.to_owned());
        self.read_option(name, default, show, |text| match text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => Ok(yes),
            "no" | "false" | "off" => Ok(no),
            _ => Err(invalid!("must be yes or no, not \"{text}\"")),
        })
    }

    /// A file, by its whole path.
    pub(super) fn file(&mut self, name: &'static str, default: PathBuf) -> PathBuf {
        let show = |path: &PathBuf| Some(path.display().to_string());
        self.read_option(name, default, show, |text| {
            let path = PathBuf::from(text);
            if !path.is_absolute() {
                return Err(invalid!(
                    "must be a whole path, not \"{text}\": the server's working folder is not yours"
                ));
            }
            match text.ends_with('/') {
                true => Err(invalid!("must be a file, not the folder \"{text}\"")),
                false => Ok(path),
            }
        })
    }

    /// Whether the option stands in the file.
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.section.is_some_and(|section| section.pair_named(name).is_some())
    }

    /// Records that an option conflicts with another.
    pub(super) fn report_conflict(&mut self, name: &str, text: &str) {
        match self.section.and_then(|section| section.pair_named(name)) {
            Some(pair) => self.report_wrong(pair, text),
            // Then the other one is what stands in the file.
            None => {
                let at = self.place_of();
                self.found.errors.push(Error::new(&at, format!("\"{name}\" {text}")));
            }
        }
    }

    /// The same of an option in a sub-section.
    pub(super) fn conflict_in(&mut self, section: &str, name: &str, text: &str) {
        let inner = self.section.and_then(|own| own.section(section));
        match inner.and_then(|inner| inner.pair_named(name)) {
            Some(pair) => self.report_wrong(pair, text),
            None => self.report_conflict(name, text),
        }
    }

    /// Where the section stands, or would: a section that the file lacks belongs into the one around it.
    fn place_of(&self) -> ConfigPlace {
        self.section.map_or_else(|| self.outer.clone(), |section| section.at.clone())
    }

    fn report_wrong(&mut self, pair: &ConfigPair, text: &str) {
        self.found.errors.push(Error::new(&pair.at, format!("\"{}\" {text}", pair.name)));
    }

    /// Records pairs and sections that no declaration has read.
    pub(super) fn finish_section(self) {
        let Some(section) = self.section else { return };
        let is_free = self.subsections.contains(&ANY_PAIR);
        let is_named = self.subsections.contains(&ANY_SECTION);
        for pair in section.pairs_named().filter(|_| !is_free) {
            if !self.found.options.iter().any(|o| o.section == self.path && o.name == pair.name) {
                self.found.unknown.push((&pair.at, self.path.clone(), &pair.name));
            }
        }
        for inner in section.sections().filter(|_| !is_named) {
            if !self.subsections.contains(&inner.name.as_str()) {
                self.found.unknown.push((&inner.at, self.path.clone(), &inner.name));
            }
        }
    }
}

impl ReadFindings<'_> {
    /// All that is wrong, in the order of the file.
    pub(super) fn errors(mut self) -> Result<(), Errors> {
        for (at, section, name) in std::mem::take(&mut self.unknown) {
            let hint = self.spelling_hint(&section, name);
            self.errors.push(Error::new(at, format!("unknown option \"{name}\"{hint}")));
        }
        self.errors.sort_by(|a, b| a.at.cmp(&b.at));
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Errors(self.errors)),
        }
    }

    /// A hint for an unknown option: where it belongs, or what it may be a misspelling of.
    fn spelling_hint(&self, section: &str, name: &str) -> String {
        if clients::ITEMS.contains(&name) {
            return ": it belongs into the section of a client, in clients.conf".to_owned();
        }
        let same = || self.options.iter().filter(|o| o.name == name).map(|o| o.section.as_str());
        let within = |path: &'_ str| path.rsplit_once('.').is_some_and(|(outer, _)| outer == section);
        if let Some((_, inner)) = same().find(|path| within(path)).and_then(|path| path.rsplit_once('.')) {
            return format!(": it belongs into a section within this one, such as \"{inner} {{ }}\"");
        }
        let mut sections: Vec<_> = same().collect();
        sections.dedup();
        match sections.as_slice() {
            [] => {}
            [""] => return ": it belongs outside of this section, right into the module's".to_owned(),
            [only] => return format!(": it belongs into the section \"{only}\""),
            several => {
                let quoted: Vec<_> = several.iter().map(|path| format!("\"{path}\"")).collect();
                return format!(": it belongs into one of the sections {}", quoted.join(", "));
            }
        }
        let here = self.options.iter().filter(|o| o.section == section).map(|o| o.name);
        let sections = self.options.iter().filter_map(|o| o.section.split('.').next());
        let near = here.chain(sections).map(|word| (edit_distance(word, name), word)).min();
        match near {
            Some((0..=2, word)) => format!(": did you mean \"{word}\"?"),
            _ => String::new(),
        }
    }
}

/// Whether there is nothing in it but sections of that kind.
fn is_empty(section: &Section) -> bool {
    section.pairs_named().next().is_none() && section.sections().all(is_empty)
}
