//! `include/rlm_mfa.h` is what cbindgen makes of the code as it stands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[test]
fn header_is_fresh() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut made = Vec::new();
    let config = cbindgen::Config::from_root_or_default(root);
    cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .expect("the header can be generated")
        .write(&mut made);
    let path = root.join("include/rlm_mfa.h");
    let kept = std::fs::read(&path).unwrap_or_default();
    if made != kept && std::env::var_os("MFA_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        made == kept,
        "{} is stale: make it anew with `MFA_WRITE_HEADER=1 cargo test --test header`",
        path.display()
    );
}
