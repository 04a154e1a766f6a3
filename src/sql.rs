//! Aggregates over the rows of all shards, and the data of a statement's outcome other than its rows.
//!
//! ```
//! use skitai::prelude::*;
//! use skitai::sql::{count, sum};
//!
//! /// The three countries with the most people in cities.
//! #[route("/countries")]
//! async fn countries(was: Was) -> Result<Merged> {
//!     let cities = was.dmap("mydb").execute("SELECT country, population FROM cities", ()).getswait(secs(5)).await;
//!     cities.require(All)?.group_by("country", [count(), sum("population").named("people")])?.top(3, "-people")
//! }
//! ```

pub use skitai_actors::db::{Column, Columns, IntoParams, Param, SqlError};
pub use skitai_actors::merge::{Aggregate, Unmergeable, avg, avg_of, count, count_of, max, min, sum};
