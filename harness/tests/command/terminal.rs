//! The command on a terminal of a given width.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::ptr;

use super::detach_bench;

/// What the command prints on a terminal that says it has so many columns.
fn on_terminal(folder: &Path, columns: u16, arguments: &[&str]) -> String {
    let size = libc::winsize {
        ws_row: 0,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut ours, mut theirs) = (-1, -1);
    // SAFETY: the pointers are to variables that outlive the call, or null
    // where that is allowed.
    let opened =
        unsafe { libc::openpty(&mut ours, &mut theirs, ptr::null_mut(), ptr::null(), &size) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, and nobody else owns them.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };

    let mut command = detach_bench(folder, arguments);
    command.stdout(theirs);
    // SAFETY: `setsid` is safe after a fork, and nothing else is done there.
    unsafe {
        command.pre_exec(|| {
            // Or the width would be that of the terminal that runs the tests.
            libc::setsid();
            Ok(())
        })
    };
    let mut child = command.spawn().unwrap();
    // The last copy of the terminal's other end is the child's.
    drop(command);
    let mut text = Vec::new();
    let _hung_up = File::from(ours).read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_without_width_is_a_usual_one() {
    let folder = tempfile::tempdir().unwrap();
    let usual = on_terminal(folder.path(), 80, &["list"]);
    for columns in [0, 19] {
        let text = on_terminal(folder.path(), columns, &["list"]);
        assert_eq!(text, usual, "{columns} columns");
        let text = on_terminal(folder.path(), columns, &["doctor"]);
        assert!(text.contains("architecture"), "{columns} columns: {text}");
    }
}
