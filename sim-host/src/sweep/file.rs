//! The file that a report is kept in.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

use super::{SeedRange, Subject, SweepReport};

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
pub struct ReportFile(PathBuf);

impl ReportFile {
    /// At that path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        // What is written takes the place of the file and not of a link to it.
        ReportFile(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The report that it holds.
    ///
    /// # Errors
    /// A message for people: it cannot be read, or it is none.
    pub fn load(&self) -> Result<SweepReport, String> {
        self.load_if_any()?.ok_or_else(|| format!("cannot read {}: there is no such file", self.0.display()))
    }

    /// The report that a sweep of these seeds goes on from.
    ///
    /// # Errors
    /// A message for people: the file holds something else.
    pub fn begin(&self, subject: &Subject, asked: SeedRange, afresh: Afresh) -> Result<SweepReport, String> {
        let mut report = SweepReport::new(subject.plan().clone(), asked);
        if afresh == Afresh::No {
            let path = self.0.display();
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
        let path = self.0.display();
        let text = match fs::read(&self.0) {
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
        self.write(report).map_err(|error| format!("cannot write {}: {error}", self.0.display()))
    }

    fn write(&self, report: &SweepReport) -> io::Result<()> {
        let mut text = serde_json::to_vec(report)?;
        text.push(b'\n');
        let takes_place = fs::metadata(&self.0).map_or(true, |metadata| metadata.is_file());
        if !takes_place {
            // A pipe, or /dev/stdout.
            return File::create(&self.0)?.write_all(&text);
        }
        let mut file = AtomicWriteFile::open(&self.0)?;
        file.write_all(&text)?;
        file.commit()
    }
}
