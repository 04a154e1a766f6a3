//! Arguments from the path, and the same arguments by name, from the query, a form or a JSON body.

use skitai::prelude::*;

/// A company by its number and name in the path: `/company/555/Skitai+Corp`.
#[route("/company/<int:cid>/<cname>")]
pub(crate) async fn company(cid: i64, cname: String) -> String {
    format!("{cid} - {cname}")
}

/// The same company by name: `/company?cid=555&cname=Skitai+Corp`, by GET or POST. Over RPC this one is `company`.
#[route("/company")]
pub(crate) async fn company_by_name(
    #[arg(doc = "the company's number")] cid: i64,
    #[arg(doc = "the company's name")] cname: String,
) -> String {
    format!("{cid} - {cname}")
}

/// Both forms mixed: `/company/555?cname=Skitai+Corp`. A name given twice becomes a list, first the query's value, last
/// the path's: with `&cid=333` the number is `["333",555]`.
#[route("/company/<int:cid>")]
pub(crate) async fn company_mixed(was: Was, cid: Value, cname: String) -> Result<String> {
    Ok(format!("{} - {cname}", was.tojson(&cid)?))
}

/// Every argument, whatever its name: `/company/form?cid=555&cname=Skitai+Corp`.
#[route("/company/form")]
pub(crate) async fn company_form(form: Form) -> Result<String> {
    let given = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or("nothing").to_owned();
    Ok(format!("{} - {} of {} arguments", given("cid"), given("cname"), form.values.len()))
}

/// An argument whose name for clients is not a name in Rust: the field `submit-name` of a form.
#[route("/company/called")]
pub(crate) async fn company_called(#[arg(name = "submit-name")] name: String) -> String {
    name
}
