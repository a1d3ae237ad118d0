use std::io::Write;

use tempfile::TempDir;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct UnpackerTest {
    directory: TempDir,
    unpacker: Unpacker,
}

impl UnpackerTest {
    fn new(max_bytes: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let unpacker = Unpacker::new(&directory.path().join("copies"), max_bytes, Arc::default());
        UnpackerTest { directory, unpacker }
    }

    fn add(&mut self, bytes: &[u8]) -> Arc<CompressedFile> {
        let path = self.directory.path().join("compressed");
        std::fs::write(&path, bytes).unwrap();
        let file = Arc::new(std::fs::File::open(&path).unwrap().into());
        std::fs::remove_file(&path).unwrap();
        let compression = Compression::of(bytes).unwrap();
        self.unpacker.add(FileId(1), file, compression).unwrap()
    }

    fn content(compressed: &CompressedFile) -> Vec<u8> {
        let mut bytes = Vec::new();
        OffsetReader { file: &*compressed.copy, offset: 0 }.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

#[test]
fn a_copy_holds_the_decompressed_content_and_has_no_name() {
    let mut test = UnpackerTest::new(MAX_COPY_BYTES);
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let compressed = test.add(&gzip(&bytes));
    test.unpacker.wait_until_done();
    assert_eq!(compressed.progress(), Progress::Complete);
    assert!(UnpackerTest::content(&compressed) == bytes);
    assert_eq!(test.unpacker.used(), bytes.len() as u64);
    assert_eq!(std::fs::read_dir(test.directory.path().join("copies")).unwrap().count(), 0);
    drop(compressed);
    assert_eq!(test.unpacker.used(), 0, "its space is free again");
}

#[test]
fn a_compression_bomb_stops_at_the_space_limit() {
    let mut test = UnpackerTest::new(4 << 20);
    let bomb = test.add(&gzip(&vec![0; 64 << 20]));
    test.unpacker.wait_until_done();
    assert_eq!(bomb.progress(), Progress::Full);
    assert!(test.unpacker.used() <= 4 << 20);
    let next = test.add(&gzip(&vec![1; 3 << 20]));
    test.unpacker.wait_until_done();
    assert_eq!(next.progress(), Progress::Full);
    next.empty();
    bomb.empty();
    test.unpacker.unpack_again(FileId(1), &next);
    test.unpacker.wait_until_done();
    assert_eq!(next.progress(), Progress::Complete);
    assert_eq!(test.unpacker.used(), 3 << 20);
}

/// Rewritten in place, so that its content is smaller now.
#[test]
fn a_file_whose_content_becomes_smaller_uses_less_space() {
    let mut test = UnpackerTest::new(MAX_COPY_BYTES);
    let path = test.directory.path().join("changing");
    std::fs::write(&path, gzip(&vec![1; 3 << 20])).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap().into());
    let compressed = test.unpacker.add(FileId(1), file, Compression::Gzip).unwrap();
    test.unpacker.wait_until_done();
    assert_eq!((compressed.size(), test.unpacker.used()), (3 << 20, 3 << 20));
    std::fs::write(&path, gzip(b"a line\n")).unwrap();
    test.unpacker.unpack_again(FileId(1), &compressed);
    test.unpacker.wait_until_done();
    assert_eq!((compressed.size(), test.unpacker.used()), (7, 7));
    drop(compressed);
    assert_eq!(test.unpacker.used(), 0);
}

#[test]
fn a_truncated_stream_is_reported_and_its_first_bytes_are_right() {
    let mut test = UnpackerTest::new(MAX_COPY_BYTES);
    let bytes: Vec<u8> = (0..3000u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let whole = gzip(&bytes);
    for to in (2..whole.len()).step_by(97) {
        let compressed = test.add(&whole[..to]);
        test.unpacker.wait_until_done();
        assert_eq!(compressed.progress(), Progress::Cut, "{to}");
        assert!(bytes.starts_with(&UnpackerTest::content(&compressed)), "{to}");
    }
    let mut damaged = whole.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    let compressed = test.add(&damaged);
    test.unpacker.wait_until_done();
    assert!(matches!(compressed.progress(), Progress::Corrupt(_)), "{:?}", compressed.progress());
}

#[test]
fn a_panic_while_unpacking_one_file_does_not_stop_the_others() {
    let mut test = UnpackerTest::new(MAX_COPY_BYTES);
    let supervisor = Supervisor::default();
    test.unpacker.supervisor = supervisor.clone();
    supervisor.break_part(PART);
    let broken = test.add(&gzip(b"a line\n"));
    test.unpacker.wait_until_done();
    assert!(matches!(broken.progress(), Progress::Failed(_)), "{:?}", broken.progress());
    let other = test.add(&gzip(b"another\n"));
    test.unpacker.wait_until_done();
    assert_eq!(UnpackerTest::content(&other), b"another\n");
    assert_eq!(supervisor.failures(), [(PART, 1)]);
}
