//! Who hears of what, and when.

use super::*;
use crate::alert::Place;
use crate::event::GenerationId;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn change(change: Change, key: &str, seconds_ago: u64) -> Transition {
    let last = NOW.minus(Duration::from_secs(seconds_ago));
    Transition {
        rule: "r".into(),
        incident: u64::from(key.as_bytes()[0]),
        condition: "level:error ≥ 5 in 5 min".into(),
        key: key.into(),
        change,
        count: 5,
        first: last.minus(Duration::from_secs(9)),
        last,
        place: Place { generation: GenerationId(1), offset: 0 },
    }
}

fn numbered(incident: u64, transition: Transition) -> Transition {
    Transition { incident, ..transition }
}

use Change::{Fired, Resolved};

/// What is told of these, first while catching up, then live.
fn check(once: bool, before: &[Transition], live: &[Transition], expected: &[&str]) {
    check_as(true, once, before, live, expected);
}

/// `arrives`: what comes later was not in its file at the first look.
fn check_as(
    arrives: bool,
    once: bool,
    before: &[Transition],
    live: &[Transition],
    expected: &[&str],
) {
    let mut teller = Teller::new(once);
    let mut told = Vec::new();
    let mut tell = |line: Told| {
        told.push(match line {
            Told::Transition(t) => format!("{:?} {}", t.change, t.key),
            Told::Earlier { rule, fired } => format!("{rule} earlier {fired}"),
            other => other.to_string(),
        });
    };
    for transition in before {
        teller.on_transition(transition.clone(), false, NOW, &mut tell);
    }
    teller.on_live(NOW, &mut tell);
    teller.tell_earlier(&mut tell);
    for transition in live {
        teller.on_transition(transition.clone(), arrives, NOW, &mut tell);
    }
    teller.tell_earlier(&mut tell);
    assert_eq!(told, expected);
}

#[test]
fn what_is_open_at_the_end_is_told_however_it_began_and_so_is_its_end() {
    let before = [change(Fired, "a", 90_000)];
    check(false, &before, &[], &["Fired a"]);
    check(false, &before, &[change(Resolved, "a", 9_000)], &["Fired a", "Resolved a"]);
}

#[test]
fn what_is_over_is_told_if_young_and_counted_if_old() {
    let pair = |key: &str, ago| [change(Fired, key, ago), change(Resolved, key, ago)];
    check(false, &pair("a", 3_000), &[], &["Fired a", "Resolved a"]);
    check(false, &[pair("a", 4_000), pair("b", 5_000)].concat(), &[], &["r earlier 2"]);
    check(true, &pair("a", 4_000), &[], &["Fired a", "Resolved a"]);
}

/// Addresses of one network that are shortened, values that are sealed without a key.
#[test]
fn keys_that_are_told_by_the_same_text_begin_and_end_apart() {
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
fn what_was_history_is_told_once_live_events_join_it() {
    let old = [change(Fired, "a", 9_000)];
    let live = [change(Fired, "a", 8_000), change(Resolved, "a", 7_000)];
    // Read before the rest, and held.
    let mut teller = Teller::new(false);
    let mut told = Vec::new();
    let mut tell = |line| told.push(line);
    teller.on_transition(old[0].clone(), false, NOW, &mut tell);
    teller.on_transition(live[0].clone(), true, NOW, &mut tell);
    teller.on_live(NOW, &mut tell);
    teller.on_transition(live[1].clone(), true, NOW, &mut tell);
    teller.tell_earlier(&mut tell);
    assert_eq!(told, live.clone().map(Told::Transition));
    // In a file that came later, and counted.
    let mut teller = Teller::new(false);
    let mut told = Vec::new();
    let mut tell = |line| told.push(line);
    teller.on_live(NOW, &mut tell);
    teller.on_transition(old[0].clone(), false, NOW, &mut tell);
    teller.on_transition(live[0].clone(), true, NOW, &mut tell);
    teller.tell_earlier(&mut tell);
    teller.on_transition(live[1].clone(), true, NOW, &mut tell);
    assert_eq!(told, live.clone().map(Told::Transition));
    // One that is open is told no second time.
    check(false, &old, &live, &["Fired a", "Resolved a"]);
}

#[test]
fn an_old_file_that_appears_later_alarms_nobody() {
    let old = [change(Fired, "a", 90_000), change(Resolved, "a", 90_000)];
    check_as(false, false, &[], &old, &["r earlier 1"]);
    let young = [change(Fired, "a", 1), change(Resolved, "a", 1)];
    check_as(false, false, &[], &young, &["Fired a", "Resolved a"]);
}

#[test]
fn what_arrives_live_is_told_whatever_its_own_time() {
    let old = [change(Fired, "a", 90_000), change(Resolved, "a", 90_000)];
    check(false, &[], &old, &["Fired a", "Resolved a"]);
}

#[test]
fn what_arrives_while_the_rest_is_caught_up_with_is_told_at_once() {
    let mut teller = Teller::new(false);
    let mut told = Vec::new();
    let mut tell = |line| told.push(line);
    let (fired, resolved) = (change(Fired, "a", 9_000), change(Resolved, "a", 9_000));
    teller.on_transition(fired.clone(), true, NOW, &mut tell);
    teller.on_transition(resolved.clone(), true, NOW, &mut tell);
    teller.on_live(NOW, &mut tell);
    assert_eq!(told, [Told::Transition(fired), Told::Transition(resolved)]);
}

#[test]
fn a_storm_of_old_incidents_is_bounded() {
    let storm: Vec<Transition> = (0..MOST_HELD + 10)
        .flat_map(|n| {
            [change(Fired, "a", 9_000), change(Resolved, "a", 9_000)].map(|t| numbered(n as u64, t))
        })
        .collect();
    check(false, &storm, &[], &[&format!("r earlier {}", MOST_HELD + 10)]);
}

#[test]
fn lines_are_safe_and_say_what_when_and_why() {
    let told = Told::Transition(change(Fired, "a\u{1b}[2J\nb", 0));
    let text = told.to_string();
    assert!(!text.contains(['\u{1b}', '\n']), "{text:?}");
    let plain = Told::Transition(change(Resolved, "app", 0)).to_string();
    assert_eq!(
        plain,
        "r is resolved for app: 5 events, 2023-11-14T22:13:11Z to 2023-11-14T22:13:20Z \
         (level:error ≥ 5 in 5 min)"
    );
    let earlier = Told::Earlier { rule: "r".into(), fired: 2_000 };
    assert_eq!(earlier.to_string(), "r fired 2,000 times in what was there before; it is over");
}

#[test]
fn times_that_are_not_those_of_the_clock_and_late_matches_are_said() {
    let behind = Told::Skewed {
        source: "app".into(),
        path: "/var/log/app.log".into(),
        ahead: false,
        by: Duration::from_secs(3_600),
    };
    let text = behind.to_string();
    assert!(
        text.starts_with("the times of /var/log/app.log are 60 min behind the clock"),
        "{text}"
    );
    let late = Told::Late { rule: "r".into(), matches: 1_000 }.to_string();
    assert!(late.starts_with("r: 1,000 matches were not counted"), "{late}");
}
