//! Bodies of requests that are packed by gzip. Their buffers are used again: a fresh one for each bulk would cost a
//! page fault every 4 KiB, and a fresh packer its tables.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// As many as there are requests at once.
const KEPT: usize = 2;
/// Packed at once, before others get their turn on this thread.
const SLICE: usize = 64 * 1024;
/// The fastest: higher ones cost several times the work for a tenth of the bytes.
const LEVEL: u32 = 1;

#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    packers: Vec<Compress>,
}

impl Pool {
    /// `body`, packed, for the client to keep as long as it needs.
    pub async fn lend_packed(&self, body: &[u8]) -> Bytes {
        let mut buffer = self.free().buffers.pop().unwrap_or_default();
        buffer.clear();
        let packer = self.free().packers.pop();
        let mut packer = packer.unwrap_or_else(|| Compress::new_gzip(Compression::new(LEVEL), 15));
        pack(&mut packer, body, &mut buffer).await;
        packer.reset();
        let mut free = self.free();
        if free.packers.len() < KEPT {
            free.packers.push(packer);
        }
        drop(free);
        Bytes::from_owner(Packed { buffer, pool: self.clone() })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn pack(packer: &mut Compress, body: &[u8], packed: &mut Vec<u8>) {
    let mut rest = body;
    loop {
        let slice = &rest[..rest.len().min(SLICE)];
        let last = slice.len() == rest.len();
        let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
        // It writes into what is reserved, and no further.
        packed.reserve(SLICE / 4);
        let before = packer.total_in();
        let status = packer.compress_vec(slice, packed, flush).expect("its state is whole");
        rest = &rest[(packer.total_in() - before) as usize..];
        if status == Status::StreamEnd {
            return;
        }
        tokio::task::yield_now().await;
    }
}

struct Packed {
    buffer: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Packed {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        let mut free = self.pool.free();
        if free.buffers.len() < KEPT {
            free.buffers.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[tokio::test]
    async fn a_buffer_comes_back_when_the_last_reader_is_done() {
        let pool = Pool::default();
        let first = pool.lend_packed(b"one body").await;
        let second = first.clone();
        drop(first);
        assert!(pool.free().buffers.is_empty());
        drop(second);
        assert_eq!(pool.free().buffers.len(), 1);
        let mut many = Vec::new();
        for _ in 0..5 {
            many.push(pool.lend_packed(b"y").await);
        }
        drop(many);
        assert_eq!(pool.free().buffers.len(), KEPT);
    }

    #[tokio::test]
    async fn what_is_packed_is_unpacked_as_it_was_again_and_again() {
        let pool = Pool::default();
        // Text that packs well, bytes that do not, and nothing.
        let text = b"{\"message\":\"GET /index.html\"}\n".repeat(20_000);
        let mut number = 1u64;
        let noise = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (number >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(300_000).collect();
        for body in [&text[..], &noise, b"", &text] {
            let packed = pool.lend_packed(body).await;
            let mut unpacked = Vec::new();
            GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == body, "{} bytes", body.len());
        }
        let packed = pool.lend_packed(&text).await;
        assert!(packed.len() * 20 < text.len(), "{} of {}", packed.len(), text.len());
        assert_eq!(pool.free().packers.len(), 1);
    }
}
