//! All factors through the trait that the engine uses, with the smallest store there can be: one token in a variable.

use super::*;
use crate::engine::SubmittedPassword;
use crate::engine::port::ResyncPosition;
use crate::types::{Algorithm, Digits, Period, TokenId};
use proptest::prelude::*;

const PERIOD: i64 = 30;

fn token(factor: Factor) -> EnrolledToken {
    EnrolledToken {
        id: TokenId(1),
        serial: "t".into(),
        factor,
        algorithm: Algorithm::Sha1,
        digits: Digits::default(),
        period: Period::default(),
        secret: Secret::new("12345678901234567890"),
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        sent: Vec::new(),
        created: Timestamp::default(),
    }
}

fn factors() -> Factors {
    Factors::new(config::TotpRules::default(), config::HotpRules::default())
}

fn at_step(step: i64) -> Timestamp {
    Timestamp::from_seconds(u64::try_from(step * PERIOD + 5).unwrap())
}

fn plain(code: &str) -> PresentedFactor {
    PresentedFactor::Plain(Passcode::parse(code.as_bytes()).unwrap())
}

/// Applies what the store would write, and tells the check in a word.
fn login(factors: &Factors, token: &mut EnrolledToken, code: &str, now: Timestamp) -> &'static str {
    match factors.verify_passcode(token, &plain(code), now) {
        TokenMatch::Right { spend: SpendPasscode::Step { step, drift, resynchronised }, .. } => {
            assert!(step >= token.next, "a spent step was offered again");
            (token.next, token.drift, token.resync) = (step + 1, drift, None);
            if resynchronised { "resynchronised" } else { "right" }
        }
        TokenMatch::Right { spend: SpendPasscode::Code { index }, .. } => {
            assert_eq!(token.next >> index & 1, 0);
            token.next |= 1 << index;
            "right"
        }
        TokenMatch::Right { spend: SpendPasscode::Sent { .. }, .. } => panic!("nothing was sent"),
        TokenMatch::Spent => "spent",
        TokenMatch::Drifted { step } => {
            token.resync = Some(ResyncPosition { step, at: now });
            "drifted"
        }
        TokenMatch::No => "no",
    }
}

/// A login at step `now` with the code of step (or counter) `shown`.
fn shows(token: &mut EnrolledToken, shown: i64, now: i64) -> &'static str {
    let code = passcode_at(token, shown);
    login(&factors(), token, &code, at_step(now))
}

fn vectors(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn hex(text: &str) -> Secret {
    Secret::new(data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap())
}

#[test]
fn rfc_4226_vectors_are_right_once() {
    let mut cases = 0;
    for line in vectors(include_str!("../../tests/vectors/rfc4226.txt")) {
        let [secret, counter, code] = line[..] else { panic!("{line:?}") };
        let mut token =
            EnrolledToken { secret: hex(secret), next: counter.parse().unwrap(), ..token(Factor::Hotp) };
        assert_eq!(passcode_at(&token, token.next), code);
        assert_eq!(login(&factors(), &mut token, code, at_step(0)), "right", "{line:?}");
        assert_eq!(login(&factors(), &mut token, code, at_step(0)), "spent", "{line:?}");
        cases += 1;
    }
    assert_eq!(cases, 10);
}

#[test]
fn rfc_6238_vectors_are_right_once() {
    let mut cases = 0;
    for line in vectors(include_str!("../../tests/vectors/rfc6238.txt")) {
        let [algorithm, secret, time, code] = line[..] else { panic!("{line:?}") };
        let mut token = EnrolledToken {
            algorithm: algorithm.parse().unwrap(),
            digits: Digits::new(8).unwrap(),
            secret: hex(secret),
            ..token(Factor::Totp)
        };
        let now = Timestamp::from_seconds(time.parse().unwrap());
        assert_eq!(login(&factors(), &mut token, code, now), "right", "{line:?}");
        assert_eq!(login(&factors(), &mut token, code, now), "spent", "{line:?}");
        cases += 1;
    }
    assert_eq!(cases, 18);
}

#[test]
fn window_of_time_steps_ends_where_it_says() {
    for (shown, expected) in
        [(98, "drifted"), (99, "right"), (100, "right"), (101, "right"), (102, "drifted")]
    {
        assert_eq!(shows(&mut token(Factor::Totp), shown, 100), expected, "{shown}");
    }
    assert_eq!(shows(&mut token(Factor::Totp), 89, 100), "no");
    assert_eq!(shows(&mut token(Factor::Totp), 111, 100), "no");
}

#[test]
fn older_code_than_the_last_used_is_spent() {
    let mut token = token(Factor::Totp);
    assert_eq!(shows(&mut token, 100, 100), "right");
    assert_eq!(shows(&mut token, 99, 100), "spent");
    assert_eq!(shows(&mut token, 100, 101), "spent");
    assert_eq!(shows(&mut token, 101, 101), "right");
}

#[test]
fn clock_set_back_behind_the_last_spent_step_refuses_every_code() {
    let mut token = token(Factor::Totp);
    assert_eq!(shows(&mut token, 1000, 1000), "right");
    for now in [0, 1, 900, 990, 995, 998] {
        for shown in 980..1020 {
            let answer = shows(&mut token, shown, now);
            assert!(["spent", "no"].contains(&answer), "clock {now}, code {shown}: {answer}");
        }
    }
    assert_eq!(shows(&mut token, 1001, 1001), "right", "and takes them again when it is right");
}

#[test]
fn clock_that_is_off_is_learned_and_one_late_typing_is_not() {
    let mut late = token(Factor::Totp);
    assert_eq!(shows(&mut late, 99, 100), "right");
    assert_eq!(late.drift, -8);
    assert_eq!(shows(&mut late, 201, 200), "right", "the window has not moved");

    let mut fast = token(Factor::Totp);
    for now in (1..=5).map(|login| login * 1000) {
        assert_eq!(shows(&mut fast, now + 1, now), "right");
    }
    assert_eq!(shows(&mut fast, 6002, 6000), "right", "a step further than at the beginning");
}

#[test]
fn drift_is_learned_only_so_far() {
    let factors =
        Factors::new(config::TotpRules { back: 1, forward: 1, max_drift: 2 }, config::HotpRules::default());
    let mut token = token(Factor::Totp);
    for login_number in 1..100 {
        let now = login_number * 1000;
        let ahead = (token.drift + 15) / PERIOD + 1;
        let code = passcode_at(&token, now + ahead);
        login(&factors, &mut token, &code, at_step(now));
        assert!(token.drift <= 2 * PERIOD, "{}", token.drift);
    }
    assert_eq!(token.drift, 2 * PERIOD);
}

#[test]
fn drift_that_an_administrator_set_is_kept() {
    let mut token = EnrolledToken { drift: 500 * PERIOD, ..token(Factor::Totp) };
    assert_eq!(shows(&mut token, 10_501, 10_000), "right");
    assert_eq!(token.drift, 500 * PERIOD, "not taken further away");
    assert_eq!(shows(&mut token, 20_499, 20_000), "right");
    assert_eq!(token.drift, 500 * PERIOD - 8);
}

#[test]
fn two_consecutive_codes_resynchronise_a_drifted_clock() {
    let mut token = token(Factor::Totp);
    assert_eq!(shows(&mut token, 105, 100), "drifted");
    assert_eq!(shows(&mut token, 105, 100), "drifted", "one code twice is no pair");
    assert_eq!(shows(&mut token, 107, 102), "drifted", "nor are two with a gap");
    assert_eq!(shows(&mut token, 108, 103), "resynchronised");
    assert_eq!(token.drift, 5 * PERIOD);
    assert_eq!(shows(&mut token, 108, 103), "spent");
    assert_eq!(shows(&mut token, 206, 200), "right");
}

#[test]
fn pair_that_took_too_long_does_not_resynchronise() {
    let mut token = token(Factor::Totp);
    assert_eq!(shows(&mut token, 105, 100), "drifted");
    assert_eq!(shows(&mut token, 106, 104), "drifted");
    let mut token = self::token(Factor::Hotp);
    assert_eq!(shows(&mut token, 50, 0), "drifted");
    assert_eq!(shows(&mut token, 51, 21), "drifted");
    assert_eq!(shows(&mut token, 52, 40), "resynchronised");
}

#[test]
fn without_max_drift_nothing_is_learned_and_nothing_resynchronised() {
    let factors =
        Factors::new(config::TotpRules { back: 1, forward: 1, max_drift: 0 }, config::HotpRules::default());
    let mut token = token(Factor::Totp);
    let code = passcode_at(&token, 101);
    assert_eq!(login(&factors, &mut token, &code, at_step(100)), "right");
    assert_eq!(token.drift, 0);
    let code = passcode_at(&token, 203);
    assert_eq!(login(&factors, &mut token, &code, at_step(200)), "no");
}

#[test]
fn hotp_looks_ahead_and_never_back() {
    for (shown, expected) in
        [(5, "no"), (6, "no"), (7, "spent"), (9, "spent"), (10, "right"), (20, "right"), (21, "drifted")]
    {
        let mut token = EnrolledToken { next: 10, ..token(Factor::Hotp) };
        assert_eq!(shows(&mut token, shown, 0), expected, "{shown}");
    }
    let mut token = EnrolledToken { next: 10, ..token(Factor::Hotp) };
    assert_eq!(shows(&mut token, 110, 0), "drifted");
    assert_eq!(shows(&mut token, 111, 1), "no", "out of the range of resync");
    assert_eq!(shows(&mut token, 109, 1), "drifted");
    assert_eq!(shows(&mut token, 110, 2), "resynchronised");
    assert_eq!(token.next, 111);
}

#[test]
fn pin_stands_before_the_digits() {
    let mut token = EnrolledToken { pin: Some(parse_pin("Ab12").unwrap()), ..token(Factor::Totp) };
    let typed = passcode_at(&token, 100);
    assert!(typed.starts_with("ab12") && typed.len() == 10, "{typed}");
    assert_eq!(factors().passcode_length(&token), 10);
    assert_eq!(login(&factors(), &mut token, &typed[4..], at_step(100)), "no", "digits alone");
    assert_eq!(login(&factors(), &mut token, &format!("{}ab12", &typed[4..]), at_step(100)), "no");
    assert_eq!(login(&factors(), &mut token, &typed.to_uppercase(), at_step(100)), "right");
}

#[test]
fn passcode_that_answers_a_challenge_is_given_back() {
    use md5::{Digest, Md5};
    let token = EnrolledToken { pin: Some(parse_pin("1234").unwrap()), ..token(Factor::Totp) };
    let code = passcode_at(&token, 101);
    let response = Md5::new().chain_update([9]).chain_update(&code).chain_update("challenge").finalize();
    let answer = PresentedFactor::Answer(SubmittedPassword::Chap {
        id: 9,
        challenge: b"challenge".to_vec(),
        response: response.into(),
    });
    let TokenMatch::Right { passcode, .. } = factors().verify_passcode(&token, &answer, at_step(100)) else {
        panic!("not right")
    };
    assert_eq!(passcode, Secret::new(code));
}

#[test]
fn administrator_finds_a_clock_that_is_hours_off() {
    let parse = |code: String| Passcode::parse(code.as_bytes()).unwrap();
    let mut token = EnrolledToken { pin: Some(parse_pin("1234").unwrap()), ..token(Factor::Totp) };
    let codes = [5000, 5001, 5002].map(|step| parse(passcode_at(&token, step)[4..].to_owned()));
    let now = at_step(10_000);
    let found = factors().find_resync(&token, &codes[0], &codes[1], now);
    let drift = -4999 * PERIOD;
    assert_eq!(found, Some(SpendPasscode::Step { step: 5001, drift, resynchronised: true }));
    let with_pin = [5000, 5001].map(|step| parse(passcode_at(&token, step)));
    assert_eq!(factors().find_resync(&token, &with_pin[0], &with_pin[1], now), found);
    assert_eq!(factors().find_resync(&token, &codes[1], &codes[0], now), None, "in the wrong order");
    assert_eq!(factors().find_resync(&token, &codes[0], &codes[2], now), None, "with a gap");
    assert_eq!(factors().find_resync(&token, &codes[0], &codes[1], at_step(10_762)), None, "over two days");
    token.next = 5002;
    assert_eq!(factors().find_resync(&token, &codes[0], &codes[1], now), None, "spent");
    assert!(factors().find_resync(&token, &codes[1], &codes[2], now).is_some(), "the second is not");
}

#[test]
fn administrator_finds_a_counter_that_ran_far_ahead() {
    let parse = |code: String| Passcode::parse(code.as_bytes()).unwrap();
    let token = EnrolledToken { next: 7, ..token(Factor::Hotp) };
    let pair = |step| [step, step + 1].map(|step| parse(passcode_at(&token, step)));
    let [first, second] = pair(9000);
    let found = factors().find_resync(&token, &first, &second, at_step(0));
    assert_eq!(found, Some(SpendPasscode::Step { step: 9001, drift: 0, resynchronised: true }));
    let [first, second] = pair(10_007);
    assert_eq!(factors().find_resync(&token, &first, &second, at_step(0)), None);
}

/// Not random, but different each time (Knuth's linear congruential generator).
fn octets() -> impl FnMut(&mut [u8]) {
    let mut state = 1u64;
    move |buffer| {
        for octet in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    }
}

#[test]
fn recovery_code_works_once_however_it_is_typed() {
    let (secret, shown, codes) = recovery::generate_codes(&mut octets(), 10);
    let mut token = EnrolledToken { secret, codes, ..token(Factor::Recovery) };
    assert_eq!((shown.len(), token.codes.len()), (10, 10));
    assert_eq!(factors().passcode_length(&token), 12);
    for code in &shown {
        assert_eq!(code.len(), 14);
        assert_eq!(login(&factors(), &mut token, &code[..13], at_step(0)), "no");
        assert_eq!(login(&factors(), &mut token, &code.to_uppercase(), at_step(0)), "right");
        assert_eq!(login(&factors(), &mut token, &code.replace('-', " "), at_step(0)), "spent");
    }
    assert_eq!(token.next, 0b11_1111_1111);
}

#[test]
fn recovery_codes_are_at_most_as_many_as_there_are_bits() {
    let (secret, shown, codes) = recovery::generate_codes(&mut octets(), 1000);
    assert_eq!((shown.len(), codes.len()), (63, 63));
    let mut token = EnrolledToken { secret, codes, ..token(Factor::Recovery) };
    assert_eq!(login(&factors(), &mut token, &shown[62], at_step(0)), "right");
    assert_eq!(token.next, 1 << 62);
}

fn any_token() -> impl Strategy<Value = EnrolledToken> {
    let extreme = || prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -3i64..200, i64::MAX - 200..];
    let factor = prop_oneof![Just(Factor::Totp), Just(Factor::Hotp), Just(Factor::Recovery)];
    let resync = proptest::option::of((extreme(), any::<u64>()));
    let (secret, pin) = (any::<Vec<u8>>(), proptest::option::of(any::<Vec<u8>>()));
    (factor, extreme(), extreme(), resync, secret, pin, 6u64..=8, 15u64..=300).prop_map(
        |(factor, next, drift, resync, secret, pin, digits, period)| EnrolledToken {
            next,
            drift,
            resync: resync.map(|(step, at)| ResyncPosition { step, at: Timestamp::from_millis(at) }),
            secret: Secret::new(secret),
            pin: pin.map(Secret::new),
            digits: Digits::new(digits).unwrap(),
            period: Period::new(period).unwrap(),
            codes: vec![[0; 32]; 70],
            ..token(factor)
        },
    )
}

proptest! {
    #[test]
    fn no_token_however_broken_makes_it_panic(
        token in any_token(),
        now in prop_oneof![any::<u64>(), 0u64..10_000_000],
        code in "[0-9]{6,8}|[a-z2-7]{12}|\\PC{1,20}",
    ) {
        let now = Timestamp::from_millis(now);
        if let Some(passcode) = Passcode::parse(code.as_bytes()) {
            let presented = PresentedFactor::Plain(passcode);
            let check = factors().verify_passcode(&token, &presented, now);
            if let TokenMatch::Right { spend: SpendPasscode::Step { step, .. }, .. } = check {
                prop_assert!(step >= token.next && step < i64::MAX);
            }
        }
        for step in [token.next, token.next.saturating_add(5)] {
            if let Some(passcode) = Passcode::parse(passcode_at(&token, step).as_bytes()) {
                let _ = factors().verify_passcode(&token, &PresentedFactor::Plain(passcode), now);
            }
        }
        let _ = factors().passcode_length(&token);
    }

    #[test]
    fn a_code_is_accepted_at_most_once_whatever_the_clock_does(
        kind in prop_oneof![Just(Factor::Totp), Just(Factor::Hotp)],
        secret in any::<[u8; 20]>(),
        logins in proptest::collection::vec((90i64..110, 88i64..112), 1..60),
    ) {
        let mut token = EnrolledToken { secret: Secret::new(secret), next: 85, ..token(kind) };
        // One pair in a million shares its digits, and then a second time is the first time of the other.
        let codes: std::collections::HashSet<_> = (80..=230).map(|step| passcode_at(&token, step)).collect();
        prop_assume!(codes.len() == 151);
        let mut used = std::collections::HashSet::new();
        for (now, shown) in logins {
            if ["right", "resynchronised"].contains(&shows(&mut token, shown, now)) {
                prop_assert!(used.insert(shown), "code of step {shown} was accepted twice");
            }
        }
    }

    #[test]
    fn a_smaller_window_accepts_nothing_more(
        kind in prop_oneof![Just(Factor::Totp), Just(Factor::Hotp)],
        (back, forward, drift) in (0u32..=3, 0u32..=3, 0u32..=20),
        (next, shown, learned) in (90i64..110, 80i64..120, -90i64..90),
    ) {
        let token = EnrolledToken { next, drift: learned, ..token(kind) };
        let code = plain(&passcode_at(&token, shown));
        let check = |more: u32| {
            let totp = config::TotpRules { back: back + more, forward: forward + more, max_drift: drift };
            let hotp = config::HotpRules { look_ahead: forward + more, resync: drift };
            Factors::new(totp, hotp).verify_passcode(&token, &code, at_step(100))
        };
        if matches!(check(0), TokenMatch::Right { .. }) {
            let larger = check(2);
            prop_assert!(matches!(larger, TokenMatch::Right { .. }), "{larger:?}");
        }
    }
}
