//! Any octets as the server's configuration: read, or refused with file and line; and whatever is read can be looked through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::config::{Config, ServerTimers, coverage, instance_names, read_text};

fuzz_target!(|octets: &[u8]| {
    match read_text(octets, &|name| Some(name.to_owned())) {
        Err(error) => assert!(!error.at.file.is_empty() && !error.text.is_empty()),
        Ok(tree) => {
            let _ = Config::read(&tree);
            for instance in instance_names(&tree) {
                if let Err(errors) = Config::read(instance) {
                    assert!(!errors.0.is_empty());
                }
            }
            let _ = coverage::check(&tree);
            let _ = ServerTimers::read(&tree);
        }
    }
});
