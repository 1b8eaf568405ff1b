//! The file that a report is kept in.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{SeedRange, Subject, SweepReport};
use crate::output::OutputFile;

/// Whether what a file holds is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afresh {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// A file with a report. Whoever reads it, and whenever the power fails, finds a whole one.
#[derive(Clone, Debug)]
pub struct ReportFile(OutputFile);

impl ReportFile {
    /// At that path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        ReportFile(OutputFile::new(path))
    }

    /// The report that it holds.
    ///
    /// # Errors
    /// A message for people: it cannot be read, or it is none.
    pub fn load(&self) -> Result<SweepReport, String> {
        self.load_if_any()?
            .ok_or_else(|| format!("cannot read {}: there is no such file", self.0.path().display()))
    }

    /// Keeps other sweeps away from the file as long as what is returned lives: of two that kept their reports in one file,
    /// the seeds of one would be lost.
    ///
    /// # Errors
    /// A message for people: another sweep is at it, or a file beside it cannot be made.
    pub fn claim(&self) -> Result<Claim, String> {
        let path = self.0.path();
        let mut name = OsString::from(path.file_name().unwrap_or_default());
        name.push(".lock");
        let beside = path.with_file_name(name);
        match Claim::of(&beside) {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => Err(format!("another sweep keeps its report in {} just now", path.display())),
            Err(error) => Err(format!("cannot write {}: {error}", beside.display())),
        }
    }

    /// The report that a sweep of these seeds goes on from.
    ///
    /// # Errors
    /// A message for people: the file holds something else.
    pub fn begin(&self, subject: &Subject, asked: SeedRange, afresh: Afresh) -> Result<SweepReport, String> {
        let mut report = SweepReport::new(subject.plan().clone(), asked);
        if afresh == Afresh::No {
            let path = self.0.path().display();
            let way_out = "name another file, or begin afresh with --afresh";
            let before = self.load_if_any().map_err(|error| format!("{error}; {way_out}"))?;
            if let Some(before) = before {
                let added = report.add(before);
                added.map_err(|error| format!("{path} holds another sweep's report: {error}; {way_out}"))?;
            }
        }
        Ok(report)
    }

    fn load_if_any(&self) -> Result<Option<SweepReport>, String> {
        let path = self.0.path().display();
        let text = match fs::read(self.0.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| format!("cannot read {path}: {error}"))?,
        };
        let report: SweepReport = serde_json::from_slice(&text)
            .map_err(|error| format!("{path} is no report of `pawl-sim sweep`: {error}"))?;
        report.check().map_err(|error| format!("{path} is no report of `pawl-sim sweep`: {error}"))?;
        Ok(Some(report))
    }

    /// Writes a report in the place of what the file holds: the one or the other is there, whenever the power fails.
    ///
    /// # Errors
    /// A message for people: it cannot be written.
    pub fn save(&self, report: &SweepReport) -> Result<(), String> {
        let mut text =
            serde_json::to_vec(report).map_err(|error| format!("the report is not written: {error}"))?;
        text.push(b'\n');
        self.0.write(&text)
    }
}

/// That nobody else writes a report. It is given up with the process, however that ends.
#[derive(Debug)]
pub struct Claim {
    /// Locked, and beside the report: that one is replaced whenever it is written. None where files have no locks.
    lock: Option<(File, PathBuf)>,
}

impl Claim {
    /// By a lock on that file; `None` if somebody else has it.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(Some(Claim { lock: None }));
                }
                Err(TryLockError::Error(error)) => return Err(error),
                // Unless whoever had it removed it meanwhile.
                Ok(()) if path.exists() => return Ok(Some(Claim { lock: Some((file, path.to_owned())) })),
                Ok(()) => {}
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((_still_locked, path)) = &self.lock {
            // What stays behind is in nobody's way.
            let _ = fs::remove_file(path);
        }
    }
}
