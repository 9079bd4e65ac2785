//! raddb/mods-available/mfa documents every option, with the default that the code has, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rlm_mfa::config::tree::Section;
use rlm_mfa::config::{self, Config, OptionSpec};
use rlm_mfa::engine::Reason;
use std::collections::BTreeMap;

const RADDB: &str = include_str!("../raddb/mods-available/mfa");

/// The instance of raddb with its commented-out defaults put into force.
fn documented() -> Section {
    let uncommented: String =
        RADDB.lines().map(|line| format!("{}\n", line.strip_prefix("#\t").unwrap_or(line))).collect();
    // The head's examples are commented out in the same way; the module's section begins behind them.
    let begin = uncommented.find("\nmfa {").expect("raddb has the section mfa");
    let text = uncommented.get(begin..).unwrap();
    let tree = config::read_text(text, &|_| Some("hello".to_owned())).unwrap_or_else(|e| panic!("{e}"));
    tree.section("mfa").unwrap().clone()
}

/// Every pair of a section, by `section.name`.
fn pairs(section: &Section, path: &str, into: &mut BTreeMap<String, String>) {
    for pair in section.pairs_named() {
        let old = into.insert(format!("{path}{}", pair.name), pair.value.clone().unwrap_or_default());
        assert!(old.is_none(), "{path}{} is documented twice", pair.name);
    }
    for inner in section.sections() {
        pairs(inner, &format!("{path}{}.", inner.name), into);
    }
}

fn name_of(option: &OptionSpec) -> String {
    match option.section.as_str() {
        "" => option.name.to_owned(),
        section => format!("{section}.{}", option.name),
    }
}

#[test]
fn every_option_is_documented_with_its_default() {
    let mut documented_pairs = BTreeMap::new();
    pairs(&documented(), "", &mut documented_pairs);
    for option in config::options() {
        let name = name_of(&option);
        let text = documented_pairs.remove(&name).unwrap_or_else(|| panic!("{name} is not documented"));
        if let Some(default) = option.default {
            assert_eq!(text, default, "default of {name}");
        }
    }
    assert!(documented_pairs.is_empty(), "documented, but unknown to the code: {documented_pairs:?}");
}

#[test]
fn every_option_is_explained_and_commented_out() {
    let lines: Vec<&str> = RADDB.lines().collect();
    let options = config::options();
    for option in &options {
        let begin = format!("{} = ", option.name);
        let found: Vec<usize> = (0..lines.len())
            .filter(|n| {
                lines[*n].strip_prefix("#\t").is_some_and(|line| line.trim_start().starts_with(&begin))
            })
            .collect();
        let sections = options.iter().filter(|other| other.name == option.name).count();
        assert_eq!(found.len(), sections, "{} stands once in each section, commented out", option.name);
        for line in found {
            assert_eq!(lines[line - 1].trim(), "#", "an empty comment line stands above {}", option.name);
            assert!(lines[line - 2].trim().starts_with("#  "), "{} is explained", option.name);
        }
    }
}

#[test]
fn every_profile_and_preset_is_listed() {
    let is_listed = |name: &str| {
        RADDB.lines().filter_map(|line| line.trim_start().strip_prefix('#')).any(|line| {
            line.split_once('\t')
                .is_some_and(|(head, rest)| head.is_empty() && rest.trim_start().starts_with(name))
        })
    };
    let profiles = config::profile::ClientProfile::ALL.iter().map(|profile| profile.name);
    let presets = config::gateway::PRESETS.iter().map(|(name, _)| *name);
    for name in profiles.chain(presets) {
        assert!(is_listed(name), "{name} is not listed in raddb");
    }
}

#[test]
fn shipped_file_is_a_valid_configuration_as_it_is() {
    let tree = config::read_text(RADDB, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    let config = Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn shipped_site_guards_both_its_servers() {
    let text = format!(
        "modules {{\n{RADDB}\neap {{\n ttls {{\n virtual_server = mfa-inner-tunnel\n }}\n}}\n}}\npolicy {{\n{}\n}}\n{}",
        include_str!("../raddb/policy.d/mfa"),
        include_str!("../raddb/sites-available/mfa"),
    );
    let tree = config::read_text(text, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config::instance_names(&tree).len(), 1);
    let findings: Vec<String> = config::coverage::check(&tree).iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn raddb_is_written_in_the_servers_style() {
    for (file, text) in [
        ("mods-available/mfa", RADDB),
        ("sites-available/mfa", include_str!("../raddb/sites-available/mfa")),
        ("policy.d/mfa", include_str!("../raddb/policy.d/mfa")),
    ] {
        for (n, line) in text.lines().enumerate() {
            let place = format!("{file}:{}: {line:?}", n + 1);
            assert!(!line.starts_with(' ') && line == line.trim_end(), "{place}");
            assert!(!line.contains("\t ") && line.is_ascii(), "{place}");
            let width: usize =
                line.chars().fold(0, |at, c| if c == '\t' { (at / 8 + 1) * 8 } else { at + 1 });
            assert!(width <= 76, "{place} is {width} wide");
        }
    }
}

#[test]
fn every_reason_is_explained() {
    let page = include_str!("../doc/reasons.md");
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let missing: Vec<_> = words.iter().filter(|word| !listed.contains(word)).collect();
    let unknown: Vec<_> = listed.iter().filter(|word| !words.contains(word)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}; unknown: {unknown:?}");
    let twice: Vec<_> =
        listed.iter().filter(|word| listed.iter().filter(|other| other == word).count() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
