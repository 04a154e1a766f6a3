//! Rules and paths, in both directions.

use super::*;

fn matched(rule: &str, path: &str) -> Option<Vec<Value>> {
    let values = Pattern::parse(rule).expect("a good rule").matches(path)?;
    Some(values.into_iter().map(|(_, value)| value).collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn placeholders_take_what_their_kind_says() {
    assert_eq!(
        matched("/company/<int:cid>/<cname>", "/company/555/Skitai+Corp"),
        Some(vec![Value::Int(555), text("Skitai Corp")])
    );
    assert_eq!(matched("/a/<int:x>", "/a/-7"), Some(vec![Value::Int(-7)]));
    assert_eq!(matched("/f/<float:x>", "/f/1.5"), Some(vec![Value::Double(1.5)]));
    assert_eq!(matched("/f/<float:x>", "/f/3"), Some(vec![Value::Double(3.0)]));
    assert_eq!(matched("/p/<path:p>", "/p/a/b/c.txt"), Some(vec![text("a/b/c.txt")]));
    assert_eq!(matched("/p/<path:p>/end", "/p/a/end/end"), Some(vec![text("a/end")]));
    assert_eq!(matched("/u/<name>.json", "/u/x.y.json"), Some(vec![text("x.y")]));
    assert_eq!(matched("/u/<name>", "/u/%ED%95%9C%2F1"), Some(vec![text("한/1")]));
    // A `+` is a blank in a plain placeholder alone.
    assert_eq!(matched("/u/<name>", "/u/c++%2B"), Some(vec![text("c  +")]));
    assert_eq!(matched("/u/<raw:name>", "/u/c++%2B%20d"), Some(vec![text("c+++ d")]));
    assert_eq!(matched("/u/<raw:name>/end", "/u/1.0+b/end"), Some(vec![text("1.0+b")]));
    assert_eq!(matched("/u/<raw:name>", "/u/a/b"), None);
    assert_eq!(matched("/p/<path:p>", "/p/a+b/c++.txt"), Some(vec![text("a+b/c++.txt")]));
}

#[test]
fn what_does_not_fit_does_not_match() {
    for (rule, path) in [
        ("/a/<int:x>", "/a/x"),
        ("/a/<int:x>", "/a/99999999999999999999"),
        ("/a/<int:x>", "/a/"),
        ("/a/<int:x>", "/zzz/a/1"),
        ("/a/<int:x>", "/a/1/b"),
        ("/f/<float:x>", "/f/1.2.3"),
        ("/f/<float:x>", "/f/."),
        ("/u/<name>", "/u/a/b"),
        ("/u/<name>", "/u/%ff"),
    ] {
        assert_eq!(matched(rule, path), None, "{rule} against {path}");
    }
}

#[test]
fn rpc_names_are_the_fixed_segments() {
    let name = |rule: &str| Pattern::parse(rule).expect("a good rule").rpc_name();
    assert_eq!(name("/hello"), "hello");
    assert_eq!(name("/test/hello/world"), "test.hello.world");
    assert_eq!(name("/company/<int:cid>/<cname>"), "company");
    assert_eq!(name("/"), "index");
}

#[test]
fn an_escape_that_is_none_changes_nothing() {
    for (sent, form) in [
        ("/hell%6f", "/hello"),
        ("/a%2fb%2Bc%25", "/a%2Fb%2Bc%25"),
        ("/%ed%95%9c", "/%ED%95%9C"),
        ("/100%", "/100%"),
        ("/%zz%4", "/%zz%4"),
    ] {
        assert_eq!(canonical(sent), form, "{sent}");
    }
    let rule = Pattern::parse("/größe").expect("a good rule");
    assert_eq!(rule.as_path(), canonical("/gr%c3%b6%c3%9fe"));
    assert_eq!(rule.rpc_name(), "größe");
}

#[test]
fn a_path_made_to_be_tried_for_ever_is_no_match_at_once() {
    let path = "/a".repeat(30_000);
    let started = std::time::Instant::now();
    assert_eq!(matched("/<path:a>/<path:b>/<path:c>/x", &path), None);
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_path_is_filled_so_that_the_same_values_are_found_on_it() {
    let filled = |rule: &str, values: &[&str]| {
        let pattern = Pattern::parse(rule).expect("a good rule");
        let names: Vec<String> = pattern.names().map(str::to_owned).collect();
        pattern.fill(|name| values.get(names.iter().position(|known| known == name)?).copied())
    };
    for (rule, values, path) in [
        ("/company/<int:cid>/<cname>", &["555", "Skitai Corp"][..], "/company/555/Skitai%20Corp"),
        ("/u/<name>", &["a/b+c?d#e%2F\"'&한"], "/u/a%2Fb%2Bc%3Fd%23e%252F%22%27%26%ED%95%9C"),
        ("/p/<path:p>", &["a/b c/d.txt"], "/p/a/b%20c/d.txt"),
        ("/f/<float:x>", &["-1.5"], "/f/-1.5"),
        ("/größe/<int:n>", &["-7"], "/gr%C3%B6%C3%9Fe/-7"),
        ("/u/<name>.json", &["..."], "/u/....json"),
        ("/", &[], "/"),
    ] {
        assert_eq!(filled(rule, values).as_deref(), Ok(path), "{rule}");
    }
    for (rule, values, told) in [
        ("/company/<int:cid>/<cname>", &["555"][..], "`cname` is missing"),
        ("/a/<int:x>", &["five"], "`x` must be a whole number, got \"five\""),
        ("/a/<int:x>", &["99999999999999999999"], "must be a whole number"),
        ("/f/<float:x>", &["NaN"], "must be a number"),
        ("/u/<name>", &[""], "`name` must be a text that is not empty"),
        ("/u/<name>", &[".."], "leads elsewhere"),
        ("/p/<path:p>", &["a/../../b"], "leads elsewhere"),
        ("/<a>-<b>", &["1", "2-3"], "as other values"),
    ] {
        let problem = filled(rule, values).expect_err(rule).to_string();
        assert!(problem.contains(told), "{rule}: {problem}");
    }
}

#[test]
fn rules_that_cannot_work_are_refused() {
    assert!(Pattern::parse("/a/<b").is_err());
    assert!(Pattern::parse("/a/<b><c>").is_err());
    assert!(Pattern::parse("/a/<uuid:b>").is_err());
}
