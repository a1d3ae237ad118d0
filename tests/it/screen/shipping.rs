//! Sinks on the screen: their state, and commands to them.

use std::sync::Arc;

use logwarden::base::Timestamp;
use logwarden::event::Command;
use logwarden::event::status::{Asked, Bytes, DeliveryState, SinkState};
use logwarden::state::Store;

use super::memory_terminal::{Setup, snapshot};
use super::scenes::{NOW, busy, directory, two_logs};

#[test]
fn keys_send_shipping_commands() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup { status: busy(), ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("order 36");
    screen.press("s R S y");
    let sink = None;
    let expected = [
        Command::ShipNow { sink: sink.clone() },
        Command::Retry { sink: sink.clone() },
        Command::Pause { sink, by: "the screen".to_owned() },
    ];
    for command in expected {
        assert_eq!(screen.command(), command);
    }
    let mut paused = busy();
    let since = Timestamp::from_seconds(NOW);
    paused.sinks[0].state = SinkState::Paused { by: "the screen".to_owned(), since };
    screen.status.send_replace(Arc::new(paused));
    screen.wait_for_text("PAUSED since 10:30:00");
}

/// The details of one sink, and the delivery state of the selected event for each.
#[test]
fn the_details_of_a_sink_and_an_event_show_the_delivery_state() {
    for (width, height) in [(80, 24), (200, 60)] {
        let directory = directory();
        let paths = two_logs(directory.path());
        let mut status = busy();
        status.sinks[1].dead_letters = 2;
        status.sinks[1].duplicates = 3;
        status.sinks[1].in_flight_events = 500;
        status.sinks[1].bytes = Bytes {
            seen: 3_000_000,
            confirmed: 1_500_000,
            filtered: 180_000,
            in_flight: 100_000,
            waiting: 1_200_000,
            dead_letters: 400,
            lost: 19_600,
        };
        assert!(status.sinks[1].bytes.adds_up());
        let mut screen = Setup { status: status.clone(), ..Setup::new(width, height) }.open(&paths);
        screen.wait_for_text("order 36");
        // The event now has a generation and offset that sinks can be asked about.
        screen.log.settle(Store::ephemeral(), Vec::new());
        screen.press("tab tab tab j enter");
        screen.wait_for_text("3,000,000 seen");
        snapshot(&format!("sink_{width}x{height}"), || screen.rest());
        screen.press("S y");
        let by = "the screen".to_owned();
        assert_eq!(screen.command(), Command::Pause { sink: Some("out".to_owned()), by });
        screen.press("esc esc esc enter");
        let command = screen.command();
        let Command::Where { place } = command else { panic!("{command:?}") };
        screen.wait_for_text("not known yet");
        for (sink, state) in
            [DeliveryState::Delivered, DeliveryState::Waiting].into_iter().enumerate()
        {
            status.sinks[sink].asked = Some(Asked { place, state });
        }
        screen.status.send_replace(Arc::new(status));
        let text = screen.wait_for_text("waiting in the log file");
        assert!(text.contains("archive    delivered"), "{text}");
    }
}
