//! One function with three faces: `/hello` in a browser, `hello()` over XML-RPC and over JSON-RPC.

use skitai::prelude::*;

/// Says hello.
#[route("/hello")]
pub(crate) async fn hello() -> &'static str {
    "Hello World"
}

/// The sum of two whole numbers.
#[route("/add")]
pub(crate) async fn add(a: i64, b: i64) -> Result<i64> {
    a.checked_add(b).ok_or_else(|| Error::new(400, format!("{a} + {b} is beyond 64 bits")))
}

/// Returns any value unchanged.
#[route("/echo")]
pub(crate) async fn echo(value: Value) -> Value {
    value
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_route_is_still_a_function() {
        let mut sum = Box::pin(super::add(1, 2));
        let waker = std::task::Waker::noop();
        match sum.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(sum) => assert_eq!(sum.ok(), Some(3)),
            std::task::Poll::Pending => panic!("nothing in it waits"),
        }
    }
}
