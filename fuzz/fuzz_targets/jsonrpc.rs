//! Any bytes as JSON-RPC: no panic and no stall; ids come back byte for byte; what was read is written and read again
//! as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skitai_fuzz::{check_error, depth, document, in_time, limits};
use skitai_wire::jsonrpc::{self, Incoming, Invalid, Params, Request};
use skitai_wire::{Limits, Value, json};

fuzz_target!(|input: &[u8]| {
    let document = document(input);
    in_time(&document, || read(&document));
});

fn read(document: &[u8]) {
    let limits = limits();
    match jsonrpc::parse(document) {
        Ok(Incoming::Single(entry)) => check_entry(entry, document),
        Ok(Incoming::Batch(entries)) => {
            assert!(!entries.is_empty());
            entries.into_iter().for_each(|entry| check_entry(entry, document));
        }
        Err(error) => check_error(&error, document),
    }
    match jsonrpc::parse_response(document, &limits) {
        Ok(response) => {
            match &response.answer {
                Ok(value) => same_again(value),
                Err(error) => same_again(&error.data),
            }
            let is_ours = response.has_id(1);
            let is_taken = response.clone().to_call(1).is_ok();
            assert_eq!(is_taken, is_ours || (response.id.is_none() && response.answer.is_err()));
        }
        Err(error) => check_error(&error, document),
    }
    match json::parse_value_within(document, &limits) {
        Ok(value) => same_again(&value),
        Err(error) => check_error(&error, document),
    }
}

fn check_entry(entry: Result<Request<'_>, Invalid<'_>>, document: &[u8]) {
    let id = match entry {
        Ok(request) => {
            let params = match request.params {
                Params::None => Value::Nil,
                Params::Positional(items) => Value::List(items),
                Params::Named(map) => Value::Map(map),
            };
            same_again(&params);
            let call = jsonrpc::write_call(1, &request.method, &params).expect("values are JSON");
            let Ok(Incoming::Single(Ok(again))) = jsonrpc::parse(&call) else { panic!("a call of ours") };
            assert_eq!(again.method, request.method);
            request.id
        }
        Err(invalid) => {
            assert!(invalid.message.len() < 700);
            invalid.id
        }
    };
    if let Some(id) = id {
        let place = id.get().as_ptr().addr() - document.as_ptr().addr();
        assert_eq!(&document[place..place + id.get().len()], id.get().as_bytes(), "an id is a piece of the document");
        let answer = jsonrpc::write_result(id, &(), false).expect("nothing is JSON");
        assert!(answer.ends_with(&[b"\"id\":", id.get().as_bytes(), b"}"].concat()));
    }
}

fn same_again(value: &Value) {
    assert!(depth(value) <= Limits::default().depth);
    let text = json::to_vec(value).expect("values are JSON");
    assert_eq!(&json::parse_value(&text).expect("JSON of ours"), value);
}
