//! What a user types to choose a factor instead of a passcode.

use super::Factor;

/// A factor that the user asks for by name, and which of the user's devices for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct FactorChoice {
    /// [`Factor::Push`], [`Factor::Phone`], [`Factor::Sms`], [`Factor::Email`] or [`Factor::Recovery`].
    pub factor: Factor,
    /// Which device, from 1: `push2` is the second. The provider's first if the user gave no number.
    pub device: u8,
}

/// Devices of one kind that can be told apart.
const MOST: u8 = 9;

impl FactorChoice {
    /// What is asked for if nothing is typed.
    pub const DEFAULT: Self = Self { factor: Factor::Push, device: 1 };

    /// `push`, `phone`, `sms`, `email`, `recovery`, or one of these with a number from 1 to 9 behind it. Case and white space around it are forgiven.
    pub fn parse(field: &[u8]) -> Option<Self> {
        let word = std::str::from_utf8(field).ok()?.trim().to_ascii_lowercase();
        let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let factor = match name {
            "push" => Factor::Push,
            "phone" => Factor::Phone,
            "sms" => Factor::Sms,
            "email" => Factor::Email,
            "recovery" => Factor::Recovery,
            _ => return None,
        };
        match word.get(name.len()..)? {
            "" => Some(Self { factor, device: 1 }),
            digits => {
                digits.parse().ok().filter(|n| (1..=MOST).contains(n)).map(|device| Self { factor, device })
            }
        }
    }

    /// Every word there is: what an answer to a CHAP challenge may have been made from.
    pub fn all_words() -> impl Iterator<Item = (String, Self)> {
        [Factor::Push, Factor::Phone, Factor::Sms, Factor::Email].into_iter().flat_map(|factor| {
            let plain = (factor.as_str().to_owned(), Self { factor, device: 1 });
            let numbered = (1..=MOST)
                .map(move |device| (format!("{}{device}", factor.as_str()), Self { factor, device }));
            std::iter::once(plain).chain(numbered)
        })
    }
}

impl std::fmt::Display for FactorChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.device {
            1 => f.write_str(self.factor.as_str()),
            n => write!(f, "{}{n}", self.factor.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood() {
        let choice = |factor, device| Some(FactorChoice { factor, device });
        assert_eq!(FactorChoice::parse(b"push"), choice(Factor::Push, 1));
        assert_eq!(FactorChoice::parse(b" Push2 "), choice(Factor::Push, 2));
        assert_eq!(FactorChoice::parse(b"SMS"), choice(Factor::Sms, 1));
        for wrong in [&b"pushy"[..], b"push0", b"push10", b"push 2", b"", b"2", b"123456", b"\xff", b"push\0"]
        {
            assert_eq!(FactorChoice::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_word_means_itself() {
        for (word, choice) in FactorChoice::all_words() {
            assert_eq!(FactorChoice::parse(word.as_bytes()), Some(choice));
        }
        assert_eq!(FactorChoice::all_words().count(), 40);
    }
}
