//! Texts with `{variables}`: names at other systems, reply attributes, requests to SMS gateways, texts for users.

/// A text with typed variables. It may hold credentials that an administrator wrote into it, so `Debug` hides the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Template<V>(Vec<TemplatePart<V>>);

#[derive(Clone, PartialEq, Eq)]
enum TemplatePart<V> {
    Text(String),
    Variable(V),
}

/// What a brace means that does not belong to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LooseBrace {
    /// An opening brace is an error, and a closing one after the last variable.
    Reject,
    /// An opening brace is an error, a closing one is text.
    RejectOpening,
    /// It is text, also around anything that is not a word: JSON has braces of its own.
    Keep,
}

/// Why a text is not a template. Follows the name of the option; never repeats the text, which may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An opening brace has no closing one.
    #[error("has a \"{{\" without its \"}}\"")]
    Unclosed,
    /// A closing brace has no opening one.
    #[error("has a \"}}\" without its \"{{\"")]
    Unopened,
    /// The template must not be empty.
    #[error("is empty")]
    Empty,
    /// The word in braces cannot be the name of an attribute.
    #[error("has \"{{{0}}}\", which is not the name of an attribute")]
    NotAnAttribute(String),
    /// The variable does not exist, or cannot be used here.
    #[error("has the unknown variable {{{name}}}: {}", list_variables(known))]
    UnknownVariable {
        /// The word in braces.
        name: String,
        /// The variables that can be used.
        known: Vec<&'static str>,
    },
}

fn list_variables(known: &[&str]) -> String {
    let known: Vec<_> = known.iter().map(|name| format!("{{{name}}}")).collect();
    match known.is_empty() {
        true => "it can hold none".to_owned(),
        false => format!("it can hold {}", known.join(" ")),
    }
}

impl<V> Template<V> {
    /// Parses a text. `variable` maps the word in braces to a variable, or says why it cannot.
    pub(super) fn parse_with(
        text: &str,
        braces: LooseBrace,
        variable: impl Fn(&str) -> Result<V, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let word = after.split_once('}');
            let (name, tail) = match (word, braces) {
                (Some((name, _)), LooseBrace::Keep) if !is_word(name) => {
                    plain.push('{');
                    rest = after;
                    continue;
                }
                (None, LooseBrace::Keep) => {
                    plain.push('{');
                    rest = after;
                    continue;
                }
                (None, LooseBrace::Reject | LooseBrace::RejectOpening) => {
                    return Err(TemplateError::Unclosed);
                }
                (Some(word), _) => word,
            };
            let variable = variable(name)?;
            if !plain.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
            }
            parts.push(TemplatePart::Variable(variable));
            rest = tail;
        }
        if braces == LooseBrace::Reject && rest.contains('}') {
            return Err(TemplateError::Unopened);
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(plain));
        }
        Ok(Self(parts))
    }

    /// A template that is a single variable.
    pub(super) fn from_variable(variable: V) -> Self {
        Self(vec![TemplatePart::Variable(variable)])
    }

    /// Whether there is neither text nor a variable in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The variables, in the order of the text.
    pub fn used_variables(&self) -> impl Iterator<Item = &V> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Variable(variable) => Some(variable),
            TemplatePart::Text(_) => None,
        })
    }

    /// The text with each variable replaced by what `value` returns for it. Values are not parsed again.
    pub fn fill(&self, mut value: impl FnMut(&V) -> String) -> String {
        let parts = self.0.iter().map(|part| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Variable(variable) => value(variable),
        });
        parts.collect()
    }

    /// The same where a value may be missing.
    ///
    /// # Errors
    ///
    /// The first variable without a value.
    pub fn try_fill(&self, value: &dyn Fn(&V) -> Option<String>) -> Result<String, &V> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => filled.push_str(text),
                TemplatePart::Variable(variable) => filled.push_str(&value(variable).ok_or(variable)?),
            }
        }
        Ok(filled)
    }

    /// The text as the administrator wrote it; `name` is the word of a variable.
    pub(super) fn to_source<'v>(&'v self, name: impl Fn(&'v V) -> &'v str) -> String {
        let parts = self.0.iter().map(|part| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Variable(variable) => format!("{{{}}}", name(variable)),
        });
        parts.collect()
    }
}

impl<V> Default for Template<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> std::fmt::Debug for Template<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<<< template >>>")
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, braces: LooseBrace) -> Result<String, TemplateError> {
        let variable = |name: &str| match name {
            "a" | "b" => Ok(name.to_owned()),
            _ => Err(TemplateError::UnknownVariable { name: name.to_owned(), known: vec!["a", "b"] }),
        };
        Template::parse_with(text, braces, variable).map(|template| template.fill(|name| format!("<{name}>")))
    }

    #[test]
    fn loose_braces_follow_the_rule_of_the_option() {
        use LooseBrace::{Keep, Reject, RejectOpening};
        for (text, braces, expected) in [
            ("{a}-{b}", Reject, Ok("<a>-<b>")),
            ("{a", Reject, Err(TemplateError::Unclosed)),
            ("a}", Reject, Err(TemplateError::Unopened)),
            ("{a", RejectOpening, Err(TemplateError::Unclosed)),
            ("a}", RejectOpening, Ok("a}")),
            ("{ a }{", Keep, Ok("{ a }{")),
            ("{{a}}", Keep, Ok("{<a>}")),
            ("", Keep, Ok("")),
        ] {
            assert_eq!(parse(text, braces), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(
            parse("{c}", Keep).unwrap_err().to_string(),
            "has the unknown variable {c}: it can hold {a} {b}"
        );
    }

    #[test]
    fn missing_value_is_named() {
        let template =
            Template::parse_with("{a}{b}", LooseBrace::Reject, |name| Ok(name.to_owned())).unwrap();
        assert_eq!(template.try_fill(&|name| (name == "a").then(String::new)), Err(&"b".to_owned()));
    }
}
