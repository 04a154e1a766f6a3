//! The identity of a question.

use ring::digest::{Context, SHA256};
use skitai_wire::Value;

/// A digest of everything that could change the answer to a question.
///
/// Arguments come from clients, so the digest is cryptographic: a client cannot construct a question that collides with
/// another user's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(")?;
        // Eight bytes are enough to distinguish keys in a log line.
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The field that a text belongs to, so that the same text as a path and as a method gives two keys.
#[derive(Clone, Copy)]
#[repr(u8)]
enum KeyField {
    Kind,
    Target,
    Path,
    Method,
    Arguments,
    Values,
    LoginUser,
    LoginPassword,
    HeaderName,
    HeaderValue,
    Database,
    User,
    Other,
}

/// Collects everything that could change an answer. The order of the calls is part of the key, so each kind of call
/// should keep to one order; another order causes a miss at worst. A field may be given several times, and each time
/// counts.
pub struct KeyBuilder(Context);

impl std::fmt::Debug for KeyBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyBuilder")
    }
}

impl KeyBuilder {
    /// Starts with the kind of call: `map`, `lb`, `dmap`, `dlb`, `rpc`, `rest`, `wget`, `db`.
    pub fn new(kind: &str) -> KeyBuilder {
        KeyBuilder(Context::new(&SHA256)).field(KeyField::Kind, kind.as_bytes())
    }

    /// The cluster's name, or a server's full address with its scheme.
    pub fn target(self, cluster_or_server: &str) -> KeyBuilder {
        self.field(KeyField::Target, cluster_or_server.as_bytes())
    }

    /// The path, including its query.
    pub fn path(self, path: &str) -> KeyBuilder {
        self.field(KeyField::Path, path.as_bytes())
    }

    /// The RPC method, the HTTP method, or the SQL statement.
    pub fn method(self, method: &str) -> KeyBuilder {
        self.field(KeyField::Method, method.as_bytes())
    }

    /// The arguments or the body as they are sent.
    pub fn arguments(self, bytes: &[u8]) -> KeyBuilder {
        self.field(KeyField::Arguments, bytes)
    }

    /// The arguments or bound parameters before they are serialised; types are significant (`1` is not `"1"`).
    pub fn values(mut self, values: &[Value]) -> KeyBuilder {
        self.open(KeyField::Values, values.len());
        values.iter().for_each(|value| self.value(value));
        self
    }

    /// The login of the call.
    pub fn login(self, user: &str, password: &str) -> KeyBuilder {
        self.field(KeyField::LoginUser, user.as_bytes()).field(KeyField::LoginPassword, password.as_bytes())
    }

    /// A request header. Its name is case-insensitive, its value is not.
    pub fn header(self, name: &str, value: &str) -> KeyBuilder {
        self.field(KeyField::HeaderName, name.to_ascii_lowercase().as_bytes())
            .field(KeyField::HeaderValue, value.as_bytes())
    }

    /// The database's name.
    pub fn database(self, name: &str) -> KeyBuilder {
        self.field(KeyField::Database, name.as_bytes())
    }

    /// The database's user.
    pub fn user(self, name: &str) -> KeyBuilder {
        self.field(KeyField::User, name.as_bytes())
    }

    /// Anything else that could change the answer, with a name: an encoding, a completion rule, a limit.
    pub fn other(self, name: &str, value: &str) -> KeyBuilder {
        self.field(KeyField::Other, name.as_bytes()).field(KeyField::Other, value.as_bytes())
    }

    /// Finishes the key.
    pub fn build(self) -> CacheKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.finish().as_ref());
        CacheKey(key)
    }

    fn field(mut self, field: KeyField, bytes: &[u8]) -> KeyBuilder {
        self.open(field, bytes.len());
        self.0.update(bytes);
        self
    }

    /// The length precedes the content, so that ("ab", "c") and ("a", "bc") differ.
    fn open(&mut self, field: KeyField, len: usize) {
        self.0.update(&[field as u8]);
        self.0.update(&(len as u64).to_le_bytes());
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update(&[tag]);
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Nil => self.0.update(b"n"),
            Value::Bool(flag) => self.0.update(&[b'b', u8::from(*flag)]),
            Value::Int(number) => self.sized(b'i', &number.to_le_bytes()),
            Value::UInt(number) => self.sized(b'u', &number.to_le_bytes()),
            // Compared by bits: -0.0 and 0.0 may be sent differently, and NaN must equal itself here.
            Value::Double(number) => self.sized(b'd', &number.to_bits().to_le_bytes()),
            Value::String(text) => self.sized(b's', text.as_bytes()),
            Value::DateTime(text) => self.sized(b't', text.as_bytes()),
            Value::Bytes(bytes) => self.sized(b'o', bytes),
            Value::List(items) => {
                self.sized(b'l', &(items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(map) => {
                self.sized(b'm', &(map.0.len() as u64).to_le_bytes());
                for (name, item) in &map.0 {
                    self.sized(b'k', name.as_bytes());
                    self.value(item);
                }
            }
        }
    }
}
