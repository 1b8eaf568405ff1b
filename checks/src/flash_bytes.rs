//! How much flash an image takes.

use std::fs;

use object::elf::{SHF_ALLOC, SHT_PROGBITS};
use object::{Object, ObjectSection, SectionFlags};

/// A line `flash <name> <bytes>` for each `<name>=<file>`.
pub(crate) fn lines(images: &[String]) -> Result<String, String> {
    let line = |image: &String| {
        let (name, file) = image.split_once('=').ok_or_else(|| format!("{image} is not <name>=<file>"))?;
        let bytes = fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
        Ok(format!("flash {name} {}", flash_bytes(&bytes).map_err(|error| format!("{file}: {error}"))?))
    };
    images.iter().map(line).collect::<Result<Vec<_>, String>>().map(|lines| lines.join("\n"))
}

/// The bytes of an image that lie in flash: code, constants, and what variables begin with. Of an image without an entry, or
/// with one that reaches nothing, there would be none; that is an error.
fn flash_bytes(image: &[u8]) -> Result<u64, String> {
    let image = object::File::parse(image).map_err(|error| error.to_string())?;
    let bytes = image.sections().filter(is_in_flash).map(|section| section.size()).sum();
    if bytes < 100 { Err(format!("{bytes} bytes are not all of it")) } else { Ok(bytes) }
}

fn is_in_flash<'data>(section: &impl ObjectSection<'data>) -> bool {
    let SectionFlags::Elf { sh_type, sh_flags } = section.flags() else { return false };
    let is_loaded = sh_type == SHT_PROGBITS && sh_flags.contains(SHF_ALLOC);
    // Firmware that aborts on a panic leaves out what unwinding needs.
    let is_for_unwinding =
        section.name().is_ok_and(|name| name.starts_with(".eh_frame") || name.starts_with(".ARM."));
    is_loaded && !is_for_unwinding
}
