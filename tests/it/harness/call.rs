//! RPC bodies as text, written out by hand so that nothing of ours makes or reads them.

/// An XML-RPC call; each parameter is the inside of `<value>`, such as `<int>1</int>`.
pub(crate) fn xml(method: &str, params: &[&str]) -> String {
    let params: String = params.iter().map(|value| format!("<param><value>{value}</value></param>")).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    )
}

/// An XML-RPC answer; `value` is the inside of `<value>`.
pub(crate) fn xml_answer(value: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
    )
}

/// An XML-RPC fault.
pub(crate) fn xml_fault(code: i64, text: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodResponse><fault><value><struct>\
         <member><name>faultCode</name><value><int>{code}</int></value></member>\
         <member><name>faultString</name><value><string>{text}</string></value></member>\
         </struct></value></fault></methodResponse>"
    )
}

/// A JSON-RPC 2.0 call with id 1; `params` is a JSON array or object.
pub(crate) fn json(method: &str, params: &serde_json::Value) -> String {
    serde_json::json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string()
}
