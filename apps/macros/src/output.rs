//! Generates the code beside the function: the type that carries the route, its table of arguments, and the call.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Lit};

use crate::input::{Argument, Function, Handler};
use crate::returns;

pub(crate) fn expand(handler: &Handler) -> TokenStream {
    let Handler { rule, methods, name, deadline, partial, covered, rpc, function, arguments, doc } = handler;
    let Function { attributes, visibility, signature, body } = function;
    let ident = &signature.ident;
    let function_name = ident.to_string();
    let methods = if methods.is_empty() { quote!(&["GET", "HEAD", "POST"]) } else { quote!(&[#(#methods),*]) };
    let name = match name {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    let deadline = match deadline {
        Some(seconds) => quote!(::core::option::Option::Some(#seconds)),
        None => quote!(::core::option::Option::None),
    };
    let partial = match partial {
        Some(variant) => quote!(::core::option::Option::Some(::skitai::__private::PartialAnswers::#variant)),
        None => quote!(::core::option::Option::None),
    };
    let params = arguments.iter().map(param);
    let taken: Vec<_> = (0..arguments.len()).map(|index| format_ident!("a{index}")).collect();
    let take = arguments.iter().zip(&taken).enumerate().map(|(index, (argument, taken))| take(index, argument, taken));
    let is_async = signature.asyncness.is_some();
    let run = run(ident, &taken, is_async);
    let blocking = !is_async;
    let returns = returns::kind(&signature.output);
    let all_or_faults = all_or_faults(&taken);
    quote! {
        // A handler owns its arguments because they come off the wire, even if it only reads some. Clients pass them by
        // name, so a long list of them is no risk.
        #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
        #(#attributes)* #visibility #signature #body

        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility struct #ident {}

        impl ::skitai::__private::Routed for #ident {
            const ROUTE: &'static ::skitai::__private::Route = &::skitai::__private::Route {
                rule: #rule,
                methods: #methods,
                name: #name,
                function: #function_name,
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: ::core::line!(),
                doc: #doc,
                blocking: #blocking,
                deadline: #deadline,
                partial: #partial,
                covered: #covered,
                rpc: #rpc,
                returns: #returns,
                params: &[#(#params),*],
                call: |was, bind| {
                    #[allow(unused_imports)]
                    use ::skitai::__private::GivePlain as _;
                    #(#take)*
                    #all_or_faults
                    ::core::result::Result::Ok(::std::boxed::Box::pin(async move { #run }))
                },
            };
        }
    }
}

/// The call of the function and the answer of its result. An async fn is awaited on the thread. A plain fn runs on the
/// blocking pool, so its arguments and its result must be `Send`; the result is turned into an answer on the thread.
fn run(function: &Ident, taken: &[Ident], is_async: bool) -> TokenStream {
    if is_async {
        return quote!(::skitai::__private::Give(#function(#(#taken),*).await).answer(&was));
    }
    quote! {
        match ::skitai::__private::blocking(&was, move || #function(#(#taken),*)).await {
            ::core::result::Result::Ok(result) => ::skitai::__private::Give(result).answer(&was),
            ::core::result::Result::Err(error) => ::skitai::__private::Answer::Failed(error),
        }
    }
}

/// Returns the faults unless every argument was taken. All are taken before a missing one is reported, so that one
/// answer lists all faults.
fn all_or_faults(taken: &[Ident]) -> TokenStream {
    if taken.is_empty() {
        return TokenStream::new();
    }
    quote! {
        let (#(::core::option::Option::Some(#taken),)*) = (#(#taken,)*) else {
            return ::core::result::Result::Err(bind.faults());
        };
    }
}

/// One row of the route's argument table.
fn param(argument: &Argument) -> TokenStream {
    let Argument { ty, default, doc, .. } = argument;
    let name = argument.wire_name();
    let (required, default) = match default {
        Some(expression) => {
            let text = expression.to_token_stream().to_string();
            (quote!(false), quote!(::core::option::Option::Some(#text)))
        }
        None => (quote!(<#ty as ::skitai::__private::Argument>::REQUIRED), quote!(::core::option::Option::None)),
    };
    // The span of the type makes the error "this type cannot be an argument" point at it.
    quote_spanned! {ty.span()=>
        ::skitai::__private::Param {
            name: #name,
            kind: <#ty as ::skitai::__private::Argument>::KIND,
            required: #required,
            default: #default,
            doc: #doc,
        }
    }
}

/// Generates the code that takes one argument from the client's input.
fn take(index: usize, argument: &Argument, taken: &syn::Ident) -> TokenStream {
    let ty = &argument.ty;
    match &argument.default {
        None => quote_spanned!(ty.span()=> let #taken = bind.take::<#ty>(#index);),
        // A literal number or boolean takes the argument's own type; anything else is converted (`&str` to `String`).
        Some(expression) if is_plain_literal(expression) => quote_spanned! {expression.span()=>
            let #taken = bind.take_or::<#ty>(#index, || #expression);
        },
        Some(expression) => quote_spanned! {expression.span()=>
            let #taken = bind.take_or::<#ty>(#index, || ::core::convert::Into::into(#expression));
        },
    }
}

fn is_plain_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Unary(unary) => is_plain_literal(&unary.expr),
        Expr::Lit(literal) => matches!(literal.lit, Lit::Int(_) | Lit::Float(_) | Lit::Bool(_)),
        _ => false,
    }
}
