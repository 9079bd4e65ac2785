//! The requests of gateways that cannot be had here, and what their answers mean: by their makers' documents.

use super::fake::{Does, Gateway};
use super::{CODE, NUMBER, Sender, refused, taken, unsure};
use serde_json::json;

/// A gateway by this preset, at an address of this machine with the path and query of the maker's.
fn sender(preset: &str, path: &str, gateway: &Gateway) -> Sender {
    Sender::new(&format!(
        "sms {{\ntimeout = 20\ngateway g {{\npreset = {preset}\nurl = \"{}{path}\"\nuser = \"AC 1&2\"\n\
         password = \"smspw\"\nfrom = \"+15005550006\"\n}}\n}}\n",
        gateway.origin()
    ))
}

const TWILIO: &str = "/2010-04-01/Accounts/{user}/Messages.json";

#[test]
fn twilio_is_asked_for_a_message() {
    let gateway =
        Gateway::start(Does::Says(201, r#"{"sid": "SM1", "status": "queued", "error_code": null}"#));
    assert_eq!(taken(&sender("twilio", TWILIO, &gateway).send(NUMBER)), "g");
    let request = gateway.request();
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/2010-04-01/Accounts/AC%201%262/Messages.json");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let login = data_encoding::BASE64.encode(b"AC 1&2:smspw");
    assert_eq!(request.headers["authorization"], format!("Basic {login}"));
    let form = request.form();
    assert_eq!((form["To"].as_str(), form["From"].as_str()), (NUMBER, "+15005550006"));
    assert_eq!((form["Body"].as_str(), form.len()), (format!("Your code is {CODE}").as_str(), 3));
}

#[test]
fn twilio_says_no() {
    let answer = r#"{"code": 21211, "message": "The 'To' number +41791234567 is not valid.", "status": 400}"#;
    let gateway = Gateway::start(Does::Says(400, answer));
    let sent = sender("twilio", TWILIO, &gateway).send(NUMBER);
    assert!(refused(&sent).contains("HTTP 400: {\"code\": 21211"), "{sent:?}");
}

#[test]
fn vonage_says_no_with_200() {
    let gateway = Gateway::start(Does::Says(
        200,
        "{\n  \"message-count\": \"1\",\n  \"messages\": [{\"to\": \"41791234567\", \"status\": \"0\"}]\n}",
    ));
    let sender = |gateway: &Gateway| sender("vonage", "/sms/json", gateway);
    let text = "bient\u{f4}t 738201";
    assert_eq!(taken(&sender(&gateway).say(NUMBER, text)), "g");
    let form = gateway.request().form();
    let expected = [
        ("api_key", "AC 1&2"),
        ("api_secret", "smspw"),
        ("from", "+15005550006"),
        ("text", text),
        ("to", "41791234567"),
        ("type", "unicode"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    for answer in [
        r#"{"message-count":"1","messages":[{"status":"4","error-text":"Bad Credentials"}]}"#,
        r#"{"messages":[{"status":"0"},{"status":"9","error-text":"Partner quota exceeded"}]}"#,
    ] {
        let gateway = Gateway::start(Does::Says(200, answer));
        assert!(refused(&sender(&gateway).send(NUMBER)).starts_with("HTTP 200: {"), "{answer}");
    }
    for answer in ["", "<html>Welcome</html>", "{}"] {
        let gateway = Gateway::start(Does::Says(200, answer));
        assert!(unsure(&sender(&gateway).send(NUMBER)).contains("it may have taken"), "{answer}");
    }
}

#[test]
fn clickatell_is_told_in_json() {
    let answer = r#"{"messages": [{"apiMessageId": "1", "accepted": true, "to": "41791234567"}]}"#;
    let gateway = Gateway::start(Does::Says(202, answer));
    let sender = |gateway: &Gateway| sender("clickatell", "/v1/message", gateway);
    let text = "say \"738201\" \\\n\u{fc}\u{1f600}";
    assert_eq!(taken(&sender(&gateway).say(NUMBER, text)), "g");
    let request = gateway.request();
    assert_eq!(request.headers["authorization"], "smspw");
    assert_eq!(request.headers["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body, json!({"messages": [{"channel": "sms", "to": "41791234567", "content": text}]}));
    let answer = r#"{"messages": [{"accepted": false, "to": "41791234567", "error": {"code": 25}}]}"#;
    let gateway = Gateway::start(Does::Says(207, answer));
    refused(&sender(&gateway).send(NUMBER));
}

#[test]
fn messagebird_is_asked_for_a_message() {
    let gateway = Gateway::start(Does::Says(201, r#"{"id": "1", "recipients": {"totalSentCount": 1}}"#));
    let sender = |gateway: &Gateway| sender("messagebird", "/messages", gateway);
    assert_eq!(taken(&sender(&gateway).send(NUMBER)), "g");
    let request = gateway.request();
    assert_eq!(request.headers["authorization"], "AccessKey smspw");
    let form = request.form();
    assert_eq!((form["recipients"].as_str(), form["originator"].as_str()), ("41791234567", "+15005550006"));
    let gateway = Gateway::start(Does::Says(
        422,
        r#"{"errors": [{"code": 9, "description": "no (correct) recipients found"}]}"#,
    ));
    refused(&sender(&gateway).send(NUMBER));
}

#[test]
fn gateway_of_ones_own_is_a_template() {
    let gateway = Gateway::start(Does::Says(200, "OK 17"));
    let sender = Sender::new(&format!(
        "sms {{\ngateway own {{\nurl = \"{}/send?u={{user}}&n={{digits}}&m={{text}}&c={{coding}}\"\nuser = radius\n\
         accepted = OK\nrefused = ERROR\nstatus = 200\nheaders {{\nX-Key = \"{{password}}\"\n}}\npassword = smspw\n}}\n}}",
        gateway.origin()
    ));
    let text = "a&b=c+d%20#e \u{fc}";
    assert_eq!(taken(&sender.say(NUMBER, text)), "own");
    let request = gateway.request();
    assert_eq!((request.method.as_str(), request.headers["x-key"].as_str()), ("GET", "smspw"));
    let query = request.query();
    assert_eq!((query["m"].as_str(), query["n"].as_str(), query["c"].as_str()), (text, "41791234567", "0"));
}
