//! Whose login it is: one canonical name, however it was typed.

use super::encoding::decode;
use super::is_invisible;
use caseless::Caseless;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// The longest RADIUS attribute value (RFC 2865, section 5).
const LONGEST: usize = 253;

/// How often a name is made canonical until that changes nothing any more. Most names take one step, and one to see that.
const STEPS: usize = 8;

/// A user's canonical name: Unicode NFKC, case folded unless the site is case sensitive, its domain stripped or
/// mapped as the rules say. 1 to 253 octets of UTF-8 without control characters and invisible ones. Made canonical once more, it
/// stays what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UserName(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing there, or nothing left after its domain was stripped.
    #[error("user name is empty")]
    Empty,
    /// Over 253 octets, the longest RADIUS attribute value (RFC 2865, section 5).
    #[error("user name is longer than 253 octets")]
    Long,
    /// A control character in it.
    #[error("user name holds a control character")]
    Control,
    /// A character in it that is not seen, by which two names would look the same.
    #[error("user name holds an invisible character")]
    Invisible,
    /// More than one domain: which of them counts depends on who is asked.
    #[error("user name holds more than one domain (\"@\" or \"\\\")")]
    Domains,
}

/// Whether `Alice` and `alice` are two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CaseRule {
    /// Names that differ in case are one user.
    #[default]
    Fold,
    /// Names that differ in case are two users.
    Keep,
}

/// What becomes of a domain that the map does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DomainRule {
    /// `DOMAIN\user` and `user@domain` become `user`.
    #[default]
    Strip,
    /// The name stays as it was typed.
    Keep,
}

/// How names are made canonical.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NameRules {
    /// Upper and lower case.
    pub case: CaseRule,
    /// Domains that `domains` does not name.
    pub domain: DomainRule,
    /// Domain as typed, case folded, to the domain of the canonical name: `user@value`, or `user` if it is empty.
    pub domains: BTreeMap<String, String>,
}

impl NameRules {
    /// The form of a domain under which `domains` has it.
    pub fn domain_key(domain: &str) -> String {
        // Folding makes a blank of some characters.
        fold_case(domain, CaseRule::Fold).trim().to_owned()
    }

    /// A domain of `domains` that is mapped to one which is mapped to another one in turn; then no name of it is canonical.
    pub fn unstable_domain(&self) -> Option<&str> {
        let is_stable = |to: &str| {
            let next = self.domains.get(&Self::domain_key(to));
            next.is_none_or(|next| Self::domain_key(next) == Self::domain_key(to))
        };
        self.domains.iter().find(|(_, to)| !to.is_empty() && !is_stable(to)).map(|(from, _)| from.as_str())
    }
}

impl UserName {
    /// The canonical form of `typed`, UTF-8 or else Windows-1252.
    ///
    /// # Errors
    ///
    /// Why it is no name.
    pub fn parse(typed: &[u8], rules: &NameRules) -> Result<Self, BadName> {
        if typed.len() > LONGEST {
            return Err(BadName::Long);
        }
        let mut name = canonicalise_once(&decode(typed), rules)?;
        for _ in 0..STEPS {
            let next = canonicalise_once(&name, rules)?;
            if next == name {
                return Ok(Self(name));
            }
            name = next;
        }
        // Domains that are mapped to one another: the configuration refuses them.
        Err(BadName::Domains)
    }

    /// The same name in the spelling that was typed, for directories, which know themselves what is equal: Unicode NFC, its domain
    /// stripped or mapped, but nothing folded. Made canonical, it is the canonical name.
    ///
    /// # Errors
    ///
    /// Why it is no name.
    pub fn with_typed_spelling(typed: &[u8], rules: &NameRules) -> Result<String, BadName> {
        let text: String = decode(typed).nfc().collect();
        resolve_domain(&text, rules, str::to_owned)
    }

    /// The domain of `DOMAIN\user` or `user@domain` as it was typed, in the form of [`NameRules::domain_key`]. None if there is none,
    /// or if it is no name.
    pub fn typed_domain(typed: &[u8]) -> Option<String> {
        let text = decode(typed);
        NameParts::split_name(&text).ok()?.domain.map(|(_, domain)| NameRules::domain_key(domain))
    }

    /// A name that is canonical already, as the store gives it back.
    pub fn from_canonical(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// On which side of the name its domain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DomainSide {
    /// `DOMAIN\user`
    Before,
    /// `user@domain`
    Behind,
}

/// A name, taken apart. An empty domain is none.
struct NameParts<'t> {
    user: &'t str,
    domain: Option<(DomainSide, &'t str)>,
}

impl<'t> NameParts<'t> {
    fn split_name(text: &'t str) -> Result<Self, BadName> {
        let mut marks = text.char_indices().filter_map(|(at, c)| Some((at, c.len_utf8(), domain_side(c)?)));
        let (user, domain) = match (marks.next(), marks.next()) {
            (None, _) => (text, None),
            (Some((at, length, side)), None) => {
                let (before, rest) = text.split_at(at);
                let behind = rest.get(length..).unwrap_or_default();
                match side {
                    DomainSide::Before => (behind, Some((side, before.trim()))),
                    DomainSide::Behind => (before, Some((side, behind.trim()))),
                }
            }
            (Some(_), Some(_)) => return Err(BadName::Domains),
        };
        Ok(Self { user: user.trim(), domain: domain.filter(|(_, domain)| !domain.is_empty()) })
    }
}

/// Whether a domain stands beside this character: `@`, `\`, and what they are by Unicode NFKC.
const fn domain_side(c: char) -> Option<DomainSide> {
    match c {
        '\\' | '\u{fe68}' | '\u{ff3c}' => Some(DomainSide::Before),
        '@' | '\u{fe6b}' | '\u{ff20}' => Some(DomainSide::Behind),
        _ => None,
    }
}

/// One step to the canonical name. What it leaves as it is, is canonical.
fn canonicalise_once(text: &str, rules: &NameRules) -> Result<String, BadName> {
    let name = fold_case(&resolve_domain(text, rules, NameRules::domain_key)?, rules.case);
    match name.trim() {
        "" => Err(BadName::Empty),
        name if name.len() > LONGEST => Err(BadName::Long),
        name => Ok(name.to_owned()),
    }
}

/// The name with its domain stripped, mapped or kept; in the last two cases the domain is written in this form.
fn resolve_domain(text: &str, rules: &NameRules, form: fn(&str) -> String) -> Result<String, BadName> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(BadName::Control);
    }
    if text.chars().any(is_invisible) {
        return Err(BadName::Invisible);
    }
    let NameParts { user, domain } = NameParts::split_name(text)?;
    if user.is_empty() {
        return Err(BadName::Empty);
    }
    let Some((side, domain)) = domain else { return Ok(user.to_owned()) };
    let key = NameRules::domain_key(domain);
    let is_target = || rules.domains.values().any(|to| !to.is_empty() && NameRules::domain_key(to) == key);
    Ok(match (rules.domains.get(&key), rules.domain) {
        (Some(to), _) if to.is_empty() => user.to_owned(),
        (Some(to), _) => format!("{user}@{}", form(to)),
        // What a domain is mapped to is kept, whatever becomes of others.
        (None, _) if is_target() => format!("{user}@{}", form(domain)),
        (None, DomainRule::Strip) => user.to_owned(),
        (None, DomainRule::Keep) => match side {
            DomainSide::Before => format!("{}\\{user}", form(domain)),
            DomainSide::Behind => format!("{user}@{}", form(domain)),
        },
    })
}

/// Unicode NFKC with full case folding, repeated until nothing changes: folding can undo normalisation.
pub(super) fn fold_case(name: &str, case: CaseRule) -> String {
    // Most names are ASCII, where this is all that the rules come to.
    if name.is_ascii() {
        return if case == CaseRule::Keep { name.to_owned() } else { name.to_ascii_lowercase() };
    }
    let mut text: String = name.nfkc().collect();
    if case == CaseRule::Keep {
        return text;
    }
    for _ in 0..3 {
        let next: String = text.chars().default_case_fold().nfkc().collect();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(typed: &str, rules: &NameRules) -> String {
        UserName::parse(typed.as_bytes(), rules).map(|n| n.to_string()).unwrap_or_else(|e| format!("{e:?}"))
    }

    #[test]
    fn spellings_of_one_person_are_one_name() {
        let rules = NameRules::default();
        for typed in
            ["alice", "Alice", "ALICE", "EXAMPLE\\alice", "Alice@Example.Test", " alice ", "\u{ff21}lice"]
        {
            assert_eq!(canonical(typed, &rules), "alice", "{typed:?}");
        }
        assert_eq!(canonical("STRASSE", &rules), canonical("stra\u{df}e", &rules));
        assert_eq!(UserName::parse(b"J\xfcrgen", &rules).unwrap().as_str(), "j\u{fc}rgen");
    }

    #[test]
    fn domains_are_kept_or_mapped_as_told() {
        let mut rules = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
        assert_eq!(canonical("EXAMPLE\\Alice", &rules), "example\\alice");
        rules.domains.insert("example".into(), "example.test".into());
        rules.domains.insert("home.test".into(), String::new());
        assert_eq!(canonical("EXAMPLE\\Alice", &rules), "alice@example.test");
        assert_eq!(canonical("alice@HOME.test", &rules), "alice");
        assert_eq!(canonical("alice@other.test", &rules), "alice@other.test");
        let rules = NameRules { case: CaseRule::Keep, ..rules };
        assert_eq!(canonical("EXAMPLE\\Alice", &rules), "Alice@example.test");
        assert_eq!(
            canonical("Alice@Other.Test", &rules),
            "Alice@other.test",
            "domains are the same in any case"
        );
    }

    #[test]
    fn mapped_names_are_stable_where_other_domains_are_stripped() {
        let mut rules = NameRules::default();
        rules.domains.insert("example".into(), "Example.Test".into());
        for typed in ["EXAMPLE\\Alice", "alice@example.test", "example.test\\alice"] {
            assert_eq!(canonical(typed, &rules), "alice@example.test", "{typed:?}");
        }
        assert_eq!(canonical("alice@other.test", &rules), "alice");
    }

    #[test]
    fn domain_is_that_of_the_name_as_typed() {
        for typed in [
            "EXAMPLE.test\\alice",
            " alice@Example.Test ",
            "alice @ EXAMPLE.TEST",
            "alice\u{ff20}example.test",
        ] {
            assert_eq!(
                UserName::typed_domain(typed.as_bytes()).as_deref(),
                Some("example.test"),
                "{typed:?}"
            );
        }
        for none in ["alice", "alice@", "\\alice", "a@b@example.test", "EXAMPLE\\alice@example.test"] {
            assert_eq!(UserName::typed_domain(none.as_bytes()), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let rules = NameRules::default();
        for typed in ["", "   ", "EXAMPLE\\", "@example.test"] {
            assert_eq!(canonical(typed, &rules), "Empty", "{typed:?}");
        }
        assert_eq!(canonical("a\0b", &rules), "Control");
        assert_eq!(canonical("a@\0b", &rules), "Control");
        for invisible in [
            "bo\u{ad}b",
            "bob\u{200b}",
            "bob@ex\u{2060}ample.test",
            "\u{3164}",
            "bob\u{fe0f}",
            "\u{e0062}bob",
        ] {
            assert_eq!(canonical(invisible, &rules), "Invisible", "{invisible:?}");
        }
        assert_eq!(UserName::parse(&[b'a'; 254], &rules), Err(BadName::Long));
    }

    #[test]
    fn ascii_is_folded_as_the_tables_say() {
        for character in '\0'..='\u{7f}' {
            let text = character.to_string();
            let folded: String = text.nfkc().default_case_fold().nfkc().collect();
            assert_eq!(fold_case(&text, CaseRule::Fold), folded);
        }
    }

    #[test]
    fn more_than_one_domain_is_no_name() {
        let mut mapped = NameRules::default();
        mapped.domains.insert("example".into(), "example.test".into());
        let keep = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
        for rules in [NameRules::default(), keep, mapped] {
            for typed in [
                "X\\bob@example.test",
                "bob@example.test@z",
                "EXAMPLE\\\\bob",
                "bob@@example.test",
                "\\\\bob",
                "bob@@",
                "@bob@example.test",
                "bob@\u{ff20}z",
                "X\u{ff3c}bob\u{fe6b}z",
            ] {
                assert_eq!(canonical(typed, &rules), "Domains", "{typed:?} {rules:?}");
            }
            for typed in ["bob@", "\\bob", " bob @ ", "bob"] {
                assert_eq!(canonical(typed, &rules), "bob", "an empty domain is none: {typed:?} {rules:?}");
            }
        }
    }

    #[test]
    fn blanks_around_what_is_stripped_are_none_of_the_name() {
        let rules = NameRules::default();
        for typed in ["EXAMPLE\\ bob", "bob @example.test", " EXAMPLE \\ bob ", "\u{3000}bob\u{a0}@z"] {
            assert_eq!(canonical(typed, &rules), "bob", "{typed:?}");
        }
        assert_eq!(canonical("john  smith", &rules), "john  smith");
    }

    #[test]
    fn separators_are_all_that_unicode_takes_for_them() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            let text: String = std::iter::once(c).nfkc().collect();
            assert_eq!(text.contains(['@', '\\']), domain_side(c).is_some(), "{c:?}");
        }
    }

    #[test]
    fn spelling_is_kept_for_the_directory() {
        let spelled =
            |typed: &str, rules: &NameRules| UserName::with_typed_spelling(typed.as_bytes(), rules).unwrap();
        let mut rules = NameRules::default();
        rules.domains.insert("example".into(), "example.test".into());
        for (typed, expected) in [
            ("Gro\u{df}", "Gro\u{df}"),
            ("Z\\Gro\u{df}", "Gro\u{df}"),
            (" \u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c2}@z ", "\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c2}"),
            ("EXAMPLE\\Ju\u{308}rgen", "J\u{fc}rgen@example.test"),
            ("John  Smith", "John  Smith"),
        ] {
            assert_eq!(spelled(typed, &rules), expected, "{typed:?}");
        }
        let keep = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
        assert_eq!(spelled("EXAMPLE\\Alice", &keep), "EXAMPLE\\Alice");
        assert_eq!(UserName::with_typed_spelling(b"a@b@c", &keep), Err(BadName::Domains));
    }

    #[test]
    fn domains_that_lead_to_one_another_are_found() {
        let rules = |pairs: &[(&str, &str)]| {
            let domains = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
            NameRules { domains, ..NameRules::default() }
        };
        for stable in
            [&[("a", "b"), ("c", "B")][..], &[("a", "a")], &[("a", ""), ("b", "")], &[("a", "b"), ("b", "B")]]
        {
            assert_eq!(rules(stable).unstable_domain(), None, "{stable:?}");
        }
        for unstable in [&[("a", "B"), ("b", "c")][..], &[("a", "b"), ("b", "a")], &[("a", "b"), ("b", "")]] {
            assert_eq!(rules(unstable).unstable_domain(), Some("a"), "{unstable:?}");
        }
        assert_eq!(canonical("x@a", &rules(&[("a", "b"), ("b", "a")])), "Domains");
    }

    use proptest::prelude::*;

    /// What people and attackers type: separators, blanks, both cases, full-width forms, domains that are mapped.
    fn typed() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop_oneof![Just("bob"), Just("Bob"), Just("alice"), Just("EXAMPLE"), Just("example.test"), Just("old.Test"), Just("home"), Just("z")],
            4 => prop_oneof![Just("@"), Just("\\"), Just("\u{ff20}"), Just("\u{fe6b}"), Just("\u{ff3c}"), Just("\u{fe68}")],
            2 => prop_oneof![Just(" "), Just("\u{a0}"), Just("\u{3000}"), Just("\t"), Just("\u{b4}"), Just("\u{200b}")],
            2 => prop_oneof![Just("\u{df}"), Just("\u{1e9e}"), Just("\u{3c2}"), Just("\u{130}"), Just("\u{131}"), Just("\u{345}"), Just("\u{301}"), Just("\u{1f0}"), Just("\u{ff22}ob"), Just("\u{fb01}"), Just("\u{2122}")],
            1 => any::<char>().prop_map(|c| &*Box::leak(c.to_string().into_boxed_str())),
        ];
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
    }

    fn rules() -> impl Strategy<Value = NameRules> {
        let case = prop_oneof![Just(CaseRule::Fold), Just(CaseRule::Keep)];
        let domain = prop_oneof![Just(DomainRule::Strip), Just(DomainRule::Keep)];
        let keys =
            prop_oneof![Just("example"), Just("example.test"), Just("old.test"), Just("home"), Just("z")];
        let values =
            prop_oneof![Just(""), Just("example.test"), Just("Example.Test"), Just("z"), Just("new.test")];
        let pair = (keys, values).prop_map(|(key, value): (&str, &str)| (key.to_owned(), value.to_owned()));
        let domains = prop::collection::btree_map(
            pair.clone().prop_map(|(key, _)| key),
            pair.prop_map(|(_, value)| value),
            0..4,
        );
        (case, domain, domains).prop_map(|(case, domain, domains)| NameRules { case, domain, domains })
    }

    proptest! {
        #[test]
        fn canonical_names_are_stable(typed in typed(), rules in rules()) {
            if let Ok(name) = UserName::parse(typed.as_bytes(), &rules) {
                prop_assert_eq!(UserName::parse(name.as_str().as_bytes(), &rules), Ok(name));
            }
        }

        #[test]
        fn octets_of_any_kind_are_stable(octets: Vec<u8>, rules in rules()) {
            if let Ok(name) = UserName::parse(&octets, &rules) {
                prop_assert_eq!(UserName::parse(name.as_str().as_bytes(), &rules), Ok(name));
            }
        }

        #[test]
        fn spelling_leads_to_the_canonical_name(typed in typed(), rules in rules()) {
            prop_assume!(rules.unstable_domain().is_none());
            if let Ok(name) = UserName::parse(typed.as_bytes(), &rules) {
                let spelled = UserName::with_typed_spelling(typed.as_bytes(), &rules).unwrap();
                prop_assert_eq!(UserName::parse(spelled.as_bytes(), &rules), Ok(name));
            }
        }

        #[test]
        fn stripped_names_hold_no_domain(typed in typed()) {
            if let Ok(name) = UserName::parse(typed.as_bytes(), &NameRules::default()) {
                prop_assert!(!name.as_str().contains(['@', '\\']));
                prop_assert_eq!(UserName::typed_domain(name.as_str().as_bytes()), None);
            }
        }

        #[test]
        fn domain_that_is_routed_by_is_the_one_that_is_kept(typed in typed()) {
            let keep = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
            if let Ok(name) = UserName::parse(typed.as_bytes(), &keep) {
                prop_assert_eq!(UserName::typed_domain(typed.as_bytes()), UserName::typed_domain(name.as_str().as_bytes()));
            }
        }
    }
}
