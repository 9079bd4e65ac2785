//! The words of the code, counted: `cargo test --test language -- --nocapture` prints the table.
//!
//! A name is understood where it stands in a `use` line, and stands for one thing in the crate. A person is "they", a program is
//! no person.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A line of code outside tests, and where it stands.
struct SourceLine {
    file: PathBuf,
    number: usize,
    text: String,
}

/// All files below `folder` whose name ends in one of `extensions`.
fn files_below(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extensions));
        } else if extensions.iter().any(|extension| path.extension().is_some_and(|of| of == *extension)) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a file holds nothing but tests, or the twin of another one for systems that are not supported.
fn is_test_file(path: &Path) -> bool {
    let is_test_name = |name: &str| {
        name == "tests" || name.ends_with("tests.rs") || name == "fake.rs" || name == "unsupported.rs"
    };
    path.components().any(|part| part.as_os_str().to_str().is_some_and(is_test_name))
}

/// The lines of `src` without the tests at the feet of files.
fn source_lines() -> Vec<SourceLine> {
    let mut lines = Vec::new();
    for file in files_below(&root().join("src"), &["rs"]) {
        if is_test_file(file.strip_prefix(root()).unwrap()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let mut texts = text.lines().enumerate().peekable();
        while let Some((number, line)) = texts.next() {
            let opens_tests =
                texts.peek().is_some_and(|(_, next)| next.starts_with("mod ") && next.ends_with('{'));
            if line == "#[cfg(test)]" && opens_tests {
                break;
            }
            lines.push(SourceLine { file: file.clone(), number: number + 1, text: line.to_owned() });
        }
    }
    lines
}

/// What follows one of `keywords` in a declaration, visibility and qualifiers left out.
fn declared_name<'a>(line: &'a str, keywords: &[&str]) -> Option<&'a str> {
    let mut rest = line;
    if let Some(behind) = rest.strip_prefix("pub") {
        rest = behind.trim_start();
        if rest.starts_with('(') {
            rest = rest.split_once(')')?.1.trim_start();
        }
    }
    for qualifier in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(qualifier).unwrap_or(rest);
    }
    let (keyword, name) = rest.split_once(' ')?;
    if !keywords.contains(&keyword) {
        return None;
    }
    let end = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

/// The number of words in a type's name: `RadiusServer` has two, `MsChap2` too.
fn words_in(name: &str) -> usize {
    let letters: Vec<char> = name.chars().collect();
    (0..letters.len())
        .filter(|at| letters[*at].is_uppercase() && (*at == 0 || !letters[*at - 1].is_uppercase()))
        .count()
}

/// The text of a comment, if the line is one.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).or_else(|| line.strip_prefix("//"))
}

/// The words of a text, in small letters.
fn small_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'').map(str::to_lowercase)
}

const NOT_PLAIN: [&str; 9] =
    ["he", "him", "his", "himself", "whoever", "whomever", "nobody", "somebody", "likewise"];

/// Places where a word of [`NOT_PLAIN`] stands: comments of the code, documents, and comments of the shipped configuration.
fn words_that_are_not_plain() -> Vec<String> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        for file in files_below(&root().join(folder), &["rs"]) {
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            if shown == "tests/language.rs" {
                continue;
            }
            texts.extend(text.lines().enumerate().filter_map(|(number, line)| {
                Some((format!("{shown}:{}", number + 1), comment(line)?.to_owned()))
            }));
        }
    }
    let mut documents = files_below(&root().join("doc"), &["md"]);
    documents.extend(
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)),
    );
    for file in documents.into_iter().filter(|file| file.exists()) {
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        texts.extend(
            text.lines()
                .enumerate()
                .map(|(number, line)| (format!("{shown}:{}", number + 1), line.to_owned())),
        );
    }
    for folder in ["raddb/mods-available", "raddb/sites-available", "raddb/policy.d"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().path();
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            texts.extend(text.lines().enumerate().filter_map(|(number, line)| {
                Some((format!("{shown}:{}", number + 1), line.trim_start().strip_prefix('#')?.to_owned()))
            }));
        }
    }
    texts
        .into_iter()
        .filter_map(|(place, text)| {
            let word = small_words(&text).find(|word| NOT_PLAIN.contains(&word.as_str()))?;
            Some(format!("{place}: {word}"))
        })
        .collect()
}

/// The lengths of all functions in lines, shortest first. A function ends at the brace in its own column.
fn function_lengths(lines: &[SourceLine]) -> Vec<usize> {
    let mut lengths = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.text.trim_start();
        if declared_name(code, &["fn"]).is_none() {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(line.text.len() - code.len()));
        let mut is_open = false;
        let end = lines[at..].iter().take_while(|later| later.file == line.file).position(|later| {
            is_open |= later.text.ends_with('{');
            later.text == closing || (!is_open && later.text.ends_with(['}', ';']))
        });
        lengths.push(end.map_or(1, |end| end + 1));
    }
    lengths.sort_unstable();
    lengths
}

#[test]
fn names_are_understood_where_they_stand() {
    let lines = source_lines();
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut functions = Vec::new();
    let mut short_comments = Vec::new();
    for line in &lines {
        let place = format!("{}:{}", line.file.strip_prefix(root()).unwrap().display(), line.number);
        if let Some(name) = declared_name(&line.text, &["struct", "enum", "trait", "type", "union"]) {
            types.entry(name.to_owned()).or_default().push(place.clone());
        }
        if let Some(name) = declared_name(line.text.trim_start(), &["fn"]) {
            functions.push(name.to_owned());
        }
    }
    let text_of = |at: usize| lines.get(at).and_then(|line| line.text.trim_start().strip_prefix("///"));
    for (at, line) in lines.iter().enumerate() {
        let is_alone = text_of(at + 1).is_none() && (at == 0 || text_of(at - 1).is_none());
        if text_of(at).is_some_and(|text| is_alone && text.trim().len() <= 16) {
            let file = line.file.strip_prefix(root()).unwrap().display();
            short_comments.push(format!("{file}:{}: {}", line.number, line.text.trim()));
        }
    }
    let total: usize = types.values().map(Vec::len).sum();
    let bare: usize =
        types.iter().filter(|(name, _)| words_in(name) <= 1).map(|(_, places)| places.len()).sum();
    let shared: Vec<_> = types
        .iter()
        .filter(|(name, places)| places.len() > 1 && !["Error", "Result"].contains(&name.as_str()))
        .collect();
    let one_word = functions.iter().filter(|name| !name.trim_start_matches('_').contains('_')).count();
    let lengths = function_lengths(&lines);
    let longest = lengths[lengths.len() * 99 / 100];
    let not_plain = words_that_are_not_plain();
    println!("type names of one bare word                   {} % of {total}", bare * 100 / total);
    println!("names that stand for more than one type       {}", shared.len());
    println!(
        "function names of one word                    {} % of {}",
        one_word * 100 / functions.len(),
        functions.len()
    );
    println!("function length in lines, p99                 {longest}");
    println!("doc comments of 16 characters or fewer        {}", short_comments.len());
    println!("he, whoever, nobody and the like in comments  {}", not_plain.len());
    if std::env::var_os("MFA_LANGUAGE_ALL").is_some() {
        println!("{shared:#?}\n{short_comments:#?}\n{not_plain:#?}");
        for (name, places) in types.iter().filter(|(name, _)| words_in(name) <= 1) {
            println!("{name} {}", places.join(" "));
        }
    }
    assert!(shared.is_empty(), "one name for several types: {shared:#?}");
    assert!(bare * 100 < total * 30, "{bare} of {total} types are named by one bare word");
    assert!(
        one_word * 100 < functions.len() * 45,
        "{one_word} of {} functions are named by one word",
        functions.len()
    );
    assert!(not_plain.is_empty(), "not plain English: {not_plain:#?}");
}
