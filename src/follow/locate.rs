//! Locates the files of generations that are not open: renamed, copied, compressed or moved while they were not
//! followed.
//!
//! Names select the files worth opening; their content decides. Files are only opened here and identified like any
//! other file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::SourceConfig;
use super::discover::{self, FoundFile};
use super::follower::Follower;
use super::identity::{self, DeviceInode, Head, matches_mark};
use super::origin::Origin;
use super::rotated_names::{self, directory_of};
use super::symlinks;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::FileKey;
use crate::state::GenerationRow;

/// Birth times come from a coarser clock than the current time.
pub(in crate::follow) const BIRTH_TIME_RESOLUTION: Duration = Duration::from_millis(20);

/// Coarsest resolution of file times (FAT).
const FILE_TIME_RESOLUTION: Duration = Duration::from_secs(2);

/// Tests whether an open file has the content that is searched for.
pub(in crate::follow) type ContentTest<'a> = &'a dyn Fn(&Follower, &File) -> bool;

impl Follower {
    /// The index of the source to which a generation belongs now: the source named in its row if that matches its path,
    /// otherwise the first that does.
    pub fn source_of(&self, row: &GenerationRow) -> Option<usize> {
        let matches = |source: &Arc<SourceConfig>| {
            [&row.path, &row.first_path].into_iter().any(|path| discover::means(source, path))
        };
        let of_name = self.sources.iter().position(|source| *source.name == *row.source);
        let by_name = of_name.filter(|index| matches(&self.sources[*index]));
        by_name.or_else(|| self.sources.iter().position(matches))
    }

    /// Assigns generations without an open file to the sources that match them now; records those that no source
    /// matches.
    pub fn assign_rows_to_sources(&mut self) {
        let rows: Vec<GenerationRow> = self.shared.without_file().values().cloned().collect();
        let mut orphans = HashSet::new();
        for row in rows {
            let Some(source) = self.source_of(&row) else {
                orphans.insert(row.id);
                continue;
            };
            let name = &self.sources[source].name;
            if **name != *row.source {
                let row = GenerationRow { source: name.to_string(), ..row };
                if let Some(store) = self.shared.store.get() {
                    store.put_generation(row.clone());
                }
                let id = row.id;
                self.shared.without_file().insert(id, row);
                self.shared.mark(id);
            }
        }
        self.shared.set_orphans(orphans);
    }

    /// Generations without an open file of which there may be more to read, each with its source.
    fn rows_to_locate(&self) -> Vec<(usize, GenerationRow)> {
        let rows: Vec<GenerationRow> = self.shared.without_file().values().cloned().collect();
        rows.into_iter()
            .filter(|row| self.catalog.by_generation(row.id).is_none() && row.rest.is_none())
            .filter(|row| row.ended.is_none() || self.shared.has_unread(row) == Some(true))
            .filter_map(|row| Some((self.source_of(&row)?, row)))
            .collect()
    }

    /// Opens possible files of generations that are not open, and files that were created and rotated meanwhile.
    pub fn locate_missing_files(&mut self) {
        let rows = self.rows_to_locate();
        let files = rows.iter().map(|(source, row)| (*source, row.file_key())).collect();
        self.find_by_inode(files, rows.iter().map(|(_, row)| row), &|_, _| true);
        self.find_reused_files();
        for (source, row) in &rows {
            let found = self.catalog.by_file_key(row.file_key()).is_some_and(|tracked| {
                let has_mark = |file: Arc<File>| {
                    matches_mark(&file, row.last_mark(), self.key()).unwrap_or(true)
                };
                !tracked.handle.is_idle() && tracked.file().is_none_or(has_mark)
            });
            if !found {
                let fits = |follower: &Follower, file: &File| follower.holds_generation(file, row);
                self.open_candidates(
                    *source,
                    row,
                    row.first_seen.minus(BIRTH_TIME_RESOLUTION),
                    &fits,
                );
            }
        }
        self.find_copies_for_positions();
        self.find_files_created_meanwhile();
    }

    /// Whether the file has the head and the mark of the generation.
    pub fn holds_generation(&self, file: &File, row: &GenerationRow) -> bool {
        Head::read(file).is_ok_and(|head| head.matches(&row.identity, self.key()))
            && matches_mark(file, row.last_mark(), self.key()).unwrap_or(false)
    }

    /// Finds logs whose last generation ended or continues in a copy, and that were then written again and renamed:
    /// their new content has never been read.
    fn find_reused_files(&mut self) {
        let rows: Vec<GenerationRow> = self.shared.without_file().values().cloned().collect();
        let former_file = |row: &GenerationRow| match row.moved {
            Some(_) => Some(row.identity.file_key()),
            None => (row.ended.is_some() && row.path == row.first_path).then(|| row.file_key()),
        };
        let former_files = rows.iter().filter_map(|row| Some((row, former_file(row)?)));
        let files: Vec<(usize, FileKey)> = former_files
            .filter(|(_, file)| file.birth != 0)
            .filter_map(|(row, file)| Some((self.source_of(row)?, file)))
            .collect();
        let is_new = |follower: &Follower, path: &Path| {
            let Ok(file) = timed_fs::open(path) else { return false };
            let Ok(metadata) = file.metadata() else { return false };
            let key = identity::key_of(&metadata);
            let mut generations =
                rows.iter().filter(|row| row.file_key() == key || row.identity.file_key() == key);
            metadata.len() > 0
                && !generations.any(|generation| follower.holds_generation(&file, generation))
        };
        self.find_by_inode(files, &rows, &is_new);
    }

    /// Finds files by inode and birth time, under any name, in their old directories and those of the sources.
    fn find_by_inode<'a>(
        &mut self,
        files: Vec<(usize, FileKey)>,
        rows: impl IntoIterator<Item = &'a GenerationRow>,
        is_wanted: &dyn Fn(&Follower, &Path) -> bool,
    ) {
        let mut by_inode: HashMap<u64, Vec<(usize, FileKey)>> = HashMap::new();
        for (source, file) in files {
            if self.catalog.by_file_key(file).is_none() {
                by_inode.entry(file.inode).or_default().push((source, file));
            }
        }
        if by_inode.is_empty() {
            return;
        }
        let directories = self.directories_around(rows.into_iter().map(|row| &*row.path));
        for directory in directories {
            let Ok(listing) = self.listings.borrow_mut().get(&directory) else { continue };
            for (name, inode) in &listing.files {
                for (source, file) in by_inode.get(inode).into_iter().flatten() {
                    let path = directory.join(name);
                    let Ok(metadata) = timed_fs::symlink_metadata(&path) else { continue };
                    if identity::birth(&metadata) == file.birth && is_wanted(self, &path) {
                        let place = DeviceInode::of(&metadata);
                        let found = FoundFile { source: *source, path, place };
                        self.find_or_open(&found, Origin::PossibleCopy);
                    }
                }
            }
        }
    }

    /// Opens files that may hold the rest of this generation: those with a rotated name that were changed after `since`
    /// and whose content passes `fits`. Of a compressed file the content is known only after unpacking, so it is opened
    /// without that test.
    pub fn open_candidates(
        &mut self,
        source: usize,
        row: &GenerationRow,
        since: Timestamp,
        fits: ContentTest<'_>,
    ) {
        for (path, place) in self.rotated_files_of(row) {
            let Ok(metadata) = timed_fs::metadata(&path) else { continue };
            let place = DeviceInode { device: metadata.dev(), ..place };
            let changed = metadata.ctime().saturating_mul(1_000_000_000) + metadata.ctime_nsec();
            let made = Timestamp(identity::birth(&metadata).max(changed));
            // Some file systems store whole seconds.
            if made.plus(FILE_TIME_RESOLUTION) < since || self.catalog.by_place(place).is_some() {
                continue;
            }
            if rotated_names::has_supported_compression(&path) {
                self.find_or_open(&FoundFile { source, path, place }, Origin::RotatedMeanwhile);
                continue;
            }
            let Ok(file) = timed_fs::open(&path) else { continue };
            if fits(self, &file) {
                // If this fails, the search is repeated later.
                let _ = self.track(Arc::new(file), source, &path, Origin::PossibleCopy);
            }
        }
    }

    /// Directories into which these files may have been moved: their own, those of link targets, all directories one
    /// level below (such as logrotate's `olddir`), and those of the sources.
    pub fn directories_around<'a>(
        &self,
        paths: impl Iterator<Item = &'a Path>,
    ) -> BTreeSet<PathBuf> {
        let mut directories: BTreeSet<PathBuf> = self.scan_state.directories.clone();
        for path in paths {
            let home = directory_of(path);
            let real = timed_fs::canonicalize(path).ok();
            let homes = [Some(home.to_owned()), real.map(|real| directory_of(&real).to_owned())];
            for home in homes.into_iter().flatten() {
                if let Ok(listing) = self.listings.borrow_mut().get(&home) {
                    directories.extend(listing.directories.iter().map(|name| home.join(name)));
                }
                directories.insert(home);
            }
        }
        directories
    }

    /// Files whose names are rotated names of this generation, in its directory and those of the sources.
    fn rotated_files_of(&self, row: &GenerationRow) -> Vec<(PathBuf, DeviceInode)> {
        let labels = [&row.path, &row.first_path].into_iter().filter(|p| !p.as_os_str().is_empty());
        let labels: Vec<PathBuf> = labels.flat_map(|path| symlinks::chain(path)).collect();
        let roots: Vec<_> = labels.iter().map(|path| rotated_names::root(path)).collect();
        let directories = self.directories_around(labels.iter().map(PathBuf::as_path));
        let mut found = Vec::new();
        for directory in directories {
            let Ok(listing) = self.listings.borrow_mut().get(&directory) else { continue };
            for (name, inode) in &listing.files {
                let place = DeviceInode { device: listing.device, inode: *inode };
                if self.catalog.by_place(place).is_some()
                    || rotated_names::has_unsupported_compression(Path::new(name))
                {
                    continue;
                }
                let is_rotated = |path: &PathBuf| {
                    path.file_name()
                        .is_some_and(|of| rotated_names::is_rotated(of.as_bytes(), name.as_bytes()))
                };
                let has_rotated_name = labels.iter().any(is_rotated)
                    || roots.contains(&rotated_names::root(Path::new(name)));
                if has_rotated_name {
                    found.push((directory.join(name), place));
                }
            }
        }
        found
    }

    /// Opens rotated copies of generations that are known only from the positions that sinks store.
    fn find_copies_for_positions(&mut self) {
        let only: Vec<_> = self
            .catalog
            .history
            .without_rows()
            .map(|(_, identity, mark)| (identity.clone(), mark))
            .collect();
        if only.is_empty() {
            return;
        }
        let fits = |follower: &Follower, file: &File| {
            Head::read(file).is_ok_and(|head| {
                only.iter().any(|(identity, mark)| {
                    head.matches(identity, follower.key())
                        && matches_mark(file, mark, follower.key()).unwrap_or(false)
                })
            })
        };
        let paths: Vec<(usize, PathBuf)> =
            self.catalog.iter().map(|(_, t)| (t.source, t.handle.path().to_path_buf())).collect();
        for (source, path) in paths {
            self.open_siblings(source, &path, &fits);
        }
    }

    fn open_siblings(&mut self, source: usize, path: &Path, fits: ContentTest<'_>) {
        for (path, place) in self.siblings(path) {
            if rotated_names::has_supported_compression(&path) {
                self.find_or_open(&FoundFile { source, path, place }, Origin::RotatedMeanwhile);
            } else if let Ok(file) = timed_fs::open(&path)
                && fits(self, &file)
            {
                let _ = self.track(Arc::new(file), source, &path, Origin::PossibleCopy);
            }
        }
    }

    /// Files beside `path` that have a rotated name of it and are not followed.
    pub fn siblings(&self, path: &Path) -> Vec<(PathBuf, DeviceInode)> {
        symlinks::chain(path).iter().flat_map(|path| self.siblings_of_file(path)).collect()
    }

    fn siblings_of_file(&self, path: &Path) -> Vec<(PathBuf, DeviceInode)> {
        let Some(name) = path.file_name() else { return Vec::new() };
        let directory = directory_of(path);
        let Ok(listing) = self.listings.borrow_mut().get(directory) else { return Vec::new() };
        let is_sibling = |(other, inode): &&(std::ffi::OsString, u64)| {
            let place = DeviceInode { device: listing.device, inode: *inode };
            rotated_names::is_rotated(name.as_bytes(), other.as_bytes())
                && !rotated_names::is_scratch(other.as_bytes())
                && !rotated_names::has_unsupported_compression(Path::new(other))
                && self.catalog.by_place(place).is_none()
        };
        let found = listing.with_prefix(name).filter(is_sibling);
        let place = |inode| DeviceInode { device: listing.device, inode };
        found.map(|(other, inode)| (directory.join(other), place(*inode))).collect()
    }

    /// Opens files that were created beside a log after it was last seen and now have rotated names, whether the log
    /// itself was read to its end or is still followed.
    fn find_files_created_meanwhile(&mut self) {
        let rows: Vec<GenerationRow> = self.shared.without_file().values().cloned().collect();
        let rows = rows.iter().filter_map(|row| Some((self.source_of(row)?, row)));
        let open_rows = self
            .identified_files()
            .filter_map(|tracked| Some((tracked.source, tracked.row.as_ref()?)));
        let all_rows = open_rows.chain(rows);
        // Per path, the time of its latest generation.
        let mut since: BTreeMap<PathBuf, (usize, Timestamp, DeviceInode)> = BTreeMap::new();
        for (source, row) in all_rows.filter(|(_, row)| row.first_path.is_absolute()) {
            let place = DeviceInode { device: row.device, inode: row.file_key().inode };
            let seen = (source, row.first_seen, place);
            let latest = since.entry(row.first_path.clone()).or_insert(seen);
            latest.1 = latest.1.max(row.first_seen);
        }
        let now = self.shared.clock.now();
        for (path, (source, since, place)) in since {
            self.open_files_between(
                source,
                &path,
                (since.minus(BIRTH_TIME_RESOLUTION), Timestamp::MAX),
                false,
            );
            // If no file is at the path now, the next one may be renamed before a scan sees it.
            self.scan_state.last_file_at.entry(path).or_insert((place, now));
        }
    }
}
