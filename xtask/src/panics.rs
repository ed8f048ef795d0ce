//! Proves that the released WebAssembly cannot panic. A panic would end the VM of a proxy's worker or leave a JavaScript
//! program with a broken module, so tests are not enough: no call may lead to a panic.
//!
//! The compiled modules are read, from which the optimizer has removed the panics that it could exclude. The others must
//! be in [`ALLOWED`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::calls::CallGraph;
use crate::shell;

/// Functions of the standard library that have a panic, and why it never comes.
const ALLOWED: [(&str, &str); 4] = [
    ("alloc::raw_vec::handle_error", "is for lists of over 2 GiB, more than a module's memory"),
    ("__rustc::__rdl_dealloc", "checks the allocator's own notes, which only unsafe code could spoil"),
    ("__rustc::__rdl_realloc", "as the one before"),
    ("std::panicking::set_hook", "is called once, before anything could have gone wrong"),
];

/// Every panic ends here.
const HANDLER: &str = "__rustc::rust_begin_unwind";

/// Refuses a module whose host can call what may panic.
pub(crate) fn check(modules: &[PathBuf]) -> Result<()> {
    shell::say("reading the WebAssembly: nothing that a host calls may panic");
    let (mut met, mut faults) = (BTreeSet::new(), Vec::new());
    for module in modules {
        let name = module.display();
        let graph =
            CallGraph::read(&fs::read(module)?).with_context(|| format!("{name} could not be read"))?;
        let ways = ways_to_panic(&graph, &mut met).with_context(|| format!("{name} says too little"))?;
        if !ways.is_empty() {
            faults.push(format!("{name} may panic:\n{}", ways.join("\n")));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    let unmet = ALLOWED.iter().find(|(allowed, _)| !met.contains(*allowed));
    ensure!(unmet.is_none(), "no module holds {unmet:?}: it need not be allowed");
    Ok(())
}

/// Returns the shortest call path to each function that may panic. Adds the allowed functions that occur to `met`.
fn ways_to_panic(graph: &CallGraph, met: &mut BTreeSet<String>) -> Result<Vec<String>> {
    let handler = graph.functions().find(|function| graph.name(*function) == HANDLER);
    let panics = nothing_but_panic(graph, handler.context("the panic handler has no name")?);
    let mut from: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    let mut queue: VecDeque<(u32, Option<u32>)> = roots(graph).map(|root| (root, None)).collect();
    let mut ways = Vec::new();
    while let Some((function, caller)) = queue.pop_front() {
        if from.contains_key(&function) || panics.contains(&function) {
            continue;
        }
        from.insert(function, caller);
        let called = graph.called_by(function);
        let name = graph.name(function);
        if ALLOWED.iter().any(|(allowed, _)| name == *allowed) {
            met.insert(name);
            continue;
        }
        if let Some(panic) = called.intersection(&panics).next() {
            ways.push(format!("  {}, {}", way(graph, &from, function), graph.name(*panic)));
        }
        queue.extend(called.into_iter().map(|next| (next, Some(function))));
    }
    Ok(ways)
}

/// Returns the functions that do nothing but panic, such as those that format the message.
fn nothing_but_panic(graph: &CallGraph, handler: u32) -> BTreeSet<u32> {
    let mut panics = BTreeSet::from([handler]);
    loop {
        let only_panics = |function: &u32| {
            let called = graph.called_by(*function);
            !panics.contains(function) && !called.is_empty() && called.is_subset(&panics)
        };
        let more: Vec<u32> = graph.functions().filter(only_panics).collect();
        if more.is_empty() {
            return panics;
        }
        panics.extend(more);
    }
}

/// Returns the functions that a host calls. wasm-bindgen runs its descriptions when it makes the package and removes them.
fn roots(graph: &CallGraph) -> impl Iterator<Item = u32> {
    let exported = graph.exported().iter();
    exported.filter(|(name, _)| !name.starts_with("__wbindgen_describe_")).map(|(_, function)| *function)
}

fn way(graph: &CallGraph, from: &BTreeMap<u32, Option<u32>>, function: u32) -> String {
    let steps = std::iter::successors(Some(function), |step| from.get(step).copied().flatten());
    let mut names: Vec<String> = steps.map(|step| graph.name(step)).collect();
    names.reverse();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: u8 = 0x10;
    const CALL_BY_ADDRESS: [u8; 5] = [0x41, 0, 0x11, 0, 0];

    /// Returns a module of these functions, by name and code. The first is exported; the address of `addressed` is taken.
    fn module(functions: &[(&str, &[u8])], addressed: u8) -> Vec<u8> {
        let sized = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let section = |id: u8, bytes: &[u8]| [&[id], &sized(bytes)[..]].concat();
        let count = u8::try_from(functions.len()).unwrap();
        let code = functions.iter().flat_map(|(_, code)| sized(&[&[0], *code, &[0x0b]].concat()));
        let names =
            (0..count).zip(functions).flat_map(|(at, (name, _))| [vec![at], sized(name.as_bytes())].concat());
        let names = [vec![count], names.collect()].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[1, 0x60, 0, 0]),
            section(3, &[vec![count], vec![0; functions.len()]].concat()),
            section(4, &[1, 0x70, 0, 1]),
            section(7, &[1, 1, b'f', 0, 0]),
            section(9, &[1, 0, 0x41, 0, 0x0b, 1, addressed]),
            section(10, &[vec![count], code.collect()].concat()),
            section(0, &[sized(b"name"), vec![1], sized(&names)].concat()),
        ]
        .concat()
    }

    fn ways(functions: &[(&str, &[u8])], addressed: u8) -> Result<Vec<String>> {
        ways_to_panic(&CallGraph::read(&module(functions, addressed))?, &mut BTreeSet::new())
    }

    #[test]
    fn a_panic_is_told_with_the_way_to_it() {
        let calls: &[(&str, &[u8])] = &[
            ("f", &[CALL, 2]),
            (HANDLER, &[]),
            ("g", &[CALL, 3, CALL, 4]),
            ("panic", &[CALL, 1]),
            ("h", &[]),
        ];

        assert_eq!(ways(calls, 0).unwrap(), ["  f, g, panic"]);
    }

    #[test]
    fn a_call_by_address_may_lead_to_whatever_has_one() {
        let calls: &[(&str, &[u8])] =
            &[("f", &CALL_BY_ADDRESS), (HANDLER, &[]), ("g", &[CALL, 1, CALL, 3]), ("h", &[])];

        assert_eq!(ways(calls, 2).unwrap(), [format!("  f, g, {HANDLER}")]);
        assert!(ways(calls, 3).unwrap().is_empty());
    }

    #[test]
    fn what_is_allowed_ends_a_way() {
        let calls: &[(&str, &[u8])] =
            &[("f", &[CALL, 2]), (HANDLER, &[]), (ALLOWED[0].0, &[CALL, 1, CALL, 0])];

        assert!(ways(calls, 0).unwrap().is_empty());
    }

    #[test]
    fn a_module_that_does_not_name_its_panics_proves_nothing() {
        assert!(ways(&[("f", &[])], 0).is_err());
    }
}
