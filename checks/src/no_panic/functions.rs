//! The list of the public functions, from the code.
//!
//! A function is public when its type, trait or module can be named from outside. Of traits, the functions of their
//! implementations count: those that are written, and those that are derived. What no rule here covers is an error.

use syn::{
    Expr, FnArg, Generics, Ident, ImplItem, Item, ItemImpl, Path, ReturnType, Signature, TraitItem, Type,
    TypeParamBound,
};

use super::generics::{Assignment, Parameter, assignments};
use super::source::{CRATE, Module, Name, Source, derives, is_public};
use super::types::{path_names, rewrite, text};

/// A public function and the calls of it, an image each.
#[derive(Clone)]
pub(super) struct Function {
    /// As a user would write it, without the crate: `Device::forget`, `<Effect as Display>::fmt`.
    pub(super) name: String,
    pub(super) calls: Vec<Call>,
}

/// A call with opaque arguments.
#[derive(Clone)]
pub(super) struct Call {
    /// For which types, where the function is generic: `P = NothingStored`.
    pub(super) with: String,
    /// The statement that makes the call.
    pub(super) statement: String,
}

/// All public functions, sorted by their names.
pub(super) fn all(source: &Source) -> Result<Vec<Function>, String> {
    let mut functions = Vec::new();
    for module in &source.modules {
        let mut list = List { source, module, functions: &mut functions };
        for item in &module.items {
            list.item(item)?;
        }
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = functions.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(format!("two functions are called {}", twice[0].name));
    }
    Ok(functions)
}

struct List<'a> {
    source: &'a Source,
    module: &'a Module,
    functions: &'a mut Vec<Function>,
}

type Prefix<'f> = Box<dyn Fn(&Assignment) -> Result<String, String> + 'f>;

/// A function, and what it is a function of.
struct Found<'f> {
    /// What stands before its name: `settings`, `Device`, `<Effect as Display>`.
    owner: String,
    /// The generics of the type and of the trait.
    outer: Option<&'f Generics>,
    /// What stands before its name in a call, given what the generics stand for.
    prefix: Prefix<'f>,
    signature: &'f Signature,
}

impl List<'_> {
    fn item(&mut self, item: &Item) -> Result<(), String> {
        match item {
            Item::Fn(function) if is_public(&function.vis) => self.free_function(&function.sig),
            Item::Impl(block) => self.implementation(block),
            Item::Struct(item) => self.derived(&item.ident, &item.generics, &item.attrs),
            Item::Enum(item) => self.derived(&item.ident, &item.generics, &item.attrs),
            Item::Trait(item) if self.source.public_path(self.module, &item.ident.to_string()).is_some() => {
                let provided = item.items.iter().find_map(|item| match item {
                    TraitItem::Fn(function) if function.default.is_some() => {
                        Some(function.sig.ident.to_string())
                    }
                    _ => None,
                });
                provided.map_or(Ok(()), |name| {
                    Err(format!("{}::{name}: no rule covers what a public trait provides", item.ident))
                })
            }
            Item::Const(item) if item.ident == "_" && matches!(*item.expr, Expr::Block(_)) => Err(format!(
                "{}: no rule covers what stands in a constant without a name",
                self.module.path.join("::")
            )),
            _ => Ok(()),
        }
    }

    fn free_function(&mut self, signature: &Signature) -> Result<(), String> {
        let name = signature.ident.to_string();
        let Some(path) = self.source.public_path(self.module, &name) else { return Ok(()) };
        let owner = path.strip_suffix(&format!("::{name}")).unwrap_or(CRATE).to_owned();
        let prefix = owner.clone();
        self.add(&Found { owner, outer: None, prefix: Box::new(move |_| Ok(prefix.clone())), signature })
    }

    fn implementation(&mut self, block: &ItemImpl) -> Result<(), String> {
        let Some(owner) = self.owner(block)? else { return Ok(()) };
        let (source, module) = (self.source, self.module);
        let concrete = |assignment: &Assignment| rewrite(source, module, assignment, &block.self_ty);
        if let Some((path, _)) = &block.trait_ {
            if matches!(source.resolve(module, &path_names(path)), Name::Private) {
                return Ok(());
            }
            let owner = format!("<{owner} as {}>", short(path));
            for signature in functions_of(block, |_| true) {
                let prefix = Box::new(|assignment: &Assignment| {
                    let implemented = rewrite_path(source, module, assignment, path)?;
                    Ok(format!("<{} as {implemented}>", concrete(assignment)?))
                });
                self.add(&Found { owner: owner.clone(), outer: Some(&block.generics), prefix, signature })?;
            }
            return Ok(());
        }
        for signature in functions_of(block, is_public) {
            let prefix = Box::new(|assignment: &Assignment| Ok(format!("<{}>", concrete(assignment)?)));
            self.add(&Found { owner: owner.clone(), outer: Some(&block.generics), prefix, signature })?;
        }
        Ok(())
    }

    /// What the type of an implementation is called outside; `None` when it cannot be named there, or has no functions here.
    fn owner(&self, block: &ItemImpl) -> Result<Option<String>, String> {
        let ty = &*block.self_ty;
        let name = match ty {
            Type::Path(path) => Some(self.source.resolve(self.module, &path_names(&path.path))),
            Type::Reference(_) => return Ok(Some(text(ty))),
            _ => None,
        };
        match name {
            Some(Name::Public(public)) => Ok(Some(without_crate(&public))),
            Some(Name::Private) => Ok(None), // what it does is reached by public functions, or not at all
            _ if functions_of(block, |_| true).next().is_none() => Ok(None),
            _ => Err(format!("no rule covers functions of {}", text(ty))),
        }
    }

    fn derived(
        &mut self,
        ident: &Ident,
        generics: &Generics,
        attributes: &[syn::Attribute],
    ) -> Result<(), String> {
        let name = ident.to_string();
        let Some(path) = self.source.public_path(self.module, &name) else { return Ok(()) };
        let owner = without_crate(path);
        for derived in derives(attributes)? {
            let (function, path_of_trait, arguments) = match derived.as_str() {
                "Clone" => ("clone", "Clone", "opaque()"),
                "Debug" => ("fmt", "core::fmt::Debug", "opaque(), opaque()"),
                "Default" => ("default", "Default", ""),
                "Hash" => ("hash::<Hasher>", "core::hash::Hash", "opaque(), opaque()"),
                "Ord" => ("cmp", "Ord", "opaque(), opaque()"),
                "PartialEq" => ("eq", "PartialEq", "opaque(), opaque()"),
                "PartialOrd" => ("partial_cmp", "PartialOrd", "opaque(), opaque()"),
                "Zeroize" => ("zeroize", "zeroize::Zeroize", "opaque()"),
                // Markers; and what is wiped when it is dropped is dropped by the images that make it.
                "Copy" | "Eq" | "ZeroizeOnDrop" => continue,
                _ => return Err(format!("{owner}: no rule covers a derived {derived}")),
            };
            let mut calls = Vec::new();
            for assignment in assignments(&owner, &[generics])? {
                let types = arguments_of(generics, &assignment);
                calls.push(Call {
                    with: assignment.to_string(),
                    statement: format!("sink(<{path}{types} as {path_of_trait}>::{function}({arguments}))"),
                });
            }
            let function = function.split(':').next().unwrap_or(function);
            self.functions.push(Function { name: format!("<{owner} as {derived}>::{function}"), calls });
        }
        Ok(())
    }

    fn add(&mut self, found: &Found<'_>) -> Result<(), String> {
        let signature = found.signature;
        let owner = without_crate(&found.owner);
        let name = if owner == CRATE {
            signature.ident.to_string()
        } else {
            format!("{owner}::{}", signature.ident)
        };
        let arguments = arguments(signature).map_err(|error| format!("{name}: {error}"))?;
        let consumer = consumer(&signature.output).map_err(|error| format!("{name}: {error}"))?;
        let generics: Vec<&Generics> = found.outer.into_iter().chain([&signature.generics]).collect();
        let mut calls = Vec::new();
        for assignment in assignments(&name, &generics)? {
            let prefix = (found.prefix)(&assignment)?;
            let types = match arguments_of(&signature.generics, &assignment) {
                types if types.is_empty() => types,
                types => format!("::{types}"),
            };
            let call = format!("{prefix}::{}{types}({arguments})", signature.ident);
            calls.push(Call { with: assignment.to_string(), statement: format!("{consumer}({call})") });
        }
        self.functions.push(Function { name, calls });
        Ok(())
    }
}

fn functions_of(block: &ItemImpl, wanted: fn(&syn::Visibility) -> bool) -> impl Iterator<Item = &Signature> {
    block.items.iter().filter_map(move |item| match item {
        ImplItem::Fn(function) if wanted(&function.vis) => Some(&function.sig),
        _ => None,
    })
}

fn rewrite_path(
    source: &Source,
    module: &Module,
    assignment: &Assignment,
    path: &Path,
) -> Result<String, String> {
    rewrite(
        source,
        module,
        assignment,
        &Type::Path(syn::TypePath { attrs: Vec::new(), qself: None, path: path.clone() }),
    )
}

/// What the generics of an item stand for, as `<A, B>`; nothing where it has none.
fn arguments_of(generics: &Generics, assignment: &Assignment) -> String {
    let names: Vec<String> = Parameter::of(&[generics]).into_iter().map(|parameter| parameter.name).collect();
    if names.is_empty() {
        return String::new();
    }
    let types: Vec<&str> = names.iter().filter_map(|name| assignment.get(name)).collect();
    format!("<{}>", types.join(", "))
}

/// The arguments of a call: opaque ones, and closures that return something opaque.
fn arguments(signature: &Signature) -> Result<String, String> {
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        let argument = match input {
            FnArg::Receiver(_) => "opaque()",
            FnArg::Typed(argument) => match &*argument.ty {
                Type::ImplTrait(closure) => match closure.bounds.first() {
                    Some(TypeParamBound::Trait(bound)) if is_closure(&bound.path) => "|| opaque()",
                    _ => return Err(format!("no rule covers an argument of type {}", text(&argument.ty))),
                },
                _ => "opaque()",
            },
        };
        arguments.push(argument);
    }
    Ok(arguments.join(", "))
}

/// A closure without arguments.
fn is_closure(path: &Path) -> bool {
    path.segments.last().is_some_and(|last| match &last.arguments {
        syn::PathArguments::Parenthesized(arguments) => last.ident == "FnOnce" && arguments.inputs.is_empty(),
        _ => false,
    })
}

/// What uses the result.
fn consumer(output: &ReturnType) -> Result<&'static str, String> {
    let ReturnType::Type(_, ty) = output else { return Ok("sink") };
    let Type::ImplTrait(returned) = &**ty else { return Ok("sink") };
    match returned.bounds.first() {
        Some(TypeParamBound::Trait(bound)) if path_names(&bound.path).ends_with(&["Iterator".to_owned()]) => {
            Ok("drain")
        }
        _ => Err(format!("no rule covers a result of type {}", text(ty))),
    }
}

/// A trait with its own generics, without the path to it.
fn short(path: &Path) -> String {
    let Some(last) = path.segments.last() else { return String::new() };
    match &last.arguments {
        syn::PathArguments::AngleBracketed(_) => text(last),
        _ => last.ident.to_string(),
    }
}

fn without_crate(path: &str) -> String {
    path.strip_prefix(&format!("{CRATE}::")).unwrap_or(path).to_owned()
}
