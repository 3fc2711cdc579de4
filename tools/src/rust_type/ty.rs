//! Rust types as a tree: written out, looked through, measured.

use std::fmt;

/// A type of the generated source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ty {
    /// `[T; N]`.
    Array(Box<Ty>, usize),
    /// An item of the engine with its arguments; one that is not imported is named by its path.
    Named(&'static str, Vec<Arg>),
    /// A type that the language has.
    Primitive(&'static str),
    /// The struct of the source's own towers.
    Towers(Vec<Ty>),
    /// A name that the source gives a type.
    Alias(String, Box<Ty>),
}

/// An argument of a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arg {
    Type(Ty),
    Number(usize),
    Flag(bool),
    /// A number whose bits count.
    Mask(u128),
}

/// Lists of types that are not all alike, by how many they hold.
const LISTS: [&str; 7] = [
    "List2", "List3", "List4", "List5", "List6", "List7", "List8",
];

impl Ty {
    /// An item without arguments.
    pub(super) fn plain(name: &'static str) -> Self {
        Self::Named(name, Vec::new())
    }

    /// An item whose arguments are types.
    pub(super) fn of(name: &'static str, types: impl IntoIterator<Item = Self>) -> Self {
        Self::Named(name, types.into_iter().map(Arg::Type).collect())
    }

    /// A list of these; `None` if there is none that is so long.
    pub(super) fn list(items: Vec<Self>) -> Option<Self> {
        let name = LISTS.get(items.len().checked_sub(2)?)?;
        Some(Self::of(name, items))
    }

    /// What an alias stands for; any other type itself.
    pub(super) fn resolved(&self) -> &Self {
        match self {
            Self::Alias(_, ty) => ty.resolved(),
            other => other,
        }
    }

    /// The types side by side in an array or a list.
    pub(super) fn items(&self) -> Vec<&Self> {
        match self.resolved() {
            Self::Array(ty, n) => vec![ty; *n],
            Self::Named(_, args) => args.iter().filter_map(Arg::ty).collect(),
            _ => Vec::new(),
        }
    }

    /// Adds the items of the engine that the type names, without those behind aliases.
    pub(super) fn imports(&self, names: &mut Vec<&'static str>) {
        match self {
            Self::Array(ty, _) => ty.imports(names),
            Self::Named(name, args) => {
                if !name.contains("::") {
                    names.push(name);
                }
                args.iter()
                    .filter_map(Arg::ty)
                    .for_each(|ty| ty.imports(names));
            }
            Self::Towers(towers) => towers.iter().for_each(|ty| ty.imports(names)),
            Self::Primitive(_) | Self::Alias(..) => {}
        }
    }
}

impl Arg {
    fn ty(&self) -> Option<&Ty> {
        match self {
            Self::Type(ty) => Some(ty),
            _ => None,
        }
    }
}

impl From<Ty> for Arg {
    fn from(ty: Ty) -> Self {
        Self::Type(ty)
    }
}

impl From<usize> for Arg {
    fn from(n: usize) -> Self {
        Self::Number(n)
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(ty, n) => write!(f, "[{ty}; {n}]"),
            Self::Named(name, args) => arguments(f, name, args),
            Self::Primitive(name) => f.write_str(name),
            Self::Towers(towers) => arguments(f, "Towers", towers),
            Self::Alias(name, _) => f.write_str(name),
        }
    }
}

fn arguments<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, of: &[T]) -> fmt::Result {
    f.write_str(name)?;
    let Some((first, others)) = of.split_first() else {
        return Ok(());
    };
    write!(f, "<{first}")?;
    others.iter().try_for_each(|other| write!(f, ", {other}"))?;
    f.write_str(">")
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(ty) => ty.fmt(f),
            Self::Number(n) => n.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Mask(bits) => write!(f, "{bits:#b}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arg, Ty};

    #[test]
    fn types_are_written_as_rust_has_them() {
        let dense = Ty::Named("Dense", vec![4.into(), 2.into(), Ty::plain("F32").into()]);
        let gate = Ty::Alias("TaskGate".into(), Box::new(Ty::plain("Gate")));
        let masked = Ty::Named("MaskedGate", vec![gate.into(), Arg::Mask(5), 3.into()]);
        let list = Ty::list(vec![dense.clone(), masked]).unwrap();
        let ty = Ty::Array(Box::new(Ty::of("mmoe::Model", [list])), 2);
        assert_eq!(
            ty.to_string(),
            "[mmoe::Model<List2<Dense<4, 2, F32>, MaskedGate<TaskGate, 0b101, 3>>>; 2]"
        );
        let mut imports = Vec::new();
        ty.imports(&mut imports);
        assert_eq!(imports, ["List2", "Dense", "F32", "MaskedGate"]);
        assert_eq!(Ty::list(vec![dense; 9]), None);
    }
}
