//! What a member of the benchmark finds: two works in a document of about 800 bytes, the same whatever is asked for.

use skitai_wire::Value;
use skitai_wire::xmlrpc;

/// The XML-RPC answer of one member; each has works of its own, so that a wrong order of the members would be seen.
pub fn answer(member: usize) -> Vec<u8> {
    let work = |title: &str, year: &str, opus: &str| {
        Value::from_pairs([
            ("composer", Value::from("Wolfgang Amadeus Mozart")),
            ("title", Value::from(format!("{title}, from member {member}"))),
            ("year", Value::from(year)),
            ("opus", Value::from(opus)),
        ])
    };
    let found = Value::List(vec![
        work("Symphony No. 41 in C major", "1788", "K. 551"),
        work("Requiem in D minor", "1791", "K. 626"),
    ]);
    xmlrpc::write_response(&found).expect("texts without control characters can be written as XML")
}
