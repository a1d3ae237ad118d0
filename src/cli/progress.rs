//! Progress bar of a long command, on standard error; hidden if that is not a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `total` bytes, of which the caller reports progress; 0: total unknown, no bar.
pub fn bytes(label: &str, total: u64) -> ProgressBar {
    if total == 0 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    // Ten frames per second; commands that finish at once show nothing.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style);
    bar.set_message(crate::base::sanitize::line(label).into_owned());
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
