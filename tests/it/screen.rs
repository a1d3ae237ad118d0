//! The screen, driven by keys through its real loop on real files.

mod ends;
mod filters;
mod glass;
mod jumps;
mod looks;
mod moves;
mod pace;
mod privacy;
mod scenes;
mod shipping;
