//! Parties for fair shares: each request is its own, and the calls of a batch share one.

use actix_web::test::TestRequest;
use skitai_actors::kit::Party;
use skitai_wire::json;

use super::{json_rpc, serve, with_thread};

#[test]
fn each_request_is_a_party_and_a_batch_is_one() {
    with_thread(async |thread| {
        let mut parties = vec![format!("{:?}", Party::ALONE)];
        for _ in 0..2 {
            parties.push(serve(&thread, TestRequest::with_uri("/party")).await.body);
        }
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"party"}"#;
        let batch = serve(&thread, json_rpc(&format!("[{call},{call}]"))).await.body;
        let answers = json::parse_value(batch.as_bytes()).expect("JSON").into_list();
        let of_batch: Vec<String> = answers.iter().map(|answer| format!("{:?}", answer["result"])).collect();
        assert!(of_batch.len() == 2 && of_batch[0] == of_batch[1], "{of_batch:?}");
        parties.push(answers[0]["result"].as_str().expect("a text").to_owned());
        for (at, party) in parties.iter().enumerate() {
            assert!(party.starts_with("Party(") && !parties[..at].contains(party), "{parties:?}");
        }
    });
}
