//! Images: an entry and what it reaches, linked from an archive. One that may panic does not link.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the panic handler of `effects.rs` calls. It exists nowhere.
pub(super) const PANIC: &str = "pawl_a_panic_can_be_reached";

/// What the images call of the world outside. Nothing runs, so any address does.
const OUTSIDE: [&str; 2] = ["--defsym=pawl_opaque=0x100000", "--defsym=pawl_sink=0x100000"];

/// A linker for a target.
pub(super) struct Linker {
    command: Vec<String>,
    emulation: &'static str,
}

impl Linker {
    /// LLVM's linker, by itself or as rustup brings it.
    pub(super) fn find(target: &str) -> Result<Self, String> {
        let emulation = match target.split('-').next() {
            Some(arch) if arch.starts_with("thumb") => "armelf",
            Some(arch) if arch.starts_with("riscv32") => "elf32lriscv",
            Some("aarch64") => "aarch64elf",
            Some("x86_64") => "elf_x86_64",
            _ => return Err(format!("{target}: no rule says what the linker calls it")),
        };
        let candidates = [vec!["ld.lld".to_owned()], rustup_linker().unwrap_or_default()];
        candidates
            .into_iter()
            .find(|command| runs(command))
            .map(|command| Linker { command, emulation })
            .ok_or_else(|| "there is no ld.lld (Debian: apt-get install lld)".to_owned())
    }

    /// Links what `entry` reaches. Whether the linker misses nothing, or just the end of the panic handler. One thread: with
    /// more, LLVM 14's linker now and then never ends when it has an error to report.
    pub(super) fn links(&self, archive: &Path, entry: &str) -> Result<bool, String> {
        let output = self
            .command()?
            .args([
                "-m",
                self.emulation,
                "--gc-sections",
                "--threads=1",
                "-o",
                "/dev/null",
                "-e",
                entry,
                "-u",
                entry,
            ])
            .args(OUTSIDE)
            .arg(archive)
            .output()
            .map_err(|error| format!("cannot run the linker: {error}"))?;
        let message = String::from_utf8_lossy(&output.stderr);
        if message.contains("cannot find entry symbol") {
            return Err(format!("{entry} is not in the archive:\n{message}")); // such an image is empty, and links
        }
        let mut errors = message.lines().filter(|line| line.contains("error: "));
        match errors.next() {
            None if output.status.success() => Ok(true),
            Some(first)
                if first.ends_with(&format!("undefined symbol: {PANIC}")) && errors.next().is_none() =>
            {
                Ok(false)
            }
            _ => Err(format!("{entry} does not link, for no panic:\n{message}")),
        }
    }

    fn command(&self) -> Result<Command, String> {
        let (program, arguments) = self.command.split_first().ok_or("there is no linker")?;
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(command)
    }
}

fn runs(command: &[String]) -> bool {
    let Some((program, arguments)) = command.split_first() else { return false };
    Command::new(program)
        .args(arguments)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn rustup_linker() -> Option<Vec<String>> {
    let printed = |what: &[&str]| {
        let output = Command::new("rustc").args(what).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let version = printed(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
    let sysroot = PathBuf::from(printed(&["--print", "sysroot"])?.trim());
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    Some(vec![linker.to_string_lossy().into_owned(), "-flavor".to_owned(), "gnu".to_owned()])
}
