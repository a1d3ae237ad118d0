//! Detects whether standard output was already closed when the program was started.
//!
//! Before `main` runs, Rust opens `/dev/null` in place of a closed standard descriptor (`sanitize_standard_fds` in its
//! standard library). After that it cannot be distinguished from a redirection to `/dev/null`. The check therefore runs
//! earlier, as an initialisation function called by the loader. Only on Linux; elsewhere the answer is always `false`.

use std::sync::atomic::{AtomicBool, Ordering};

static OUTPUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed at the start.
pub fn output_was_closed() -> bool {
    OUTPUT_WAS_CLOSED.load(Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "link_section places the check in .init_array; descriptor 1 may be closed"
)]
mod startup_check {
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::Ordering;

    use rustix::io::{Errno, fcntl_getfd};

    #[used]
    // SAFETY: .init_array is a list of such functions (System V ABI, "Initialization and Termination Functions").
    #[unsafe(link_section = ".init_array")]
    static CHECK: extern "C" fn() = check;

    /// One system call and one store: Rust's standard library is not initialised yet.
    extern "C" fn check() {
        // SAFETY: the descriptor is only queried, whether it is open or not.
        let output = unsafe { BorrowedFd::borrow_raw(1) };
        let closed = fcntl_getfd(output) == Err(Errno::BADF);
        super::OUTPUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
    }
}
