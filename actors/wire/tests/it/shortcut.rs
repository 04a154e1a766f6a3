//! The shortcut past the events decides what the events decide: values, errors, their paths.

use proptest::prelude::*;
use skitai_wire::{Limits, xmlrpc};

use crate::values::{any_bytes_of_xml, xml_value};

/// The elements that the shortcut knows.
#[rustfmt::skip]
const NAMES: [&str; 27] = [
    "methodCall", "methodName", "methodResponse", "params", "param", "fault", "value", "array", "data", "struct", "member",
    "name", "string", "int", "i1", "i2", "i4", "i8", "biginteger", "double", "float", "bigdecimal", "boolean", "base64",
    "dateTime.iso8601", "dateTime", "nil",
];

/// The same document to any reader of XML, but with a blank in its tags, which the shortcut does not know.
fn without_shortcut(xml: &str) -> String {
    NAMES.iter().fold(xml.to_owned(), |xml, name| {
        xml.replace(&format!("<{name}>"), &format!("<{name} >")).replace(&format!("</{name}>"), &format!("</{name} >"))
    })
}

/// A message without what it shows of the document, which may be cut, and be cut elsewhere.
fn unshown(message: &str) -> (String, String) {
    let start = message.find('<').unwrap_or(message.len());
    let end = message[start..].rsplit_once('>').map_or("", |(_, end)| end);
    (message[..start].to_owned(), end.to_owned())
}

/// Both ways come to the same. Errors may differ in their byte, because the blanks move it, and in what they show.
fn same(xml: &str, limits: &Limits) {
    let slow = without_shortcut(xml);
    let plain = |error: skitai_wire::Error| (error.path, unshown(&error.message));
    assert_eq!(
        xmlrpc::parse_response(xml.as_bytes(), limits).map_err(plain),
        xmlrpc::parse_response(slow.as_bytes(), limits).map_err(plain),
        "{xml}"
    );
    assert_eq!(
        xmlrpc::parse_call(xml.as_bytes(), limits).map_err(plain),
        xmlrpc::parse_call(slow.as_bytes(), limits).map_err(plain),
        "{xml}"
    );
}

fn response(value: &str) -> String {
    format!("<methodResponse><params><param>{value}</param></params></methodResponse>")
}

#[test]
fn where_the_shortcut_ends_the_events_go_on() {
    let member = |inner: &str| format!("<value><struct><member>{inner}</member></struct></value>");
    let items = |inner: &str| format!("<value><array><data>{inner}</data></array></value>");
    let mut documents = vec![
        member("<name>a</name><value>1</value>"),
        member("<name>a</name><value>1</value><value>2</value>"),
        member("<name>a</name><name>b</name><value>1</value>"),
        member("<name>a</name>"),
        member("<value>1</value>"),
        member("<value>1</value><name>a</name>"),
        member("<value>&lt;</value><name>a</name>"),
        member("<name>a</name><value>1</value>x"),
        member("x<name>a</name><value>1</value>"),
        member("<name>a&amp;b</name><value>1</value>"),
        member("<name>a</name><value><struct></struct></value>"),
        member("<name>a</name><value><int>x</int></value>"),
        member("<name><![CDATA[a]]></name><value>1</value>"),
        member("<name>a</name><!-- c --><value>1</value>"),
        member("<name>a</name><value>1</value></member><member><name>a</name><value>2</value>"),
        format!("{}<value>1</value>", response("<value>1</value>")),
        "<value>1</value><value>2</value>".to_owned(),
        "<value><double>1.5</double>".to_owned(),
        "<value>".to_owned(),
    ];
    let leaves = [
        "<value>a</value>",
        "<value> a </value>",
        "<value> <int>1</int></value>",
        "<value><int>1</int> </value>",
        "<value><int> 1 </int></value>",
        "<value><int>1</i4></value>",
        "<value><int/></value>",
        "<value><nil/></value>",
        "<value><nil></nil></value>",
        "<value><nil />x</value>",
        "<value><ex:nil/></value>",
        "<value><string>a\r\nb</string></value>",
        "<value>a\rb</value>",
        "<value>a&b</value>",
        "<value><string>a<b/></string></value>",
        "<value><base64>AA==</base64></value>",
        "<value><base64>*</base64></value>",
        "<value><data>1</data></value>",
        "<value><dateTime.iso8601> 19980717T14:08:55 </dateTime.iso8601></value>",
        "<value><name>x</name></value>",
        "<value>a]]>b</value>",
        "<value>\u{1}\u{fffe}ä€</value>",
        "</value>",
    ];
    documents.extend(leaves.iter().flat_map(|leaf| {
        [
            (*leaf).to_owned(),
            items(leaf),
            items(&format!("\n{leaf}\t{leaf}\n")),
            member(&format!("<name>n</name>{leaf}")),
        ]
    }));
    for value in &documents {
        same(&response(value), &Limits::default());
        same(&format!("\u{feff}{}", response(value)), &Limits::default());
        for values in 0..4 {
            same(&response(value), &Limits { values, ..Limits::default() });
        }
    }
}

#[test]
fn whole_calls_are_read_the_same_both_ways() {
    let params = [
        "",
        "<params/>",
        "<params></params>",
        "<params><param><value><int>1</int></value></param></params>",
        "<params>\n<param> <value>a</value>\t</param><param><value><nil/></value></param>\n</params>",
        "<params><param><value><int>x</int></value></param></params>",
        "<params><param></param></params>",
        "<params><param><value>1</value><value>2</value></param></params>",
        "<params><value>1</value></params>",
        "<params><param><value>1</value></param></params><params></params>",
        "<params><param><value><array><data><value>1</value></data></array></value></param></params>",
        "<params><param><value>&amp;</value></param></params>",
        "<params><!-- c --><param><value>1</value></param></params>",
        "x<params></params>",
        "<params>",
    ];
    let names = ["add", " a.b ", "", " ", "a&lt;b", "ä", "a<b/>"];
    let heads = [
        "",
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding=\"UTF-8\" ?>\n",
        "<?xml?>",
        "<?xml ?>",
        "<?xml version=\"1.0\">",
        "<?xml version=\"<\"?>",
        "<?xml version=\"1.0\"?><?xml version=\"1.0\"?>",
        " <?xml version=\"1.0\"?>",
        "<?xml-stylesheet a?>",
        "<!DOCTYPE a>",
        "x",
        "\u{feff}",
    ];
    let tails = ["", "\n ", "x", "<a/>", "<methodCall></methodCall>", "<!-- c -->"];
    for head in heads {
        for name in names {
            for inner in params {
                for tail in tails {
                    let method = format!("<methodName>{name}</methodName>");
                    let call = |inside: String| format!("{head}<methodCall>{inside}</methodCall>{tail}");
                    for xml in [call(format!("{method}{inner}")), call(format!("\n{inner} {method}\n"))] {
                        for values in 0..3 {
                            same(&xml, &Limits { values, ..Limits::default() });
                        }
                    }
                }
            }
        }
    }
}

/// An error behind leaves that were taken without events is at its own byte.
#[test]
fn places_are_right_behind_the_shortcut() {
    let xml = response("<value><array><data><value>ä</value> <value><int>7</int></value><value><int>x</int></value>");
    for xml in [xml.clone(), format!("\u{feff}{xml}")] {
        let error = xmlrpc::parse_response(xml.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error.offset, xml.find("</int></value></param>"), "{error}");
        assert_eq!(error.path, "methodResponse/params/param[1]/value/array/data/value[3]/int");
    }
}

#[test]
fn places_of_what_is_not_well_formed_are_right_behind_the_shortcut() {
    let xml = response("<value><array><data><value>ä</value> <value><int>7</int></value></wrong>");
    let error = xmlrpc::parse_response(xml.as_bytes(), &Limits::default()).unwrap_err();
    assert_eq!(error.offset, xml.find("</wrong>"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_are_read_the_same_both_ways(value in xml_value()) {
        let xml = String::from_utf8(xmlrpc::write_response(&value).unwrap()).unwrap();
        same(&xml, &Limits::default());
        same(&xml.replace("</", "\n</"), &Limits::default());
        same(&xml.replace("><", ">\n\t<"), &Limits { values: 10, depth: 2, ..Limits::default() });
    }

    #[test]
    fn damage_is_read_the_same_both_ways(value in xml_value(), at in any::<prop::sample::Index>(), put in "[<>/&a\r]") {
        let xml = String::from_utf8(xmlrpc::write_response(&value).unwrap()).unwrap();
        let mut xml = xml.split_once("?>").unwrap().1.to_owned();
        let at = xml.floor_char_boundary(at.index(xml.len()));
        xml.insert_str(at, &put);
        // The damage may have made a tag of which an end tag is a part, and that has another name with a blank in it.
        if put != "<" || !xml.contains(['"', '\'', '!', '?']) {
            same(&xml, &Limits::default());
        }
    }

    #[test]
    fn words_in_any_order_are_read_the_same_both_ways(bytes in any_bytes_of_xml()) {
        let xml = String::from_utf8(bytes).unwrap();
        // Elsewhere an end tag is text.
        if !xml.contains("<!") && !xml.contains("<?") {
            same(&xml, &Limits::default());
            same(&response(&xml), &Limits::default());
        }
    }
}
