//! A parser of radiusd.conf for programs that cannot ask the server: the `mfa` command, and tests.
//!
//! Reads what `cf_section_read` in the server's `src/main/conffile.c` reads, with the same tree as the result, lines
//! numbered the same way. It is as lenient with unlang as can be, since only the server knows all of it; and
//! everything has its bound: depth, size, and the work that references can make.

use super::error::{Error, SyntaxError};
use super::expand::{ExpandedText, expand_text};
use super::lexer::{ConfigWord, LexerLine};
use super::loader::{FileLoader, is_included};
use super::section_template::{merge_into, section_weight};
use super::tree::{ConfigPair, ConfigPlace, Section, SectionItem};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets of a line, continuations included; the server's own bound.
const MAX_LINE: usize = 8191;
/// Sections within sections.
const MAX_DEPTH: usize = 64;
/// Files within files.
const MAX_FILES_DEEP: usize = 32;
/// Octets read, copied and expanded, and the items looked through for it.
const MAX_WORK: usize = 256 * 1024 * 1024;

/// Reads `file` and all that it includes.
pub(super) fn parse(
    file: &Path,
    loader: &dyn FileLoader,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Section, Error> {
    let name: Arc<str> = file.to_string_lossy().into();
    let mut root = Section::new("main", None, ConfigPlace::new(name, 0));
    // The server's own first item: `${confdir}` is where radiusd.conf lies.
    let folder = file.parent().unwrap_or(Path::new("")).to_string_lossy();
    root.items.push(SectionItem::Pair(ConfigPair::new("confdir", "=", Some(&folder), root.at.clone())));
    let at = root.at.clone();
    let mut parser = ConfigParser {
        loader,
        env,
        root,
        open: Vec::new(),
        files: Vec::new(),
        later: Vec::new(),
        work: MAX_WORK,
    };
    parser.file(file, &at)?;
    parser.expand_later()?;
    Ok(parser.root)
}

struct ConfigParser<'a> {
    loader: &'a dyn FileLoader,
    env: &'a dyn Fn(&str) -> Option<String>,
    root: Section,
    /// Which item of its parent each open section is.
    open: Vec<usize>,
    /// The files being read, each included by the one before.
    files: Vec<PathBuf>,
    /// Pairs that refer to something further down: the way to the section, and the item.
    later: Vec<(Vec<usize>, usize)>,
    /// Octets that may still be expanded.
    work: usize,
}

impl ConfigParser<'_> {
    fn file(&mut self, path: &Path, from: &ConfigPlace) -> Result<(), Error> {
        if self.files.iter().any(|open| open == path) {
            return Err(Error::new(from, format!("{} includes itself", path.display())));
        }
        if self.files.len() >= MAX_FILES_DEEP {
            return Err(Error::new(
                from,
                format!("more than {MAX_FILES_DEEP} files included in one another"),
            ));
        }
        let octets = self
            .loader
            .file(path)
            .map_err(|e| Error::new(from, format!("cannot read {}: {e}", path.display())))?;
        self.charge_work(octets.len() + 1, from)?;
        self.files.push(path.to_owned());
        let depth = self.open.len();
        let mut at = ConfigPlace::new(path.to_string_lossy(), 0);
        let mut lines = octets.split(|octet| *octet == b'\n');
        while let Some(line) = lines.next() {
            at.line += 1;
            if is_blank(line) {
                continue;
            }
            let text = self.logical_line(line, &mut lines, &mut at)?;
            self.line(&text, depth, &at)?;
        }
        if self.open.len() > depth {
            let section = self.current_section();
            return Err(Error::new(
                &section.at,
                format!("section \"{}\" has no closing brace in this file", section.name),
            ));
        }
        self.files.pop();
        Ok(())
    }

    /// One line with its continuations, as text. `at` moves to the last of them, as in the server.
    fn logical_line<'l>(
        &self,
        first: &'l [u8],
        lines: &mut impl Iterator<Item = &'l [u8]>,
        at: &mut ConfigPlace,
    ) -> Result<String, Error> {
        let mut text = String::new();
        let mut line = first;
        let mut is_string = false;
        loop {
            let piece = line.strip_suffix(b"\r").unwrap_or(line);
            if text.len() + piece.len() > MAX_LINE {
                return Err(Error::new(at, format!("line is longer than {MAX_LINE} octets")));
            }
            if piece.contains(&0) {
                return Err(Error::new(at, "NUL octet: this is not a text file"));
            }
            let piece = std::str::from_utf8(piece).map_err(|_| {
                Error::new(at, "text is not UTF-8: convert the file, or remove the character")
            })?;
            // After `"\` at its end, white space at the beginning of the next line is not part of the text.
            let piece = if is_string { piece.trim_ascii_start() } else { piece };
            match piece.strip_suffix('\\') {
                Some(head) => {
                    is_string |= head.len() > 1 && head.ends_with('"');
                    text.push_str(head);
                    at.line += 1;
                    line =
                        lines.next().ok_or_else(|| Error::new(at, "continuation at the end of the file"))?;
                }
                None => {
                    text.push_str(piece);
                    return Ok(text);
                }
            }
        }
    }

    /// All items of a line.
    fn line(&mut self, text: &str, depth: usize, at: &ConfigPlace) -> Result<(), Error> {
        let mut line = LexerLine::new(text);
        while !line.is_done() {
            if line.skip_token("}") {
                if self.open.len() <= depth {
                    return Err(Error::new(at, "too many closing braces"));
                }
                self.merge_template(at)?;
                self.open.pop();
            } else {
                self.parse_item(&mut line, at).map_err(|text| match text {
                    ParseProblem::Here(text) => Error::new(at, text),
                    ParseProblem::Elsewhere(error) => error,
                })?;
            }
        }
        Ok(())
    }

    fn parse_item(&mut self, line: &mut LexerLine<'_>, at: &ConfigPlace) -> Result<(), ParseProblem> {
        let name = line.name()?;
        if name.text.is_empty() && name.quote.is_none() {
            return Err(ParseProblem::Here(format!("unexpected \"{}\"", line.remaining())));
        }
        if name.quote.is_none() {
            match name.text.as_str() {
                // The server takes these words in any case.
                word if word.eq_ignore_ascii_case("$INCLUDE") => {
                    return self.include_file(line, at, MissingFile::IsAnError);
                }
                word if word.eq_ignore_ascii_case("$-INCLUDE") => {
                    return self.include_file(line, at, MissingFile::IsFine);
                }
                word if word.eq_ignore_ascii_case("$template") => {
                    let template = line.value()?;
                    self.add(
                        SectionItem::Pair(ConfigPair::new("$template", "", Some(&template.text), at.clone())),
                        at,
                    )?;
                    return Ok(());
                }
                "if" | "elsif" => {
                    let header = line.read_header()?;
                    return self.section(&name.text, Some(header), at);
                }
                _ => {}
            }
        }
        if line.is_done() || line.skip_token(",") || line.looks_at("}") {
            return Ok(self.add(SectionItem::Pair(ConfigPair::has_word(name.text, at.clone())), at)?);
        }
        if let Some(operator) = line.read_operator() {
            if line.is_done() {
                return Ok(
                    self.add(SectionItem::Pair(ConfigPair::new(name.text, operator, None, at.clone())), at)?
                );
            }
            let value = line.value()?;
            self.parse_pair(&name.text, operator, value, at)?;
            return match line.skip_token(",") || line.is_done() || line.looks_at("}") {
                true => Ok(()),
                false => Err(ParseProblem::Here(format!(
                    "expected a comma or the end of the line after the value of \"{}\", found \"{}\"",
                    name.text,
                    line.remaining()
                ))),
            };
        }
        if line.skip_token("{") {
            return self.section(&name.text, None, at);
        }
        let instance = match line.looks_at("(") {
            true => line.read_header()?,
            false => {
                let word = line.name()?.text;
                match line.skip_token("{") {
                    true => word,
                    // More than the server knows today: the whole header.
                    false => format!("{word} {}", line.read_header()?),
                }
            }
        };
        self.section(&name.text, Some(instance), at)
    }

    fn section(
        &mut self,
        name: &str,
        instance: Option<String>,
        at: &ConfigPlace,
    ) -> Result<(), ParseProblem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(ParseProblem::Here(format!("more than {MAX_DEPTH} sections within one another")));
        }
        let instance = match instance {
            Some(text) if text.contains('$') => match self.expand(&text, at)? {
                ExpandedText::Text(text, _) => Some(text),
                ExpandedText::NotYet(why) => return Err(ParseProblem::Here(why)),
            },
            other => other,
        };
        let index = self.current_section().items.len();
        self.add(SectionItem::Section(Section::new(name, instance.as_deref(), at.clone())), at)?;
        self.open.push(index);
        Ok(())
    }

    fn parse_pair(
        &mut self,
        name: &str,
        operator: &str,
        value: ConfigWord,
        at: &ConfigPlace,
    ) -> Result<(), ParseProblem> {
        let mut text = value.text;
        if value.quote != Some('\'') && text.contains('$') {
            match self.expand(&text, at)? {
                ExpandedText::Text(expanded, copies) => {
                    for copy in copies {
                        self.charge_work(section_weight(&copy), at)?;
                        self.add(SectionItem::Section(copy), at)?;
                    }
                    text = expanded;
                }
                ExpandedText::NotYet(_) => {
                    self.later.push((self.open.clone(), self.current_section().items.len()))
                }
            }
        }
        Ok(self.add(SectionItem::Pair(ConfigPair::new(name, operator, Some(&text), at.clone())), at)?)
    }

    fn include_file(
        &mut self,
        line: &mut LexerLine<'_>,
        at: &ConfigPlace,
        absent: MissingFile,
    ) -> Result<(), ParseProblem> {
        let written = line.value()?.text;
        if !line.is_done() {
            return Err(ParseProblem::Here(format!(
                "unexpected text after $INCLUDE: \"{}\"",
                line.remaining()
            )));
        }
        let text = match self.expand(&written, at)? {
            ExpandedText::Text(text, _) => text,
            ExpandedText::NotYet(why) => return Err(ParseProblem::Here(why)),
        };
        if text.is_empty() {
            return Err(ParseProblem::Here(
                "$INCLUDE needs the name of a file, or of a folder with '/' at its end".into(),
            ));
        }
        // A name that begins with `$` is taken as it is; any other, if relative, from the folder of this file.
        let beside = self.files.last().and_then(|file| file.parent()).filter(|_| !written.starts_with('$'));
        let path = beside.map_or_else(|| PathBuf::from(&text), |folder| folder.join(&text));
        if text.ends_with('/') {
            let mut names = match self.loader.folder(&path) {
                Ok(names) => names,
                Err(e) => {
                    return Err(ParseProblem::Here(format!(
                        "cannot read the folder {}: {e}",
                        path.display()
                    )));
                }
            };
            // The server takes them as they come; sorted, two runs see the same.
            names.sort();
            for name in names.iter().filter(|name| is_included(name)) {
                self.file(&path.join(name), at)?;
            }
            return Ok(());
        }
        match (self.file(&path, at), absent) {
            (Err(_), MissingFile::IsFine) if is_absent(self.loader, &path) => Ok(()),
            (result, _) => Ok(result?),
        }
    }

    /// `$template x`: what the section lacks is taken from the section `x` of `templates { }`.
    fn merge_template(&mut self, at: &ConfigPlace) -> Result<(), Error> {
        let Some(name) = self.current_section().value("$template").map(str::to_owned) else { return Ok(()) };
        let templates = self.root.section("templates");
        let template = templates
            .and_then(|t| t.sections().find(|s| s.name == name || s.section_label() == name))
            .cloned();
        let Some(template) = template else {
            return Err(Error::new(at, format!("no template \"{name}\" in the section templates")));
        };
        self.charge_work(section_weight(&template), at)?;
        // The word itself stays, without its value: what follows it keeps its number.
        self.change_open_section(|section| {
            for item in &mut section.items {
                if let SectionItem::Pair(pair) = item
                    && pair.name == "$template"
                {
                    pair.value = None;
                }
            }
            merge_into(section, template);
        });
        Ok(())
    }

    /// What referred to something further down; now everything is there.
    fn expand_later(&mut self) -> Result<(), Error> {
        for (open, index) in std::mem::take(&mut self.later) {
            self.open = open;
            let Some(SectionItem::Pair(ConfigPair { value: Some(text), at, .. })) =
                self.current_section().items.get(index).cloned()
            else {
                continue;
            };
            let expanded = match self.expand(&text, &at) {
                Ok(ExpandedText::Text(text, _)) => text,
                Ok(ExpandedText::NotYet(why)) | Err(ParseProblem::Here(why)) => {
                    return Err(Error::new(&at, why));
                }
                Err(ParseProblem::Elsewhere(error)) => return Err(error),
            };
            self.change_open_section(|section| {
                if let Some(SectionItem::Pair(pair)) = section.items.get_mut(index) {
                    pair.value = Some(expanded);
                }
            });
        }
        self.open.clear();
        Ok(())
    }

    fn expand(&mut self, text: &str, at: &ConfigPlace) -> Result<ExpandedText, ParseProblem> {
        let mut open = vec![&self.root];
        let mut items = self.root.items.len();
        for index in &self.open {
            let Some(SectionItem::Section(section)) = open.last().and_then(|s| s.items.get(*index)) else {
                break;
            };
            items += section.items.len();
            open.push(section);
        }
        let expanded = expand_text(&open, text, self.env)?;
        let size = match &expanded {
            ExpandedText::Text(text, _) => text.len(),
            ExpandedText::NotYet(_) => 0,
        };
        self.charge_work(size + items, at)?;
        Ok(expanded)
    }

    fn add(&mut self, item: SectionItem, at: &ConfigPlace) -> Result<(), Error> {
        self.charge_work(self.open.len() + 1, at)?;
        self.change_open_section(|section| section.items.push(item));
        Ok(())
    }

    /// The innermost open section.
    fn current_section(&self) -> &Section {
        let mut section = &self.root;
        for index in &self.open {
            let Some(SectionItem::Section(inner)) = section.items.get(*index) else { break };
            section = inner;
        }
        section
    }

    /// Changes the innermost open section.
    fn change_open_section(&mut self, change: impl FnOnce(&mut Section)) {
        fn enter_section(section: &mut Section, open: &[usize], change: impl FnOnce(&mut Section)) {
            match open.split_first() {
                None => change(section),
                Some((index, open)) => {
                    if let Some(SectionItem::Section(inner)) = section.items.get_mut(*index) {
                        enter_section(inner, open, change);
                    }
                }
            }
        }
        enter_section(&mut self.root, &self.open, change);
    }

    fn charge_work(&mut self, work: usize, at: &ConfigPlace) -> Result<(), Error> {
        let left = self.work.checked_sub(work);
        self.work = left.ok_or_else(|| Error::new(at, "the configuration is too large to be read"))?;
        Ok(())
    }
}

/// What is wrong on this line, or in a file that it includes.
enum ParseProblem {
    Here(String),
    Elsewhere(Error),
}

impl From<SyntaxError> for ParseProblem {
    fn from(SyntaxError(text): SyntaxError) -> Self {
        Self::Here(text)
    }
}

impl From<Error> for ParseProblem {
    fn from(error: Error) -> Self {
        Self::Elsewhere(error)
    }
}

enum MissingFile {
    IsFine,
    IsAnError,
}

fn is_absent(loader: &dyn FileLoader, path: &Path) -> bool {
    matches!(loader.file(path), Err(e) if e.kind() == std::io::ErrorKind::NotFound)
}

/// Nothing but white space, or a comment; that may be in any encoding.
fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii_start().first().is_none_or(|first| *first == b'#')
}
