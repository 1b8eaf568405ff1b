//! The core's code: its modules, and the names by which those who use the crate reach what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod, ItemUse, Meta, Token, UseTree, Visibility};

use crate::workspace;

/// The crate whose functions are looked for.
pub(super) const CRATE: &str = "pawl_core";

/// A module, by its path in the crate; that of the root is empty.
pub(super) struct Module {
    pub(super) path: Vec<String>,
    pub(super) items: Vec<Item>,
    /// What it imports: a name, and the path that it stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// Whether those who use the crate can name it.
    public: bool,
}

/// All modules of the crate.
#[derive(Default)]
pub(super) struct Source {
    pub(super) modules: Vec<Module>,
    /// Those that stand behind a feature, and are not read.
    pub(super) behind_features: Vec<String>,
    /// Where an item is defined, and the path by which it is public.
    public: BTreeMap<Vec<String>, String>,
}

/// What a path in the code stands for.
pub(super) enum Name {
    /// It is public by this path.
    Public(String),
    /// It is this crate's, and not public.
    Private,
    /// It is of another crate, or there without being imported.
    Elsewhere(String),
}

impl Source {
    /// Reads the crate of which this is `lib.rs`.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut source = Source::default();
        let folder = root.parent().unwrap_or(root);
        source.read_module(Vec::new(), true, parse(root)?.items, folder)?;
        source.find_public_names()?;
        Ok(source)
    }

    fn read_module(
        &mut self,
        path: Vec<String>,
        public: bool,
        items: Vec<Item>,
        folder: &Path,
    ) -> Result<(), String> {
        let mut imports = BTreeMap::new();
        let mut kept = Vec::new();
        for item in items {
            let name = || format!("{}::{}", CRATE, path.join("::"));
            match condition(attributes(&item)).map_err(|error| format!("{}: {error}", name()))? {
                Condition::Always => {}
                Condition::Never => continue,
                Condition::Feature => {
                    if let Item::Mod(module) = &item {
                        self.behind_features.push(below(&path, &module.ident.to_string()).join("::"));
                    } else if !matches!(item, Item::Use(_)) {
                        return Err(format!("{}: an item behind a feature that is no module", name()));
                    }
                    continue;
                }
            }
            match item {
                Item::Mod(module) => self.read_submodule(&path, public, module, folder)?,
                Item::Macro(_) => return Err(format!("{}: a macro may make functions", name())),
                Item::Use(import) => {
                    flatten(&import.tree, &mut Vec::new(), &mut imports)?;
                    kept.push(Item::Use(import));
                }
                other => kept.push(other),
            }
        }
        self.modules.push(Module { path, items: kept, imports, public });
        Ok(())
    }

    fn read_submodule(
        &mut self,
        parent: &[String],
        parent_public: bool,
        module: ItemMod,
        folder: &Path,
    ) -> Result<(), String> {
        let name = module.ident.to_string();
        let path = below(parent, &name);
        let public = parent_public && is_public(&module.vis);
        let (items, folder) = match module.content {
            Some((_, items)) => (items, folder.join(&name)),
            None => {
                let flat = folder.join(format!("{name}.rs"));
                let file: PathBuf = if flat.exists() { flat } else { folder.join(&name).join("mod.rs") };
                (parse(&file)?.items, folder.join(&name))
            }
        };
        self.read_module(path, public, items, &folder)
    }

    fn find_public_names(&mut self) -> Result<(), String> {
        let mut public = BTreeMap::new();
        for module in self.modules.iter().filter(|module| module.public) {
            for item in &module.items {
                if let Some(name) = public_name(item) {
                    let place = below(&module.path, &name);
                    public.insert(place.clone(), format!("{CRATE}::{}", place.join("::")));
                }
                if let Item::Use(ItemUse { vis: Visibility::Public(_), tree, .. }) = item {
                    let mut exports = BTreeMap::new();
                    flatten(tree, &mut Vec::new(), &mut exports)?;
                    for (name, path) in exports {
                        let [first, rest @ ..] = path.as_slice() else { continue };
                        if first != "crate" {
                            return Err(format!(
                                "{name} is exported by a path that does not begin with `crate`"
                            ));
                        }
                        public.insert(
                            rest.to_vec(),
                            format!("{CRATE}::{}", below(&module.path, &name).join("::")),
                        );
                    }
                }
            }
        }
        self.public = public;
        Ok(())
    }

    /// The same path, from the root where it begins with a module within this one.
    fn rooted(&self, module: &Module, path: Vec<String>) -> Vec<String> {
        let within = path.first().map(|first| below(&module.path, first));
        if self.modules.iter().any(|module| Some(&module.path) == within.as_ref()) {
            return from_the_root(&module.path, &path);
        }
        path
    }

    /// The public path of an item of a module.
    pub(super) fn public_path(&self, module: &Module, name: &str) -> Option<&str> {
        self.public.get(&below(&module.path, name)).map(String::as_str)
    }

    /// What a path in a module stands for.
    pub(super) fn resolve(&self, module: &Module, path: &[String]) -> Name {
        let [first, rest @ ..] = path else { return Name::Private };
        let full = match module.imports.get(first) {
            Some(import) => [import, rest].concat(),
            None if module.defines(first) => from_the_root(&module.path, path),
            None => path.to_vec(),
        };
        let full = self.rooted(module, full);
        match full.split_first() {
            Some((first, rest)) if first == "crate" => match self.public.get(rest) {
                Some(public) => Name::Public(public.clone()),
                None => Name::Private,
            },
            Some((first, _)) if first == "self" || first == "super" => Name::Private,
            _ => Name::Elsewhere(full.join("::")),
        }
    }
}

impl Module {
    fn defines(&self, name: &str) -> bool {
        self.items.iter().any(|item| item_name(item).is_some_and(|(item, _)| item == name))
    }
}

fn from_the_root(module: &[String], path: &[String]) -> Vec<String> {
    [&["crate".to_owned()], module, path].concat()
}

fn below(path: &[String], name: &str) -> Vec<String> {
    [path, &[name.to_owned()]].concat()
}

fn parse(file: &Path) -> Result<syn::File, String> {
    syn::parse_file(&workspace::read(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// An item's name, if it has one, and whether it says `pub`.
fn item_name(item: &Item) -> Option<(String, bool)> {
    let (ident, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((ident.to_string(), is_public(visibility)))
}

fn public_name(item: &Item) -> Option<String> {
    item_name(item).and_then(|(name, public)| public.then_some(name))
}

/// The names that a `use` brings, and what they stand for.
fn flatten(
    tree: &UseTree,
    path: &mut Vec<String>,
    names: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), String> {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            flatten(&part.tree, path, names)?;
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path, names)?;
            }
        }
        UseTree::Name(name) if name.ident == "self" => {
            names.extend(path.last().cloned().map(|last| (last, path.clone())));
        }
        UseTree::Name(name) => {
            names.insert(name.ident.to_string(), below(path, &name.ident.to_string()));
        }
        UseTree::Rename(name) => {
            names.insert(name.rename.to_string(), below(path, &name.ident.to_string()));
        }
        _ => return Err(format!("{}: what a glob imports is not seen", path.join("::"))),
    }
    Ok(())
}

/// When an item is part of the crate. The proof is built without any feature.
enum Condition {
    Always,
    Never,
    Feature,
}

fn condition(attributes: &[Attribute]) -> Result<Condition, String> {
    let Some(cfg) = attributes.iter().find(|attribute| attribute.path().is_ident("cfg")) else {
        return Ok(Condition::Always);
    };
    let meta: Meta = cfg.parse_args().map_err(|error| error.to_string())?;
    if meta.path().is_ident("feature") {
        Ok(Condition::Feature)
    } else if meta.path().is_ident("test") || meta.path().is_ident("doctest") {
        Ok(Condition::Never)
    } else {
        Err("a condition that is neither a feature nor a test".to_owned())
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The traits that a type derives, by their last names.
pub(super) fn derives(attributes: &[Attribute]) -> Result<Vec<String>, String> {
    let mut derives = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let paths = attribute
            .parse_args_with(syn::punctuated::Punctuated::<syn::Path, Token![,]>::parse_terminated)
            .map_err(|error| error.to_string())?;
        derives
            .extend(paths.iter().filter_map(|path| path.segments.last()).map(|last| last.ident.to_string()));
    }
    Ok(derives)
}
