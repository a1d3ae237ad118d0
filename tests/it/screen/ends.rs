//! How the screen ends, and how it is suspended.

use logwarden::ui::Exit;

use super::memory_terminal::Setup;
use super::scenes::{directory, two_logs};

#[test]
fn the_screen_ends_when_it_is_stopped_or_the_terminal_is_gone() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.stop.cancel();
    assert_eq!(screen.end(), Exit::Stopped);

    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    drop(screen.keys.take());
    assert_eq!(screen.end(), Exit::TerminalGone);

    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("q n q y");
    assert_eq!(screen.end(), Exit::Quit);
}

#[test]
fn ctrl_z_releases_the_terminal_and_reports_that_shipping_was_stopped() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("ctrl-z");
    screen.wait_for_text("shipping was stopped for");
}
