//! The command line: what can be typed, and which file does it.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error};
use super::output::{CommandOutput, OutputFormat};
use super::{
    audit, backup, check, context, doctor, drain, explain, init, output, recovery, root, send_test, status,
    sync, token, user,
};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options that every command takes.
const HERE: &str = "Options of all commands";

const AFTER_HELP: &str = "\
Exit status:
  0    done; check, test and doctor: the answer is yes
  1    the answer is no: check and test would be refused, doctor found something that fails,
       status no server that runs, drain could not answer all logins, no gateway took the
       message of send-test, and sync would have locked more users than it may
  2    wrong usage or bad input
  3    no such user, token or client
  4    configuration, key or store cannot be used, or the output could not be written
  5    it exists already
  130  interrupted

Examples:
  mfa init
  mfa user add alice --note \"Alice Example, sales\"
  mfa token add alice totp
  mfa check alice
  mfa explain alice --client vpn
  mfa audit --user alice --since 2h";

/// Manages users, tokens and the store of the FreeRADIUS module mfa, and tells what is wrong.
#[derive(Parser)]
#[command(name = "mfa", version, after_help = AFTER_HELP, max_term_width = 100, arg_required_else_help = true)]
struct CommandLine {
    /// The server's configuration folder [default: the first of /etc/freeradius/3.0, /etc/raddb, /etc/freeradius that
    /// holds a radiusd.conf]
    #[arg(short = 'd', long = "confdir", value_name = "CONFDIR", global = true, help_heading = HERE)]
    confdir: Option<PathBuf>,
    /// Which instance of the module, where there are several: its name as in `mfa NAME { }`
    #[arg(short = 'n', long = "instance", value_name = "INSTANCE", global = true, help_heading = HERE)]
    instance: Option<String>,
    /// Print JSON, for scripts; times are UTC (RFC 3339)
    #[arg(long, global = true, help_heading = HERE)]
    json: bool,
    #[command(subcommand)]
    command: MfaCommand,
}

#[derive(Subcommand)]
enum MfaCommand {
    /// Make the store: folder, key file, database
    Init,
    /// Users: add, list, show, set, password, lock, unlock, delete
    #[command(subcommand)]
    User(user::UserCommand),
    /// Tokens: add, list, show, test, resync, enable, disable, delete
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Give a user new recovery codes, each for one use; older ones stop working
    Recovery(recovery::RecoveryArguments),
    /// Say what a login with this code would be answered, and why; nothing is spent or counted
    Check(check::CheckArguments),
    /// Show what applies to a login of a user at a client, what they would read there, and why
    ///
    /// No push or message is sent, nothing is counted or written, and no passcode is checked. What unlang says of a
    /// login is not known here: MFA-Mode and MFA-Group have options, MFA-Profile, MFA-Language, MFA-Exempt and
    /// MFA-Wait-Limit do not.
    Explain(explain::ExplainArguments),
    /// Show recorded attempts
    Audit(audit::AuditArguments),
    /// Send a harmless message by SMS or e-mail, and say which gateway took it
    SendTest(send_test::SendTestArguments),
    /// Take users over from the directory of ldap { }, as sync { } says; follow changes, and lock who left
    ///
    /// Users are known by objectGUID or entryUUID, so that a new name keeps their tokens. Nothing is changed before the
    /// directory has told all of it, nor if more users would be locked than max_removals allows. It may be interrupted at
    /// any time: the next run completes it. With --json each change is a line, and the last line holds the sums.
    Sync(sync::SyncArguments),
    /// Check configuration, files, store, clock, server, directory, provider and gateways for problems
    Doctor,
    /// Show the servers that run: what they did, and who waits
    Status,
    /// Answer all waiting logins, before the server is stopped
    ///
    /// From then on no login can wait until the server is restarted; passcodes of tokens work as before. Interrupting
    /// the command does not end what it has begun.
    Drain(drain::DrainArguments),
    /// Make a new key and seal all secrets with it
    Rekey,
    /// Copy the store into a file while the server runs
    Backup(backup::BackupArguments),
    /// Bring the store back from a backup; codes of the current window are burnt
    Restore(backup::RestoreArguments),
    /// Print the completions of a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    #[command(hide = true)]
    Man {
        /// Into this folder, one page a command [default: the first page, to the output]
        folder: Option<PathBuf>,
    },
}

/// Runs the command with these arguments, the first of which is its own name, and returns its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match CommandLine::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(asked) => {
            return answer_usage(&asked);
        }
    };
    match dispatch(arguments) {
        Ok(CommandAnswer::Yes) => ExitCode::SUCCESS,
        Ok(CommandAnswer::No) => ExitCode::from(1),
        Err(error) => {
            if !matches!(error, Error::Closed) {
                output::note(&error);
            }
            ExitCode::from(error.exit_status())
        }
    }
}

/// Help and version go to the output; a mistake is one line like every other error.
fn answer_usage(asked: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, InvalidUtf8};
    if !asked.use_stderr() || asked.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        // A closed output is not an error.
        let _ = asked.print();
    } else {
        let text = asked.to_string();
        let end = ["\n\nUsage:", "\n\nFor more"].iter().filter_map(|mark| text.find(mark)).min();
        let what = text.get(..end.unwrap_or(text.len())).unwrap_or(&text);
        let what = what.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
        let remedy = if asked.kind() == InvalidUtf8 { "type it in UTF-8" } else { "see --help" };
        output::note(format_args!("{what}: {remedy}"));
    }
    ExitCode::from(u8::try_from(asked.exit_code()).unwrap_or(2))
}

fn dispatch(arguments: CommandLine) -> Result<CommandAnswer, Error> {
    let out = CommandOutput::new(if arguments.json { OutputFormat::Json } else { OutputFormat::Text });
    let site = context::SiteArguments { confdir: arguments.confdir, instance: arguments.instance };
    let open = || CommandContext::open(&site, out);
    match arguments.command {
        MfaCommand::Init => init::run(&site, out),
        MfaCommand::User(command) => user::run(&open()?, command),
        MfaCommand::Token(command) => {
            // What the command line names is opened before root becomes the server's user.
            let files = command.open_files()?;
            token::run(&open()?, command, files)
        }
        MfaCommand::Recovery(arguments) => recovery::run(&open()?, &arguments),
        MfaCommand::Check(arguments) => check::run(&open()?, arguments),
        MfaCommand::Explain(arguments) => explain::run(&site, out, arguments),
        MfaCommand::Audit(arguments) => audit::run(&open()?, arguments),
        MfaCommand::SendTest(arguments) => send_test::run(&site, out, &arguments),
        MfaCommand::Sync(arguments) => sync::run(&site, out, &arguments),
        MfaCommand::Doctor => doctor::run(&site, out),
        MfaCommand::Status => status::run(&site, out),
        MfaCommand::Drain(arguments) => drain::run(&site, out, &arguments),
        MfaCommand::Rekey => backup::rekey(&open()?),
        MfaCommand::Backup(arguments) => {
            let file = backup::create(&arguments)?;
            backup::backup(&open()?, &arguments, file)
        }
        MfaCommand::Restore(arguments) => backup::restore(&site, out, &arguments),
        MfaCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "mfa", &mut script);
            output::bytes(&script)
        }
        MfaCommand::Man { folder: Some(folder) } => {
            root::become_owner(&[&folder], None)?;
            clap_mangen::generate_to(CommandLine::command(), &folder)
                .map(|()| CommandAnswer::Yes)
                .map_err(|error| Error::Unavailable(format!("{}: {error}", folder.display())))
        }
        MfaCommand::Man { folder: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(CommandLine::command()).render(&mut page)?;
            output::bytes(&page)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_of_commands_is_sound() {
        CommandLine::command().debug_assert();
    }
}
