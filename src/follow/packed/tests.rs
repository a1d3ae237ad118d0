use std::fs::{self, File};
use std::io::Write;

use super::*;
use crate::base::SystemClock;
use crate::event::IdKey;
use crate::follow::shared::Shared;
use crate::follow::watch::Watch;
use crate::follow::{LogConfig, SourceConfig};

#[test]
fn what_was_unpacked_since_the_last_look_is_looked_at_before_it_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&b"line\n".repeat(1000)).unwrap();
    fs::write(&path, packed.finish().unwrap()).unwrap();
    let source = SourceConfig::of_file("app", path.clone());
    let key = IdKey::from_host_id("test");
    let config =
        LogConfig { sources: vec![source], once: false, host: "here".into(), key, intake: None };
    let shared = Arc::new(Shared::new(config, Arc::new(SystemClock::new())));
    let mut follower = Follower::new(shared, Watch::none());
    let id = follower
        .track(Arc::new(File::open(&path).unwrap()), 0, &path, crate::follow::origin::Origin::Path)
        .unwrap();
    follower.unpacker.finish();
    assert_eq!(follower.catalog.get(id).unwrap().size, 0, "nobody has looked");
    assert!(!follower.is_unpacked(id, false));
    follower.look(id);
    assert_eq!(follower.catalog.get(id).unwrap().size, 5000);
    assert!(follower.is_unpacked(id, false));
}
