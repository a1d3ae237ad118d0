//! The screen, driven by keys through its real loop on real files.

mod ends;
mod filters;
mod jumps;
mod looks;
mod memory_terminal;
mod moves;
mod pace;
mod privacy;
mod scenes;
mod shipping;
