//! What a command leaves: files, and what it prints.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

/// A file that is written at the end, as a whole. Whoever reads it, and whenever the power fails, finds what it held before
/// or all that was written.
#[derive(Clone, Debug)]
pub struct OutputFile(PathBuf);

impl OutputFile {
    /// At that path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        // What is written takes the place of the file and not of a link to it.
        OutputFile(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// At that path, if it can be written there as far as can be told: nobody is to wait for what cannot be written. What is
    /// there stays.
    ///
    /// # Errors
    /// A message for people.
    pub fn writable(path: &Path) -> Result<Self, String> {
        let file = OutputFile::new(path);
        file.try_out().map_err(|error| file.cannot_write(&error))?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes it, in the place of what is there.
    ///
    /// # Errors
    /// A message for people.
    pub fn write(&self, bytes: &[u8]) -> Result<(), String> {
        self.replace(bytes).map_err(|error| self.cannot_write(&error))
    }

    fn try_out(&self) -> io::Result<()> {
        match fs::metadata(&self.0) {
            Ok(metadata) if metadata.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            // A pipe, or /dev/stdout: opened, it would wait for somebody who reads.
            Ok(metadata) if !metadata.is_file() => return Ok(()),
            Ok(_) => _ = OpenOptions::new().write(true).open(&self.0)?,
            Err(_) => {}
        }
        AtomicWriteFile::open(&self.0)?.discard()
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        if !fs::metadata(&self.0).map_or(true, |metadata| metadata.is_file()) {
            return File::create(&self.0)?.write_all(bytes);
        }
        let mut file = AtomicWriteFile::open(&self.0)?;
        file.write_all(bytes)?;
        file.commit()
    }

    fn cannot_write(&self, error: &io::Error) -> String {
        format!("cannot write {}: {error}", self.0.display())
    }
}

/// Prints a text, without its colours where they are not wanted.
///
/// # Errors
/// A message for people: it could not be written. Where nobody reads on that is none: whoever reads only the first lines
/// has seen enough.
pub fn print(text: impl Display) -> Result<(), String> {
    let mut output = anstream::stdout();
    // Only what is flushed is known to be written.
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
