//! Preloaded into a program, it hands it the wall clock of a test. A file named by `KEYTEST_CLOCK_FILE` has the time in its first
//! eight bytes, in seconds since 1970; one named by `KEYTEST_CLOCK_AHEAD_FILE` has the seconds by which the clock is ahead.
//! Every other clock stays as it is.
//!
//! Whatever asks for the time may be an allocator or a lock in the middle of its work, so nothing here allocates.
#![expect(unsafe_code, reason = "stands in for a function of the C library")]

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use libc::{
    CLOCK_REALTIME, MAP_FAILED, MAP_SHARED, O_CLOEXEC, O_RDONLY, PROT_READ, SYS_clock_gettime, c_int,
    clockid_t, timespec,
};

/// The C library's function of this name, for the whole program.
///
/// # Safety
///
/// `time` points to a `timespec` that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if clock == CLOCK_REALTIME
        && let Some(tv_sec) = TIME.read()
    {
        // SAFETY: the caller's promise.
        unsafe { time.write(timespec { tv_sec, tv_nsec: 0 }) };
        return 0;
    }
    // SAFETY: the same arguments as the caller's. 0 and -1 are all it returns.
    let outcome = unsafe { libc::syscall(SYS_clock_gettime, clock, time) as c_int };
    if clock == CLOCK_REALTIME
        && outcome == 0
        && let Some(ahead) = AHEAD.read()
    {
        // SAFETY: the caller's promise; the kernel has written it.
        unsafe { (*time).tv_sec += ahead };
    }
    outcome
}

/// A number that stands in a file, whose name stands in a variable of the environment.
struct Number {
    variable: &'static CStr,
    file: AtomicPtr<AtomicI64>,
}

impl Number {
    const fn new(variable: &'static CStr) -> Self {
        Self { variable, file: AtomicPtr::new(ptr::null_mut()) }
    }

    fn read(&self) -> Option<i64> {
        let mut file = self.file.load(Ordering::Acquire);
        if file.is_null() {
            file = self.map()?;
            self.file.store(file, Ordering::Release);
        }
        // SAFETY: mapped for as long as the program lives, aligned to a page, and at least eight bytes long.
        Some(unsafe { (*file).load(Ordering::Relaxed) })
    }

    /// Two threads may both do this at the start: two mappings of one file say the same.
    fn map(&self) -> Option<*mut AtomicI64> {
        // SAFETY: the name ends with a zero; nothing changes the environment of a program under test.
        let path = unsafe { libc::getenv(self.variable.as_ptr()) };
        if path.is_null() {
            return None;
        }
        // SAFETY: `path` is a string of the environment; the mapping is a new one.
        unsafe {
            let file = libc::open(path, O_RDONLY | O_CLOEXEC);
            let memory = libc::mmap(ptr::null_mut(), size_of::<i64>(), PROT_READ, MAP_SHARED, file, 0);
            (memory != MAP_FAILED).then(|| memory.cast())
        }
    }
}

static TIME: Number = Number::new(c"KEYTEST_CLOCK_FILE");
static AHEAD: Number = Number::new(c"KEYTEST_CLOCK_AHEAD_FILE");
