//! `hold_file`: the device is an open file, which holders read and detach
//! closes.
//!
//! This is the real thing, and an old race. A file descriptor is a small
//! number; who closes one while another thread is about to read from it lets
//! that thread read from whatever file gets the number next. So the descriptor
//! is the softc: a holder reads eight bytes through it (`pread`), and as soon as
//! detach has handed it over, the detacher closes it and lets another file have
//! its number, in one call (`dup2`). Each file holds the serial number of its
//! device, twenty times over, and a holder that ever reads another number has
//! found the race: the round fails.
//!
//! What is timed is detach alone, without closing. The files have no name
//! any more when they are read, and are small enough to stay in the kernel's
//! cache: no disk takes part.

use super::stay::Stay;
use crate::engine::crew::Trouble;
use crate::engine::softc::Payload;

/// A device whose state is an open file.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFile {
    serial: u64,
    #[cfg_attr(not(unix), allow(dead_code))]
    descriptor: i32,
}

impl Payload for OpenFile {
    fn make(serial: u64) -> Result<Self, Trouble> {
        Ok(OpenFile {
            serial,
            descriptor: imp::open(serial)?,
        })
    }

    fn serial(&self) -> u64 {
        self.serial
    }

    fn reclaim(&self) -> Result<(), Trouble> {
        imp::replace(self.descriptor)
    }

    fn bury(self) {
        imp::close(self.descriptor);
    }
}

/// Reads the device's file twice, at different places.
pub(super) struct Reading;

impl Reading {
    /// Reads a copy of the serial number, which has to be the device's own.
    pub(super) fn read_at(&self, softc: &OpenFile, place: usize) -> Result<(), Trouble> {
        let found = imp::read(softc.descriptor, place % imp::COPIES)?;
        if found == softc.serial {
            Ok(())
        } else {
            Err(Trouble::WrongFile {
                expected: softc.serial,
                found,
            })
        }
    }
}

impl Stay<OpenFile> for Reading {
    fn stay(&self, softc: &OpenFile, visit: usize) -> Result<(), Trouble> {
        self.read_at(softc, visit)?;
        self.read_at(softc, visit + 7)
    }

    /// Two short system calls.
    fn nanoseconds(&self) -> u64 {
        500
    }
}

#[cfg(unix)]
mod imp {
    use std::fs::{self, OpenOptions};
    use std::io::{self, Write};
    use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Trouble;

    /// Copies of the serial number in a file.
    pub(super) const COPIES: usize = 20;

    pub(super) fn open(serial: u64) -> Result<i32, Trouble> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Ordering: Relaxed; only the number must differ, it orders nothing.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("detach-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| {
                fs::remove_file(&path)?;
                file.write_all(&serial.to_ne_bytes().repeat(COPIES))?;
                Ok(file)
            });
        Ok(file.map_err(Trouble::Io)?.into_raw_fd())
    }

    pub(super) fn read(descriptor: i32, place: usize) -> Result<u64, Trouble> {
        let mut bytes = [0; 8];
        let offset = (place * bytes.len()) as libc::off_t;
        // SAFETY: the pointer is to as many writable bytes as the length says.
        // A descriptor that is closed or another's makes the call fail or read
        // something else, which is what is being looked for.
        let count =
            unsafe { libc::pread(descriptor, bytes.as_mut_ptr().cast(), bytes.len(), offset) };
        match usize::try_from(count) {
            Ok(8) => Ok(u64::from_ne_bytes(bytes)),
            Ok(_) => Err(Trouble::Io(io::ErrorKind::UnexpectedEof.into())),
            Err(_) => Err(Trouble::Io(io::Error::last_os_error())),
        }
    }

    /// Closes the file and gives its number to one that is no device's.
    pub(super) fn replace(descriptor: i32) -> Result<(), Trouble> {
        static STRANGER: OnceLock<i32> = OnceLock::new();
        let stranger = match STRANGER.get() {
            Some(stranger) => *stranger,
            None => {
                let opened = open(u64::MAX)?;
                *STRANGER.get_or_init(|| opened)
            }
        };
        // SAFETY: both descriptors are open, and this one is the caller's.
        match unsafe { libc::dup2(stranger, descriptor) } {
            -1 => Err(Trouble::Io(io::Error::last_os_error())),
            _ => Ok(()),
        }
    }

    pub(super) fn close(descriptor: i32) {
        // SAFETY: `open` opened it, and the round that used it is over.
        drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
    }
}

#[cfg(not(unix))]
mod imp {
    use detach_strategies::Unsupported;

    use super::Trouble;

    pub(super) const COPIES: usize = 20;

    pub(super) fn open(_serial: u64) -> Result<i32, Trouble> {
        Err(missing())
    }

    pub(super) fn read(_descriptor: i32, _place: usize) -> Result<u64, Trouble> {
        Err(missing())
    }

    pub(super) fn replace(_descriptor: i32) -> Result<(), Trouble> {
        Err(missing())
    }

    pub(super) fn close(_descriptor: i32) {}

    fn missing() -> Trouble {
        Trouble::Unsupported(Unsupported::because("this system has no file descriptors"))
    }
}
