//! The call graph of a WebAssembly module.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use wasmparser::{
    CompositeInnerType, CustomSectionReader, Element, ElementItems, Export, ExternalKind, FuncType,
    FunctionBody, KnownCustom, Name, Operator, Parser, Payload, RecGroup, TypeRef,
};

/// The functions of a module, by index; those of the host come first.
#[derive(Debug, Default)]
pub(crate) struct CallGraph {
    exported: BTreeMap<String, u32>,
    names: BTreeMap<u32, String>,
    types: Vec<Option<FuncType>>,
    /// The type of each function.
    functions: Vec<u32>,
    bodies: BTreeMap<u32, Body>,
    /// Functions whose address is taken.
    addressed: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Body {
    calls: BTreeSet<u32>,
    /// The types of the functions that are called by address.
    calls_of_type: BTreeSet<u32>,
}

impl CallGraph {
    pub(crate) fn read(module: &[u8]) -> Result<Self> {
        let mut graph = Self::default();
        let mut of_the_host = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => each(types, |group| graph.add_types(group))?,
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if let TypeRef::Func(kind) | TypeRef::FuncExact(kind) = import?.ty {
                            graph.functions.push(kind);
                            of_the_host += 1;
                        }
                    }
                }
                Payload::FunctionSection(types) => each(types, |kind| {
                    graph.functions.push(kind);
                    Ok(())
                })?,
                Payload::ExportSection(exports) => each(exports, |export| graph.add_export(&export))?,
                Payload::ElementSection(tables) => each(tables, |table| graph.add_addresses(table))?,
                Payload::CodeSectionEntry(body) => {
                    let function = of_the_host + u32::try_from(graph.bodies.len())?;
                    graph.add_body(function, &body)?;
                }
                Payload::CustomSection(section) => graph.add_names(&section)?,
                _ => {}
            }
        }
        Ok(graph)
    }

    /// Returns the functions that the host may call, by name.
    pub(crate) const fn exported(&self) -> &BTreeMap<String, u32> {
        &self.exported
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = u32> {
        self.bodies.keys().copied()
    }

    /// Returns the name of a function in the source, without hashes and the arguments of generics.
    pub(crate) fn name(&self, function: u32) -> String {
        self.names.get(&function).cloned().unwrap_or_else(|| format!("function {function}"))
    }

    /// Returns every function that this one may call: by name, and by address all functions of the right type whose
    /// address is taken.
    pub(crate) fn called_by(&self, function: u32) -> BTreeSet<u32> {
        let Some(body) = self.bodies.get(&function) else { return BTreeSet::new() };
        let may_be = |other: &&u32| {
            let kind = self.kind(self.functions.get(**other as usize));
            body.calls_of_type.iter().any(|called| kind == self.kind(Some(called)))
        };
        body.calls.iter().chain(self.addressed.iter().filter(may_be)).copied().collect()
    }

    fn kind(&self, index: Option<&u32>) -> Option<&FuncType> {
        self.types.get(*index? as usize)?.as_ref()
    }

    fn add_types(&mut self, group: RecGroup) -> Result<()> {
        self.types.extend(group.into_types().map(|kind| match kind.composite_type.inner {
            CompositeInnerType::Func(kind) => Some(kind),
            _ => None,
        }));
        Ok(())
    }

    fn add_export(&mut self, export: &Export<'_>) -> Result<()> {
        if export.kind == ExternalKind::Func {
            self.exported.insert(export.name.to_owned(), export.index);
        }
        Ok(())
    }

    fn add_addresses(&mut self, table: Element<'_>) -> Result<()> {
        match table.items {
            ElementItems::Functions(functions) => each(functions, |function| {
                self.addressed.insert(function);
                Ok(())
            }),
            ElementItems::Expressions(_, expressions) => each(expressions, |expression| {
                for operator in expression.get_operators_reader() {
                    self.add_address(&operator?);
                }
                Ok(())
            }),
        }
    }

    fn add_address(&mut self, operator: &Operator<'_>) {
        if let Operator::RefFunc { function_index } = operator {
            self.addressed.insert(*function_index);
        }
    }

    fn add_body(&mut self, function: u32, code: &FunctionBody<'_>) -> Result<()> {
        let mut body = Body::default();
        for operator in code.get_operators_reader()? {
            match operator? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    body.calls.insert(function_index);
                }
                Operator::CallIndirect { type_index, .. }
                | Operator::ReturnCallIndirect { type_index, .. }
                | Operator::CallRef { type_index }
                | Operator::ReturnCallRef { type_index } => {
                    body.calls_of_type.insert(type_index);
                }
                other => self.add_address(&other),
            }
        }
        self.bodies.insert(function, body);
        Ok(())
    }

    fn add_names(&mut self, section: &CustomSectionReader<'_>) -> Result<()> {
        let KnownCustom::Name(parts) = section.as_known() else { return Ok(()) };
        for part in parts {
            if let Name::Function(names) = part? {
                each(names, |naming| {
                    let name = format!("{:#}", rustc_demangle::demangle(naming.name));
                    self.names.insert(naming.index, name);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

fn each<T>(
    items: impl IntoIterator<Item = wasmparser::Result<T>>,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    items.into_iter().try_for_each(|item| take(item?))
}
