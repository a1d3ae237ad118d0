//! Buffers of request bodies, used again: a fresh one for each bulk would cost a page fault every 4 KiB.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// As many as there are requests at once.
const KEPT: usize = 2;

#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// A copy of `body` for the client to keep as long as it needs.
    pub fn lend(&self, body: &[u8]) -> Bytes {
        let mut buffer = self.free().pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(body);
        Bytes::from_owner(Lent { buffer, pool: self.clone() })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

struct Lent {
    buffer: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.pool.free();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_the_last_reader_is_done() {
        let pool = Pool::default();
        let first = pool.lend(b"one body");
        let second = first.clone();
        drop(first);
        assert!(pool.free().is_empty());
        assert_eq!(second, &b"one body"[..]);
        drop(second);
        assert_eq!(pool.free().len(), 1);
        assert_eq!(pool.lend(b"x"), &b"x"[..]);
        let many: Vec<Bytes> = (0..5).map(|_| pool.lend(b"y")).collect();
        drop(many);
        assert_eq!(pool.free().len(), KEPT);
    }
}
