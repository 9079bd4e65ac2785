//! The parser against the server's rules, stock files, and everything that is no configuration.

use super::loader::is_included;
use super::tree::{Section, SectionItem};
use super::{FileLoader, FileSystem, read_from, read_text};
use std::io;
use std::path::Path;

fn read(text: impl AsRef<[u8]>) -> Result<Section, String> {
    read_text(text, &|_| None).map_err(|e| e.to_string())
}

/// The tree in one line.
fn show(section: &Section) -> String {
    let items = section.items.iter().map(|item| match item {
        SectionItem::Pair(p) => format!("{}{}{}", p.name, p.operator, p.value.as_deref().unwrap_or_default()),
        SectionItem::Section(s) => {
            format!("{}[{}]{{{}}}", s.name, s.instance.as_deref().unwrap_or_default(), show(s))
        }
    });
    items.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_syntax_of_the_server_is_read() {
    for (text, tree) in [
        ("a = 1 # x\nb = \"x # y\"\n# c = 3\n", "a=1 b=x # y"),
        ("a {\n b x {\n c\n }\n}\n", "a[]{b[x]{c}}"),
        ("Auth-Type PAP { pap }\n", "Auth-Type[PAP]{pap}"),
        ("update reply { &A := 1, B += \"x\" }\n", "update[reply]{&A:=1 B+=x}"),
        (
            "if (&A =~ /^{$/ && (ok)) {\n  reject\n}\nelse {\n ok\n}\n",
            "if[(&A =~ /^{$/ && (ok))]{reject} else[]{ok}",
        ),
        ("switch &A { case \"a b\" { ok } case { noop } }", "switch[&A]{case[a b]{ok} case[]{noop}}"),
        (
            "foreach &reply:Class { update { &A := \"%{Foreach-Variable-0}\" } }",
            "foreach[&reply:Class]{update[]{&A:=%{Foreach-Variable-0}}}",
        ),
        ("redundant-load-balance x { a { fail = 1 } b }", "redundant-load-balance[x]{a[]{fail=1} b}"),
        ("a = one\\\ntwo\nb = 1", "a=onetwo b=1"),
        ("a = \"x\" \\\n, b = 2", "a=x b=2"),
        ("a = \"one \\\n two\"\n", "a=one  two"),
        ("a =\nb = # \"x y\"\n", "a= b="),
        ("map ldap \"x y\" { A := b }", "map[ldap \"x y\"]{A:=b}"),
        ("%{expr:1 + 2}\n", "%{expr:1 + 2}"),
    ] {
        let read = read(text).map(|root| show(&root).replacen("confdir= ", "", 1));
        assert_eq!(read.as_deref(), Ok(tree), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    let deep = "a {\n".repeat(65);
    let long = format!("a = {}", "x".repeat(4_000_000));
    for (text, error) in [
        ("\na {\n b\n", "text[2]: section \"a\" has no closing brace in this file"),
        ("a {\n}\n}\n", "text[3]: too many closing braces"),
        ("a = \"b\n", "text[1]: unterminated string: no closing \""),
        (
            "a = b c\n",
            "text[1]: expected a comma or the end of the line after the value of \"a\", found \"c\"",
        ),
        ("a b\n", "text[1]: expected '{' at the end of this line"),
        ("= 1\n", "text[1]: unexpected \"= 1\""),
        (&deep, "text[65]: more than 64 sections within one another"),
        (&long, "text[1]: line is longer than 8191 octets"),
        ("a\0b", "text[1]: NUL octet: this is not a text file"),
        ("$INCLUDE other\n", "text[1]: cannot read other: entity not found"),
        ("$INCLUDE text\n", "text[1]: text includes itself"),
        ("$INCLUDE\n", "text[1]: $INCLUDE needs the name of a file, or of a folder with '/' at its end"),
        ("a {\n$template x\n}\n", "text[3]: no template \"x\" in the section templates"),
    ] {
        assert_eq!(read(text).unwrap_err(), error);
    }
    assert!(read(b"a = \xff\n").unwrap_err().starts_with("text[1]: text is not UTF-8"));
    assert!(read(b"# J\xfcrgen\na = 1\n").is_ok(), "comments may be in any encoding");
    let read = read_from(&FileSystem, Path::new("/"), &|_| None);
    assert_eq!(read.unwrap_err().to_string(), "/: cannot read /: it is a directory");
}

#[test]
fn templates_fill_what_is_missing() {
    let text = "templates {\n t {\n a = 1\n s {\n  b = 2\n }\n }\n}\nx {\n $template t\n a = 3\n}\n";
    let tree = read(text).unwrap();
    assert_eq!(show(tree.section("x").unwrap()), "$template a=3 s[]{b=2}");
}

struct Many;
impl FileLoader for Many {
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Each file includes the next twice.
        let n: u32 = path.to_string_lossy().parse().unwrap_or(0);
        Ok(format!("$INCLUDE {0}\n$INCLUDE {0}\n{1}", n + 1, "# ".repeat(100_000)).into_bytes())
    }
    fn folder(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(vec!["b".into(), "a".into(), "a~".into(), ".x".into(), "c.dpkg-old".into()])
    }
}

#[test]
fn includes_are_bounded() {
    let error = read_from(&Many, Path::new("0"), &|_| None).unwrap_err();
    assert!(error.text.contains("more than 32 files"), "{error}");
    assert!(is_included("a-b_c.conf") && is_included("c.dpkg-old"));
    assert!(!is_included("a~") && !is_included(".x") && !is_included("a b"));
}

#[test]
fn installed_configuration_is_read() {
    let conf = Path::new("/etc/freeradius/3.0/radiusd.conf");
    if !conf.exists() {
        eprintln!("SKIPPED: {} is not there; install freeradius", conf.display());
        return;
    }
    let tree = read_from(&FileSystem, conf, &|_| None).unwrap();
    // What it holds is the administrator's; that it holds what every server has is ours.
    assert!(tree.value("pidfile").is_some_and(|file| file.ends_with(".pid") && !file.contains("${")));
    assert!(tree.section("modules").is_some() && tree.sections().any(|s| s.name == "server"));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(octets: Vec<u8>) {
        let _ = read_text(&octets, &|_| None);
    }

    #[test]
    fn nothing_that_looks_like_configuration_panics(text in "([a-c${}.=\"'\\[\\]:/~(),#%\\\\\n \t]|\\$\\{|\\$ENV\\{|if |\\$INCLUDE ){0,80}") {
        let _ = read_text(&text, &|_| None);
    }
}
