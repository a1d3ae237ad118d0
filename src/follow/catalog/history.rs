//! All known generations, indexed by the ways to recognise one: the file in which it began, the file that holds it now,
//! and its head. Includes generations that are known only from positions that sinks keep themselves.

use std::collections::{BTreeMap, HashMap};

use crate::event::{FileKey, GenerationId, IdKey, Identity, Mark};

#[derive(Debug, Default)]
pub(in crate::follow) struct History {
    entries: HashMap<GenerationId, Entry>,
    /// In the order in which the generations were first seen.
    by_file: HashMap<FileKey, Vec<GenerationId>>,
    by_head: HashMap<(u32, u64), Vec<GenerationId>>,
    /// Number of heads per length.
    head_lengths: BTreeMap<u32, usize>,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    /// The file that holds it now, if it is not the one in which it began.
    moved: Option<FileKey>,
    /// For a generation without a row, known only from a sink's position: the furthest mark.
    mark_without_row: Option<Mark>,
    /// From sinks that keep their own positions: the furthest position, and the furthest mark.
    sinks: (u64, Mark),
}

impl Entry {
    fn file(&self) -> FileKey {
        self.moved.unwrap_or_else(|| self.identity.file_key())
    }
}

impl History {
    /// Adds a generation that has a row in the state. To be called in the order in which they were first seen.
    pub fn add(&mut self, id: GenerationId, identity: &Identity, moved: Option<FileKey>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            // The state has a row for it now.
            entry.mark_without_row = None;
        } else {
            self.insert(id, identity, None);
        }
        if let Some(moved) = moved {
            self.move_to(id, moved);
        }
    }

    /// Adds a generation that a sink's own position names, so that it can be recognised and its ordinal is not reused.
    pub fn add_position(&mut self, id: GenerationId, identity: &Identity, mark: Mark, offset: u64) {
        match self.entries.get_mut(&id) {
            None => self.insert(id, identity, Some(mark)),
            Some(entry) => {
                if let Some(known) = &mut entry.mark_without_row
                    && known.offset < mark.offset
                {
                    *known = mark;
                }
            }
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.sinks.0 = entry.sinks.0.max(offset);
            if entry.sinks.1.offset < mark.offset {
                entry.sinks.1 = mark;
            }
        }
    }

    /// The furthest byte that sinks with their own positions knew of at the start. After a kill this may be further
    /// than the state knows.
    pub fn sink_end(&self, id: GenerationId) -> u64 {
        self.entries.get(&id).map_or(0, |entry| entry.sinks.0.max(entry.sinks.1.offset))
    }

    /// The furthest position of sinks that keep their own.
    pub fn sink_offset(&self, id: GenerationId) -> u64 {
        self.entries.get(&id).map_or(0, |entry| entry.sinks.0)
    }

    /// The furthest mark that these sinks know.
    pub fn sink_mark(&self, id: GenerationId) -> Option<Mark> {
        self.entries.get(&id).map(|entry| entry.sinks.1)
    }

    fn insert(&mut self, id: GenerationId, identity: &Identity, mark_without_row: Option<Mark>) {
        self.by_file.entry(identity.file_key()).or_default().push(id);
        self.by_head.entry((identity.head_len, identity.head_hash)).or_default().push(id);
        *self.head_lengths.entry(identity.head_len).or_default() += 1;
        let entry = Entry {
            identity: identity.clone(),
            moved: None,
            mark_without_row,
            sinks: (0, Mark::default()),
        };
        self.entries.insert(id, entry);
    }

    /// Records that the generation is in another file now.
    pub fn move_to(&mut self, id: GenerationId, file: FileKey) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (before, began) = (entry.file(), entry.identity.file_key());
        entry.moved = Some(file).filter(|file| *file != began);
        // It stays indexed by the file in which it began: later generations of that file take higher ordinals.
        if before != began && before != file {
            forget(&mut self.by_file, &before, id);
        }
        let there = self.by_file.entry(file).or_default();
        if !there.contains(&id) {
            there.push(id);
        }
    }

    pub fn remove(&mut self, id: GenerationId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        forget(&mut self.by_file, &entry.identity.file_key(), id);
        forget(&mut self.by_file, &entry.file(), id);
        let Identity { head_len, head_hash, .. } = entry.identity;
        forget(&mut self.by_head, &(head_len, head_hash), id);
        if let Some(count) = self.head_lengths.get_mut(&head_len) {
            *count -= 1;
        }
        self.head_lengths.retain(|_, count| *count > 0);
    }

    /// Generations that were last in this file or that began in it, the latest first.
    pub fn of_file(&self, file: FileKey) -> impl Iterator<Item = GenerationId> + '_ {
        self.by_file.get(&file).into_iter().flatten().rev().copied()
    }

    /// Generations with the same first line.
    pub fn of_head(&self, identity: &Identity) -> impl Iterator<Item = GenerationId> + '_ {
        self.by_head.get(&(identity.head_len, identity.head_hash)).into_iter().flatten().copied()
    }

    /// As [`History::of_head`], plus generations that were identified by a shorter, incomplete first line because
    /// nothing was written for a long time. `hash` gives the hash of the file's first bytes. (No complete line is a
    /// prefix of another one.)
    pub fn of_beginning(
        &self,
        identity: &Identity,
        hash: impl Fn(usize) -> u64,
    ) -> impl Iterator<Item = GenerationId> + '_ {
        let shorter = self.head_lengths.range(..identity.head_len);
        let heads: Vec<_> = shorter.map(|(len, _)| (*len, hash(*len as usize))).collect();
        let of_shorter = heads.into_iter().filter_map(|head| self.by_head.get(&head));
        of_shorter.flatten().copied().chain(self.of_head(identity))
    }

    pub fn identity(&self, id: GenerationId) -> Option<&Identity> {
        self.entries.get(&id).map(|entry| &entry.identity)
    }

    /// The mark of a generation that is known only from a sink's position.
    pub fn mark_without_row(&self, id: GenerationId) -> Option<Mark> {
        self.entries.get(&id)?.mark_without_row
    }

    /// Generations that are known only from a sink's position.
    pub fn without_rows(&self) -> impl Iterator<Item = (GenerationId, &Identity, Mark)> + '_ {
        let only = |(id, entry): (&GenerationId, &'_ Entry)| Some((*id, entry.mark_without_row?));
        self.entries.iter().filter_map(move |(id, entry)| {
            only((id, entry)).map(|(id, m)| (id, &entry.identity, m))
        })
    }

    /// The identity with an ordinal above those of all known earlier generations of the same file and head: an expired
    /// row must not pass its ordinal, and with it its cursors, to a later generation.
    pub fn next_generation(&self, mut identity: Identity, key: &IdKey) -> (GenerationId, Identity) {
        let begins_alike = |other: &&Identity| {
            other.file_key() == identity.file_key()
                && (other.head_len, other.head_hash) == (identity.head_len, identity.head_hash)
        };
        let generations = self.by_file.get(&identity.file_key()).into_iter().flatten();
        let generations = generations.filter_map(|id| self.identity(*id)).filter(begins_alike);
        identity.ordinal = generations.map(|generation| generation.ordinal + 1).max().unwrap_or(0);
        loop {
            let id = identity.id(key);
            if !self.entries.contains_key(&id) {
                return (id, identity);
            }
            identity.ordinal += 1;
        }
    }
}

fn forget<K: std::hash::Hash + Eq>(
    index: &mut HashMap<K, Vec<GenerationId>>,
    key: &K,
    id: GenerationId,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_generation_does_not_pass_its_ordinal_to_a_later_one() {
        let key = IdKey::from_host_id("test");
        let identity = Identity { inode: 7, birth: 1, head_len: 5, head_hash: 9, ordinal: 0 };
        let mut history = History::default();
        let mut generations = Vec::new();
        for expected in 0..3 {
            let (id, generation) = history.next_generation(identity.clone(), &key);
            assert_eq!(generation.ordinal, expected);
            history.add(id, &generation, None);
            generations.push(id);
        }
        history.remove(generations[0]);
        let (id, generation) = history.next_generation(identity.clone(), &key);
        assert_eq!(generation.ordinal, 3);
        assert!(!generations.contains(&id));
        let other = Identity { head_hash: 10, ..identity };
        assert_eq!(history.next_generation(other, &key).1.ordinal, 0);
    }

    #[test]
    fn a_generation_is_found_by_its_first_and_by_its_current_file() {
        let key = IdKey::from_host_id("test");
        let identity = Identity { inode: 7, birth: 1, head_len: 5, head_hash: 9, ordinal: 0 };
        let (id, file) = (identity.id(&key), |inode| FileKey { inode, birth: 1 });
        let mut history = History::default();
        history.add(id, &identity, Some(file(8)));
        let of = |history: &History, inode| history.of_file(file(inode)).collect::<Vec<_>>();
        assert_eq!((of(&history, 7), of(&history, 8)), (vec![id], vec![id]));
        history.move_to(id, file(9));
        assert_eq!((of(&history, 8), of(&history, 9)), (vec![], vec![id]));
        history.remove(id);
        assert_eq!((of(&history, 7), of(&history, 9)), (vec![], vec![]));
    }

    #[test]
    fn a_generation_known_only_from_a_position_keeps_its_ordinal() {
        let key = IdKey::from_host_id("test");
        let identity = Identity { inode: 7, birth: 1, head_len: 5, head_hash: 9, ordinal: 0 };
        let id = identity.id(&key);
        let mut history = History::default();
        history.add_position(id, &identity, Mark { offset: 10, hash: 1, wide: 0 }, 10);
        history.add_position(id, &identity, Mark { offset: 20, hash: 2, wide: 0 }, 15);
        assert_eq!(history.sink_end(id), 20);
        assert_eq!(history.mark_without_row(id), Some(Mark { offset: 20, hash: 2, wide: 0 }));
        assert_eq!(history.next_generation(identity.clone(), &key).1.ordinal, 1);
        history.add(id, &identity, None);
        assert_eq!(history.mark_without_row(id), None);
    }
}
