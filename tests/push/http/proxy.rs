//! An HTTP proxy between the client and everybody else.

use crate::duo::gear::{Site, User, decided, options_within, unreachable};
use crate::harness::SOON;
use crate::harness::proxy::{Does, Proxy};
use rlm_mfa::engine::provider::PushOutcome;
use serde_json::json;
use std::net::TcpListener;
use std::time::Instant;
use url::Url;

/// The same Duo, asked through a proxy, with that `api_timeout`.
fn through(site: &Site, proxy: &Url, seconds: u32) -> User {
    let mut options = options_within(&site.duo, seconds);
    options.http.proxy = Some(proxy.clone());
    User::new(&options)
}

#[test]
fn login_goes_through_the_proxy_which_sees_nothing_of_it() {
    let site = Site::start();
    let proxy = Proxy::start(Does::Connect);
    let user = through(&site, &proxy.url, 20);
    site.duo.user("anna", json!({"passcodes": ["123456"]}));
    assert!(matches!(decided(user.passcode("anna", "123456")), PushOutcome::Approved { .. }));
    site.duo.decide("deny");
    assert_eq!(user.answer(&user.question("anna")), Ok(PushOutcome::Denied));
    let asked = proxy.asked();
    let expected = format!("CONNECT {} HTTP/1.1", site.duo.api_host);
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == expected), "{asked:?}");
}

#[test]
fn proxy_that_does_not_connect_has_asked_nobody() {
    let site = Site::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Url::parse(&format!("http://{nobody}")).unwrap();
    for url in [nobody, Proxy::start(Does::Refuse).url, Proxy::start(Does::Nothing).url] {
        let start = Instant::now();
        unreachable(through(&site, &url, 2).device("anna", ""));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    assert_eq!(site.duo.received().connections, 0);
}
