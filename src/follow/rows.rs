//! All generations that were ever seen, by what a file can be recognised by.

use std::collections::HashMap;

use crate::event::{GenerationId, IdKey, Identity};

#[derive(Debug, Default)]
pub(in crate::follow) struct Rows {
    identities: HashMap<GenerationId, Identity>,
    /// In the order in which they were first seen.
    by_inode: HashMap<u64, Vec<GenerationId>>,
    by_head: HashMap<(u32, u64), Vec<GenerationId>>,
}

impl Rows {
    /// In the order in which they were first seen.
    pub fn add(&mut self, id: GenerationId, identity: &Identity) {
        if self.identities.insert(id, identity.clone()).is_none() {
            self.by_inode.entry(identity.inode).or_default().push(id);
            self.by_head.entry((identity.head_len, identity.head_hash)).or_default().push(id);
        }
    }

    pub fn remove(&mut self, id: GenerationId) {
        let Some(identity) = self.identities.remove(&id) else { return };
        if let Some(ids) = self.by_inode.get_mut(&identity.inode) {
            ids.retain(|other| *other != id);
        }
        if let Some(ids) = self.by_head.get_mut(&(identity.head_len, identity.head_hash)) {
            ids.retain(|other| *other != id);
        }
    }

    /// Generations of this very inode, the latest first.
    pub fn of_inode(&self, inode: u64, birth: i64) -> Vec<(GenerationId, Identity)> {
        let ids = self.by_inode.get(&inode).map_or(&[][..], Vec::as_slice);
        ids.iter()
            .rev()
            .filter_map(|id| Some((*id, self.identities.get(id)?.clone())))
            .filter(|(_, identity)| identity.birth == birth)
            .collect()
    }

    /// Generations of other files that begin with the same line.
    pub fn of_head(&self, identity: &Identity) -> Vec<GenerationId> {
        let ids = self.by_head.get(&(identity.head_len, identity.head_hash));
        // An inode may have been used again, by the copy of what it was before.
        let is_other =
            |other: &Identity| (other.inode, other.birth) != (identity.inode, identity.birth);
        ids.map_or(&[][..], Vec::as_slice)
            .iter()
            .filter(|id| self.identities.get(id).is_some_and(is_other))
            .copied()
            .collect()
    }

    /// The identity with an ordinal behind those of all earlier lives that are known: one whose row has
    /// expired must not lend its number, and with it its cursors, to a later life.
    pub fn next_life(&self, mut identity: Identity, key: &IdKey) -> (GenerationId, Identity) {
        let begins_alike = |other: &&Identity| {
            other.birth == identity.birth
                && (other.head_len, other.head_hash) == (identity.head_len, identity.head_hash)
        };
        let lives = self.by_inode.get(&identity.inode).into_iter().flatten();
        let lives = lives.filter_map(|id| self.identities.get(id)).filter(begins_alike);
        identity.ordinal = lives.map(|life| life.ordinal + 1).max().unwrap_or(0);
        loop {
            let id = identity.id(key);
            if !self.identities.contains_key(&id) {
                return (id, identity);
            }
            identity.ordinal += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_life_does_not_lend_its_number_to_a_later_one() {
        let key = IdKey::from_host_id("test");
        let identity = Identity { inode: 7, birth: 1, head_len: 5, head_hash: 9, ordinal: 0 };
        let mut rows = Rows::default();
        let mut lives = Vec::new();
        for expected in 0..3 {
            let (id, life) = rows.next_life(identity.clone(), &key);
            assert_eq!(life.ordinal, expected);
            rows.add(id, &life);
            lives.push(id);
        }
        rows.remove(lives[0]);
        let (id, life) = rows.next_life(identity.clone(), &key);
        assert_eq!(life.ordinal, 3);
        assert!(!lives.contains(&id));
        let other = Identity { head_hash: 10, ..identity };
        assert_eq!(rows.next_life(other, &key).1.ordinal, 0);
    }
}
