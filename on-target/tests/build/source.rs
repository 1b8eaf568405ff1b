//! A file of tests: what is in it, what of that needs a host, and its text without that.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Item, UseTree};

/// What an item needs that only a host has, and why only a host has it.
pub(crate) type Needs = (&'static str, &'static str);

pub(crate) struct Source {
    text: String,
    parts: Vec<Part>,
}

/// An item of the file.
struct Part {
    range: Range<usize>,
    needs: Option<Needs>,
    kind: Kind,
}

enum Kind {
    Use {
        visibility: String,
        leaves: Vec<Leaf>,
    },
    /// A module in another file.
    Mod(String),
    Other {
        name: Option<String>,
        mentions: Vec<Vec<String>>,
        tests: Vec<String>,
        test_attributes: Vec<Range<usize>>,
    },
}

/// A name that a `use` brings.
struct Leaf {
    path: Vec<String>,
    /// What it is called here; nothing for a glob.
    name: Option<String>,
    needs: Option<Needs>,
}

impl Source {
    pub(crate) fn read(path: &Path, host_only: &[Needs]) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parts = file.items.iter().map(part).collect();
        let mut source = Source { text, parts };
        source.find_what_needs_a_host(host_only);
        source
    }

    /// The tests by name, and what they need that only a host has.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (&str, Option<Needs>)> {
        self.parts.iter().flat_map(|part| match &part.kind {
            Kind::Other { tests, .. } => tests.iter().map(|test| (test.as_str(), part.needs)).collect(),
            _ => Vec::new(),
        })
    }

    /// The text without what needs a host, every line where it was. Tests are plain functions in it; the modules in `from_crate`
    /// are taken from the crate's tests.
    pub(crate) fn for_target(&self, from_crate: &[&str]) -> String {
        let mut text = self.text.clone();
        for part in self.parts.iter().rev() {
            let replacement = match &part.kind {
                _ if part.needs.is_some() => String::new(),
                Kind::Use { visibility, leaves } if leaves.iter().any(|leaf| leaf.needs.is_some()) => leaves
                    .iter()
                    .filter(|leaf| leaf.needs.is_none())
                    .map(|leaf| leaf.to_text(visibility))
                    .collect(),
                Kind::Mod(name) if from_crate.contains(&name.as_str()) => {
                    format!("use crate::tests::{name};")
                }
                Kind::Other { test_attributes, .. } => {
                    for attribute in test_attributes.iter().rev() {
                        text.replace_range(attribute.clone(), "");
                    }
                    continue;
                }
                _ => continue,
            };
            let lines = newlines(&text[part.range.clone()]);
            text.replace_range(part.range.clone(), &(replacement + &lines));
        }
        text
    }

    fn find_what_needs_a_host(&mut self, host_only: &[Needs]) {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in &mut self.parts {
            if let Kind::Use { leaves, .. } = &mut part.kind {
                for leaf in leaves {
                    leaf.needs = needs(&leaf.path, host_only);
                    names.extend(leaf.name.clone().map(|name| (name, leaf.path.clone())));
                }
            }
        }
        for part in &mut self.parts {
            if let Kind::Other { mentions, .. } = &part.kind {
                part.needs = mentions.iter().find_map(|path| {
                    let mut full = names.get(&path[0]).cloned().unwrap_or_else(|| vec![path[0].clone()]);
                    full.extend_from_slice(&path[1..]);
                    needs(&full, host_only)
                });
            }
        }
        // And what names an item that needs a host, until nothing is found any more.
        loop {
            let needing: BTreeMap<String, Needs> = self
                .parts
                .iter()
                .filter_map(|part| match &part.kind {
                    Kind::Other { name, .. } => Some((name.clone()?, part.needs?)),
                    _ => None,
                })
                .collect();
            let mut found = false;
            for part in self.parts.iter_mut().filter(|part| part.needs.is_none()) {
                if let Kind::Other { mentions, .. } = &part.kind {
                    part.needs = mentions.iter().find_map(|path| needing.get(&path[0]).copied());
                    found |= part.needs.is_some();
                }
            }
            if !found {
                break;
            }
        }
    }
}

impl Leaf {
    fn to_text(&self, visibility: &str) -> String {
        let path = self.path.join("::");
        match &self.name {
            None => format!("{visibility} use {path}::*;"),
            Some(name) => format!("{visibility} use {path} as {name};"),
        }
    }
}

/// What a path needs that only a host has.
fn needs(path: &[String], host_only: &[Needs]) -> Option<Needs> {
    host_only.iter().copied().find(|(needs, _)| {
        let needs: Vec<&str> = needs.split("::").collect();
        path.len() >= needs.len() && needs.iter().zip(path).all(|(needs, path)| needs == path)
    })
}

fn part(item: &Item) -> Part {
    let kind = match item {
        Item::Use(item) => {
            let mut leaves = Vec::new();
            add_leaves(&item.tree, &[], &mut leaves);
            Kind::Use { visibility: item.vis.to_token_stream().to_string(), leaves }
        }
        Item::Mod(item) if item.content.is_none() => Kind::Mod(item.ident.to_string()),
        item => other(item),
    };
    Part { range: item.span().byte_range(), needs: None, kind }
}

fn other(item: &Item) -> Kind {
    let mut mentions = Vec::new();
    add_mentions(item.to_token_stream(), &mut mentions);
    let (mut tests, mut test_attributes) = (Vec::new(), Vec::new());
    let name = match item {
        Item::Fn(item) => {
            for attribute in &item.attrs {
                let path = attribute.path();
                assert!(!path.is_ident("should_panic"), "{}: a panic ends the program", item.sig.ident);
                assert!(!path.is_ident("ignore"), "{}: no test is ignored", item.sig.ident);
                if path.is_ident("test") {
                    tests.push(item.sig.ident.to_string());
                    test_attributes.push(attribute.span().byte_range());
                }
            }
            Some(item.sig.ident.to_string())
        }
        Item::Macro(item) => {
            add_tests_of_macro(item.mac.tokens.clone(), &mut tests, &mut test_attributes);
            item.ident.as_ref().map(ToString::to_string)
        }
        Item::Impl(item) => match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        },
        Item::Const(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Mod(item) => Some(item.ident.to_string()),
        Item::Static(item) => Some(item.ident.to_string()),
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Trait(item) => Some(item.ident.to_string()),
        Item::Type(item) => Some(item.ident.to_string()),
        _ => panic!("build/source.rs does not know such an item: {}", item.to_token_stream()),
    };
    Kind::Other { name, mentions, tests, test_attributes }
}

fn add_leaves(tree: &UseTree, before: &[String], leaves: &mut Vec<Leaf>) {
    let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
    let leaf = match tree {
        UseTree::Path(path) => return add_leaves(&path.tree, &with(&path.ident), leaves),
        UseTree::Group(group) => return group.items.iter().for_each(|tree| add_leaves(tree, before, leaves)),
        UseTree::Glob(_) => Leaf { path: before.to_vec(), name: None, needs: None },
        UseTree::Name(name) if name.ident == "self" => {
            Leaf { path: before.to_vec(), name: before.last().cloned(), needs: None }
        }
        UseTree::Name(name) => {
            Leaf { path: with(&name.ident), name: Some(name.ident.to_string()), needs: None }
        }
        UseTree::Rename(name) => {
            Leaf { path: with(&name.ident), name: Some(name.rename.to_string()), needs: None }
        }
    };
    leaves.push(leaf);
}

/// Every path that is written, within macros too; not what stands behind a dot, a field or a method.
fn add_mentions(tokens: TokenStream, mentions: &mut Vec<Vec<String>>) {
    let is = |token: Option<&TokenTree>, character| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character);
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) => add_mentions(group.stream(), mentions),
            TokenTree::Ident(ident) => {
                let behind_a_dot =
                    at >= 2 && is(tokens.get(at - 2), '.') && !(at >= 3 && is(tokens.get(at - 3), '.'));
                let mut path = vec![ident.to_string()];
                while is(tokens.get(at), ':') && is(tokens.get(at + 1), ':') {
                    let Some(TokenTree::Ident(ident)) = tokens.get(at + 2) else { break };
                    path.push(ident.to_string());
                    at += 3;
                }
                if !behind_a_dot {
                    mentions.push(path);
                }
            }
            _ => {}
        }
    }
}

/// The tests that a macro such as `proptest!` holds, and where each is marked as one.
fn add_tests_of_macro(tokens: TokenStream, tests: &mut Vec<String>, test_attributes: &mut Vec<Range<usize>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_test = false;
    for window in tokens.windows(2) {
        match window {
            [TokenTree::Punct(mark), TokenTree::Group(group)] if group.stream().to_string() == "test" => {
                is_test = true;
                test_attributes.push(mark.span().byte_range().start..group.span().byte_range().end);
            }
            [TokenTree::Ident(function), TokenTree::Ident(name)] if is_test && function == "fn" => {
                is_test = false;
                tests.push(name.to_string());
            }
            _ => {}
        }
    }
}

/// As many line feeds as a text has.
fn newlines(text: &str) -> String {
    "\n".repeat(text.matches('\n').count())
}
