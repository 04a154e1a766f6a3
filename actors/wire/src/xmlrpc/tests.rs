use super::*;
use crate::{Limits, Value};

#[test]
fn a_call_crosses() {
    let xml = write_call("add", &(1, 2)).unwrap();
    let call = parse_call(&xml, &Limits::default()).unwrap();
    assert_eq!(call, Call { method: "add".into(), params: vec![Value::Int(1), Value::Int(2)] });
}
