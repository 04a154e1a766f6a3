//! Arguments from the path, and the same ones by name.

use skitai::prelude::*;

/// A company by its number and name in the path: `/company/555/Skitai+Corp`.
#[route("/company/<int:cid>/<cname>")]
pub(crate) async fn company(cid: i64, cname: String) -> String {
    format!("{cid} - {cname}")
}

/// The same by name: `/company?cid=555&cname=Skitai+Corp`, by GET or POST. Over RPC this one is `company`.
#[route("/company")]
pub(crate) async fn company_by_name(
    #[arg(doc = "the company's number")] cid: i64,
    #[arg(doc = "the company's name")] cname: String,
) -> String {
    format!("{cid} - {cname}")
}
