//! Reading files that another user may have put there. A FIFO would block the reader, a device may do anything when
//! it is opened, and `/dev/zero` has no end: only files are opened, and no more is read than is asked for.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file for reading. Never blocks, even if the file is exchanged for a FIFO meanwhile.
pub fn open(path: &Path) -> io::Result<File> {
    check(&std::fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// All of a file that has at most so many octets.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    match u64::try_from(octets.len()).is_ok_and(|length| length <= most) {
        true => Ok(octets),
        false => Err(io::Error::other(match most.checked_shr(20) {
            None | Some(0) => format!("it is larger than {} KiB", most >> 10),
            Some(mebibytes) => format!("it is larger than {mebibytes} MiB"),
        })),
    }
}

fn check(found: &Metadata) -> io::Result<()> {
    match found {
        found if found.is_file() => Ok(()),
        found if found.is_dir() => Err(io::Error::other("it is a directory")),
        _ => Err(io::Error::other("it is not a file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_read_and_only_so_far() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "12345").unwrap();
        assert_eq!(read(&path("file"), 5).unwrap(), b"12345");
        assert_eq!(read(&path("file"), 4).unwrap_err().to_string(), "it is larger than 0 KiB");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/zero", path("endless")).unwrap();
        for (name, why) in [
            ("", "a directory"),
            #[cfg(unix)]
            ("endless", "not a file"),
        ] {
            assert!(read(&path(name), 5).unwrap_err().to_string().contains(why), "{name}");
        }
        assert_eq!(read(&path("none"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
