//! Types of the core's code as a user of the crate would write them.

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, Path, Type};

use super::generics::Assignment;
use super::source::{Module, Name, Source};

/// The names of a path, without what stands in angle brackets.
pub(super) fn path_names(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Code as text, spaced as people do.
pub(super) fn text(code: &impl ToTokens) -> String {
    let mut text = code.to_token_stream().to_string();
    for (spaced, tight) in [(" :: ", "::"), (" < ", "<"), (" >", ">"), ("& ", "&"), (" ,", ",")] {
        text = text.replace(spaced, tight);
    }
    text
}

/// A type of a module with public paths, lifetimes left out, and types for the generic parameters.
pub(super) fn rewrite(
    source: &Source,
    module: &Module,
    assignment: &Assignment,
    ty: &Type,
) -> Result<String, String> {
    let mut rewriter = Rewriter { source, module, assignment, error: None };
    let mut ty = ty.clone();
    rewriter.visit_type_mut(&mut ty);
    rewriter.error.map_or_else(|| Ok(text(&ty)), Err)
}

struct Rewriter<'a> {
    source: &'a Source,
    module: &'a Module,
    assignment: &'a Assignment,
    error: Option<String>,
}

impl VisitMut for Rewriter<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        lifetime.ident = syn::Ident::new("_", lifetime.span());
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        let names = path_names(path);
        let concrete = match names.as_slice() {
            [name] => self.assignment.get(name).map(str::to_owned),
            _ => None,
        };
        let written = concrete.map_or_else(|| self.source.resolve(self.module, &names), Name::Public);
        match written {
            Name::Elsewhere(written) | Name::Public(written) => match syn::parse_str::<Path>(&written) {
                Ok(mut new) => {
                    if let (Some(old), Some(last)) = (path.segments.last(), new.segments.last_mut())
                        && !old.arguments.is_none()
                    {
                        last.arguments = old.arguments.clone();
                    }
                    *path = new;
                }
                Err(_) => self.error = Some(format!("{written} cannot be written where {} is", text(path))),
            },
            Name::Private => self.error = Some(format!("{} cannot be named from outside", text(path))),
        }
    }
}
