//! The wire type of a handler's return type, as far as its signature shows it, for introspection.
//!
//! A macro sees names, not types. So only common types are recognised, by their usual names. All others, aliases
//! included, are reported as "any", which is never wrong.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// The `Kind` of a return type, as an expression. For a `Result` it is that of the `Ok` type, because errors are
/// answered as errors.
pub(crate) fn kind(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Default => quote!(::skitai::__private::Kind::Nothing),
        ReturnType::Type(_, ty) => kind_of(ty),
    }
}

fn kind_of(ty: &Type) -> TokenStream {
    let word = match ty {
        Type::Reference(reference) => return kind_of(&reference.elem),
        Type::Paren(inner) => return kind_of(&inner.elem),
        Type::Group(inner) => return kind_of(&inner.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => quote!(Nothing),
        Type::Tuple(_) => quote!(List(&::skitai::__private::Kind::Any)),
        Type::Array(array) => return list_of(&array.elem),
        Type::Slice(slice) => return list_of(&slice.elem),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return quote!(::skitai::__private::Kind::Any) };
            let inner = first_type(&last.arguments);
            match (last.ident.to_string().as_str(), inner) {
                ("Result" | "Option" | "Box" | "Arc", Some(inner)) => return kind_of(inner),
                // A `Vec<u8>` is octets, for arguments and replies alike.
                ("Vec", Some(inner)) if is_named(inner, "u8") => quote!(Bytes),
                ("Vec" | "VecDeque" | "HashSet" | "BTreeSet", Some(inner)) => return list_of(inner),
                ("HashMap" | "BTreeMap" | "Map", _) => quote!(Struct),
                ("i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize", None) => quote!(Int),
                ("f32" | "f64", None) => quote!(Double),
                ("bool", None) => quote!(Bool),
                ("String" | "str" | "Page", None) => quote!(String),
                ("Response" | "Streaming", None) => quote!(WebOnly),
                _ => quote!(Any),
            }
        }
        _ => quote!(Any),
    };
    quote!(::skitai::__private::Kind::#word)
}

fn list_of(item: &Type) -> TokenStream {
    let item = kind_of(item);
    quote!(::skitai::__private::Kind::List(&#item))
}

fn first_type(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}
