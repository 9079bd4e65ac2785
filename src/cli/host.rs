//! The operating system: accounts, owners and permissions of files. The only file of the command that differs between
//! Unix and Windows; there, the permissions of the folder are the administrator's business.

use super::error::Error;
use std::io;
use std::path::Path;

/// Who owns a file and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileAccess {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The nine permission bits.
    pub(super) mode: u32,
    /// Whether it is a link of another user than root, who can lead it anywhere.
    pub(super) is_link: bool,
}

/// Owner and permissions; none where files have no such thing.
#[cfg(unix)]
pub(super) fn access(path: &Path) -> io::Result<Option<FileAccess>> {
    use std::os::unix::fs::MetadataExt;
    let mut found = path.symlink_metadata()?;
    let is_link = found.is_symlink() && found.uid() != 0;
    if found.is_symlink() && !is_link {
        found = path.metadata()?;
    }
    Ok(Some(FileAccess { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o777, is_link }))
}

/// Owner and permissions; none where files have no such thing.
#[cfg(not(unix))]
pub(super) fn access(path: &Path) -> io::Result<Option<FileAccess>> {
    path.metadata().map(|_| None)
}

/// Numbers of the server's user and group, by name or number; none if the configuration names no user, or there are
/// no such numbers here. Without a group it is the user's own, as the server does it.
#[cfg(unix)]
pub(super) fn account(user: Option<&str>, group: Option<&str>) -> Result<Option<(u32, u32)>, Error> {
    let Some(user) = user else { return Ok(None) };
    let missing = |file: &str, what: &str, name: &str| {
        Error::Unavailable(format!(
            "{what} \"{name}\" of radiusd.conf is not in {file}: create it, or correct {what}"
        ))
    };
    let passwd = AccountFile::read("/etc/passwd")?;
    let (uid, own_gid) = passwd.find(user).ok_or_else(|| missing("/etc/passwd", "user", user))?;
    let Some(group) = group else { return Ok(Some((uid, own_gid))) };
    let groups = AccountFile::read("/etc/group")?;
    let (gid, _) = groups.find(group).ok_or_else(|| missing("/etc/group", "group", group))?;
    Ok(Some((uid, gid)))
}

/// No such numbers here.
#[cfg(not(unix))]
pub(super) fn account(_user: Option<&str>, _group: Option<&str>) -> Result<Option<(u32, u32)>, Error> {
    Ok(None)
}

/// What another program prints when it is asked; none if it cannot be run or fails.
pub(super) fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The group of a user, and all groups that a login gives them, by number; none if there is no such user here.
#[cfg(unix)]
pub(super) fn groups(user: u32, server: Option<(u32, u32)>) -> Option<(u32, Vec<u32>)> {
    let passwd = AccountFile::read("/etc/passwd").ok()?;
    let (name, own) = passwd.name(user)?;
    let group = server.filter(|server| server.0 == user).map_or(own, |server| server.1);
    let mut all = vec![group];
    all.extend(AccountFile::read("/etc/group").ok()?.of_member(name));
    all.dedup();
    Some((group, all))
}

/// The user whose own group this is, if it is one's alone.
#[cfg(unix)]
pub(super) fn user_of_group(group: u32) -> Option<u32> {
    let passwd = AccountFile::read("/etc/passwd").ok()?;
    let own = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (user, own) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
        (own == group).then_some(user)
    };
    let mut users = passwd.0.lines().filter_map(own);
    users.next().filter(|user| *user != 0 && users.next().is_none())
}

/// A file in the form of passwd(5) and group(5): name, password, number, and in passwd the number of the group.
#[cfg(unix)]
struct AccountFile(String);

#[cfg(unix)]
impl AccountFile {
    fn read(file: &str) -> Result<Self, Error> {
        match std::fs::read(file) {
            Ok(octets) => Ok(Self(String::from_utf8_lossy(&octets).into_owned())),
            Err(error) => Err(Error::Unavailable(format!("{file}: {error}"))),
        }
    }

    /// The two numbers behind a name; in group(5) there is only one.
    fn find(&self, name: &str) -> Option<(u32, u32)> {
        let numbers = |line: &str| {
            let mut fields = line.split(':');
            let (found, _, number) = (fields.next()?, fields.next()?, fields.next()?.parse::<u32>().ok()?);
            let second = fields.next().and_then(|gid| gid.parse().ok()).unwrap_or(number);
            (found == name || number.to_string() == name).then_some((number, second))
        };
        self.0.lines().find_map(numbers)
    }

    /// The name of a user in passwd(5), and the number of their group.
    fn name(&self, user: u32) -> Option<(&str, u32)> {
        self.0.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?.parse::<u32>().ok()?);
            (number == user).then_some((name, fields.next()?.parse().ok()?))
        })
    }

    /// The numbers of the groups in group(5) that list a user.
    fn of_member(&self, name: &str) -> Vec<u32> {
        let listed = |line: &str| {
            let mut fields = line.split(':').skip(2);
            let (number, members) = (fields.next()?.parse().ok()?, fields.next()?);
            members.split(',').any(|member| member.trim() == name).then_some(number)
        };
        self.0.lines().filter_map(listed).collect()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_number() {
        let passwd = AccountFile(
            "root:x:0:0:root:/root:/bin/sh\nfreerad:x:101:102::/etc/freeradius:/bin/false\n".into(),
        );
        assert_eq!(passwd.find("freerad"), Some((101, 102)));
        assert_eq!(passwd.find("101"), Some((101, 102)));
        assert_eq!(passwd.find("free"), None);
        assert_eq!(AccountFile("freerad:x:103:alice\n".into()).find("freerad"), Some((103, 103)));
        assert_eq!(AccountFile("garbage\n::\n".into()).find("garbage"), None);
        assert_eq!(passwd.name(101), Some(("freerad", 102)));
        assert_eq!(passwd.name(7), None);
        let group =
            AccountFile("shadow:x:42:freerad,alice\nssl:x:103:bob\nnone:x:1:\ncert:x:9:freerad\n".into());
        assert_eq!(group.of_member("freerad"), [42, 9]);
    }

    #[test]
    fn accounts_that_do_not_exist_are_named() {
        assert_eq!(account(None, Some("x")).unwrap(), None);
        assert!(
            account(Some("no user of that name"), None).is_err_and(|e| e.to_string().contains("/etc/passwd"))
        );
    }
}
