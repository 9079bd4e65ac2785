//! Templates filled with attributes of a user: the names under which other systems know the user, and reply
//! attributes.

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(Vec<NamePiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NamePiece {
    Text(String),
    Gap(NameVariable),
}

/// What stands in a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameVariable {
    /// `{user}`: the canonical name.
    User,
    /// `{upn}`: `userPrincipalName`.
    Upn,
    /// `{mail}`: the mailbox.
    Mail,
    /// Any other: the first value of the directory's attribute of that name, in lower case.
    Attribute(String),
}

impl NameVariable {
    /// How it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Upn => "upn",
            Self::Mail => "mail",
            Self::Attribute(name) => name,
        }
    }
}

impl Default for NameTemplate {
    /// The template `{user}`: the canonical name.
    fn default() -> Self {
        Self(vec![NamePiece::Gap(NameVariable::User)])
    }
}

impl NameTemplate {
    /// From the text of the configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow on the name of the option.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, gap)) = rest.split_once('{') {
            let (name, after) =
                gap.split_once('}').ok_or_else(|| format!("has a \"{{\" without its \"}}\": \"{text}\""))?;
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ';'))
            };
            if !before.is_empty() {
                pieces.push(NamePiece::Text(before.to_owned()));
            }
            pieces.push(NamePiece::Gap(match name.to_ascii_lowercase().as_str() {
                "user" => NameVariable::User,
                "upn" => NameVariable::Upn,
                "mail" => NameVariable::Mail,
                other if is_name(other) => NameVariable::Attribute(other.to_owned()),
                _ => return Err(format!("has \"{{{name}}}\", which is no name of an attribute")),
            }));
            rest = after;
        }
        if rest.contains('}') {
            return Err(format!("has a \"}}\" without its \"{{\": \"{text}\""));
        }
        if !rest.is_empty() {
            pieces.push(NamePiece::Text(rest.to_owned()));
        }
        if pieces.is_empty() { Err("is empty".to_owned()) } else { Ok(Self(pieces)) }
    }

    /// Whether it can be filled without asking a directory.
    pub fn needs_only_the_name(&self) -> bool {
        self.used_variables().all(|gap| *gap == NameVariable::User)
    }

    /// What goes into it.
    pub fn used_variables(&self) -> impl Iterator<Item = &NameVariable> {
        self.0.iter().filter_map(|piece| match piece {
            NamePiece::Gap(gap) => Some(gap),
            NamePiece::Text(_) => None,
        })
    }

    /// The text, with `value` for each gap.
    ///
    /// # Errors
    ///
    /// The first gap for which there is no value.
    pub fn fill_template(
        &self,
        value: &dyn Fn(&NameVariable) -> Option<String>,
    ) -> Result<String, &NameVariable> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                NamePiece::Text(text) => filled.push_str(text),
                NamePiece::Gap(gap) => filled.push_str(&value(gap).ok_or(gap)?),
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                NamePiece::Text(text) => f.write_str(text)?,
                NamePiece::Gap(gap) => write!(f, "{{{}}}", gap.as_str())?,
            }
        }
        Ok(())
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
