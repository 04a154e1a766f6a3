//! The types that handlers pass as parameters of a statement: `(1, "x")`, `(city,)`, `()`, or a list made at run time.

use std::sync::Arc;

use crate::wire::Value;

/// One parameter. It is bound, never spliced into the text, so it is data whatever it contains.
pub trait Param {
    /// The value that is bound.
    fn into_param(self) -> Value;
}

/// All parameters of one statement, `$1` first.
pub trait IntoParams {
    /// In the order of their numbers. Shared, because they are sent to many members and are part of the cache key.
    fn into_params(self) -> Arc<[Value]>;
}

macro_rules! whole {
    ($($type:ty),*) => {
        $(impl Param for $type {
            fn into_param(self) -> Value {
                Value::Int(self.into())
            }
        })*
    };
}
whole!(i8, i16, i32, i64, u16, u32);

impl Param for u64 {
    /// A number beyond the range of an `i64` is sent as text, which a numeric column reads exactly.
    fn into_param(self) -> Value {
        i64::try_from(self).map_or_else(|_| Value::String(self.to_string()), Value::Int)
    }
}

impl Param for usize {
    fn into_param(self) -> Value {
        (self as u64).into_param()
    }
}

impl Param for f64 {
    fn into_param(self) -> Value {
        Value::Double(self)
    }
}

impl Param for f32 {
    /// Converted through its text, so that 0.1 stays 0.1.
    fn into_param(self) -> Value {
        Value::Double(self.to_string().parse().unwrap_or_else(|_| self.into()))
    }
}

impl Param for bool {
    fn into_param(self) -> Value {
        Value::Bool(self)
    }
}

impl Param for &str {
    fn into_param(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Param for &String {
    fn into_param(self) -> Value {
        Value::String(self.clone())
    }
}

impl Param for String {
    fn into_param(self) -> Value {
        Value::String(self)
    }
}

impl Param for &[u8] {
    fn into_param(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl Param for Vec<u8> {
    /// Octets. A lone `u8` is not a parameter, so this cannot be an array of small numbers by accident.
    fn into_param(self) -> Value {
        Value::Bytes(self)
    }
}

impl Param for bytes::Bytes {
    fn into_param(self) -> Value {
        Value::Bytes(self.into())
    }
}

impl Param for Value {
    fn into_param(self) -> Value {
        self
    }
}

impl Param for &Value {
    fn into_param(self) -> Value {
        self.clone()
    }
}

impl<T: Param> Param for Option<T> {
    /// `None` is NULL.
    fn into_param(self) -> Value {
        self.map_or(Value::Nil, Param::into_param)
    }
}

impl<T: Param> Param for Vec<T> {
    /// An array.
    fn into_param(self) -> Value {
        Value::List(self.into_iter().map(Param::into_param).collect())
    }
}

impl IntoParams for () {
    fn into_params(self) -> Arc<[Value]> {
        Arc::default()
    }
}

impl<T: Param> IntoParams for Vec<T> {
    fn into_params(self) -> Arc<[Value]> {
        self.into_iter().map(Param::into_param).collect()
    }
}

impl<T: Param, const N: usize> IntoParams for [T; N] {
    fn into_params(self) -> Arc<[Value]> {
        self.into_iter().map(Param::into_param).collect()
    }
}

macro_rules! tuple {
    ($($name:ident),+) => {
        impl<$($name: Param),+> IntoParams for ($($name,)+) {
            fn into_params(self) -> Arc<[Value]> {
                #[expect(non_snake_case, reason = "the type parameters name the values too")]
                let ($($name,)+) = self;
                Arc::new([$($name.into_param()),+])
            }
        }
    };
}
tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
tuple!(A, B, C, D, E, F, G, H, I);
tuple!(A, B, C, D, E, F, G, H, I, J);
tuple!(A, B, C, D, E, F, G, H, I, J, K);
tuple!(A, B, C, D, E, F, G, H, I, J, K, L);

#[cfg(test)]
mod tests {
    use super::IntoParams;
    use crate::wire::Value;

    #[test]
    fn what_a_handler_writes_is_what_is_bound() {
        let params = (1_i32, "x", None::<i64>, vec![1_u16, 2], vec![0_u8, 255], u64::MAX, 0.1_f32).into_params();
        let expected = [
            Value::Int(1),
            Value::String("x".to_owned()),
            Value::Nil,
            Value::List(vec![Value::Int(1), Value::Int(2)]),
            Value::Bytes(vec![0, 255]),
            Value::String(u64::MAX.to_string()),
            Value::Double(0.1),
        ];
        assert_eq!(params[..], expected);
        assert!(().into_params().is_empty());
        assert_eq!(["a", "b"].into_params().len(), 2);
    }
}
