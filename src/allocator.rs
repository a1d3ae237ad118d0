//! Configures the allocator of glibc to return freed memory to the operating system.
//!
//! By default glibc keeps increasingly large freed blocks (up to 32 MiB each) in its heaps, one heap per thread. While
//! the archive is written, this doubles the memory of the process (docs/PERFORMANCE.md).

/// Makes the allocator return large freed blocks to the operating system. Call once, before any other thread runs. Does
/// nothing if the allocator is not glibc's.
#[allow(unsafe_code, reason = "the C library has no safe function for this")]
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Blocks of at least this many bytes are mapped separately, so that freeing them returns them. Setting this
        /// also stops glibc from raising it.
        const MAP_FROM_BYTES: libc::c_int = 512 * 1024;
        /// Up to this many free bytes are kept at the end of a heap: buffers are allocated and freed all the time.
        const KEEP_BYTES: libc::c_int = 4 * 1024 * 1024;
        // SAFETY: only sets two parameters of the allocator; invalid values are ignored.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_FROM_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP_BYTES);
        }
    }
}
