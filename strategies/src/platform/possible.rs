//! How large a table with an entry per CPU has to be.
//!
//! A library that is asked to attach a device has no business surveying the
//! machine: this reads one file, once, and changes nothing. Where the file is
//! missing (a sandbox without `/sys`), the C library is asked for the number of
//! CPUs. It may be too low then, if the numbers have gaps; that costs speed
//! only, as a thread on a CPU beyond the table counts in another way.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::primitive::once_box::OnceBox;

/// How many CPUs a table needs room for: one more than the highest number of a
/// CPU that may ever come online. Numbers may have gaps.
pub fn possible_cpus() -> usize {
    static POSSIBLE: OnceBox<usize> = OnceBox::new();
    *POSSIBLE.get_or_init(|| possible_at(Path::new("/sys/devices/system/cpu/possible")))
}

fn possible_at(list: &Path) -> usize {
    read(list).unwrap_or_else(configured).max(1)
}

/// One more than the last number of a list such as `0-3,8-11`, which Linux
/// writes in ascending order.
fn read(list: &Path) -> Option<usize> {
    // The list is on one line, and the file claims to be as large as a page.
    let mut text = [0; 4096];
    let length = File::open(list).ok()?.read(&mut text).ok()?;
    let text = str::from_utf8(&text[..length]).ok()?;
    let (_, highest) = text
        .trim_end()
        .rsplit_once([',', '-'])
        .unwrap_or(("", text));
    let highest: u16 = highest.trim_end().parse().ok()?;
    Some(usize::from(highest) + 1)
}

/// The CPUs that the system is configured for, online or not.
fn configured() -> usize {
    #[cfg(unix)]
    // SAFETY: sysconf has no preconditions.
    let configured = usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) });
    #[cfg(not(unix))]
    let configured = std::thread::available_parallelism().map(|count| count.get());
    configured.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::topology::Topology;
    use crate::platform::topology::fixture::{Fixture, Folder, MACHINES};

    const LIST: &str = "devices/system/cpu/possible";

    #[test]
    fn it_is_what_a_survey_would_find() {
        assert_eq!(possible_cpus(), Topology::detect().possible_cpus());
        for (name, _) in MACHINES {
            let machine = Fixture::named(name);
            let topology = Topology::from_sysfs(&machine.sysfs(), machine.allowed()).unwrap();
            let possible = possible_at(&machine.sysfs().join(LIST));
            assert_eq!(possible, topology.possible_cpus(), "{name}");
        }
    }

    #[test]
    fn numbers_may_have_gaps() {
        let folder = Folder::new();
        let list = folder.path().join(LIST);
        for (text, possible) in [
            ("0\n", 1),
            ("0-3,8-11\n", 12),
            ("0,5", 6),
            ("0-8191\n", 8192),
        ] {
            folder.write(LIST, text);
            assert_eq!(read(&list), Some(possible), "{text}");
        }
    }

    #[test]
    fn without_a_list_the_c_library_is_asked() {
        let folder = Folder::new();
        let list = folder.path().join(LIST);
        assert_eq!(possible_at(&list), configured());
        for nonsense in ["", "\n", "0-", "none\n", "0-99999999999999999999\n"] {
            folder.write(LIST, nonsense);
            assert_eq!(possible_at(&list), configured(), "{nonsense:?}");
        }
        // A table for no CPU, or for all that can be written down, is of no use.
        assert!((1..=1 << 16).contains(&configured()));
    }
}
