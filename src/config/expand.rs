//! `${..}` and `$ENV{..}`: what they refer to, by the rules of `cf_reference_item` and `cf_expand_variables` in the
//! server's `src/main/conffile.c`.

use super::error::SyntaxError;
use super::tree::{ConfigPair, Section};

/// What a reference names.
pub(super) enum ReferenceTarget<'t> {
    /// A pair.
    Pair(&'t ConfigPair),
    /// A section.
    Section(&'t Section),
}

/// The result of expanding a text with references.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandedText {
    /// The text, and the sections that were referred to as a whole: they are copied to where the text stands.
    Text(String, Vec<Section>),
    /// It refers to something that has not been read yet.
    NotYet(String),
}

/// Longest text that an expansion may have, as in the server.
const MAX_TEXT: usize = 8192;

/// Looks `name` up, seen from the last of `open`: the chain of sections around it, the root first.
pub(super) fn find_reference<'t>(open: &[&'t Section], name: &str) -> Option<ReferenceTarget<'t>> {
    let root = *open.first()?;
    let mut section = *open.last()?;
    let mut rest = name;
    if let Some(relative) = name.strip_prefix('.') {
        rest = relative;
        let mut level = open.len().checked_sub(1)?;
        while let Some(up) = rest.strip_prefix('.') {
            level = level.saturating_sub(1);
            rest = up;
        }
        section = *open.get(level)?;
        if rest.is_empty() {
            return Some(ReferenceTarget::Section(section));
        }
    } else if name.contains('.') {
        section = root;
    }
    while let Some(at) = rest.find(['.', '[']) {
        let (word, tail) = rest.split_at_checked(at)?;
        let next = match tail.strip_prefix('[') {
            Some(instance) => {
                let (instance, tail) = instance.split_once(']')?;
                let named = section.sections().find(|s| {
                    s.name == word && s.instance.as_deref() == Some(instance).filter(|i| !i.is_empty())
                });
                if tail.is_empty() {
                    return named.map(ReferenceTarget::Section);
                }
                named.zip(tail.strip_prefix('.'))
            }
            None => section.section(word).zip(tail.strip_prefix('.')),
        };
        let Some((next, tail)) = next else { break };
        (section, rest) = (next, tail);
    }
    let look = |section: &'t Section| match section.pair_named(rest) {
        Some(pair) => Some(ReferenceTarget::Pair(pair)),
        None => section.section(rest).map(ReferenceTarget::Section),
    };
    look(section).or_else(|| if rest == name { look(root) } else { None })
}

/// Expands all references of `text`. An absent variable of the environment is empty, as in the server.
pub(super) fn expand_text(
    open: &[&Section],
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ExpandedText, SyntaxError> {
    let (mut out, mut copies, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (is_env, inside) = match (after.strip_prefix("ENV{"), after.strip_prefix('{')) {
            (Some(inside), _) => (true, inside),
            (_, Some(inside)) => (false, inside),
            _ => {
                out.push('$');
                rest = after;
                continue;
            }
        };
        let (name, after) =
            inside.split_once('}').ok_or_else(|| SyntaxError(format!("\"{text}\" has no closing brace")))?;
        rest = after;
        if is_env {
            out.push_str(&env(name).unwrap_or_default());
        } else {
            let (name, property) = match name.split_once(':') {
                Some((name, property)) => (name, Some(property)),
                None => (name, None),
            };
            match (find_reference(open, name), property) {
                (None, _) => return Ok(ExpandedText::NotYet(format!("reference \"${{{name}}}\" not found"))),
                (Some(ReferenceTarget::Section(section)), Some("name")) => out.push_str(&section.name),
                (Some(ReferenceTarget::Section(section)), Some("instance")) => {
                    out.push_str(section.section_label())
                }
                (Some(ReferenceTarget::Section(_)), Some(other)) => {
                    return Err(SyntaxError(format!(
                        "\"${{{name}:{other}}}\": only :name and :instance are known"
                    )));
                }
                (Some(ReferenceTarget::Pair(_)), Some(_)) => {
                    return Err(SyntaxError(format!(
                        "\"${{{name}\": only a section has :name and :instance"
                    )));
                }
                (Some(ReferenceTarget::Section(section)), None) => {
                    let is_around = open.iter().any(|around| std::ptr::eq(*around, section));
                    let is_beside = open
                        .last()
                        .is_some_and(|here| here.sections().any(|beside| std::ptr::eq(beside, section)));
                    if is_around || is_beside {
                        return Err(SyntaxError(format!("\"${{{name}}}\" would copy a section into itself")));
                    }
                    copies.push(section.clone());
                }
                (Some(ReferenceTarget::Pair(pair)), None) => match pair.value.as_deref() {
                    Some(value) if value.contains("${") => {
                        return Ok(ExpandedText::NotYet(format!(
                            "reference \"${{{name}}}\" points to a value which is not expanded itself"
                        )));
                    }
                    Some(value) => out.push_str(value),
                    None => {}
                },
            }
        }
        if out.len() > MAX_TEXT {
            return Err(SyntaxError(format!(
                "it is longer than {MAX_TEXT} octets when its references are expanded"
            )));
        }
    }
    out.push_str(rest);
    Ok(ExpandedText::Text(out, copies))
}

#[cfg(test)]
mod tests {
    use super::super::read_text;

    fn value(text: &str, path: &[&str], name: &str) -> String {
        let tree = read_text(text, &|name| (name == "HOME").then(|| "/root".to_owned())).unwrap();
        let mut section = &tree;
        for part in path {
            section = section.sections().find(|s| s.section_label() == *part).unwrap();
        }
        section.value(name).unwrap_or_default().to_owned()
    }

    #[test]
    fn references_are_found_as_in_the_server() {
        let text = "prefix = /usr\nlocal = ${prefix}/local\nmodules {\n  sql main {\n    dialect = sqlite\n    deep {\n      a = ${..dialect}\n      \
                    b = ${modules.sql.dialect}\n      c = ${modules.sql[main].dialect}\n      d = \"${..:name} ${..:instance} ${.:name}\"\n      \
                    e = $ENV{HOME}/x$ENV{NONE}\n      f = '${prefix}'\n      g = ${late}\n      h = ${local}\n    }\n  }\n}\nlate = yes\n";
        for (name, expected) in [
            ("a", "sqlite"),
            ("b", "sqlite"),
            ("c", "sqlite"),
            ("d", "sql main deep"),
            ("e", "/root/x"),
            ("f", "${prefix}"),
            ("g", "yes"),
            ("h", "/usr/local"),
        ] {
            assert_eq!(value(text, &["modules", "main", "deep"], name), expected, "{name}");
        }
    }

    #[test]
    fn a_section_is_copied_where_it_is_referred_to() {
        let text = "tls {\n  x = 1\n}\neap {\n  t = ${tls}\n}\n";
        assert_eq!(value(text, &["eap", "tls"], "x"), "1");
        let error = read_text("a {\n  b = ${a}\n}\n", &|_| None).unwrap_err();
        assert!(error.to_string().contains("into itself"), "{error}");
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        for (text, error) in [
            ("a = ${nothing}", "text[1]: reference \"${nothing}\" not found"),
            ("\na = ${x", "text[2]: \"${x\" has no closing brace"),
        ] {
            assert_eq!(read_text(text, &|_| None).unwrap_err().to_string(), error);
        }
    }
}
