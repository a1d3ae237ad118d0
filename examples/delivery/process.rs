//! The measured programs: their use of CPU and memory so far. They are always ended.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The longest wait of a measurement.
const PATIENCE: Duration = Duration::from_secs(300);

/// Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
}

impl Program {
    pub fn start(command: &mut Command) -> anyhow::Result<Program> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Program { child, name })
    }

    /// Seconds of CPU used so far, user and system; also for a program that has just ended.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks as f64 / 100.0)
    }

    /// Anonymous memory in KiB.
    pub fn anonymous(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let line = line.context("the kernel says nothing of RssAnon")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Waits until `done`; fails if the program ends first.
    pub fn until(&mut self, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            if Instant::now() > deadline {
                bail!("{} is not done after {} s", self.name, PATIENCE.as_secs());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended too early: {status}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `logwarden` built in the same directory as this example, isolated from the settings of this machine.
pub fn logwarden(scratch: &Path, settings: &str) -> anyhow::Result<Command> {
    let here = std::env::current_exe()?;
    let program = here.parent().and_then(Path::parent).map(|directory| directory.join("logwarden"));
    let program = program.filter(|program| program.exists());
    let program = program.context("cargo build --release comes first")?;
    let config = scratch.join("config.toml");
    fs::write(&config, settings)?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGWARDEN_")) {
        command.env_remove(name);
    }
    command.env("HOME", scratch).env("XDG_CONFIG_HOME", scratch).env("XDG_DATA_HOME", scratch);
    command.args(["--no-ui", "--config"]).arg(config);
    command.arg("--state-dir").arg(scratch.join("state")).current_dir(scratch);
    Ok(command)
}
