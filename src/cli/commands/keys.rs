//! `logwarden keys`: manages the monthly keys. Works beside a running engine, which picks up the changes.

mod list;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use crate::app::settings::Settings;
use crate::base::{Clock, SystemClock, bytes, with_causes};
use crate::cli::arguments::{Global, Keys};
use crate::cli::confirm;
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::file_batches::must_exist;
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::privacy::keys::{KeyError, MonthKey, UsedKey};
use crate::privacy::{Keyring, Month};
use crate::state;

pub fn run(global: &Global, command: &Keys) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    // The state records the used keys, even if their directory is lost. A directory named with --keys may belong to
    // another machine: there the record only shows which key numbers are free.
    let is_own = resolve::settings(&Global { keys: None, ..global.clone() })?.keys == settings.keys;
    let used = match is_own || matches!(command, Keys::Rotate { .. } | Keys::Import { .. }) {
        true => used_keys(&settings),
        false => Vec::new(),
    };
    let open_with = |makes_directory| {
        let keyring = Keyring::lazy(&settings.keys, makes_directory);
        keyring.remember(&used);
        keyring.look().map_err(unusable)?;
        anyhow::Ok(keyring)
    };
    let open = || open_with(false);
    // After a key was lost and replaced or restored, this directory becomes the one in use.
    let print_and_record = |keyring: &Keyring, key: &MonthKey| {
        if is_own {
            keyring.list_used()?;
        }
        print_created(keyring, key)
    };
    // The directory is created together with the first key.
    let has_no_keys = settings.makes_keys && used.is_empty() && !settings.keys.exists();
    if has_no_keys && matches!(command, Keys::List(_) | Keys::Check) {
        say(no_keys_yet(&settings.keys));
        return Ok(Exit::Done);
    }
    match command {
        Keys::List(output) => list::list(&open()?, output.is_json()),
        Keys::Check => list::check(&open()?),
        Keys::New { month } => {
            let month = month.unwrap_or_else(|| Month::of(SystemClock::new().now()));
            let keyring = open_with(true)?;
            print_created(&keyring, &keyring.create_first(month)?)
        }
        Keys::Rotate { month } => {
            let keyring = open()?;
            print_and_record(&keyring, &keyring.rotate(*month)?)
        }
        Keys::Import { month, file } => {
            let master = raw_key(file)?;
            Keyring::open_or_create(&settings.keys).map_err(unusable)?;
            let keyring = open()?;
            print_and_record(&keyring, &keyring.import(*month, master)?)
        }
        Keys::Backup { directory: target } => backup(&open()?, target),
        Keys::Destroy { month, confirm } => destroy(&open()?, *month, confirm.as_deref()),
    }
}

/// The keys that the state records as used.
fn used_keys(settings: &Settings) -> Vec<UsedKey> {
    UsedKey::parse_all(&state::used_keys(&settings.directories.state))
}

fn no_keys_yet(directory: &Path) -> String {
    format!(
        "no keys in {} yet: the first key is created when an event is first sealed; for another directory: \
         --keys DIR",
        directory.display()
    )
}

/// Opens the existing keys directory, or fails.
pub fn open(settings: &Settings) -> anyhow::Result<Keyring> {
    Keyring::open(&settings.keys).map_err(|error| match error {
        KeyError::NoDirectory { directory }
            if settings.makes_keys && used_keys(settings).is_empty() =>
        {
            usage_error(no_keys_yet(&directory))
        }
        error => unusable(error),
    })
}

/// A wrong directory is a usage error, a lost one is a failure.
fn unusable(error: KeyError) -> anyhow::Error {
    match error {
        KeyError::DirectoryLost { .. } => anyhow::Error::new(error),
        error => usage_error(with_causes(&error)),
    }
}

fn print_created(keyring: &Keyring, key: &MonthKey) -> anyhow::Result<Exit> {
    to_stdout(|out| Ok(writeln!(out, "{} {}", key.slot(), key.id())?))?;
    let directory = keyring.directory().display();
    say(format_args!("key stored in {directory}; back it up: logwarden keys backup DIR"));
    Ok(Exit::Done)
}

fn raw_key(file: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    must_exist(file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    let read = match file.as_os_str() == "-" {
        true => io::stdin().take(64).read_to_end(&mut bytes),
        false => File::open(file).and_then(|file| file.take(64).read_to_end(&mut bytes)),
    };
    let name = if file.as_os_str() == "-" { Path::new("standard input") } else { file };
    read.with_context(|| format!("cannot read {}", name.display()))?;
    let mut master = Zeroizing::new([0; 32]);
    if bytes.len() != master.len() {
        let length =
            if bytes.len() == 64 { "64 or more".to_owned() } else { bytes.len().to_string() };
        return Err(usage_error(format!(
            "{} contains {length} bytes, but a raw key has 32; if it is base64, decode it: base64 -d",
            name.display(),
        )));
    }
    master.copy_from_slice(&bytes);
    Ok(master)
}

fn backup(keyring: &Keyring, target: &Path) -> anyhow::Result<Exit> {
    let backup = keyring.backup(target)?;
    for slot in &backup.destroyed_here {
        say(format_args!(
            "{slot} was destroyed here, but the backup still contains it; to destroy it there: \
             logwarden --keys {} keys destroy {}",
            target.display(),
            slot.month
        ));
    }
    say(format_args!(
        "{} copied to {}, {} already there",
        bytes::counted(backup.copied as u64, "key"),
        target.display(),
        backup.there
    ));
    Ok(Exit::Done)
}

fn destroy(keyring: &Keyring, month: Month, confirmed: Option<&str>) -> anyhow::Result<Exit> {
    let slots = keyring.destroyable(month)?;
    if slots.is_empty() {
        say(format_args!("{month} has no key in {}", keyring.directory().display()));
        return Ok(Exit::Failed);
    }
    let names: Vec<String> = slots.iter().map(|slot| format!("{slot}.key")).collect();
    say(format_args!(
        "{} would be destroyed permanently; values sealed with it could never be decrypted again",
        names.join(", ")
    ));
    let name = month.to_string();
    let confirmed = match confirmed {
        Some(typed) => typed.trim() == name,
        None => confirm::ask_to_type(&name, "destroy it")?,
    };
    if !confirmed {
        say(format_args!("nothing was destroyed; to destroy without a prompt: --confirm {month}"));
        return Ok(Exit::Failed);
    }
    for slot in &slots {
        if !keyring.destroy(*slot)? {
            say(format_args!(
                "the file of {slot} was removed but could not be overwritten; the key may still be readable on \
                 the disk"
            ));
        }
        to_stdout(|out| Ok(writeln!(out, "{slot} destroyed")?))?;
    }
    say("backups and copies of the key are not affected; destroy them too");
    Ok(Exit::Done)
}
