//! Devel mode of a single app: its templates and errors, and the refusal where other machines can reach it.

use actix_web::dev::AppConfig;
use actix_web::test::TestRequest;

use super::serve;
use crate as skitai;
use crate::app::{App, Result};
use crate::config::{ListenAddress, ListenSettings, Loaded};
use crate::prelude::route;
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;
use crate::serve::slot;

#[route("/fails")]
async fn fails() -> Result<String> {
    Ok(std::fs::read_to_string("/nonexistent/file")?)
}

fn app(devel: bool) -> App {
    App::new("a").devel(devel).routes(skitai::routes![fails])
}

fn loaded(devel: bool) -> Loaded {
    let mut loaded = Loaded::without_conf("/nonexistent".as_ref(), &["a"]);
    loaded.settings.server.devel = devel;
    loaded
}

#[test]
fn an_app_has_a_word_of_its_own() {
    for (of_site, of_app) in [(false, true), (true, false)] {
        let body = actix_rt::System::new().block_on(async {
            let site =
                OpenSite::open(&loaded(of_site), vec![app(of_app)], &Keys::ephemeral(), None).expect("on loopback");
            let thread = slot::start(&site, 0, AppConfig::default());
            serve(&thread, TestRequest::with_uri("/fails").insert_header(("accept", "text/html"))).await.body
        });
        assert_eq!(body.contains("No such file"), of_app, "{body}");
    }
}

#[test]
fn it_is_refused_where_others_could_read_the_errors() {
    let mut loaded = loaded(false);
    loaded.settings.server.listening = ListenSettings::on(ListenAddress::Tcp { ip: None, port: 5000 });
    let open = |devel: bool| {
        let opened = async { OpenSite::open(&loaded, vec![app(devel)], &Keys::ephemeral(), None).map(|_| ()) };
        actix_rt::System::new().block_on(opened)
    };
    let why = open(true).expect_err("everybody can reach it").to_string();
    assert!(why.contains("app `a` is in devel mode"), "{why}");
    assert!(open(false).is_ok());
}
