//! Links, compared with the rules they are made from.

use serde::Serialize;

use super::*;
use crate::app::hooks::Level;
use crate::app::routing::table::RouteRegistration;
use crate::prelude::{Form, Json, Was, route};
use crate::routes;

#[route("/")]
async fn index() -> &'static str {
    ""
}

#[route("/company/<int:cid>/<cname>")]
async fn company_of(_was: Was, cid: i64, cname: String, tags: Vec<String>, _rest: Form) -> String {
    format!("{cid}{cname}{tags:?}")
}

#[route("/company", name = "lookup")]
async fn company(cid: i64, place: Option<Json<(i64, i64)>>) -> String {
    format!("{cid}{place:?}")
}

fn links(mount: &str) -> Links {
    let listed: Vec<_> =
        routes![index, company_of, company].into_iter().map(|route| RouteRegistration::new("", route)).collect();
    Links::new(mount, mount.ends_with('/'), Arc::new(Table::new(&listed, &Level::default()).expect("no clash")))
}

#[expect(clippy::needless_pass_by_value, reason = "as `Was::url_for` takes it")]
fn url(mount: &str, to: impl IntoRouteRef, arguments: impl Serialize) -> Result<String, String> {
    let links = links(mount);
    let link = || {
        let placed = links.find(to.sought())?.ok_or_else(|| links.unknown(to.sought()))?;
        let arguments = skitai_wire::to_value(&arguments).expect("a value");
        links.path_to(placed, arguments).map_err(|why| about(placed, why))
    };
    link().map_err(|why| why.to_string())
}

#[test]
fn arguments_go_into_the_path_and_the_others_into_the_query() {
    assert_eq!(url("/", company_of {}, (555, "Skitai Corp")).as_deref(), Ok("/company/555/Skitai%20Corp"));
    assert_eq!(url("/", "company_of", (5, "a/b", ["x&y", "z"])).as_deref(), Ok("/company/5/a%2Fb?tags=x%26y&tags=z"));
    let by_name = Value::from_pairs([
        ("more", Value::from("한")),
        ("cname", Value::from("n")),
        ("none", Value::Nil),
        ("cid", Value::Int(1)),
    ]);
    assert_eq!(url("/", company_of {}, by_name).as_deref(), Ok("/company/1/n?more=%ED%95%9C"));
    // RPC names first: the rule with placeholders has the name `company`, because the other is called `lookup`.
    assert_eq!(url("/", "lookup", (7, [1, 2])).as_deref(), Ok("/company?cid=7&place=1&place=2"));
    assert_eq!(url("/", "company", (7, "x")).as_deref(), Ok("/company/7/x"));
    assert_eq!(url("/", company {}, (7,)).as_deref(), Ok("/company?cid=7"));
    let place = Value::from_pairs([("place", Value::from_pairs([("x", Value::Int(1))]))]);
    assert_eq!(url("/", company {}, place).as_deref(), Ok("/company?place=%7B%22x%22%3A1%7D"));
}

#[test]
fn a_link_knows_its_mount() {
    for (mount, root, other) in
        [("/", "/", "/company"), ("/test", "/test", "/test/company"), ("/a/b/", "/a/b/", "/a/b/company")]
    {
        assert_eq!(url(mount, index {}, ()).as_deref(), Ok(root), "{mount}");
        assert_eq!(url(mount, "lookup", ()).as_deref(), Ok(other), "{mount}");
    }
}

#[test]
fn what_leads_nowhere_is_told() {
    for (problem, expected) in [
        (url("/", "compani", ()), "no route `compani`; did you mean `company`?"),
        (url("/", company_of {}, (555,)), "/company/<int:cid>/<cname> (company_of): `cname` is missing"),
        (url("/", company_of {}, ("x", "y")), "`cid` must be a whole number"),
        (url("/", "lookup", (1, 2, 3)), "3 arguments were given, and the function takes 2"),
        (url("/", "lookup", 1), "arguments are a tuple"),
        (url("/", company_of {}, ([1, 2], "y")), "`cid` was given 2 values"),
        (url("/", "lookup", (f64::NAN,)), "`cid` cannot be"),
    ] {
        let problem = problem.expect_err(expected);
        assert!(problem.starts_with("url_for: ") && problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_function_at_two_rules_is_linked_to_by_name() {
    let listed = ["/a", "/b"].map(|prefix| RouteRegistration::new(prefix, company_of::ROUTE));
    let links = Links::new("/", true, Arc::new(Table::new(&listed, &Level::default()).expect("two names")));
    let problem = links.find(RouteRef::Name("company_of")).expect_err("one of them").to_string();
    assert!(problem.contains("/a/company/") && problem.contains("/b/company/"), "{problem}");
    assert!(links.find((company_of {}).sought()).is_err());
    assert_eq!(
        links.url("b.company", skitai_wire::to_value(&(1, "x")).expect("a value")).expect("one"),
        "/b/company/1/x"
    );
}
