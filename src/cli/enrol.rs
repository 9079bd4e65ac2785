//! `mfa token add`: a new token, its secret made or taken over, handed to the user as otpauth URI and QR code.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error, UnreadableArgument};
use super::output::{self, OutputFormat};
use super::{input, qr};
use crate::config::Config;
use crate::engine::port::{EnrolledToken, SENT_KEY};
use crate::factor;
use crate::store::{Administration, NewToken};
use crate::types::{
    Algorithm, Digits, Factor, Mailbox, OathParameters, OtpAuth, Period, PhoneNumber, Secret, SecretEncoding,
    UserName, secret_from_text, strip_quotes,
};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// The kinds that can be enrolled one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenKind {
    /// By time (RFC 6238): authenticator apps, most hardware tokens
    Totp,
    /// By counter (RFC 4226): hardware tokens with a button
    Hotp,
    /// Codes by text message, to a telephone number
    Sms,
    /// Codes by e-mail, to a mailbox
    Email,
}

impl TokenKind {
    const fn is_oath(self) -> bool {
        matches!(self, Self::Totp | Self::Hotp)
    }
}

#[derive(Args)]
pub(super) struct EnrolArguments {
    /// The user's name
    user: String,
    /// The kind of token
    kind: TokenKind,
    /// sms: the telephone number, such as +41791234567; email: the mailbox
    #[arg(value_name = "ADDRESS", conflicts_with_all = ["secret", "secret_file", "hex", "algorithm", "digits", "period", "counter", "pin", "pin_file", "qr"])]
    address: Option<String>,
    /// Take this secret over, in base32, or in hex behind `hex:`. Other users of this machine see it in `ps` while the command
    /// runs, and your shell remembers it: prefer --secret-file
    #[arg(long, value_name = "BASE32", conflicts_with = "secret_file")]
    secret: Option<String>,
    /// Take the secret over from this file (`-`: standard input): base32, hex behind `hex:`, or an otpauth URI, whose parameters
    /// then count
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The secret is in hex
    #[arg(long)]
    hex: bool,
    /// SHA1, SHA256 or SHA512; some apps know only SHA1 [default: SHA1]
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Digits of a code: 6, 7 or 8 [default: 6]
    #[arg(long, value_parser = |text: &str| number(text).and_then(|n| Digits::new(n).map_err(|e| UnreadableArgument(e.to_string()))))]
    digits: Option<Digits>,
    /// totp: seconds for which a code is shown, 15 to 300 [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = |text: &str| number(text).and_then(|n| Period::new(n).map_err(|e| UnreadableArgument(e.to_string()))))]
    period: Option<Period>,
    /// hotp: the counter of the token's next code [default: 0]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    counter: Option<u64>,
    /// Its name, such as the number on a hardware token, unique among all users [default: the user's next free one, such as totp1]
    #[arg(long)]
    serial: Option<String>,
    /// Ask for a PIN, which the user types before each code
    #[arg(long)]
    pin: bool,
    /// Read the PIN from this file (`-`: standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pin_file: Option<PathBuf>,
    /// Save the QR code as well; the name ends in .png or .svg
    #[arg(long, value_name = "FILE")]
    qr: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "qr")]
    force: bool,
}

fn number(text: &str) -> Result<u64, UnreadableArgument> {
    text.parse().map_err(|_| UnreadableArgument("not a number".to_owned()))
}

/// What the command line names, opened before the store is: it may be root's alone.
#[derive(Default)]
pub(super) struct OpenedFiles {
    secret: Option<Secret>,
    pin: Option<Secret>,
    /// The file of the QR code.
    pub(super) qr: Option<qr::NewOwnedFile>,
}

impl OpenedFiles {
    /// Makes the file of a QR code, if there is to be one.
    pub(super) fn of_qr(file: Option<&Path>, existing: qr::ExistingFile) -> Result<Self, Error> {
        Ok(Self { qr: file.map(|file| qr::create(file, existing)).transpose()?, ..Self::default() })
    }
}

impl EnrolArguments {
    /// Reads secret and PIN, and makes the file of the QR code. What is wrong with the arguments alone is told before.
    pub(super) fn open_files(&self) -> Result<OpenedFiles, Error> {
        if self.serial.as_deref().is_some_and(|serial| !is_serial(serial)) {
            return Err(Error::usage("--serial", "1 to 64 printable characters without spaces"));
        }
        let secret = self.secret_file.as_deref().map(input::file).transpose()?;
        let pin = self.pin_file.as_deref().map(input::file).transpose()?;
        let files = OpenedFiles { secret, pin, qr: None };
        if !self.kind.is_oath() || self.address.is_some() {
            return Ok(files);
        }
        let _ = new_token(self, &files)?;
        let existing = if self.force { qr::ExistingFile::Replace } else { qr::ExistingFile::Keep };
        Ok(OpenedFiles { qr: OpenedFiles::of_qr(self.qr.as_deref(), existing)?.qr, ..files })
    }
}

pub(super) fn run(
    context: &CommandContext,
    arguments: EnrolArguments,
    files: OpenedFiles,
) -> Result<CommandAnswer, Error> {
    let user = context.name(&arguments.user)?;
    // Whatever can be refused is refused before anything is asked for.
    context.store.user(&user)?;
    let new = match (arguments.kind, &arguments.address) {
        (TokenKind::Totp | TokenKind::Hotp, None) => {
            NewToken { pin: pin(&arguments, &files)?, ..new_token(&arguments, &files)? }
        }
        (TokenKind::Totp | TokenKind::Hotp, Some(_)) => {
            return Err(Error::usage("ADDRESS", "only sms and email have one"));
        }
        (TokenKind::Sms | TokenKind::Email, Some(address)) => {
            return sent(context, &user, &arguments, address);
        }
        (TokenKind::Sms, None) => return Err(Error::usage("sms", "needs the telephone number behind it")),
        (TokenKind::Email, None) => return Err(Error::usage("email", "needs the mailbox behind it")),
    };
    let token = context.store.add_token(&user, new, context.now)?;
    let Some(uri) = uri(context, &user, &token) else {
        return Err(Error::usage("token add", "totp or hotp"));
    };
    if context.out.form() == OutputFormat::Text {
        output::line(format_args!("token \"{}\" of user \"{user}\" enrolled", token.serial))?;
    }
    hand_over(context, &token, &uri, arguments.qr.as_deref().zip(files.qr))
}

/// A token for codes that are sent.
fn sent(
    context: &CommandContext,
    user: &UserName,
    arguments: &EnrolArguments,
    address: &str,
) -> Result<CommandAnswer, Error> {
    let (factor, address, shown) = match arguments.kind {
        TokenKind::Email => {
            let mailbox = Mailbox::parse(address).map_err(|why| Error::usage("mailbox", why))?;
            (Factor::Email, mailbox.as_str().to_owned(), mailbox.masked())
        }
        _ => {
            let phone = PhoneNumber::parse(address, context.config.sms.country_code.as_ref())
                .map_err(|why| Error::usage("telephone number", why))?;
            (Factor::Sms, phone.as_str().to_owned(), phone.masked())
        }
    };
    if context.store.tokens(user)?.iter().any(|token| token.delivery_address() == Some(&address)) {
        return Err(Error::usage(&shown, "the user has a token with this address already"));
    }
    let mut key = [0; SENT_KEY];
    input::random(&mut key)?;
    let new = NewToken {
        factor,
        serial: arguments.serial.clone(),
        algorithm: Algorithm::default(),
        digits: context.config.codes.digits,
        period: Period::default(),
        secret: Secret::new([&key[..], address.as_bytes()].concat()),
        pin: None,
        next: 0,
        codes: Vec::new(),
    };
    let token = context.store.add_token(user, new, context.now)?;
    let text = format!("token \"{}\" of user \"{user}\" enrolled: codes go to {shown}", token.serial);
    let answer = context.out.say(&super::token_view::view(&token), text)?;
    if let Some(missing) = carrier_missing(&context.config, factor) {
        output::note(format_args!("no code can be sent to it yet: {missing}"));
    }
    Ok(answer)
}

/// What the configuration lacks to send codes this way.
fn carrier_missing(config: &Config, factor: Factor) -> Option<&'static str> {
    match factor {
        Factor::Sms if config.sms.gateways.is_empty() => Some("configure a gateway in sms { }"),
        Factor::Email if config.email.relays.is_empty() => Some("configure a relay in email { }"),
        _ => None,
    }
}

fn is_serial(serial: &str) -> bool {
    (1..=64).contains(&serial.len()) && serial.chars().all(|c| c.is_ascii_graphic())
}

/// The token that the arguments ask for, without its PIN.
fn new_token(arguments: &EnrolArguments, files: &OpenedFiles) -> Result<NewToken, Error> {
    let taken = taken_over(arguments, files)?;
    let (oath, algorithm, digits) = match &taken {
        Some(ExistingSecret::Uri(uri)) => (Some(uri.oath), Some(uri.algorithm), Some(uri.digits)),
        Some(ExistingSecret::Plain(_)) | None => (None, None, None),
    };
    let algorithm = arguments.algorithm.or(algorithm).unwrap_or_default();
    let (factor, period, counter) = match (arguments.kind, oath) {
        (TokenKind::Totp, Some(OathParameters::Hotp(_)))
        | (TokenKind::Hotp, Some(OathParameters::Totp(_))) => {
            return Err(Error::usage("--secret-file", "the otpauth URI is of the other kind of token"));
        }
        (TokenKind::Totp, _) if arguments.counter.is_some() => {
            return Err(Error::usage("--counter", "only hotp has one"));
        }
        (TokenKind::Hotp, _) if arguments.period.is_some() => {
            return Err(Error::usage("--period", "only totp has one"));
        }
        (TokenKind::Totp, Some(OathParameters::Totp(period))) => (Factor::Totp, Some(period), 0),
        (TokenKind::Totp, None) => (Factor::Totp, None, 0),
        (TokenKind::Hotp, Some(OathParameters::Hotp(counter))) => (Factor::Hotp, None, counter),
        (TokenKind::Hotp | TokenKind::Sms | TokenKind::Email, _) => (Factor::Hotp, None, 0),
    };
    let next = i64::try_from(arguments.counter.unwrap_or(counter))
        .map_err(|_| Error::usage("counter", "too high"))?;
    Ok(NewToken {
        factor,
        serial: arguments.serial.clone(),
        algorithm,
        digits: arguments.digits.or(digits).unwrap_or_default(),
        period: arguments.period.or(period).unwrap_or_default(),
        secret: match taken {
            Some(ExistingSecret::Uri(uri)) => uri.secret,
            Some(ExistingSecret::Plain(secret)) => secret,
            None => random_secret(algorithm)?,
        },
        pin: None,
        next,
        codes: Vec::new(),
    })
}

/// A secret that exists already.
enum ExistingSecret {
    Plain(Secret),
    Uri(OtpAuth),
}

fn taken_over(arguments: &EnrolArguments, files: &OpenedFiles) -> Result<Option<ExistingSecret>, Error> {
    let (text, option) = match (&arguments.secret, &files.secret) {
        (Some(secret), _) => (Secret::new(secret.as_str()), "--secret"),
        (None, Some(text)) => (text.clone(), "--secret-file"),
        (None, None) if arguments.hex => {
            return Err(Error::usage("--hex", "needs --secret or --secret-file"));
        }
        (None, None) => return Ok(None),
    };
    let text = std::str::from_utf8(text.expose()).map_err(|_| Error::usage(option, "not text"))?;
    // Whatever has "://" in it is meant as a URI, and told what is wrong with it as such.
    if !strip_quotes(text).contains("://") {
        let encoded = if arguments.hex { SecretEncoding::Hex } else { SecretEncoding::Base32 };
        let secret = secret_from_text(text, encoded).map_err(|why| Error::usage(option, why))?;
        return Ok(Some(ExistingSecret::Plain(secret)));
    }
    let uri = OtpAuth::parse_at(text, arguments.counter).map_err(|why| Error::usage(option, why))?;
    match (&arguments.secret, arguments.hex) {
        (Some(_), _) => Err(Error::usage(option, "is an otpauth URI: give it by --secret-file")),
        (None, true) => Err(Error::usage("--hex", "the secret in an otpauth URI is base32")),
        (None, false) => Ok(Some(ExistingSecret::Uri(uri))),
    }
}

/// As long as the hash's output (RFC 4226, section 4, and RFC 6238, section 5.1).
fn random_secret(algorithm: Algorithm) -> Result<Secret, Error> {
    let mut octets = vec![
        0;
        match algorithm {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    ];
    input::random(&mut octets)?;
    Ok(Secret::new(octets))
}

fn pin(arguments: &EnrolArguments, files: &OpenedFiles) -> Result<Option<Secret>, Error> {
    let typed = match &files.pin {
        Some(pin) => pin.clone(),
        None if arguments.pin => {
            let pin = input::hidden("PIN")?;
            if std::io::stdin().is_terminal() && input::hidden("PIN again")? != pin {
                return Err(Error::usage("--pin", "the two differ"));
            }
            pin
        }
        None => return Ok(None),
    };
    let text = std::str::from_utf8(typed.expose()).map_err(|_| Error::usage("PIN", "not text"))?;
    factor::parse_pin(text).map(Some).map_err(|why| Error::usage("PIN", why))
}

/// The URI by which an app takes the token over; none for recovery codes.
pub(super) fn uri(context: &CommandContext, user: &UserName, token: &EnrolledToken) -> Option<String> {
    token.otpauth_uri(&context.config.issuer, user).map(|enrolment| enrolment.to_uri())
}

/// Prints the URI with its QR code, and saves that if asked to.
pub(super) fn hand_over(
    context: &CommandContext,
    token: &EnrolledToken,
    uri: &str,
    file: Option<(&Path, qr::NewOwnedFile)>,
) -> Result<CommandAnswer, Error> {
    let saved = match file {
        Some((path, file)) => {
            qr::save(path, &qr::picture(path, uri)?, file)?;
            Some(path)
        }
        None => None,
    };
    if context.out.form() == OutputFormat::Json {
        let mut object = super::token_view::view(token);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("uri".to_owned(), json!(uri));
        }
        return context.out.say(&object, "");
    }
    let colours =
        if std::io::stdout().is_terminal() { qr::TerminalColours::Set } else { qr::TerminalColours::Plain };
    let drawn = qr::terminal(uri, colours)?;
    output::raw_line(format_args!("\n{drawn}\n{uri}"))?;
    if let Some(file) = saved {
        output::note(format_args!(
            "QR code saved in {}: it holds the secret, delete it when it has been read",
            file.display()
        ));
    }
    Ok(CommandAnswer::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_fit_on_a_line() {
        assert!(is_serial("FT-1234_5"));
        for bad in ["", "a b", "a\n", "\u{fc}", &"x".repeat(65)] {
            assert!(!is_serial(bad), "{bad:?}");
        }
    }

    #[test]
    fn random_secrets_are_as_long_as_the_hash() {
        for (algorithm, length) in [(Algorithm::Sha1, 20), (Algorithm::Sha256, 32), (Algorithm::Sha512, 64)] {
            assert_eq!(random_secret(algorithm).unwrap().len(), length);
        }
    }
}
