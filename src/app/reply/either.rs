//! A reply of one of two types, for a handler that decides as it runs.

use super::{Answer, Reply};
use crate::app::was::Was;

/// A reply of one type or another: for example a page for browsers and data for programs.
///
/// ```
/// # use skitai::prelude::*;
/// #[route("/multi_purpose")]
/// async fn multi_purpose(was: Was) -> Either<Page, Vec<i64>> {
///     let numbers = vec![1, 2, 3];
///     match was.face() {
///         Face::Web => Either::Left(Page::new("numbers.html").with("numbers", numbers)),
///         Face::XmlRpc | Face::JsonRpc => Either::Right(numbers),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// A reply of the first type.
    Left(A),
    /// A reply of the second type.
    Right(B),
}

impl<A: Reply, B: Reply> Reply for Either<A, B> {
    fn into_answer(self, was: &Was) -> Answer {
        match self {
            Either::Left(reply) => reply.into_answer(was),
            Either::Right(reply) => reply.into_answer(was),
        }
    }
}
