//! Parses the attribute and the function. Bodies are never parsed, so that rustc reports a syntax error inside one.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, FnArg, Ident, Lit, LitBool, LitStr, Pat, Result, Signature, Token, Type, Visibility,
};

/// A route as written.
pub(crate) struct Handler {
    pub(crate) rule: LitStr,
    pub(crate) methods: Vec<LitStr>,
    pub(crate) name: Option<LitStr>,
    /// Seconds.
    pub(crate) deadline: Option<f64>,
    /// The name of a `PartialAnswers`.
    pub(crate) partial: Option<Ident>,
    pub(crate) covered: bool,
    pub(crate) rpc: bool,
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) doc: String,
}

/// One argument of the function.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// The name that clients use, if it differs from the argument's name.
    pub(crate) outside: Option<LitStr>,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
    pub(crate) doc: String,
}

/// A function with its body as unparsed tokens.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse().map_err(|error| {
            Error::new(error.span(), format!("#[route] stands above a function (`fn` or `async fn`): {error}"))
        })?;
        Ok(Function { attributes, visibility, signature, body: input.parse()? })
    }
}

/// The content of the attribute: a rule, then options.
struct Options {
    rule: LitStr,
    methods: Vec<LitStr>,
    name: Option<LitStr>,
    deadline: Option<f64>,
    partial: Option<Ident>,
    covered: bool,
    rpc: bool,
}

const USAGE: &str = "write #[route(\"/rule/<int:id>\", methods = [\"GET\"], name = \"rpc.name\", deadline = 2.5, partial = \"consent\", coverage = \"body\", rpc = false)]; the options may be left out";

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let rule: LitStr =
            input.parse().map_err(|error| Error::new(error.span(), format!("the rule is missing: {USAGE}")))?;
        let mut options =
            Options { rule, methods: Vec::new(), name: None, deadline: None, partial: None, covered: false, rpc: true };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            if key == "methods" {
                let list;
                syn::bracketed!(list in input);
                options.methods = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?.into_iter().collect();
                check_methods(&options.methods, &key)?;
            } else if key == "name" {
                options.name = Some(input.parse()?);
            } else if key == "deadline" {
                options.deadline = Some(seconds(input)?);
            } else if key == "partial" {
                options.partial = Some(partial(&input.parse()?)?);
            } else if key == "coverage" {
                let place: LitStr = input.parse()?;
                if place.value() != "body" {
                    return Err(Error::new(
                        place.span(),
                        "`coverage` has one value, \"body\"; leave it out for the header alone",
                    ));
                }
                options.covered = true;
            } else if key == "rpc" {
                options.rpc = input.parse::<LitBool>()?.value;
            } else {
                return Err(Error::new(key.span(), format!("`{key}` is not an option of #[route]: {USAGE}")));
            }
        }
        Ok(options)
    }
}

/// What becomes of an answer from which members are missing: the variant of `PartialAnswers`.
fn partial(word: &LitStr) -> Result<Ident> {
    let variant = match word.value().as_str() {
        "tell" => "Tell",
        "consent" => "Consent",
        "refuse" => "Refuse",
        _ => return Err(Error::new(word.span(), "`partial` is \"tell\", \"consent\" or \"refuse\"")),
    };
    Ok(Ident::new(variant, word.span()))
}

/// A number of seconds above 0: `30` or `2.5`.
fn seconds(input: ParseStream<'_>) -> Result<f64> {
    const WHAT: &str = "`deadline` is a number of seconds above 0, such as 30 or 2.5";
    let literal: Lit = input.parse().map_err(|error| Error::new(error.span(), WHAT))?;
    let seconds = match &literal {
        Lit::Int(number) => number.base10_parse::<f64>(),
        Lit::Float(number) => number.base10_parse::<f64>(),
        _ => return Err(Error::new(literal.span(), WHAT)),
    };
    seconds.ok().filter(|seconds| *seconds > 0.0 && seconds.is_finite()).ok_or_else(|| Error::new(literal.span(), WHAT))
}

fn check_methods(methods: &[LitStr], key: &Ident) -> Result<()> {
    if methods.is_empty() {
        return Err(Error::new(
            key.span(),
            "a route without a method can never be called; leave `methods` out for GET, HEAD and POST",
        ));
    }
    for method in methods {
        let text = method.value();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(Error::new(
                method.span(),
                format!("`{text}` is not an HTTP method; methods are upper case, such as \"GET\""),
            ));
        }
    }
    Ok(())
}

impl Handler {
    pub(crate) fn parse(attribute: TokenStream, item: TokenStream) -> Result<Handler> {
        let Options { rule, methods, name, deadline, partial, covered, rpc } = syn::parse2(attribute)?;
        let mut function: Function = syn::parse2(item)?;
        let mut errors: Option<Error> = None;
        let mut note = |error: Error| match &mut errors {
            Some(all) => all.combine(error),
            None => errors = Some(error),
        };
        if let Some(generic) = function.signature.generics.params.first() {
            note(Error::new_spanned(
                generic,
                "a route cannot be generic: its arguments come from the wire and need one type",
            ));
        }
        let doc = doc_text(&function.attributes);
        let mut arguments = Vec::new();
        for input in &mut function.signature.inputs {
            match argument(input) {
                Ok(argument) => arguments.push(argument),
                Err(error) => note(error),
            }
        }
        for (index, argument) in arguments.iter().enumerate() {
            let name = argument.wire_name();
            if arguments[..index].iter().any(|other| other.wire_name().value() == name.value()) {
                note(Error::new(name.span(), format!("two arguments are called `{}` by clients", name.value())));
            }
        }
        for placeholder in placeholders(&rule) {
            match placeholder {
                Ok(name) if arguments.iter().any(|argument| argument.wire_name().value() == name) => {}
                Ok(name) => note(Error::new(
                    rule.span(),
                    format!("the rule has a placeholder `{name}`, but the function has no argument of that name"),
                )),
                Err(message) => note(Error::new(rule.span(), message)),
            }
        }
        match errors {
            Some(error) => Err(error),
            None => Ok(Handler { rule, methods, name, deadline, partial, covered, rpc, function, arguments, doc }),
        }
    }
}

/// The names of the rule's placeholders, each with the fault in it if there is one.
fn placeholders(rule: &LitStr) -> Vec<std::result::Result<String, String>> {
    let text = rule.value();
    if !text.starts_with('/') {
        return vec![Err(format!("a rule starts with `/`: \"/{text}\""))];
    }
    let mut found: Vec<std::result::Result<String, String>> = Vec::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else {
            found.push(Err("a placeholder is opened with `<` and never closed with `>`".to_owned()));
            break;
        };
        let inside = &rest[open + 1..open + close];
        let (kind, name) = inside.split_once(':').unwrap_or(("", inside));
        found.push(if !["", "int", "float", "path", "string"].contains(&kind) {
            Err(format!(
                "`{kind}` is not a kind of placeholder; there are <name>, <int:name>, <float:name> and <path:name>"
            ))
        } else if name.is_empty() {
            Err("a placeholder needs a name: <name> or <int:name>".to_owned())
        } else if found.contains(&Ok(name.to_owned())) {
            Err(format!("the placeholder `{name}` stands twice in the rule"))
        } else {
            Ok(name.to_owned())
        });
        rest = &rest[open + close + 1..];
    }
    found
}

/// Reads one argument and removes its `#[arg]`.
fn argument(input: &mut FnArg) -> Result<Argument> {
    let typed = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            return Err(Error::new_spanned(receiver, "a route is a free function: take `was: Was` instead of `self`"));
        }
    };
    let Pat::Ident(pattern) = &*typed.pat else {
        return Err(Error::new_spanned(&typed.pat, "an argument of a route is a plain name: it is what clients write"));
    };
    let name = pattern.ident.clone();
    let mut outside = None;
    let mut default = None;
    let mut doc = String::new();
    for attribute in typed.attrs.extract_if(.., |attribute| attribute.path().is_ident("arg")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                let name: LitStr = meta.value()?.parse()?;
                if name.value().is_empty() {
                    return Err(Error::new(name.span(), "clients cannot write an empty name"));
                }
                outside = Some(name);
            } else if meta.path.is_ident("default") {
                default = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("doc") {
                doc = meta.value()?.parse::<LitStr>()?.value();
            } else {
                return Err(meta.error("an argument has `name = \"…\"`, `default = …` and `doc = \"…\"`"));
            }
            Ok(())
        })?;
    }
    Ok(Argument { name, outside, ty: (*typed.ty).clone(), default, doc })
}

/// The text of `///` comments, with one leading blank removed from each line.
fn doc_text(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) => syn::parse2::<LitStr>(pair.value.to_token_stream()).ok(),
            _ => None,
        })
        .map(|line| line.value().strip_prefix(' ').map_or(line.value(), str::to_owned))
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The item without any `#[arg]`, for the error path.
pub(crate) fn without_arg_attributes(item: TokenStream) -> TokenStream {
    let Ok(mut function) = Function::parse.parse2(item.clone()) else { return item };
    for input in &mut function.signature.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.retain(|attribute| !attribute.path().is_ident("arg"));
        }
    }
    let Function { attributes, visibility, signature, body } = function;
    quote::quote!(#(#attributes)* #visibility #signature #body)
}

impl Argument {
    /// The name that clients use.
    pub(crate) fn wire_name(&self) -> LitStr {
        self.outside.clone().unwrap_or_else(|| LitStr::new(&self.name.unraw().to_string(), self.name.span()))
    }
}
