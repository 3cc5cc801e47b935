//! Looking at memory from outside: its size, what of it is really there.

/// The size of a page.
#[cfg(unix)]
pub(crate) fn page_size() -> usize {
    // SAFETY: it takes a number and returns one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("pages have a size")
}

/// How many bytes of the process are in memory.
#[cfg(target_os = "linux")]
pub(crate) fn resident_set() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm can be read");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second number of statm is the resident set");
    pages * page_size()
}

/// How many bytes of an allocation are in memory, in whole pages.
#[cfg(target_os = "linux")]
pub(crate) fn resident(start: usize, size: usize) -> usize {
    let page = page_size();
    let first = start / page * page;
    let pages = (start + size).div_ceil(page) - first / page;
    let mut present = vec![0u8; pages];
    // SAFETY: the range is mapped, since an allocation lies in it, and there is
    // a byte for each of its pages.
    let result = unsafe {
        libc::mincore(
            first as *mut libc::c_void,
            pages * page,
            present.as_mut_ptr(),
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    present.iter().filter(|page| **page & 1 != 0).count() * page
}
