//! Tests: which rules fire and resolve for given events and times.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::alert::defaults;
use crate::alert::threshold::{MAX_KEYS, OTHER};
use crate::event::batch::{Batch, Record};
use crate::event::fields::{Decode, Part, Value};
use crate::event::status::RuleState;
use crate::event::{Generation, GenerationId, IdKey, Identity, Level};
use crate::query::Expr;

/// A format of `name=value` words.
#[derive(Debug)]
struct Words;

impl Decode for Words {
    fn name(&self) -> &'static str {
        "words"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        for word in std::str::from_utf8(text).unwrap().split(' ') {
            if let Some((name, value)) = word.split_once('=') {
                each(Part::Field(name.into(), Value::Text(value.into())));
            }
        }
    }
}

/// Builds events of one generation of a source.
struct Feed {
    generation: Arc<Generation>,
    offset: u64,
}

impl Feed {
    fn new(source: &str) -> Feed {
        let key = IdKey::from_host_id("test");
        let identity = Identity { inode: 1, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
        let generation = Generation {
            id: GenerationId(source.len() as u64),
            identity,
            source: source.into(),
            service: None,
            host: "here".into(),
            key,
        };
        Feed { generation: Arc::new(generation), offset: 0 }
    }

    fn batch(&mut self, second: i64, level: Level, text: &str, flags: Flags) -> Batch {
        let start = self.offset;
        self.offset += text.len() as u64 + 1;
        let record = Record {
            start,
            end: self.offset,
            at: 0,
            len: text.len() as u32,
            time: Timestamp::from_seconds(second),
            level: Some(level),
            precision: 0,
            flags,
        };
        Batch {
            generation: self.generation.clone(),
            path: std::path::Path::new("x.log").into(),
            decode: Arc::new(Words),
            seen: Timestamp::MAX,
            day: 0,
            start,
            end: self.offset,
            bytes: text.as_bytes().into(),
            records: vec![record],
        }
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

/// A clock time long after all event times of these tests.
const LATER: i64 = 1_000_000;

/// `fired KEY count first-last` or `resolved …`.
fn brief(transition: Transition) -> String {
    let change = format!("{:?}", transition.change).to_lowercase();
    let Transition { rule, key, count, first, last, .. } = transition;
    format!("{rule} {change} [{key}] {count} {}-{}", first.seconds(), last.seconds())
}

struct Bench {
    engine: Engine,
    feeds: Vec<Feed>,
    seen: Vec<String>,
}

impl Bench {
    fn new(rules: Vec<RuleConfig>) -> Bench {
        Bench { engine: Engine::new(rules, &Arc::default()), feeds: Vec::new(), seen: Vec::new() }
    }

    fn feed(&mut self, source: &str, second: i64, level: Level, text: &str, now: i64) -> &mut Self {
        self.feed_flagged(source, second, level, text, now, Flags::default())
    }

    fn feed_flagged(
        &mut self,
        source: &str,
        second: i64,
        level: Level,
        text: &str,
        now: i64,
        flags: Flags,
    ) -> &mut Self {
        let known = self.feeds.iter().position(|feed| &*feed.generation.source == source);
        let number = known.unwrap_or_else(|| {
            self.feeds.push(Feed::new(source));
            self.feeds.len() - 1
        });
        let batch = self.feeds[number].batch(second, level, text, flags);
        let seen = &mut self.seen;
        self.engine.on_event(&batch.event(0), at(now), &mut |change| seen.push(brief(change)));
        self
    }

    /// An error of the history: it existed when its file was first read.
    fn feed_old(&mut self, source: &str, second: i64) {
        self.feeds.push(Feed::new(source));
        let batch =
            self.feeds.last_mut().unwrap().batch(second, Level::Error, "x", Flags::default());
        let seen = &mut self.seen;
        let announce = &mut |change| seen.push(brief(change));
        self.engine.on_old_event(&batch.event(0), at(LATER), announce);
    }

    /// An error of `app`.
    fn error(&mut self, second: i64) -> &mut Self {
        self.feed("app", second, Level::Error, "x", LATER)
    }

    fn info(&mut self, second: i64) -> &mut Self {
        self.feed("app", second, Level::Info, "x", LATER)
    }

    fn tick(&mut self, now: i64) -> &mut Self {
        let seen = &mut self.seen;
        self.engine.tick(at(now), &mut |change| seen.push(brief(change)));
        self
    }

    fn settle(&mut self, now: i64) -> &mut Self {
        let seen = &mut self.seen;
        self.engine.settle(at(now), &mut |change| seen.push(brief(change)));
        self
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    fn status(&self, rule: usize, now: i64) -> RuleStatus {
        self.engine.statuses(at(now)).remove(rule)
    }
}

fn errors(count: u64, window: u64, by: &[&str]) -> RuleConfig {
    RuleConfig {
        name: "e".into(),
        condition: Expr::Level { low: Level::Error, high: Level::Fatal },
        condition_text: "level>=error".into(),
        count,
        window: Duration::from_secs(window),
        by: by.iter().map(ToString::to_string).collect(),
        keep_firing_for: Duration::ZERO,
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_fifth_error_in_five_minutes_fires_and_quiet_in_the_log_resolves() {
    let mut bench = Bench::new(defaults());
    bench.error(0).error(100).error(150).error(200);
    assert_eq!(bench.seen(), NOTHING);
    assert_eq!(bench.error(299).seen(), ["errors fired [app] 5 0-299"]);
    assert_eq!(bench.error(299).info(299).seen(), NOTHING, "announced once");
    assert_eq!(bench.info(499).seen(), ["errors resolved [app] 6 0-299"]);
    assert_eq!(bench.error(500).seen(), NOTHING);
    assert_eq!(bench.status(1, LATER).fired, 1);
    assert_eq!(bench.status(1, LATER).last_fired, Some(at(299)));
}

#[test]
fn one_error_per_minute_never_reaches_five_in_four_minutes() {
    let mut bench = Bench::new(vec![errors(5, 240, &[])]);
    for minute in 0..100 {
        bench.error(minute * 60);
    }
    assert_eq!(bench.seen(), NOTHING);
    let status = bench.status(0, LATER);
    assert_eq!((status.count, status.state), (4, RuleState::Inactive));
}

#[test]
fn sources_are_counted_separately_only_if_the_rule_groups_by_source() {
    for (by, expected) in [(&["source"][..], &[][..]), (&[][..], &["e fired [] 4 0-3"][..])] {
        let mut bench = Bench::new(vec![errors(4, 60, by)]);
        for second in 0..4 {
            let source = ["app", "other"][second as usize % 2];
            bench.feed(source, second, Level::Error, "x", LATER);
        }
        assert_eq!(bench.seen(), expected, "{by:?}");
    }
}

#[test]
fn fields_form_keys_and_a_missing_field_is_none() {
    let mut bench = Bench::new(vec![errors(2, 60, &["host_ip", "source"])]);
    for (second, text) in [(0, "host_ip=a"), (1, "host_ip=b"), (2, "z"), (3, "HostIP=a"), (4, "y")]
    {
        bench.feed("app", second, Level::Error, text, LATER);
    }
    assert_eq!(bench.seen(), ["e fired [a, app] 2 0-3", "e fired [(none), app] 2 2-4"]);
}

#[test]
fn host_and_path_are_keys_too() {
    let mut bench = Bench::new(vec![errors(1, 60, &["host", "log.file.path"])]);
    bench.feed("app", 1, Level::Error, "host=other", LATER);
    assert_eq!(bench.seen(), ["e fired [here, x.log] 1 1-1"]);
}

#[test]
fn one_fatal_fires_however_late_it_comes() {
    let mut bench = Bench::new(defaults());
    bench.feed("app", 5_000, Level::Fatal, "x", LATER);
    assert_eq!(bench.seen(), ["fatal fired [] 1 5000-5000"]);
    bench.info(5_061);
    assert_eq!(bench.seen(), ["fatal resolved [] 1 5000-5000"]);
    bench.feed("app", 10, Level::Fatal, "x", LATER);
    assert_eq!(bench.seen(), ["fatal fired [] 1 5061-5061"]);
}

#[test]
fn late_matches_count_inside_the_window_and_are_counted_as_late_outside() {
    let mut bench = Bench::new(vec![errors(3, 60, &[])]);
    bench.error(100).error(39).error(41).error(70);
    assert_eq!(bench.seen(), ["e fired [] 3 41-100"]);
    assert_eq!(bench.engine.late_dropped(), 1);
}

#[test]
fn blank_lines_and_directives_are_ignored_by_rules() {
    let mut bench = Bench::new(defaults());
    bench.feed_flagged("app", 1, Level::Fatal, "#Fields", LATER, Flags::QUIET);
    assert_eq!(bench.seen(), NOTHING);
}

#[test]
fn no_event_moves_time_beyond_its_read_time() {
    let mut bench = Bench::new(vec![errors(2, 60, &[])]);
    bench.feed("app", 90_000, Level::Error, "from the future", 1_000);
    bench.feed("app", 1_010, Level::Error, "x", 1_010);
    assert_eq!(bench.seen(), ["e fired [] 2 1000-1010"]);
}

#[test]
fn silence_resolves_by_the_wall_clock_and_a_clock_set_back_does_not_prevent_it() {
    for (heard, looks) in [(1_000, [1_059, 1_060]), (1_000, [500, 560]), (1_000, [100, 90_000])] {
        let mut bench = Bench::new(vec![errors(1, 60, &[])]);
        bench.feed("app", heard, Level::Error, "x", heard);
        assert_eq!(bench.seen(), ["e fired [] 1 1000-1000"]);
        assert_eq!(bench.tick(looks[0]).seen(), NOTHING);
        assert_eq!(bench.tick(looks[1]).seen(), ["e resolved [] 1 1000-1000"]);
        assert_eq!(bench.tick(looks[1]).seen(), NOTHING);
    }
}

#[test]
fn a_rule_may_keep_firing() {
    let rule = RuleConfig { keep_firing_for: Duration::from_secs(30), ..errors(1, 60, &[]) };
    let mut bench = Bench::new(vec![rule]);
    bench.error(0).info(60).info(89).error(89).info(149).info(178);
    assert_eq!(bench.seen(), ["e fired [] 1 0-0"]);
    assert_eq!(bench.info(179).seen(), ["e resolved [] 2 0-89"]);
}

#[test]
fn states_and_counts_are_those_at_the_time_of_the_status() {
    let mut bench = Bench::new(vec![errors(2, 60, &["source"])]);
    let brief = |bench: &Bench, now| {
        let status = bench.status(0, now);
        (status.state, status.count, status.key, status.history.iter().sum::<u64>())
    };
    assert_eq!(brief(&bench, 999), (RuleState::Inactive, 0, String::new(), 0));
    for second in [1_000, 1_001, 1_002] {
        bench.feed("app", second, Level::Error, "x", second);
    }
    assert_eq!(brief(&bench, 1_003), (RuleState::Firing, 3, "app".into(), 3));
    assert_eq!(bench.status(0, 1_003).history.len(), 12);
    bench.tick(1_062);
    assert_eq!(brief(&bench, 1_063), (RuleState::Resolved, 0, String::new(), 0));
    assert_eq!(brief(&bench, 1_130), (RuleState::Inactive, 0, String::new(), 0));
    assert!(!bench.engine.is_active(at(1_130)));
    assert!(bench.engine.is_active(at(1_063)));
}

#[test]
fn an_old_incident_is_resolved_once_the_history_is_read() {
    let mut bench = Bench::new(vec![errors(2, 60, &["source"])]);
    for (source, second) in [("old", 100), ("old", 101), ("new", LATER - 10), ("new", LATER - 9)] {
        bench.feed_old(source, second);
    }
    bench.seen();
    assert_eq!(bench.settle(LATER).seen(), ["e resolved [old] 2 100-101"]);
    let status = bench.status(0, LATER);
    assert_eq!((status.state, status.key, status.fired), (RuleState::Firing, "new".into(), 2));
    assert_eq!(bench.tick(LATER + 60).seen().len(), 1);
}

#[test]
fn an_old_incident_is_never_shown_as_firing_or_as_just_resolved() {
    let mut bench = Bench::new(vec![errors(2, 60, &[])]);
    bench.feed_old("old", 100);
    bench.feed_old("old", 101);
    assert_eq!(bench.status(0, LATER).state, RuleState::Inactive, "while the rest is read");
    bench.settle(LATER);
    assert_eq!(bench.status(0, LATER).state, RuleState::Inactive, "it ended long ago");
    // An incident that continues while it is read is shown.
    bench.feed_old("new", LATER - 20);
    bench.feed_old("new", LATER - 10);
    assert_eq!(bench.status(0, LATER).state, RuleState::Firing);
}

/// For example a timestamp without a zone read in another zone, or a batch job that logs its start time.
#[test]
fn an_incident_with_live_events_keeps_firing_whatever_their_own_time() {
    let mut bench = Bench::new(vec![errors(2, 60, &["source"])]);
    bench.feed_old("app", LATER - 3_601);
    bench.feed("app", LATER - 3_600, Level::Error, "x", LATER);
    assert_eq!(bench.seen().len(), 1);
    assert_eq!(bench.settle(LATER + 1).seen(), [""; 0]);
    assert_eq!(bench.tick(LATER + 60).seen().len(), 1, "silence ends it");
}

/// A file that appears with old errors and continues with times that are as old.
#[test]
fn live_errors_that_join_an_incident_of_the_history_make_it_live() {
    let mut bench = Bench::new(vec![errors(2, 60, &["source"])]);
    let old = LATER - 3_600;
    bench.feed_old("app", old);
    bench.feed_old("app", old + 1);
    assert_eq!(bench.seen(), [format!("e fired [app] 2 {old}-{}", old + 1)]);
    bench.feed("app", old + 2, Level::Error, "x", LATER);
    assert_eq!(bench.seen(), [format!("e fired [app] 3 {old}-{}", old + 2)]);
    bench.feed("app", old + 3, Level::Error, "x", LATER);
    assert_eq!(bench.seen(), NOTHING, "once");
    assert_eq!(bench.status(0, LATER).fired, 1, "it is the same incident");
    assert_eq!(bench.tick(LATER + 60).seen().len(), 1);
}

#[test]
fn a_live_error_below_the_limit_does_not_announce_the_history() {
    let keeps = RuleConfig { keep_firing_for: Duration::from_secs(600), ..errors(2, 60, &[]) };
    for (rule, ends) in [(errors(2, 60, &[]), 1), (keeps, 0)] {
        let mut bench = Bench::new(vec![rule]);
        bench.feed_old("app", LATER - 102);
        bench.feed_old("app", LATER - 101);
        bench.seen();
        bench.feed("app", LATER, Level::Error, "x", LATER);
        let transitions = bench.seen();
        assert_eq!(transitions.len(), ends, "{transitions:?}");
        assert!(
            transitions.iter().all(|transition| transition.contains("resolved")),
            "{transitions:?}"
        );
        bench.feed("app", LATER + 1, Level::Error, "x", LATER + 1);
        let transitions = bench.seen();
        assert!(
            transitions.len() == 1 && transitions[0].contains("fired"),
            "two of them do: {transitions:?}"
        );
    }
}

#[test]
fn keys_are_bounded_and_further_keys_are_counted_together() {
    let mut bench = Bench::new(vec![errors(1, 60, &["id"])]);
    let mut feed = Feed::new("app");
    let (mut fired, mut most) = (0, 0);
    for number in 0..30_000i64 {
        let text = format!("id={number}");
        let batch = feed.batch(number / 1000, Level::Error, &text, Flags::default());
        bench.engine.on_event(&batch.event(0), at(LATER), &mut |_| fired += 1);
        most = most.max(bench.engine.rules[0].slots.len());
    }
    assert_eq!(most, MAX_KEYS + 1);
    assert_eq!(fired, MAX_KEYS + 1, "others fire as one");
    assert_eq!(bench.status(0, LATER).key, OTHER);
}

#[test]
fn quiet_keys_are_removed() {
    let mut engine = Engine::new(vec![errors(2, 60, &["id"])], &Arc::default());
    let mut feed = Feed::new("app");
    for number in 0..40_000i64 {
        let text = format!("id={number}");
        let batch = feed.batch(number, Level::Error, &text, Flags::default());
        engine.on_event(&batch.event(0), at(LATER), &mut |_| panic!("nothing comes twice"));
        assert!(engine.rules[0].slots.len() <= MAX_KEYS + 1);
    }
    let slots = &engine.rules[0].slots;
    assert!(slots.iter().any(|slot| &*slot.key == "id=39999" || &*slot.key == "39999"));
}

/// A key of a source that is an hour behind is not compared with the times of other sources.
#[test]
fn a_key_of_a_source_that_is_behind_keeps_its_count() {
    for ahead_first in [true, false] {
        let mut bench = Bench::new(vec![errors(5, 60, &["id"])]);
        let fill = |bench: &mut Bench, ids: std::ops::Range<usize>| {
            for id in ids {
                bench.feed("ahead", LATER, Level::Error, &format!("id={id}"), LATER);
            }
        };
        fill(&mut bench, 0..if ahead_first { MAX_KEYS - 1 } else { 0 });
        for second in 0..4 {
            bench.feed("behind", LATER - 3_600 + second, Level::Error, "id=slow", LATER);
        }
        fill(&mut bench, MAX_KEYS..2 * MAX_KEYS);
        bench.feed("behind", LATER - 3_595, Level::Error, "id=slow", LATER);
        let fired = bench.seen();
        assert!(
            fired.iter().any(|transition| transition.starts_with("e fired [slow] 5")),
            "{fired:?}"
        );
    }
}

/// Also if no source writes newer times than before.
#[test]
fn keys_without_events_are_removed_by_the_clock() {
    let mut bench = Bench::new(vec![errors(2, 60, &["id"])]);
    bench.feed("ahead", LATER, Level::Error, "id=first", LATER);
    let mut feed = Feed::new("app");
    for number in 0..20_000i64 {
        let now = LATER + number / 100;
        let text = format!("id={number}");
        let batch = feed.batch(now - 3_600, Level::Error, &text, Flags::default());
        bench.engine.on_event(&batch.event(0), at(now), &mut |_| panic!("nothing comes twice"));
    }
    let slots = &bench.engine.rules[0].slots;
    assert!(slots.iter().any(|slot| &*slot.key == "19999"));
}

#[test]
fn the_same_events_give_the_same_incidents_whenever_they_are_read() {
    let mut live = Bench::new(vec![errors(3, 60, &["source"])]);
    let mut later = Bench::new(vec![errors(3, 60, &["source"])]);
    let mut random = 7u64;
    let mut second = 10_000;
    for _ in 0..5_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        second += (random >> 40) as i64 % 30;
        let level = if (random >> 33).is_multiple_of(3) { Level::Error } else { Level::Info };
        let source = ["a", "b"][(random >> 50) as usize % 2];
        live.feed(source, second, level, "x", second + 1);
        later.feed(source, second, level, "x", LATER * 10);
    }
    let (live, later) = (live.seen(), later.seen());
    assert!(live.len() > 50, "{}", live.len());
    assert_eq!(live, later);
}

/// With stored times and with slices, and with any earlier matches.
#[test]
fn rules_fire_again_after_a_clock_that_was_ahead_is_corrected() {
    for (count, ahead) in [(5, 60), (5, 3_600), (100, 60), (100, 3_600), (5, 4), (100, 4)] {
        let mut bench = Bench::new(vec![errors(count, 10, &["source"])]);
        bench.feed("app", 1_000 + ahead, Level::Error, "x", 1_000 + ahead);
        for number in 0..count as i64 {
            let now = 1_002 + number / 30;
            bench.feed("app", now, Level::Error, "x", now);
        }
        let fired = bench.seen();
        assert_eq!(fired.len(), 1, "{count} {ahead}: {fired:?}");
        assert_eq!(bench.engine.late_dropped(), 0);
        assert_eq!(bench.engine.take_step(), Duration::from_secs(ahead as u64 - 2));
        assert_eq!(bench.engine.take_step(), Duration::ZERO, "announced once");
        assert_eq!(bench.tick(1_030).seen().len(), 1, "and it resolves");
    }
}

#[test]
fn matches_outside_the_window_do_not_count_again_after_the_clock_went_back() {
    for (count, old) in [(5, 4), (100, 99)] {
        let mut bench = Bench::new(vec![errors(count, 10, &[])]);
        for _ in 0..old {
            bench.feed("app", 5_000, Level::Error, "x", 5_000);
        }
        bench.tick(5_300);
        for number in 0..count as i64 - 2 {
            bench.feed("app", 1_700, Level::Error, "x", 1_700);
            assert_eq!(bench.seen(), NOTHING, "{count} {number}");
        }
    }
}

#[test]
fn matches_inside_the_window_still_count_after_the_clock_went_back() {
    for (count, before) in [(5, 3), (100, 60)] {
        let mut bench = Bench::new(vec![errors(count, 10, &[])]);
        for _ in 0..before {
            bench.feed("app", 5_000, Level::Error, "x", 5_000);
        }
        for _ in before..count {
            bench.feed("app", 1_002, Level::Error, "x", 1_002);
        }
        assert_eq!(bench.seen().len(), 1, "{count}");
    }
}
