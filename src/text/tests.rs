use super::*;
use crate::config::ExplainRefusals;
use crate::config::profile::ATTRIBUTE;
use crate::engine::Reason;
use crate::types::FactorChoice;
use proptest::prelude::*;

fn words(change: impl FnOnce(&mut Config)) -> ClientTexts {
    let mut config = Config::default();
    change(&mut config);
    ClientTexts::new(&config, Texts::built_in().unwrap())
}

fn voice(profile: &str, language: &str) -> ClientVoice {
    words(|_| {}).voice_for([profile], [language])
}

fn in_format(format: PromptFormat) -> ClientVoice {
    ClientVoice { format, ..voice("generic", "en") }
}

fn way(factor: Factor, device: u8, target: &str) -> QuestionOption {
    QuestionOption { choice: FactorChoice { factor, device }, target: target.into() }
}

fn asks(asks: QuestionKind) -> Question {
    Question { because: None, left: None, asks }
}

fn list() -> Question {
    let ways = vec![
        way(Factor::Push, 1, "Jürgens <Handy> & \"Co\""),
        way(Factor::Phone, 1, "XXX-XXX-1234"),
        way(Factor::Sms, 2, ""),
        way(Factor::Email, 1, "j***@example.test"),
        way(Factor::Recovery, 1, ""),
    ];
    asks(QuestionKind::Factor { ways, passcode: true })
}

fn refused(reason: RefusalReason) -> Decision {
    Decision::refusal(None, reason)
}

#[test]
fn list_has_a_line_for_each_way_and_a_blank_behind_the_question() {
    assert_eq!(
        in_format(PromptFormat::Console).prompt_lines(&list()),
        [
            "Enter a passcode or choose an option:\n1. Push to Jürgens <Handy> & \"Co\"\n2. Phone call to XXX-XXX-1234\n\
          3. Text message\n4. E-mail to j***@example.test\n5. Recovery code\nPasscode or option (1-5): "
        ]
    );
    let one = asks(QuestionKind::Factor { ways: vec![way(Factor::Push, 1, "")], passcode: false });
    assert_eq!(
        voice("pam_radius", "en").prompt_lines(&one),
        ["Confirm your login:\n1. Push to your device\nOption (1): "]
    );
    assert!(voice("fortigate", "en").prompt_lines(&one)[0].ends_with("Option (1):"));
}

#[test]
fn for_a_page_everything_is_escaped() {
    let shown = voice("ivanti", "en").prompt_lines(&list()).concat();
    assert!(
        shown.contains("option:<br>1. Push to Jürgens &lt;Handy&gt; &amp; &quot;Co&quot;<br>2. "),
        "{shown}"
    );
    assert!(!shown.replace("<br>", "").contains('<') && !shown.contains('\n'), "{shown}");
}

#[test]
fn short_form_is_one_line_of_what_can_be_typed() {
    let line = ["Enter a passcode or choose push, phone, sms2, email, recovery: "];
    assert_eq!(in_format(PromptFormat::Short).prompt_lines(&list()), line);
    let mut again = list();
    again.because = Some(RefusalReason::SpentCode);
    assert_eq!(
        in_format(PromptFormat::Short).prompt_lines(&again),
        [
            "This code was already used. Wait for the next one. Enter a passcode or choose push, phone, sms2, email, recovery: "
        ]
    );
}

#[test]
fn in_ascii_umlauts_are_two_letters() {
    let shown =
        ClientVoice { format: PromptFormat::Ascii, ..voice("generic", "de") }.prompt_lines(&list()).concat();
    assert!(shown.is_ascii());
    assert!(
        shown.contains("Bitte Code eingeben oder Option waehlen:\n1. Push an Juergens <Handy>"),
        "{shown}"
    );
}

#[test]
fn list_that_does_not_fit_becomes_the_short_form() {
    let ways = (1..=9).map(|n| way(Factor::Push, n, "a device with quite a long name")).collect();
    let prompt = asks(QuestionKind::Factor { ways, passcode: false });
    assert_eq!(
        voice("pam_radius", "en").prompt_lines(&prompt),
        ["Choose push, push2, push3, push4, push5, push6, push7, push8, push9: "]
    );
    let joined = voice("generic", "en").prompt_lines(&prompt);
    assert_eq!(joined.len(), 2);
    assert!(
        joined[0].ends_with('\n') && joined[1].starts_with(char::is_numeric),
        "cut between lines: {joined:?}"
    );
}

#[test]
fn questions_are_asked_in_the_language_of_the_user() {
    for (language, to, expected) in [
        ("en", "XXX-XXX-1234", "Enter the code sent to XXX-XXX-1234: "),
        ("de", "XXX-XXX-1234", "Bitte geben Sie den Code ein, der an XXX-XXX-1234 ging: "),
        ("fr", "", "Saisissez le code que vous avez reçu : "),
    ] {
        let prompt = asks(QuestionKind::Code { factor: Factor::Sms, to: to.into() });
        assert_eq!(voice("generic", language).prompt_lines(&prompt), [expected]);
    }
    let approval = |number: &str| asks(QuestionKind::Approval { number: number.into() });
    let english = voice("generic", "en");
    assert_eq!(english.prompt_lines(&approval("07")), ["Choose 07 on your device, then type ok here: "]);
    assert_eq!(
        english.prompt_lines(&approval("")),
        ["Approve the request on your device, then type ok here: "]
    );
}

#[test]
fn reason_stands_before_the_question() {
    let prompt = |because, left| Question { because: Some(because), left, asks: QuestionKind::Passcode };
    let english = voice("generic", "en");
    let said = |because, left| english.prompt_lines(&prompt(because, left)).concat();
    assert_eq!(
        said(RefusalReason::TimedOut, None),
        "The request was not answered in time.\nEnter a passcode: "
    );
    assert_eq!(
        said(RefusalReason::WrongCode, Some(2)),
        "This code is wrong. 2 tries left.\nEnter a passcode: "
    );
    assert_eq!(
        said(RefusalReason::WrongCode, Some(1)),
        "This code is wrong. One try left.\nEnter a passcode: "
    );
    assert_eq!(said(RefusalReason::WrongCode, None), "This code is wrong.\nEnter a passcode: ");
    assert_eq!(
        said(RefusalReason::ProviderUnavailable, Some(3)),
        "Push and phone calls are not available now.\nEnter a passcode: "
    );
    let silent = words(|config| config.client.explain = ExplainRefusals::No).voice_for([], []);
    assert_eq!(silent.prompt_lines(&prompt(RefusalReason::WrongCode, Some(2))), ["Enter a passcode: "]);
}

#[test]
fn all_refusals_have_one_text_without_a_verified_password() {
    let english = voice("generic", "en");
    for reason in RefusalReason::ALL.iter().copied().filter(|reason| *reason != RefusalReason::Cancelled) {
        let locked = Some(Duration::from_secs(60));
        assert_eq!(
            english.refusal_lines(&refused(reason).map_refusal(|refused| refused.locked = locked)),
            Vec::<String>::new(),
            "{reason:?}"
        );
    }
}

#[test]
fn words_of_a_provider_are_quoted_where_reasons_are_told() {
    let silent = words(|config| config.client.explain = ExplainRefusals::No).voice_for([], []);
    let quoted = |voice: &ClientVoice, reason| {
        let quote = Some("Not from\r\nthis network.".to_owned());
        voice.add_texts(proven(reason).map_refusal(|refused| refused.quote = quote)).message.concat()
    };
    assert_eq!(quoted(&voice("generic", "en"), RefusalReason::RefusedByProvider), "Not from  this network.");
    assert_eq!(quoted(&silent, RefusalReason::RefusedByProvider), "");
    assert_eq!(
        quoted(&silent, RefusalReason::EnrollAtProvider),
        "Not from  this network.",
        "what to do next"
    );
}

fn proven(reason: RefusalReason) -> Decision {
    Decision { proven: true, ..refused(reason) }
}

#[test]
fn verified_password_shows_the_reason_unless_turned_off() {
    let english = voice("generic", "en");
    let locked = Some(Duration::from_secs(61));
    let told = |reason| {
        english.refusal_lines(&proven(reason).map_refusal(|refused| refused.locked = locked)).concat()
    };
    assert_eq!(told(RefusalReason::Locked), "Your account is locked for 2 min.");
    assert_eq!(told(RefusalReason::SpentCode), "This code was already used. Wait for the next one.");
    assert_eq!(told(RefusalReason::LockedByProvider), "Your account is locked. Ask your help desk.");
    assert_eq!(told(RefusalReason::RefusedByProvider), "You may not log in now, or not from here.");
    assert_eq!(
        told(RefusalReason::ProviderUnavailable),
        "Your login cannot be checked now. Try again later."
    );
    assert_eq!(told(RefusalReason::Fraud), "", "the reason of a fraud report is not shown");
    let silent = words(|config| config.client.explain = ExplainRefusals::No).voice_for([], []);
    assert!(
        silent
            .refusal_lines(&proven(RefusalReason::Locked).map_refusal(|refused| refused.locked = locked))
            .is_empty()
    );
    assert_eq!(
        silent.refusal_lines(&proven(RefusalReason::CodesSent)),
        ["Passcodes were sent. Log in with one of them."],
        "what to do next"
    );
}

/// With the State of a last challenge.
fn may_be_last(reason: RefusalReason) -> Decision {
    proven(reason).map_refusal(|refused| refused.last_state = Some("mfa-".into()))
}

#[test]
fn refusal_that_would_not_be_read_is_told_in_a_last_challenge() {
    let told = |voice: &ClientVoice, decision| {
        let spoken = voice.add_texts(decision);
        (spoken.challenge_state().is_some(), spoken.message.concat())
    };
    let pam = voice("pam_radius", "en");
    let denied = (true, "The request was denied on your device.\nPress Enter to end this login. ".into());
    assert_eq!(told(&pam, may_be_last(RefusalReason::Denied)), denied);
    let quote = may_be_last(RefusalReason::EnrollAtProvider)
        .map_refusal(|refused| refused.quote = Some("Ask Bob\u{202e}".into()));
    assert_eq!(told(&pam, quote), (true, "Ask Bob\nPress Enter to end this login. ".into()));
    // The client shows the text of a reject, the reason must not be told, there is no text, the password is not
    // verified, or the conversation has to end.
    let plain = (false, "The request was denied on your device.".into());
    assert_eq!(told(&voice("generic", "en"), may_be_last(RefusalReason::Denied)), plain);
    assert_eq!(told(&pam.clone().without_last_challenge(), may_be_last(RefusalReason::Denied)), plain);
    assert_eq!(told(&pam, proven(RefusalReason::Denied)), plain);
    let silent = words(|config| config.client.explain = ExplainRefusals::No).voice_for(["pam_radius"], []);
    assert_eq!(told(&silent, may_be_last(RefusalReason::Denied)), (false, String::new()));
    assert_eq!(told(&pam, may_be_last(RefusalReason::Fraud)), (false, String::new()));
    let unproven = Decision { proven: false, ..may_be_last(RefusalReason::Denied) };
    assert_eq!(told(&pam, unproven), (false, String::new()));
}

#[test]
fn no_decision_but_a_refusal_is_told_in_a_last_challenge() {
    let pam = voice("pam_radius", "en");
    for reason in RefusalReason::ALL.iter().copied() {
        let spoken = pam.add_texts(may_be_last(reason));
        let may = matches!(
            Reason::from(reason).verdict(),
            crate::engine::Verdict::Reject | crate::engine::Verdict::Locked
        );
        assert!(may || spoken.challenge_state().is_none(), "{reason:?}");
        assert_eq!(spoken.verdict(), may_be_last(reason).verdict(), "{reason:?}");
        if spoken.challenge_state().is_some() {
            let length = spoken.message.iter().map(String::len).sum::<usize>();
            assert!((1..=ATTRIBUTE).contains(&length) && spoken.message.len() == 1, "{reason:?}");
        }
    }
}

#[test]
fn names_of_devices_bring_no_lines_and_no_invisible_characters() {
    let evil = "a\r\n9. Push to me\u{202e}\u{0}\u{1b}[31m\u{2028}b";
    let prompt = asks(QuestionKind::Factor { ways: vec![way(Factor::Push, 1, evil)], passcode: false });
    let shown = in_format(PromptFormat::Console).prompt_lines(&prompt).concat();
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(shown.contains("1. Push to a  9. Push to me[31m b"), "{shown}");
    let long = "x".repeat(1000);
    let prompt = asks(QuestionKind::Factor { ways: vec![way(Factor::Push, 1, &long)], passcode: false });
    assert!(in_format(PromptFormat::Console).prompt_lines(&prompt).concat().contains("xxx…\n"));
}

#[test]
fn message_says_where_the_code_is_good_and_for_how_long() {
    let code = Secret::new("012345");
    let message = |factor| CodeMessage {
        factor,
        code: &code,
        client: "vpn\r\nBcc: all",
        user: "alice",
        life: Duration::from_secs(300),
    };
    let domain = |config: &mut Config| config.client.autofill_domain = Some("vpn.example.test".into());
    let voice = words(domain).voice_for([], []);
    let text =
        |(subject, text): (String, Secret)| (subject, String::from_utf8_lossy(text.expose()).into_owned());
    let (subject, sms) = text(voice.message(&message(Factor::Sms)));
    assert_eq!(subject, "");
    assert_eq!(
        sms,
        "012345 is your code for vpn  Bcc: all, valid for 5 min. Do not pass it on.\n\n@vpn.example.test #012345"
    );
    let (subject, mail) = text(voice.message(&message(Factor::Email)));
    assert_eq!(subject, "Your login code for vpn  Bcc: all");
    assert!(
        mail.starts_with(
            "Hello alice\n\nYour code for vpn  Bcc: all is 012345. It is valid for 5 minutes.\n"
        )
    );
    assert!(!mail.contains('@'));
}

#[test]
fn first_that_is_known_counts() {
    let words = words(|config| {
        config.client.format = Some(PromptFormat::Ascii);
        config.client.language = "de".into();
    });
    let is = |voice: &ClientVoice| {
        (voice.profile.name, voice.format, voice.fill_text(TextKey::Sms, &[(TextVariable::Target, "x")]))
    };
    assert_eq!(is(&words.voice_for([], [])), ("generic", PromptFormat::Ascii, "SMS an x".into()));
    assert_eq!(
        is(&words.voice_for(["what", "ivanti", "meraki"], ["", "fr"])),
        ("ivanti", PromptFormat::Html, "SMS au x".into())
    );
}

/// Text as strangers write it.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,80}", "[äöüÄÖÜß€]{0,80}", "(👨‍👩‍👧‍👦|🇨🇭|📱|e\u{301}){0,60}", "[<>&\"']{0,80}", ".{0,200}"]
}

fn any_asks() -> impl Strategy<Value = QuestionKind> {
    let factor =
        prop::sample::select(vec![Factor::Push, Factor::Phone, Factor::Sms, Factor::Email, Factor::Recovery]);
    let way = (factor, 1u8..=9, name()).prop_map(|(factor, device, target)| way(factor, device, &target));
    let ways = (prop::collection::vec(way, 0..46), any::<bool>());
    prop_oneof![
        3 => ways.prop_map(|(ways, passcode)| QuestionKind::Factor { ways, passcode }),
        1 => name().prop_map(|to| QuestionKind::Code { factor: Factor::Email, to }),
        1 => name().prop_map(|number| QuestionKind::Approval { number }),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_fits_and_is_whole(
        asks in any_asks(),
        because in prop::option::of(prop::sample::select(RefusalReason::ALL.to_vec())),
        left in prop::option::of(any::<u32>()),
        profile in prop::sample::select((0..ClientProfile::ALL.len()).collect::<Vec<_>>()),
        format in prop::sample::select(PromptFormat::WORDS.to_vec()),
        language in prop::sample::select(vec!["en", "de", "fr"]),
    ) {
        let profile = &ClientProfile::ALL[profile];
        let voice = ClientVoice { format: format.1, profile, ..voice("generic", language) };
        let attributes = voice.prompt_lines(&Question { because, left, asks: asks.clone() });
        prop_assert!((1..=profile.attributes).contains(&attributes.len()));
        prop_assert!(attributes.iter().all(|attribute| (1..=ATTRIBUTE).contains(&attribute.len())));
        let whole = attributes.concat();
        prop_assert!(whole.len() <= profile.octets);
        if voice.format == PromptFormat::Ascii {
            prop_assert!(whole.is_ascii());
        }
        if voice.format == PromptFormat::Html {
            prop_assert!(!whole.replace("<br>", "").contains(['<', '>', '"', '\'']));
        }
        // The question is whole, too: nothing was cut off at its end.
        if matches!(asks, QuestionKind::Factor { .. }) {
            prop_assert!(whole.trim_end().ends_with(':'), "{}", whole);
        }
    }
}

#[test]
fn twelve_devices_with_umlauts_and_emoji_are_listed_or_named() {
    let ways: Vec<_> = (1..=12u8)
        .map(|n| {
            way(if n <= 9 { Factor::Push } else { Factor::Sms }, (n - 1) % 9 + 1, "Gerät von Jürgen 👨‍👩‍👧‍👦 📱")
        })
        .collect();
    let prompt = asks(QuestionKind::Factor { ways, passcode: true });
    for language in ["en", "de", "fr"] {
        let listed = voice("generic", language).prompt_lines(&prompt);
        assert!(listed.len() > 1 && listed.concat().contains("\n12. "), "{listed:?}");
        let named = voice("pam_radius", language).prompt_lines(&prompt);
        assert!(named.len() == 1 && named[0].contains("push9, sms, sms2, sms3"), "{named:?}");
    }
}
