//! Templates filled with attributes of a user: the names by which other systems know the user, and reply attributes.

use super::template::{LooseBrace, Template, TemplateError};

/// A template of user attributes. Holds no credentials, and is printed as it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct NameTemplate(Template<NameVariable>);

/// A variable of a [`NameTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameVariable {
    /// `{user}`: the canonical name.
    User,
    /// `{upn}`: `userPrincipalName`.
    Upn,
    /// `{mail}`: the mailbox.
    Mail,
    /// Any other: the first value of the directory attribute of that name, in lower case.
    Attribute(String),
}

impl NameVariable {
    /// The word between the braces.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Upn => "upn",
            Self::Mail => "mail",
            Self::Attribute(name) => name,
        }
    }

    fn parse(word: &str) -> Result<Self, TemplateError> {
        let is_attribute = !word.is_empty()
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ';'));
        match word.to_ascii_lowercase().as_str() {
            "user" => Ok(Self::User),
            "upn" => Ok(Self::Upn),
            "mail" => Ok(Self::Mail),
            other if is_attribute => Ok(Self::Attribute(other.to_owned())),
            _ => Err(TemplateError::NotAnAttribute(word.to_owned())),
        }
    }
}

impl Default for NameTemplate {
    /// The template `{user}`: the canonical name.
    fn default() -> Self {
        Self(Template::from_variable(NameVariable::User))
    }
}

impl NameTemplate {
    /// Parses the value of an option.
    ///
    /// # Errors
    ///
    /// The template is empty, a brace has no counterpart, or a variable cannot be the name of an attribute.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let template = Template::parse_with(text, LooseBrace::Reject, NameVariable::parse)?;
        if template.is_empty() { Err(TemplateError::Empty) } else { Ok(Self(template)) }
    }

    /// Whether it can be filled without a directory lookup.
    pub fn needs_only_the_name(&self) -> bool {
        self.used_variables().all(|variable| *variable == NameVariable::User)
    }

    /// The variables, in the order of the text.
    pub fn used_variables(&self) -> impl Iterator<Item = &NameVariable> {
        self.0.used_variables()
    }

    /// The text with each variable replaced by its value.
    ///
    /// # Errors
    ///
    /// The first variable without a value.
    pub fn fill_template(
        &self,
        value: &dyn Fn(&NameVariable) -> Option<String>,
    ) -> Result<String, &NameVariable> {
        self.0.try_fill(value)
    }
}

impl std::fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_source(NameVariable::as_str))
    }
}

impl std::fmt::Debug for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameTemplate(\"{self}\")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_the_rest_stays() {
        let template = NameTemplate::parse("{User}@x-{Department}").unwrap();
        let known = |gap: &NameVariable| match gap {
            NameVariable::User => Some("bob".to_owned()),
            NameVariable::Attribute(name) if name == "department" => Some("it".to_owned()),
            _ => None,
        };
        assert_eq!(template.fill_template(&known).unwrap(), "bob@x-it");
        assert!(!template.needs_only_the_name());
        assert_eq!(NameTemplate::parse("{upn}").unwrap().fill_template(&known), Err(&NameVariable::Upn));
        assert_eq!(NameTemplate::default().to_string(), "{user}");
        assert_eq!(NameTemplate::parse("plain").unwrap().to_string(), "plain");
    }

    #[test]
    fn what_is_no_template_is_told() {
        for bad in ["", "{", "}", "{a b}", "{}", "x{user", "user}"] {
            assert!(NameTemplate::parse(bad).is_err(), "{bad}");
        }
    }
}
