//! The pane with the details of the selected sink: state, errors, rate, lag, deliveries and byte accounting.

use super::{shipping, time};
use crate::base::{bytes, sanitize};
use crate::event::status::SinkStatus;
use crate::ui::canvas::{Span, plain, span, wrap};
use crate::ui::state::State;
use crate::ui::theme::{ASCII, Role};

type Lines = Vec<Vec<Span<'static>>>;

pub fn lines(state: &State, width: usize) -> Lines {
    let Some(sink) = state.selected_sink() else {
        return vec![vec![span("no sink", Role::Dim)]];
    };
    let (_, word, role) = shipping::state_of(state, sink, &ASCII);
    let name = format!("{} ({})", sanitize::line(&sink.name), sanitize::line(&sink.kind));
    let mut lines = vec![pair("sink", name), vec![field("state"), span(word, role)]];
    problems(sink, width, &mut lines);
    progress(state, sink, &mut lines);
    let bytes = shipping::byte_accounting(&sink.bytes, bytes::count);
    wrapped("bytes", &bytes, Role::Dim, width, &mut lines);
    lines
}

fn problems(sink: &SinkStatus, width: usize, lines: &mut Lines) {
    let current = shipping::error_of(sink);
    if let Some(text) = &current {
        wrapped("error", text, Role::Bad, width, lines);
    }
    let last = sink.last_error.as_ref().map(|text| sanitize::line(text).into_owned());
    if let Some(text) = last.filter(|text| current.as_ref() != Some(text)) {
        wrapped("last error", &text, Role::Near, width, lines);
    }
}

fn progress(state: &State, sink: &SinkStatus, lines: &mut Lines) {
    let events = |count| bytes::counted(count, "event");
    lines.push(pair("rate", format!("{:.1} events/s", sink.rate)));
    let lag = match (sink.behind_bytes, sink.behind_events) {
        (0, _) => "none, up to date".to_owned(),
        // The mean length of an event is known only after a delivery.
        (size, 0) => bytes::size(size),
        (size, about) => format!("{}, about {}", bytes::size(size), events(about)),
    };
    lines.push(pair("lag", lag));
    if let Some(oldest) = sink.oldest_waiting {
        let (age, since) = (time::age(state, oldest), time::moment(state, oldest));
        lines.push(pair("oldest", format!("waiting {age}, since {since}")));
    }
    lines.push(pair("in flight", events(sink.in_flight_events)));
    let mut sent = events(sink.confirmed_events);
    if sink.duplicates > 0 {
        sent.push_str(&format!(", {} duplicates", bytes::count(sink.duplicates)));
    }
    if let Some(last) = sink.last_success {
        sent.push_str(&format!("; last at {}", time::moment(state, last)));
    }
    lines.push(pair("delivered", sent));
    lines.push(pair("filtered", events(sink.filtered_events)));
    if sink.unprotected_values > 0 {
        let values = bytes::count(sink.unprotected_values);
        let text =
            format!("{values} short values (1 to 3 characters): sealed in their own field only");
        lines.push(vec![field("unprotected"), span(text, Role::Near)]);
    }
    let dead = events(sink.dead_letters);
    match sink.dead_letters {
        0 => lines.push(pair("rejected", dead)),
        _ => lines.push(vec![
            field("rejected"),
            span(
                format!("{dead}, kept as dead letters: see `logwarden dead-letters list`"),
                Role::Bad,
            ),
        ]),
    }
}

fn field(name: &str) -> Span<'static> {
    span(format!("{name:<12}"), Role::Field)
}

fn pair(name: &str, value: String) -> Vec<Span<'static>> {
    vec![field(name), plain(value)]
}

fn wrapped(name: &str, text: &str, role: Role, width: usize, lines: &mut Lines) {
    for (index, piece) in wrap(text, width.saturating_sub(12).max(16)).into_iter().enumerate() {
        let head = if index == 0 { name } else { "" };
        lines.push(vec![field(head), span(piece.to_owned(), role)]);
    }
}
