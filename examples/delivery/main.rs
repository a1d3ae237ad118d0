//! Measures the cost and the latency of delivery to Elasticsearch, with the release build and a server that accepts
//! everything: the figures of docs/PERFORMANCE.md.
//!
//! `cargo build --release && cargo run --release --example delivery -- all | throughput [MEGABYTES] |
//! sealed [MEGABYTES] | latency [SECONDS] | outage [SECONDS]`. All files are written to a temporary directory, which is
//! deleted at the end.

mod lines;
mod process;
mod rsyslog;
mod server;

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;

use process::{Program, logwarden};
use server::Server;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let amount = arguments.next().and_then(|amount| amount.parse().ok());
    match what.as_str() {
        "throughput" => throughput(amount.unwrap_or(1000)),
        "sealed" => sealed(amount.unwrap_or(300)),
        "latency" => latency(Duration::from_secs(amount.unwrap_or(20))),
        "outage" => outage(Duration::from_secs(amount.unwrap_or(60))),
        "all" => {
            throughput(1000)?;
            sealed(300)?;
            latency(Duration::from_secs(20))?;
            outage(Duration::from_secs(60))
        }
        _ => bail!("one of: all, throughput, sealed, latency, outage"),
    }
}

/// Starts a server; returns it, its port, and settings that deliver the files of `paths` to it and do nothing else.
fn serve(paths: &Path, more: &str) -> anyhow::Result<(Arc<Server>, u16, String)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    Ok((Server::start(listener), port, settings(paths, port, more)))
}

fn settings(paths: &Path, port: u16, more: &str) -> String {
    format!(
        "[source.app]\npaths = [\"{}\"]\n[sink.es]\nkind = \"elasticsearch\"\n\
         urls = [\"http://127.0.0.1:{port}\"]\n{more}",
        paths.display()
    )
}

/// Seconds of CPU used by `command` until the server has received this many more events.
fn run(command: &mut Command, server: &Server, events: u64) -> anyhow::Result<f64> {
    let before = server.count();
    let mut program = Program::start(command)?;
    program.until(|| server.count() - before >= events)?;
    let cpu = program.cpu()?;
    drop(program);
    let more = server.count() - before - events;
    if more > 0 {
        println!("{more} events came twice");
    }
    Ok(cpu)
}

fn row(name: &str, bytes: u64, cpu: f64) {
    let megabytes = bytes as f64 / 1e6;
    println!("| {name} | {megabytes:.0} MB | {cpu:.2} s | {:.1} |", megabytes / cpu);
}

fn throughput(megabytes: u64) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let (log, part) = (scratch.path().join("app.log"), scratch.path().join("part.log"));
    let lines = lines::fill(&log, megabytes * 1_000_000, 0)?;
    let bytes = fs::metadata(&log)?.len();
    println!("{lines} lines of {} bytes", bytes / lines);
    println!("| program | input | CPU | MB a second of CPU |\n|---|---|---|---|");
    let (server, port, settings) = serve(&log, "")?;
    for turn in 0..3 {
        let home = scratch.path().join(format!("home-{turn}"));
        fs::create_dir(&home)?;
        row("logwarden", bytes, run(&mut logwarden(&home, &settings)?, &server, lines)?);
        fs::remove_dir_all(&home)?;
        if turn > 0 && rsyslog::is_installed() {
            // A part is enough: the cost per byte is constant, and rsyslog is slow.
            let few = lines::fill(&part, megabytes * 20_000, 0)?;
            let bytes = fs::metadata(&part)?.len();
            for (name, input, queue) in rsyslog::VARIANTS {
                let home = scratch.path().join("rsyslog");
                let mut command = rsyslog::command(&home, &part, port, (input, queue))?;
                row(name, bytes, run(&mut command, &server, few)?);
                fs::remove_dir_all(&home)?;
            }
        }
    }
    Ok(())
}

/// The variants alternate, so that a disturbance affects both.
fn sealed(megabytes: u64) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let log = scratch.path().join("app.log");
    let lines = lines::fill(&log, megabytes * 1_000_000, 0)?;
    let bytes = fs::metadata(&log)?.len();
    println!("| sealed | input | CPU | MB a second of CPU |\n|---|---|---|---|");
    for turn in 0..3 {
        for (name, fields) in [("nothing", "[]"), ("one field", "[\"customer\"]")] {
            let home = scratch.path().join(format!("home-{}-{turn}", fields.len()));
            fs::create_dir(&home)?;
            let keys = home.join("keys");
            fs::DirBuilder::new().mode(0o700).create(&keys)?;
            let privacy = format!("[privacy]\nseal = {fields}\nkeys = \"{}\"\n", keys.display());
            let (server, _, settings) = serve(&log, &privacy)?;
            row(name, bytes, run(&mut logwarden(&home, &settings)?, &server, lines)?);
        }
    }
    Ok(())
}

/// The time from the write of a line to the answer for it, including the server's own time.
fn latency(time: Duration) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let log = scratch.path().join("app.log");
    let before = lines::fill(&log, 1000, 0)?;
    let (server, _, settings) = serve(&log, "")?;
    let mut program = Program::start(&mut logwarden(scratch.path(), &settings)?)?;
    program.until(|| server.count() >= before)?;
    server.delays.lock().expect("no thread panics").clear();
    let cpu = program.cpu()?;
    let mut file = [OpenOptions::new().append(true).open(&log)?];
    let written = lines::write_steadily(&mut file, 1000, time)?;
    program.until(|| server.count() >= before + written)?;
    let cpu = (program.cpu()? - cpu) / time.as_secs_f64();
    let mut delays = server.delays.lock().expect("no thread panics").clone();
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize] as f64 / 1e6;
    println!(
        "{written} lines in {} s: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, at most {:.2} ms; {:.1} % of a core",
        time.as_secs(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        cpu * 100.0
    );
    Ok(())
}

/// Nothing listens at the server's address: first the files grow, then nothing changes.
fn outage(time: Duration) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let logs = scratch.path().join("logs");
    fs::create_dir(&logs)?;
    let mut files = Vec::new();
    for number in 0..100 {
        let path = logs.join(format!("app-{number}.log"));
        lines::fill(&path, 1_000_000, number * 10_000)?;
        files.push(OpenOptions::new().append(true).open(&path)?);
    }
    let closed_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let settings = settings(&logs.join("*.log"), closed_port, "");
    let program = Program::start(&mut logwarden(scratch.path(), &settings)?)?;
    std::thread::sleep(Duration::from_secs(10));
    watch("100 files of 1 MB, a line a second each", &program, &mut files, 100, time)?;
    watch("ten lines a second each", &program, &mut files, 1000, time)?;
    watch("nothing grows", &program, &mut files, 0, time)
}

fn watch(
    name: &str,
    program: &Program,
    files: &mut [File],
    rate: u32,
    time: Duration,
) -> anyhow::Result<()> {
    let (before, began, mut most) = (program.cpu()?, Instant::now(), 0);
    while began.elapsed() < time {
        let second = Duration::from_secs(1);
        match rate {
            0 => std::thread::sleep(second),
            _ => drop(lines::write_steadily(files, rate, second)?),
        }
        most = most.max(program.anonymous()?);
    }
    let share = (program.cpu()? - before) / began.elapsed().as_secs_f64();
    println!(
        "{name}: {:.2} % of a core, RssAnon at most {:.1} MiB",
        share * 100.0,
        most as f64 / 1024.0
    );
    Ok(())
}
