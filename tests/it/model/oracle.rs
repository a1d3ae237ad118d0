//! What had to come, what may have come twice, and what was lost to the byte.
//!
//! Complete: every whole line that lies where the design promises to find it is taken by everybody.
//! Unique: no byte is in two events. Permitted by a step:
//! - `copy`, `compress.….keep`: what stands beside its copy while neither is truncated may come again, to both, once
//!   for each copy that there is of it;
//! - `lose`, `old`: to whoever keeps cursors in the state alone, events of lives whose id the state forgot may come
//!   again, unless the same bytes lie in the same file as the first that began so.
//!
//! Counted: what was destroyed and not taken is said as lost: at least what the follower had surely seen, at most what
//! lay nowhere in the course of that run and stands behind the cursor with which the run began.

use std::collections::{BTreeMap, HashMap, HashSet};

use logwarden::event::{EventId, GenerationId};

use super::consumers::{Got, Lost};
use super::failure::{Failure, Kind};
use super::life::{LifeId, Piece};
use super::steps::Who;
use super::world::World;

/// Events of a generation, as the state of one epoch called it.
type Group = (GenerationId, usize);

/// What one consumer has of every piece: [from, to) of it, in which event.
type Cover = HashMap<usize, Vec<(usize, usize, EventId, Group)>>;

/// What one consumer has taken, told by lives.
pub struct Account<'a> {
    world: &'a World,
    who: Who,
    cover: Cover,
    pub lives: BTreeMap<Group, LifeId>,
    /// Groups that could be several lives: nothing but the first line that many files have.
    untold: HashSet<Group>,
}

impl<'a> Account<'a> {
    pub fn new(world: &'a World, who: Who, events: &'a [&'a Got]) -> Result<Self, Failure> {
        let mut groups: BTreeMap<Group, Vec<&Got>> = BTreeMap::new();
        for event in events {
            groups.entry((event.generation, event.taken.epoch)).or_default().push(event);
        }
        let mut account = Account {
            world,
            who,
            cover: Cover::new(),
            lives: BTreeMap::new(),
            untold: HashSet::new(),
        };
        let mut taken = HashSet::new();
        // Those that can be only one life come first: of the others each gets one that is left.
        let mut open: Vec<(Group, &[&Got], Vec<LifeId>)> = groups
            .iter()
            .map(|(group, events)| (*group, &events[..], account.candidates(events)))
            .collect();
        open.sort_by_key(|(_, _, lives)| lives.len());
        for (group, events, lives) in open {
            // The same id in another epoch is the same life, if it can be.
            let earlier = account.lives.iter().find(|((id, _), _)| *id == group.0);
            let earlier = earlier.map(|(_, life)| *life).filter(|life| lives.contains(life));
            let left = lives.iter().find(|life| !taken.contains(*life)).or(lives.last());
            let Some(life) = earlier.or(left.copied()) else {
                return Err(account.foreign(events));
            };
            taken.insert(life);
            if lives.len() > 1 {
                account.untold.insert(group);
            }
            account.lives.insert(group, life);
            events.iter().for_each(|event| account.add(group, life, event));
        }
        Ok(account)
    }

    fn candidates(&self, events: &[&Got]) -> Vec<LifeId> {
        let fits = |life: &LifeId| {
            events.iter().all(|event| self.fits(*life, event) && self.was_there(*life, event))
        };
        (0..self.world.lives.len()).filter(fits).collect()
    }

    fn fits(&self, life: LifeId, event: &Got) -> bool {
        let (from, to) = (event.bounds.0 as usize, event.bounds.1 as usize);
        let bytes = self.world.lives[life].bytes.get(from..to);
        let bytes = bytes.map(|bytes| bytes.strip_suffix(b"\n").unwrap_or(bytes));
        bytes == Some(&event.text[..])
    }

    /// When it was taken; what a life begins with may be older than itself.
    fn was_there(&self, life: LifeId, event: &Got) -> bool {
        let of_parent = |(parent, len)| event.bounds.1 <= len && self.was_there(parent, event);
        life < event.taken.lives || self.world.lives[life].parent.is_some_and(of_parent)
    }

    fn foreign(&self, events: &[&Got]) -> Failure {
        let misfits = |life: LifeId| events.iter().filter(|e| !self.fits(life, e)).count();
        let best = (0..self.world.lives.len()).min_by_key(|life| misfits(*life));
        let wrong = events.iter().find(|event| best.is_none_or(|life| !self.fits(life, event)));
        let text = format!(
            "{}: generation {:016x} holds bytes of no one life; best fits {best:?}, but not {:?}",
            self.who,
            events[0].generation.0,
            wrong.map(|event| (event.bounds, String::from_utf8_lossy(&event.text).into_owned()))
        );
        Failure::new(Kind::Foreign(self.who), text)
    }

    fn add(&mut self, group: Group, life: LifeId, event: &Got) {
        let (from, to) = event.bounds;
        for span in &self.world.lives[life].spans {
            let (start, end) = (span.start.max(from), span.end().min(to));
            if start < end {
                let at = |offset: u64| span.from + (offset - span.start) as usize;
                let part = (at(start), at(end), event.id, group);
                self.cover.entry(span.piece).or_default().push(part);
            }
        }
    }

    fn has(&self, piece: usize, from: usize, to: usize) -> bool {
        let parts = self.cover.get(&piece).map_or(&[][..], Vec::as_slice);
        let mut at = from;
        while at < to {
            let next =
                parts.iter().filter(|part| part.0 <= at && part.1 > at).map(|part| part.1).max();
            match next {
                Some(next) => at = next,
                None => return false,
            }
        }
        true
    }

    pub fn check(&self, lost: &[Lost]) -> Result<(), Failure> {
        self.complete()?;
        self.unique()?;
        self.unsplit()?;
        self.counted(lost)
    }

    fn complete(&self) -> Result<(), Failure> {
        let mut headers = 0;
        for (number, life) in self.world.lives.iter().enumerate() {
            let (surely, _) = self.world.reach(number);
            let end = life.whole_lines(surely);
            for span in life.spans.iter().filter(|span| span.end() <= end) {
                // Equal lines at equal places have equal ids where the state was lost.
                let is_header = self.world.pieces[span.piece].is_header;
                let untold = is_header && (life.has_other_id || headers < self.untold.len());
                if self.has(span.piece, span.from, span.to) {
                } else if untold {
                    headers += 1;
                } else {
                    let text = format!(
                        "{} never got {:?}, bytes [{}, {}) of life {number}; {}",
                        self.who,
                        self.world.pieces[span.piece].shown(),
                        span.start,
                        span.end(),
                        self.world.whereabouts(number)
                    );
                    return Err(Failure::new(Kind::Missing(self.who), text));
                }
            }
        }
        Ok(())
    }

    fn unique(&self) -> Result<(), Failure> {
        for (&piece, parts) in &self.cover {
            for part in parts {
                let overlapping = parts.iter().filter(|p| p.0 < part.1 && part.0 < p.1);
                let count = match self.who {
                    Who::Elastic => overlapping.map(|part| part.2).collect::<HashSet<_>>().len(),
                    Who::Archive => overlapping.count(),
                };
                let is_untold = parts.iter().any(|part| self.untold.contains(&part.3));
                if is_untold && self.world.pieces[piece].is_header {
                } else if count > self.allowed(piece, part.0) {
                    let text = format!(
                        "{} got {:?} {count} times: {parts:?}; {}",
                        self.who,
                        self.world.pieces[piece].shown(),
                        self.world.whereabouts(self.life_of(piece))
                    );
                    return Err(Failure::new(Kind::Twice(self.who), text));
                }
            }
        }
        Ok(())
    }

    /// No line in two parts that could be whole.
    fn unsplit(&self) -> Result<(), Failure> {
        for (&piece, parts) in &self.cover {
            let Piece { bytes, may_split, .. } = &self.world.pieces[piece];
            let is_whole = parts.iter().any(|part| part.0 == 0 && part.1 == bytes.len());
            if !is_whole && !may_split {
                let text = format!(
                    "{} got {:?} in parts: {parts:?}",
                    self.who,
                    self.world.pieces[piece].shown()
                );
                return Err(Failure::new(Kind::Split(self.who), text));
            }
        }
        Ok(())
    }

    fn life_of(&self, piece: usize) -> LifeId {
        let holds = |life: &super::life::Life| life.spans.iter().any(|span| span.piece == piece);
        self.world.lives.iter().position(holds).expect("it was written somewhere")
    }

    /// How often this byte may come.
    fn allowed(&self, piece: usize, from: usize) -> usize {
        let (mut more, mut is_forgotten) = (0, false);
        for life in &self.world.lives {
            let mut spans = life.spans.iter();
            let span = spans.find(|s| s.piece == piece && s.from <= from && from < s.to);
            if let Some(span) = span {
                if life.twins.iter().any(|len| span.start < *len) {
                    more = life.copies.max(more);
                }
                is_forgotten |= life.has_other_id;
            }
        }
        match self.who {
            Who::Elastic if is_forgotten => usize::MAX,
            _ => 1 + more,
        }
    }

    /// Over all runs, at least what was surely seen and is nowhere.
    fn counted(&self, lost: &[Lost]) -> Result<(), Failure> {
        let mut gone: HashMap<usize, (usize, LifeId)> = HashMap::new();
        for (number, life) in self.world.lives.iter().enumerate() {
            let (_, reach) = self.world.reach(number);
            for span in &life.spans {
                let (start, end) = (span.start.max(reach), span.end().min(life.seen));
                let at = |offset: u64| span.from + (offset - span.start) as usize;
                let is_untold = self.world.pieces[span.piece].is_header && !self.untold.is_empty();
                if start < end && !is_untold && !self.has(span.piece, at(start), at(end)) {
                    gone.insert(span.piece, (at(end) - at(start), number));
                }
            }
        }
        let least: u64 = gone.values().map(|(bytes, _)| *bytes as u64).sum();
        let said: u64 = lost.iter().map(|lost| lost.to - lost.from).sum();
        if said >= least {
            return Ok(());
        }
        let lives: std::collections::BTreeSet<LifeId> =
            gone.values().map(|(_, life)| *life).collect();
        let text = format!(
            "{} was told of {said} bytes lost, and {least} were seen and are nowhere: lives {lives:?}; {}",
            self.who,
            lives.iter().map(|life| self.world.whereabouts(*life)).collect::<Vec<_>>().join("; ")
        );
        Err(Failure::new(Kind::Uncounted(self.who), text))
    }
}

/// Where each life had been taken up to when a run began.
pub fn confirmed(
    lives: &BTreeMap<Group, LifeId>,
    cursors: impl Iterator<Item = (GenerationId, u64)>,
) -> BTreeMap<LifeId, u64> {
    let mut all = BTreeMap::new();
    for (generation, offset) in cursors {
        for ((other, _), life) in lives {
            if *other == generation {
                let known = all.entry(*life).or_insert(offset);
                *known = offset.min(*known);
            }
        }
    }
    all
}

/// In one run, at most what lay nowhere at some time and stood behind the cursors of its beginning.
pub fn not_overcounted(
    world: &World,
    who: Who,
    confirmed: &BTreeMap<LifeId, u64>,
    lost: &[Lost],
) -> Result<(), Failure> {
    let said: u64 = lost.iter().map(|lost| lost.to - lost.from).sum();
    let mut most = 0;
    for (number, life) in world.lives.iter().enumerate() {
        if let Some(from) = life.destroyed_from {
            let from = from.max(confirmed.get(&number).copied().unwrap_or(0));
            most += life.len().saturating_sub(from);
        }
        // Of a file and a copy that is read as a file of its own, each is lost on its own.
        most += life.twins.iter().max().unwrap_or(&0) * life.gone as u64;
    }
    if said <= most {
        return Ok(());
    }
    let places: Vec<String> = (0..world.lives.len()).map(|life| world.whereabouts(life)).collect();
    let text = format!(
        "{who} was told of {said} bytes lost in this run ({lost:?}), and at most {most} were: {}",
        places.join("; ")
    );
    Err(Failure::new(Kind::Overcounted(who), text))
}

impl World {
    pub fn whereabouts(&self, life: LifeId) -> String {
        let known = &self.lives[life];
        let files = self.files.iter().filter(|file| file.life == Some(life));
        let files: Vec<String> = files
            .map(|file| match &file.path {
                Some(path) => format!("{} ({})", path.display(), file.len),
                None => format!("no name, kept: {:?} ({})", file.kept, file.len),
            })
            .collect();
        format!(
            "life {life}: {} bytes, {} seen, {:?} surely and maybe found, destroyed from {:?}, in [{}]",
            known.len(),
            known.seen,
            self.reach(life),
            known.destroyed_from,
            files.join(", ")
        )
    }
}
