//! How the allocator of the system is set up: large blocks go back to the system when they are freed.
//!
//! glibc keeps ever larger freed blocks (up to 32 MiB each) in its heaps, of which every thread has its own.
//! With the archive being written that doubles the memory of the process (docs/PERFORMANCE.md).

/// Called once, before any other thread runs. Does nothing where the allocator is not glibc's.
#[allow(unsafe_code, reason = "the C library has no safe way to say this")]
pub fn give_back_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Bytes from which on a block is mapped by itself. To set it at all is what keeps it from growing.
        const MAPPED: libc::c_int = 512 * 1024;
        /// Free bytes at the end of a heap that are kept: buffers come and go all the time.
        const KEPT: libc::c_int = 4 * 1024 * 1024;
        // SAFETY: changes two numbers of the allocator; refused values are ignored.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}
