use super::*;
use crate::engine::directory::RawAttribute;
use crate::passwords::password_hash::HashMemory;
use std::future::ready;
use tokio::sync::Semaphore;

/// Knows one password of everybody, and says it when it is let.
struct Knows {
    password: Mutex<&'static str>,
    mood: Mutex<Option<AuthFailure>>,
    asked: Mutex<usize>,
    /// One answer for each permit.
    turn: Semaphore,
}

impl Knows {
    fn new(password: &'static str) -> Arc<Self> {
        let turn = Semaphore::new(1000);
        Arc::new(Self {
            password: Mutex::new(password),
            mood: Mutex::default(),
            asked: Mutex::default(),
            turn,
        })
    }

    fn asked(&self) -> usize {
        *lock(&self.asked)
    }

    fn be(&self, mood: Option<AuthFailure>) {
        *lock(&self.mood) = mood;
    }
}

struct Front(Arc<Knows>);

impl PasswordBackend for Front {
    fn name(&self) -> &'static str {
        "knows"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<BackendAnswer> {
        let knows = Arc::clone(&self.0);
        *lock(&knows.asked) += 1;
        Box::pin(async move {
            knows.turn.acquire().await.unwrap().forget();
            if let Some(denied) = lock(&knows.mood).clone() {
                return Err(denied);
            }
            match claim.password {
                SubmittedPassword::Plain(password) if password == Secret::new(*lock(&knows.password)) => {
                    Ok(DirectoryUser { name: claim.user.to_string(), ..DirectoryUser::default() }.into())
                }
                _ => Err(AuthFailure::Wrong),
            }
        })
    }
}

/// For 30 s and 10 minutes.
fn remembering(by: PasswordBackendKind, knows: &Arc<Knows>) -> PasswordCache {
    let passwords = PasswordSource { right_cache: Duration::from_secs(600), ..PasswordSource::default() };
    PasswordCache::new(
        by,
        Arc::new(Front(Arc::clone(knows))),
        &passwords,
        &Arc::new(PasswordHasher::new(HashMemory::OnDemand)),
    )
    .unwrap()
}

fn claim(user: &str, password: &str) -> Credentials {
    Credentials {
        user: UserName::from_canonical(user),
        typed: user.as_bytes().to_vec(),
        client: String::new(),
        password: SubmittedPassword::Plain(Secret::new(password)),
        packet: Vec::new(),
        state: None,
    }
}

/// What is written down after the answer is there.
async fn settled(remembering: &PasswordCache) {
    for _ in 0..1000 {
        if !lock(&remembering.0.right).of.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is remembered");
}

fn unavailable() -> Option<AuthFailure> {
    Some(BackendUnavailable("no answer".into()).into())
}

#[tokio::test]
async fn wrong_password_is_asked_once_and_another_one_at_once() {
    let knows = Knows::new("secret");
    let remembering = remembering(PasswordBackendKind::Entra, &knows);
    for _ in 0..3 {
        assert_eq!(
            remembering.verify_password(claim("alice", "Secret")).await.unwrap_err(),
            AuthFailure::Wrong
        );
    }
    assert_eq!(knows.asked(), 1);
    assert!(remembering.verify_password(claim("alice", "secret")).await.is_ok());
    assert_eq!(remembering.verify_password(claim("bob", "Secret")).await.unwrap_err(), AuthFailure::Wrong);
    assert_eq!(knows.asked(), 3);
}

#[tokio::test]
async fn nothing_but_a_wrong_password_is_remembered_as_one() {
    for denied in [
        AuthFailure::Locked,
        AuthFailure::Expired,
        AuthFailure::Unknown,
        AuthFailure::NeedsPap,
        unavailable().unwrap(),
    ] {
        let knows = Knows::new("secret");
        let remembering = remembering(PasswordBackendKind::Ldap, &knows);
        knows.be(Some(denied.clone()));
        for count in 1..=2 {
            assert_eq!(remembering.verify_password(claim("alice", "x")).await.unwrap_err(), denied);
            assert_eq!(knows.asked(), count);
        }
    }
}

#[tokio::test]
async fn answer_to_a_question_is_always_asked() {
    let knows = Knows::new("secret");
    let remembering = remembering(PasswordBackendKind::Ldap, &knows);
    for count in 1..=2 {
        let answer = Credentials { state: Some(b"7".to_vec()), ..claim("alice", "x") };
        assert_eq!(remembering.verify_password(answer).await.unwrap_err(), AuthFailure::Wrong);
        assert_eq!(knows.asked(), count);
    }
    assert_eq!(remembering.verify_password(claim("alice", "x")).await.unwrap_err(), AuthFailure::Wrong);
    assert_eq!(knows.asked(), 3);
}

#[tokio::test]
async fn radius_server_may_say_no_in_one_place_and_yes_in_another() {
    let at = |address: u8, number: u8| Credentials {
        packet: vec![
            RawAttribute { kind: 4, value: vec![192, 0, 2, address] },
            RawAttribute { kind: 5, value: vec![number] },
        ],
        ..claim("alice", "x")
    };
    for (by, expected) in [(PasswordBackendKind::Radius, 2), (PasswordBackendKind::Ldap, 1)] {
        let knows = Knows::new("secret");
        let remembering = remembering(by, &knows);
        for claim in [at(1, 1), at(1, 2), at(2, 1)] {
            assert_eq!(remembering.verify_password(claim).await.unwrap_err(), AuthFailure::Wrong);
        }
        assert_eq!(knows.asked(), expected, "{by:?}");
    }
}

#[tokio::test]
async fn what_is_being_asked_is_not_asked_twice_though_one_gives_up() {
    let knows = Knows::new("secret");
    knows.turn.forget_permits(1000);
    let remembering = Arc::new(remembering(PasswordBackendKind::Entra, &knows));
    let ask = |claim| {
        let remembering = Arc::clone(&remembering);
        tokio::spawn(async move { remembering.verify_password(claim).await.is_ok() })
    };
    let first = ask(claim("alice", "secret"));
    let others = [ask(claim("alice", "secret")), ask(claim("alice", "secret"))];
    let wrong = ask(claim("alice", "Secret"));
    while knows.asked() < 2 {
        tokio::task::yield_now().await;
    }
    first.abort();
    knows.turn.add_permits(2);
    for other in others {
        assert!(other.await.unwrap());
    }
    assert!(!wrong.await.unwrap());
    assert_eq!(knows.asked(), 2);
    assert!(lock(&remembering.0.asking).is_empty());
}

#[tokio::test]
async fn authority_that_panics_is_neither_yes_nor_no() {
    struct Panics;
    impl PasswordBackend for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }

        fn verify_password(&self, _: Credentials) -> ProviderFuture<BackendAnswer> {
            Box::pin(async { panic!("a mistake") })
        }
    }
    let slow = Arc::new(PasswordHasher::new(HashMemory::OnDemand));
    let panics =
        PasswordCache::new(PasswordBackendKind::Ldap, Arc::new(Panics), &PasswordSource::default(), &slow)
            .unwrap();
    assert!(matches!(panics.verify_password(claim("alice", "x")).await, Err(AuthFailure::Unavailable(_))));
    assert!(lock(&panics.0.asking).is_empty());
}

#[tokio::test]
async fn right_password_is_right_for_a_while_also_if_nobody_answers() {
    let knows = Knows::new("secret");
    let remembering = remembering(PasswordBackendKind::Ldap, &knows);
    assert!(remembering.verify_password(claim("alice", "secret")).await.is_ok());
    settled(&remembering).await;
    knows.be(unavailable());
    for _ in 0..2 {
        let Ok(PasswordResponse::Person(person)) =
            remembering.verify_password(claim("alice", "secret")).await
        else {
            panic!()
        };
        assert_eq!(person.name, "alice");
    }
    assert_eq!(knows.asked(), 1);
    let elsewhere = Credentials { typed: b"alice@elsewhere.test".to_vec(), ..claim("alice", "secret") };
    assert!(remembering.verify_password(elsewhere).await.is_err(), "that may be somebody else");
    assert!(remembering.verify_password(claim("alice", "secret")).await.is_ok());
}

#[tokio::test]
async fn one_wrong_password_ends_a_right_one() {
    for mood in [None, unavailable()] {
        let knows = Knows::new("secret");
        let remembering = remembering(PasswordBackendKind::Ldap, &knows);
        assert!(remembering.verify_password(claim("alice", "secret")).await.is_ok());
        settled(&remembering).await;
        knows.be(mood);
        assert!(remembering.verify_password(claim("alice", "Secret")).await.is_err());
        knows.be(unavailable());
        assert!(remembering.verify_password(claim("alice", "secret")).await.is_err());
        assert_eq!(knows.asked(), 3);
    }
}

#[tokio::test]
async fn nothing_is_taken_for_right_where_that_is_not_wanted() {
    for (by, keep) in [
        (PasswordBackendKind::Ldap, 0),
        (PasswordBackendKind::Radius, 600),
        (PasswordBackendKind::Local, 600),
    ] {
        let knows = Knows::new("secret");
        let passwords =
            PasswordSource { right_cache: Duration::from_secs(keep), ..PasswordSource::default() };
        let authority = Arc::new(Front(Arc::clone(&knows)));
        let remembering = PasswordCache::new(
            by,
            authority,
            &passwords,
            &Arc::new(PasswordHasher::new(HashMemory::OnDemand)),
        )
        .unwrap();
        assert!(!lock(&remembering.0.right).keeps_passwords());
        for count in 1..=2 {
            assert!(remembering.verify_password(claim("alice", "secret")).await.is_ok());
            assert_eq!(knows.asked(), count);
        }
    }
}

#[tokio::test]
async fn digest_of_a_password_is_never_taken_for_right() {
    struct Yes;
    impl PasswordBackend for Yes {
        fn name(&self) -> &'static str {
            "yes"
        }

        fn verify_password(&self, _: Credentials) -> ProviderFuture<BackendAnswer> {
            Box::pin(ready(Ok(DirectoryUser::default().into())))
        }
    }
    let passwords = PasswordSource { right_cache: Duration::from_secs(600), ..PasswordSource::default() };
    let yes = PasswordCache::new(
        PasswordBackendKind::Ldap,
        Arc::new(Yes),
        &passwords,
        &Arc::new(PasswordHasher::new(HashMemory::OnDemand)),
    )
    .unwrap();
    let digest = SubmittedPassword::Chap { id: 1, challenge: vec![0; 16], response: [0; 16] };
    assert!(yes.verify_password(Credentials { password: digest, ..claim("alice", "") }).await.is_ok());
    assert!(lock(&yes.0.right).of.is_empty());
}

#[test]
fn wrong_passwords_are_forgotten_in_time_and_in_number() {
    let keep = Duration::from_secs(30);
    let mut wrong = RejectedPasswords { keep, order: VecDeque::new(), known: HashSet::new() };
    let start = Instant::now();
    wrong.add([1; 32], start);
    assert!(wrong.contains(&[1; 32], start + keep - Duration::from_millis(1)));
    assert!(!wrong.contains(&[2; 32], start));
    assert!(!wrong.contains(&[1; 32], start + keep));
    let number = |n: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        digest
    };
    (0..2 * WRONG).for_each(|n| wrong.add(number(n), start + keep));
    assert!(
        wrong.contains(&number(2 * WRONG - 1), start + keep) && !wrong.contains(&number(0), start + keep)
    );
    assert!(wrong.known.len() == wrong.order.len() && wrong.known.len() <= WRONG + 1);
}

#[test]
fn right_passwords_are_forgotten_in_time_and_in_number() {
    let start = Instant::now();
    let mut right = AcceptedPasswords { keep: Duration::from_secs(60), of: HashMap::new() };
    let entry = |seconds| AcceptedEntry {
        typed: b"x".to_vec(),
        hash: String::new(),
        person: Box::default(),
        until: start + Duration::from_secs(seconds),
    };
    let user = |n: u64| UserName::from_canonical(format!("user{n}"));
    right.put_entry(user(1), entry(60));
    assert!(
        right.take_entry(&user(1), b"x", start + Duration::from_secs(60)).is_none() && right.of.is_empty()
    );
    (0..5000).for_each(|n| right.put_entry(user(n), entry(n + 1)));
    assert_eq!(right.of.len(), RIGHT);
    assert!(
        right.take_entry(&user(0), b"x", start).is_none()
            && right.take_entry(&user(4999), b"x", start).is_some()
    );
}
