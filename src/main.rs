//! The `mfa` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    rlm_mfa::cli::run(std::env::args_os())
}
