//! Where generated lines go: standard output, a file that is rotated, a file a month.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::base::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// Appended to. A directory gets one file a month, `logs_2021_Apr.txt`.
    Path(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("cannot open {} for writing; is its directory there, and may this user write in it?", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write to {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot rename {} to {}", from.display(), to.display())]
    Rotate {
        from: PathBuf,
        to: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// An open target. Writes go straight to the file: a line stands there when `write` returns.
#[derive(Debug)]
pub(super) struct Output {
    target: Target,
    monthly: bool,
    /// Bytes at which the file is renamed.
    rotate: Option<u64>,
    zone: TimeZone,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Output {
    /// `monthly`: one file a month in a directory, also where the directory is not there yet.
    pub fn new(target: Target, monthly: bool, rotate: Option<u64>, zone: TimeZone) -> Self {
        let is_directory = matches!(&target, Target::Path(path) if path.is_dir());
        let names_directory = matches!(&target, Target::Path(path) if path.extension().is_none());
        let monthly = is_directory || (monthly && names_directory);
        Output { target, monthly, rotate, zone, open: None }
    }

    /// `Ok(false)`: nobody reads any more (a broken pipe).
    pub fn write(&mut self, bytes: &[u8], time: Timestamp) -> Result<bool, GenerateError> {
        let Target::Path(target) = &self.target else {
            let mut stdout = io::stdout().lock();
            return match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
                Err(source) => Err(GenerateError::Write { path: "standard output".into(), source }),
            };
        };
        let path =
            if self.monthly { target.join(month_file(time, &self.zone)) } else { target.clone() };
        let open = match &mut self.open {
            Some(open) if open.path == path => open,
            _ => self.open.insert(Open::new(path)?),
        };
        open.file
            .write_all(bytes)
            .map_err(|source| GenerateError::Write { path: open.path.clone(), source })?;
        open.size += bytes.len() as u64;
        Ok(true)
    }

    /// Between two lines: renames the file if it is long enough.
    pub fn rotate_if_due(&mut self) -> Result<(), GenerateError> {
        match &self.open {
            Some(open) if self.rotate.is_some_and(|most| open.size >= most) => {}
            _ => return Ok(()),
        }
        let from = self.open.take().expect("an open file was found long enough").path;
        let to = free_name(&from);
        fs::rename(&from, &to).map_err(|source| GenerateError::Rotate { from, to, source })
    }
}

impl Open {
    fn new(path: PathBuf) -> Result<Open, GenerateError> {
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        match open() {
            Ok((file, size)) => Ok(Open { path, file, size }),
            Err(source) => Err(GenerateError::Open { path, source }),
        }
    }
}

/// `app.log.1`, `app.log.2`, …: the higher the younger, none is ever replaced.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|name| !name.exists()).expect("there is always a free number")
}

/// `logs_2021_Apr.txt`.
pub(super) fn month_file(time: Timestamp, zone: &TimeZone) -> String {
    let instant = jiff::Timestamp::from_nanosecond(time.0.into()).unwrap_or_default();
    instant.to_zoned(zone.clone()).strftime("logs_%Y_%b.txt").to_string()
}
