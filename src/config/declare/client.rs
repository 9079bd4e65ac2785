//! The options that say how clients are spoken to.

use crate::config::error::invalid;
use crate::config::profile::{ClientProfile, PromptFormat};
use crate::config::reader::OptionReader;
use crate::config::{ClientDefaults, ExplainRefusals};

pub(super) fn client(r: &mut OptionReader<'_, '_>) -> ClientDefaults {
    let default = ClientDefaults::default();
    ClientDefaults {
        profile: r.read_option(
            "client_profile",
            default.profile,
            |profile| Some(profile.name.to_owned()),
            |name| {
                ClientProfile::find_profile(name).ok_or_else(|| {
                    invalid!("must be one of {}, not \"{name}\"", ClientProfile::profile_names())
                })
            },
        ),
        format: r.read_option(
            "prompt_format",
            None,
            |_: &Option<PromptFormat>| None,
            |word| {
                let found = PromptFormat::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
                found
                    .map(|(_, format)| Some(*format))
                    .ok_or_else(|| invalid!("must be console or html or short or ascii, not \"{word}\""))
            },
        ),
        // Which languages there are is known when the texts are read.
        language: r.read_option(
            "language",
            default.language,
            |name| Some(name.clone()),
            |name| Ok(name.to_owned()),
        ),
        explain: r.read_yes_no("explain", default.explain, ExplainRefusals::Yes, ExplainRefusals::No),
        autofill_domain: r.read_option(
            "autofill_domain",
            None,
            |_| Some(String::new()),
            |domain| match domain {
                "" => Ok(None),
                domain if is_domain(domain) => Ok(Some(domain.to_ascii_lowercase())),
                domain => Err(invalid!("must be a domain alone, such as vpn.example.test, not \"{domain}\"")),
            },
        ),
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        !label.is_empty()
            && label.len() <= 63
            && bytes.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_told_from_addresses() {
        for good in ["vpn.example.test", "a-b.test", "xn--bcher-kva.test"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in [
            "https://vpn.example.test",
            "vpn",
            "vpn.example.test/",
            "a b.test",
            "@a.test",
            "-a.test",
            "a..test",
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
