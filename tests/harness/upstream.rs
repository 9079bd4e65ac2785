//! Another RADIUS server: a real FreeRADIUS without `mfa`, that knows everybody's password.

use super::site::PASSWORD;
use super::{SECRET, Server, Site};

/// Everybody's password is `hello`; carol is asked for a code besides, which is 123456. `more` is in
/// `post-auth`.
pub fn server(more: &str) -> Server {
    let mut site = Site::append();
    let signed = "update reply {\nMessage-Authenticator := 0x00\n}";
    site.authorize = format!(
        "if (&State) {{\n\
         if (&State == 0x6f6e6500ff && &User-Password == \"123456\") {{\nupdate control {{\nAuth-Type := Accept\n}}\n}}\n\
         else {{\nupdate control {{\nAuth-Type := Reject\n}}\n}}\n}}\n\
         elsif (&User-Name == \"carol\" && &User-Password == \"{PASSWORD}\") {{\n\
         update control {{\nAuth-Type := Accept\nResponse-Packet-Type := Access-Challenge\n}}\n\
         update reply {{\nState := 0x6f6e6500ff\nReply-Message := \"Code?\"\nReply-Message += \"Six digits\"\n}}\n}}\n\
         else {{\nupdate control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nchap\nmschap\npap\n}}"
    );
    site.authenticate =
        "Auth-Type PAP {\npap\n}\nAuth-Type CHAP {\nchap\n}\nAuth-Type MS-CHAP {\nmschap\n}".into();
    site.post_auth = format!(
        "{signed}\nif (!&State) {{\n{more}\n}}\nPost-Auth-Type REJECT {{\n{signed}\n}}\nPost-Auth-Type Challenge {{\n{signed}\n}}"
    );
    site.fails_over = true;
    site.start()
}

/// What has the module of another server ask it, for `Site::own`.
pub fn options(server: &Server) -> String {
    format!(
        "first_factor = radius\nradius {{\nhost = 127.0.0.1\nport = {}\nsecret = {SECRET}\n}}\n",
        server.port
    )
}
