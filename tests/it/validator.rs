//! UserLand's validator: its eight methods, called by clients of four makers, and npm's client of JSON-RPC.

use std::process::Command;

use crate::harness::data::root;
use crate::harness::foreign::{node, run};
use crate::harness::{TestServer, python};

#[test]
fn pythons_client_is_content() {
    let site = TestServer::site().server("introspection", "public").start();
    python("validator.py", &[&site.url("/RPC2")]);
    // Any path will do, for what is posted says what it is.
    python("validator.py", &[&site.url("/some/where")]);
}

#[test]
fn npms_xmlrpc_is_content() {
    let site = TestServer::site().start();
    node("validator.js", &[&site.url("/RPC2")]);
}

#[test]
fn npms_jayson_is_content() {
    let demo = TestServer::demo().start();
    node("jayson.js", &[&demo.port().to_string()]);
}

#[test]
fn xmlrpc_c_is_content() {
    let site = TestServer::site().start();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("validator");
    let mut compiler = Command::new("cc");
    compiler.arg("-o").arg(&program).arg(root().join("tests/interop/validator.c"));
    compiler.args(["-lxmlrpc_client", "-lxmlrpc", "-lxmlrpc_util"]);
    run(compiler);
    let mut validator = Command::new(program);
    validator.arg(site.url("/RPC2"));
    run(validator);
}

#[test]
fn xmlrpc_cs_generator_reads_what_we_tell_of_ourselves() {
    let site = TestServer::site().server("introspection", "public").start();
    // It asks for the methods, their help and their signatures, and writes a class for those below a name.
    let mut generator = Command::new("xml-rpc-api2cpp");
    generator.args([&site.url("/RPC2"), "validator1", "Validator"]);
    let class = run(generator);
    let easy =
        "/* The sum of the three numbers. */\n    XmlRpcValue::int32 easyStructTest (XmlRpcValue /*struct*/ struct1);";
    assert!(class.contains(easy), "{class}");
    // One that takes and gives anything has no signature in XML-RPC's words; it is left out rather than described
    // wrongly.
    assert!(!class.contains("echoStructTest"), "{class}");
}
