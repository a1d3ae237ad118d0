//! Compresses request bodies with gzip and reuses the buffers: a new buffer for each bulk would cost a page fault per
//! 4 KiB, and a new compressor its tables.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Maximum number of buffers, and of compressors, that are kept: as many as there are requests at once.
const KEPT: usize = 2;
/// Bytes compressed before other tasks of this thread get their turn.
const SLICE: usize = 64 * 1024;
/// The fastest level: higher ones cost several times the work and save a tenth of the bytes.
const LEVEL: u32 = 1;

#[derive(Clone, Debug, Default)]
pub(super) struct BufferPool(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    compressors: Vec<Compress>,
}

impl BufferPool {
    /// Compresses `body`. The buffer returns to the pool when the client drops the result.
    pub async fn compressed(&self, body: &[u8]) -> Bytes {
        let mut buffer = self.free().buffers.pop().unwrap_or_default();
        buffer.clear();
        let compressor = self.free().compressors.pop();
        let mut compressor =
            compressor.unwrap_or_else(|| Compress::new_gzip(Compression::new(LEVEL), 15));
        compress(&mut compressor, body, &mut buffer).await;
        compressor.reset();
        let mut free = self.free();
        if free.compressors.len() < KEPT {
            free.compressors.push(compressor);
        }
        drop(free);
        Bytes::from_owner(Compressed { buffer, pool: self.clone() })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn compress(compressor: &mut Compress, body: &[u8], compressed: &mut Vec<u8>) {
    let mut rest = body;
    loop {
        let slice = &rest[..rest.len().min(SLICE)];
        let last = slice.len() == rest.len();
        let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
        // `compress_vec` writes only into reserved space.
        compressed.reserve(SLICE / 4);
        let before = compressor.total_in();
        let status = compressor
            .compress_vec(slice, compressed, flush)
            .expect("the compressor state is valid");
        rest = &rest[(compressor.total_in() - before) as usize..];
        if status == Status::StreamEnd {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A compressed body; returns its buffer to the pool when it is dropped.
struct Compressed {
    buffer: Vec<u8>,
    pool: BufferPool,
}

impl AsRef<[u8]> for Compressed {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Compressed {
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
    async fn a_buffer_is_returned_when_the_last_reader_is_done() {
        let pool = BufferPool::default();
        let first = pool.compressed(b"one body").await;
        let second = first.clone();
        drop(first);
        assert!(pool.free().buffers.is_empty());
        drop(second);
        assert_eq!(pool.free().buffers.len(), 1);
        let mut many = Vec::new();
        for _ in 0..5 {
            many.push(pool.compressed(b"y").await);
        }
        drop(many);
        assert_eq!(pool.free().buffers.len(), KEPT);
    }

    #[tokio::test]
    async fn compressed_bodies_decompress_to_the_original() {
        let pool = BufferPool::default();
        // Text that compresses well, bytes that do not, and an empty body.
        let text = b"{\"message\":\"GET /index.html\"}\n".repeat(20_000);
        let mut number = 1u64;
        let noise = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (number >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(300_000).collect();
        for body in [&text[..], &noise, b"", &text] {
            let packed = pool.compressed(body).await;
            let mut unpacked = Vec::new();
            GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == body, "{} bytes", body.len());
        }
        let packed = pool.compressed(&text).await;
        assert!(packed.len() * 20 < text.len(), "{} of {}", packed.len(), text.len());
        assert_eq!(pool.free().compressors.len(), 1);
    }
}
