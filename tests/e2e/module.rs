//! The filter's WebAssembly module, read and changed.

use anyhow::{Context, Result, ensure};
use wasmparser::{Parser, Payload, TypeRef};

/// Returns the most bytes that each memory of a module may have.
pub(crate) fn memory_limits(module: &[u8]) -> Result<Vec<Option<u64>>> {
    let mut limits = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(memories) = payload? {
            for memory in memories {
                limits.push(memory?.maximum.map(|pages| pages * PAGE_BYTES));
            }
        }
    }
    Ok(limits)
}

/// Returns the same module, but that a call of this export traps, which ends the VM.
pub(crate) fn trapping_in(module: &[u8], export: &str) -> Result<Vec<u8>> {
    let (mut of_the_host, mut index, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    of_the_host += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for found in exports {
                    let found = found?;
                    index = index.or((found.name == export).then_some(found.index));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            _ => {}
        }
    }
    let own = index.and_then(|index| index.checked_sub(of_the_host)).context("no such export")?;
    let body = bodies.get(usize::try_from(own)?).context("the export has no body")?.clone();
    let mut changed = module.to_vec();
    match changed.get_mut(body).context("the body lies elsewhere")? {
        [locals, first, rest @ .., end] => {
            (*locals, *first, *end) = (0, UNREACHABLE, END);
            rest.fill(NOP);
        }
        _ => anyhow::bail!("the body is too short"),
    }
    Ok(changed)
}

/// Returns the same code in a module that Envoy takes for another: with a custom section that is called `n`.
pub(crate) fn renamed(module: &[u8]) -> Vec<u8> {
    [module, &[0, 2, 1, b'n']].concat()
}

/// Returns a module whose shared data another release cannot read: the text that goes into every tag is another one.
pub(crate) fn of_another_release(module: &[u8]) -> Result<Vec<u8>> {
    let places: Vec<usize> = module
        .windows(TAG_TEXT.len())
        .enumerate()
        .filter(|(_, text)| *text == TAG_TEXT)
        .map(|(at, _)| at)
        .collect();
    ensure!(!places.is_empty(), "the text of the tags has changed");
    let mut changed = module.to_vec();
    for at in places {
        changed.get_mut(at).context("no such place")?.make_ascii_uppercase();
    }
    Ok(changed)
}

const PAGE_BYTES: u64 = 64 << 10;
const UNREACHABLE: u8 = 0;
const NOP: u8 = 1;
const END: u8 = 0x0b;
const TAG_TEXT: &[u8] = b"keystone envoy filter, shared data";
