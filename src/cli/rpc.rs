//! `rpc`: calls a method of any server and prints the answer.

use std::process::ExitCode;
use std::time::Duration;

use skitai_actors::spec::Authority;
use skitai_wire::jsonrpc::Params;
use skitai_wire::{Map, Value};

use super::args::Rpc;
use super::program::{fail, print};
use super::rpc_client::{Failed, MethodDescription, RpcClient};
use crate::app::Protocol;

/// The exit code if the server could not be called.
const TROUBLE: u8 = 2;

pub(super) fn rpc(call: &Rpc) -> ExitCode {
    let (mut server, params) = match read(call) {
        Ok(read) => read,
        Err(wrong) => return trouble(&wrong),
    };
    let answered = actix_rt::System::new().block_on(async {
        server.settle().await?;
        match (&call.method, &call.describe) {
            (Some(method), _) => server.call(method, &params).await.map(|value| shown(&value)),
            (None, Some(method)) => server.describe(method).await.map(|description| described(method, &description)),
            (None, None) => server.list().await.map(|names| names.join("\n")),
        }
    });
    match answered {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(Failed::Fault { code, message }) => fail(&format!("fault {code}: {message}")),
        Err(Failed::NotCalled(why)) => trouble(&why),
    }
}

fn trouble(text: &str) -> ExitCode {
    fail(&format!("error: {text}"));
    ExitCode::from(TROUBLE)
}

/// Parses the server and the parameters from the command line.
fn read(call: &Rpc) -> Result<(RpcClient, Params), String> {
    let protocol = match (call.xml, call.json || call.named) {
        (true, _) => Some(Protocol::XmlRpc),
        (_, true) => Some(Protocol::JsonRpc),
        _ => None,
    };
    let timeout = Duration::try_from_secs_f64(call.timeout).ok().filter(|time| !time.is_zero());
    let timeout = timeout.ok_or("--timeout is a number of seconds above 0")?;
    let authority = call.ca_file.as_deref().map(Authority::read).transpose().map_err(|why| why.to_string())?;
    let mut server = RpcClient::new(&call.url, protocol, timeout, authority);
    let login = call.login.clone().or_else(|| std::env::var("RPC_LOGIN").ok());
    if let Some(login) = login {
        let (user, password) = login.split_once(':').ok_or("--login is USER:PASSWORD")?;
        server.login(user, password);
    }
    for header in &call.header {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("--header is NAME: VALUE, not {header:?}"))?;
        server.header(name.trim(), value.trim());
    }
    Ok((server, params(call)?))
}

fn params(call: &Rpc) -> Result<Params, String> {
    if !call.named {
        return call.args.iter().map(|text| value(text)).collect::<Result<_, _>>().map(Params::Positional);
    }
    let pair = |text: &String| {
        let (name, text) =
            text.split_once('=').ok_or_else(|| format!("with --named an argument is NAME=VALUE: {text:?}"))?;
        Ok((name.into(), value(text)?))
    };
    call.args.iter().map(pair).collect::<Result<_, String>>().map(|pairs| Params::Named(Map(pairs)))
}

/// Parses an argument: JSON as such, any other text as a string. Malformed JSON that begins like a structure is an
/// error.
fn value(text: &str) -> Result<Value, String> {
    match skitai_wire::json::parse_value(text.as_bytes()) {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['{', '[', '"']) => {
            Err(format!("{text:?} begins like JSON and is none: {error}; a text that begins so is written as '\"…\"'"))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Prints a text as it is, any other value as JSON.
fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()),
    }
}

fn described(method: &str, description: &MethodDescription) -> String {
    let mut lines: Vec<String> = description
        .signatures
        .iter()
        .map(|signature| {
            let (returns, params) = signature.split_first().map_or(("any", &[][..]), |(first, rest)| (first, rest));
            format!("{method}({}) -> {returns}", params.join(", "))
        })
        .collect();
    if lines.is_empty() {
        lines.push(method.to_owned());
    }
    if !description.help.trim().is_empty() {
        lines.extend([String::new(), description.help.trim().to_owned()]);
    }
    lines.join("\n")
}
