//! Tests: which incidents are announced, and when.

use super::*;
use crate::alert::EventLocation;
use crate::event::GenerationId;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn change(change: Change, key: &str, seconds_ago: u64) -> Transition {
    let last = NOW.minus(Duration::from_secs(seconds_ago));
    Transition {
        rule: "r".into(),
        incident: u64::from(key.as_bytes()[0]),
        limit: "5 in 5 min".into(),
        key: key.into(),
        change,
        count: 5,
        first: last.minus(Duration::from_secs(9)),
        last,
        place: EventLocation { generation: GenerationId(1), offset: 0 },
    }
}

fn numbered(incident: u64, transition: Transition) -> Transition {
    Transition { incident, ..transition }
}

use Change::{Fired, Resolved};

/// Checks the announcements for these transitions, first while catching up, then live.
fn check(once: bool, before: &[Transition], live: &[Transition], expected: &[&str]) {
    check_as(true, once, before, live, expected);
}

/// `arrives`: the later events arrived after the first read of their file.
fn check_as(
    arrives: bool,
    once: bool,
    before: &[Transition],
    live: &[Transition],
    expected: &[&str],
) {
    let mut announcer = Announcer::new(once);
    let mut announced = Vec::new();
    let mut announce = |line: Announcement| {
        announced.push(match line {
            Announcement::Transition(t) => format!("{:?} {}", t.change, t.key),
            Announcement::Earlier { rule, fired } => format!("{rule} earlier {fired}"),
            other => other.to_string(),
        });
    };
    for transition in before {
        announcer.on_transition(transition.clone(), false, NOW, &mut announce);
    }
    announcer.on_history_read(NOW, &mut announce);
    announcer.announce_earlier(&mut announce);
    for transition in live {
        announcer.on_transition(transition.clone(), arrives, NOW, &mut announce);
    }
    announcer.announce_earlier(&mut announce);
    assert_eq!(announced, expected);
}

#[test]
fn an_incident_that_is_firing_after_the_history_is_announced_and_so_is_its_resolution() {
    let before = [change(Fired, "a", 90_000)];
    check(false, &before, &[], &["Fired a"]);
    check(false, &before, &[change(Resolved, "a", 9_000)], &["Fired a", "Resolved a"]);
}

#[test]
fn a_resolved_incident_is_announced_if_recent_and_counted_if_old() {
    let pair = |key: &str, ago| [change(Fired, key, ago), change(Resolved, key, ago)];
    check(false, &pair("a", 3_000), &[], &["Fired a", "Resolved a"]);
    check(false, &[pair("a", 4_000), pair("b", 5_000)].concat(), &[], &["r earlier 2"]);
    check(true, &pair("a", 4_000), &[], &["Fired a", "Resolved a"]);
}

/// For example shortened addresses of one network, or values that are sealed without a key.
#[test]
fn keys_with_the_same_text_fire_and_resolve_separately() {
    let of_two = |ago| {
        let changes = [(1, Fired), (2, Fired), (1, Resolved), (2, Resolved)];
        changes.map(|(incident, what)| numbered(incident, change(what, "[sealed]", ago)))
    };
    let each = ["Fired [sealed]", "Fired [sealed]", "Resolved [sealed]", "Resolved [sealed]"];
    check(false, &[], &of_two(9), &each);
    check(false, &of_two(9_000), &[], &["r earlier 2"]);
    let pair = ["Fired [sealed]", "Resolved [sealed]"];
    check(false, &of_two(9), &[], &[pair, pair].concat());
    let (begins, ends) = (of_two(9_000)[..2].to_vec(), of_two(9_000)[2..].to_vec());
    check(false, &begins, &ends, &each);
}

#[test]
fn an_incident_of_the_history_is_announced_once_live_events_join_it() {
    let old = [change(Fired, "a", 9_000)];
    let live = [change(Fired, "a", 8_000), change(Resolved, "a", 7_000)];
    // Read before the rest, and kept.
    let mut announcer = Announcer::new(false);
    let mut announced = Vec::new();
    let mut announce = |line| announced.push(line);
    announcer.on_transition(old[0].clone(), false, NOW, &mut announce);
    announcer.on_transition(live[0].clone(), true, NOW, &mut announce);
    announcer.on_history_read(NOW, &mut announce);
    announcer.on_transition(live[1].clone(), true, NOW, &mut announce);
    announcer.announce_earlier(&mut announce);
    assert_eq!(announced, live.clone().map(Announcement::Transition));
    // In a file that appeared later, and counted.
    let mut announcer = Announcer::new(false);
    let mut announced = Vec::new();
    let mut announce = |line| announced.push(line);
    announcer.on_history_read(NOW, &mut announce);
    announcer.on_transition(old[0].clone(), false, NOW, &mut announce);
    announcer.on_transition(live[0].clone(), true, NOW, &mut announce);
    announcer.announce_earlier(&mut announce);
    announcer.on_transition(live[1].clone(), true, NOW, &mut announce);
    assert_eq!(announced, live.clone().map(Announcement::Transition));
    // A firing incident is not announced twice.
    check(false, &old, &live, &["Fired a", "Resolved a"]);
}

#[test]
fn an_old_file_that_appears_later_raises_no_alert() {
    let old = [change(Fired, "a", 90_000), change(Resolved, "a", 90_000)];
    check_as(false, false, &[], &old, &["r earlier 1"]);
    let young = [change(Fired, "a", 1), change(Resolved, "a", 1)];
    check_as(false, false, &[], &young, &["Fired a", "Resolved a"]);
}

#[test]
fn a_live_incident_is_announced_whatever_its_own_time() {
    let old = [change(Fired, "a", 90_000), change(Resolved, "a", 90_000)];
    check(false, &[], &old, &["Fired a", "Resolved a"]);
}

#[test]
fn a_live_incident_while_catching_up_is_announced_at_once() {
    let mut announcer = Announcer::new(false);
    let mut announced = Vec::new();
    let mut announce = |line| announced.push(line);
    let (fired, resolved) = (change(Fired, "a", 9_000), change(Resolved, "a", 9_000));
    announcer.on_transition(fired.clone(), true, NOW, &mut announce);
    announcer.on_transition(resolved.clone(), true, NOW, &mut announce);
    announcer.on_history_read(NOW, &mut announce);
    assert_eq!(announced, [Announcement::Transition(fired), Announcement::Transition(resolved)]);
}

#[test]
fn a_storm_of_old_incidents_is_bounded() {
    let storm: Vec<Transition> = (0..MAX_KEPT + 10)
        .flat_map(|n| {
            [change(Fired, "a", 9_000), change(Resolved, "a", 9_000)].map(|t| numbered(n as u64, t))
        })
        .collect();
    check(false, &storm, &[], &[&format!("r earlier {}", MAX_KEPT + 10)]);
}

#[test]
fn announcements_are_safe_single_lines_with_rule_key_and_time() {
    let announced = Announcement::Transition(change(Fired, "a\u{1b}[2J\nb", 0));
    let text = announced.to_string();
    assert!(!text.contains(['\u{1b}', '\n']), "{text:?}");
    let plain = Announcement::Transition(change(Resolved, "app", 0)).to_string();
    assert_eq!(plain, "r resolved for app: 5 events, 2023-11-14T22:13:11Z to 2023-11-14T22:13:20Z");
    let firing = Announcement::Transition(change(Fired, "app", 0)).to_string();
    assert_eq!(firing, "r firing for app: 5 of 5 in 5 min, since 2023-11-14T22:13:11Z");
    let earlier = Announcement::Earlier { rule: "r".into(), fired: 2_000 };
    assert_eq!(earlier.to_string(), "r: fired 2,000 times in existing lines, resolved");
}

#[test]
fn clock_skew_and_late_matches_are_announced() {
    let behind = Announcement::ClockSkew {
        source: "app".into(),
        path: "/var/log/app.log".into(),
        ahead: false,
        by: Duration::from_secs(3_600),
    };
    let text = behind.to_string();
    assert!(
        text.starts_with("timestamps in /var/log/app.log are 60 min behind the clock"),
        "{text}"
    );
    let late = Announcement::Late { rule: "r".into(), matches: 1_000 }.to_string();
    assert!(late.starts_with("r: 1,000 matches not counted"), "{late}");
}
