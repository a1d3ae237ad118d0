//! Draws the thresholds pane: count, limit and state of every rule, and when it last fired.

use ratatui::layout::Rect;

use super::lists::{self, Lines, List};
use super::time;
use crate::base::sanitize;
use crate::event::status::{RuleState, RuleStatus};
use crate::ui::canvas::{Canvas, plain, span, width_of};
use crate::ui::state::{Pane, State};
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let glyphs = *canvas.glyphs();
    let width = usize::from(area.width.saturating_sub(2));
    let rules = &state.status.rules;
    let firing = rules.iter().filter(|rule| rule.state == RuleState::Firing).count();
    let right = match firing {
        0 => Vec::new(),
        firing => vec![span(format!(" {firing} FIRING "), Role::Firing)],
    };
    let list = List {
        pane: Pane::Thresholds,
        entries: rules.iter().map(|rule| entry(state, rule, width, &glyphs)).collect(),
        selected: state.selected[1],
        empty: "no rules",
        right,
    };
    lists::draw(canvas, area, state, &list);
}

fn entry(state: &State, rule: &RuleStatus, width: usize, glyphs: &Glyphs) -> Lines {
    let (glyph, word, role) = state_of(rule, glyphs);
    let name = sanitize::line(&rule.name).into_owned();
    let spark = glyphs
        .sparkline(&rule.history, rule.limit.max(rule.history.iter().copied().max().unwrap_or(0)));
    let figure = format!("{}/{}", rule.count, rule.limit);
    let mut first = vec![span(format!("{glyph} {word:<6} "), role), plain(format!("{name} "))];
    let used = width_of(&first) + figure.len();
    first.push(plain(" ".repeat(width.saturating_sub(used))));
    first.push(span(figure, role));
    let narrow = width < 38;
    let key = sanitize::line(&rule.key);
    let mut rest = String::new();
    if rule.count > 0 && !key.is_empty() && !narrow {
        rest.push_str(&key);
        rest.push(' ');
    }
    match rule.last_fired {
        Some(fired) if narrow => rest.push_str(&time::moment(state, fired)),
        Some(fired) if rule.state == RuleState::Firing => {
            rest.push_str(&format!("since {}", time::moment(state, fired)));
        }
        Some(fired) => rest.push_str(&format!("fired {}", time::moment(state, fired))),
        None if narrow => rest.push_str("never"),
        None => rest.push_str(&sanitize::line(&rule.condition)),
    }
    let bars = if rule.state == RuleState::Firing { Role::Bad } else { role };
    let second = vec![plain("  "), span(spark, bars), plain(" "), span(rest, Role::Dim)];
    vec![first, second]
}

/// Glyph, word and style of a rule's state. A rule that has reached three quarters of its limit is shown as near.
fn state_of(rule: &RuleStatus, glyphs: &Glyphs) -> (&'static str, &'static str, Role) {
    match rule.state {
        RuleState::Firing => (glyphs.firing, "FIRING", Role::Firing),
        _ if rule.count > 0 && rule.count * 4 >= rule.limit * 3 => {
            (glyphs.near, "near", Role::Near)
        }
        _ => (glyphs.ok, "ok", Role::Ok),
    }
}
