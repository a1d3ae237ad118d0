//! Looks whether standard output was closed when the program was started.
//!
//! Rust opens `/dev/null` in the place of a closed standard descriptor before `main` runs (`sanitize_standard_fds` in
//! its library): nobody can tell that from a redirection that was asked for. So this looks earlier, as one of the
//! functions that the loader calls. Elsewhere than on Linux it is not known.

use std::sync::atomic::{AtomicBool, Ordering};

static OUTPUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

pub fn output_was_closed() -> bool {
    OUTPUT_WAS_CLOSED.load(Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "a section of the program is named, and a descriptor that may be closed"
)]
mod look {
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::Ordering;

    use rustix::io::{Errno, fcntl_getfd};

    #[used]
    // SAFETY: the section is a list of such functions (System V ABI, "Initialization and Termination Functions").
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    /// A system call and a store: nothing of Rust's library works for certain yet.
    extern "C" fn look() {
        // SAFETY: it is asked about, open or not, and nothing else is done with it.
        let output = unsafe { BorrowedFd::borrow_raw(1) };
        let closed = fcntl_getfd(output) == Err(Errno::BADF);
        super::OUTPUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
    }
}
