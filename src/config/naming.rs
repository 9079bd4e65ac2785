//! Texts with gaps for what is known of a user: under which name he is known elsewhere, and what his client is told.

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Gap(Gap),
}

/// What stands in a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// `{user}`: the canonical name.
    User,
    /// `{upn}`: `userPrincipalName`.
    Upn,
    /// `{mail}`: his mailbox.
    Mail,
    /// Any other: the first value of the directory's attribute of that name, in lower case.
    Attribute(String),
}

impl Gap {
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

impl Default for Template {
    /// `{user}`.
    fn default() -> Self {
        Self(vec![Piece::Gap(Gap::User)])
    }
}

impl Template {
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
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Gap(match name.to_ascii_lowercase().as_str() {
                "user" => Gap::User,
                "upn" => Gap::Upn,
                "mail" => Gap::Mail,
                other if is_name(other) => Gap::Attribute(other.to_owned()),
                _ => return Err(format!("has \"{{{name}}}\", which is no name of an attribute")),
            }));
            rest = after;
        }
        if rest.contains('}') {
            return Err(format!("has a \"}}\" without its \"{{\": \"{text}\""));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() { Err("is empty".to_owned()) } else { Ok(Self(pieces)) }
    }

    /// Whether nobody has to be asked for what goes into it.
    pub fn needs_only_the_name(&self) -> bool {
        self.gaps().all(|gap| *gap == Gap::User)
    }

    /// What goes into it.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Gap(gap) => Some(gap),
            Piece::Text(_) => None,
        })
    }

    /// The text, with `value` for each gap.
    ///
    /// # Errors
    ///
    /// The first gap for which there is no value.
    pub fn fill(&self, value: &dyn Fn(&Gap) -> Option<String>) -> Result<String, &Gap> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Gap(gap) => filled.push_str(&value(gap).ok_or(gap)?),
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Gap(gap) => write!(f, "{{{}}}", gap.as_str())?,
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
        let template = Template::parse("{User}@x-{Department}").unwrap();
        let known = |gap: &Gap| match gap {
            Gap::User => Some("bob".to_owned()),
            Gap::Attribute(name) if name == "department" => Some("it".to_owned()),
            _ => None,
        };
        assert_eq!(template.fill(&known).unwrap(), "bob@x-it");
        assert!(!template.needs_only_the_name());
        assert_eq!(Template::parse("{upn}").unwrap().fill(&known), Err(&Gap::Upn));
        assert_eq!(Template::default().to_string(), "{user}");
        assert_eq!(Template::parse("plain").unwrap().to_string(), "plain");
    }

    #[test]
    fn what_is_no_template_is_told() {
        for bad in ["", "{", "}", "{a b}", "{}", "x{user", "user}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
