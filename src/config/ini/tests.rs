use super::*;

/// `section.key=value` of every entry, and the number of problems.
fn entries(text: &str) -> (Vec<String>, usize) {
    let mut problems = Vec::new();
    let document = read(text, &mut problems);
    let mut found = Vec::new();
    for section in &document.sections {
        for entry in &section.entries {
            assert_eq!(text[entry.key_span.clone()], entry.key);
            found.push(format!("{}.{}={}", section.name, entry.key, entry.value.text));
        }
    }
    (found, problems.len())
}

fn clean(text: &str) -> Vec<String> {
    let (found, problems) = entries(text);
    assert_eq!(problems, 0, "{text}");
    found
}

#[test]
fn a_value_keeps_what_looks_like_syntax() {
    let text = "[s]\nsecurekey = ASDF34x5=DFu$3FD45i&*YTnU+78\na=b;c#d\ne: f=g:h\n";
    assert_eq!(clean(text), ["s.securekey=ASDF34x5=DFu$3FD45i&*YTnU+78", "s.a=b;c#d", "s.e=f=g:h"]);
}

#[test]
fn comments_begin_a_line_or_follow_a_blank() {
    let text = "; one\n# two\n[s] ; three\na = 1 ; four\nb = 2;five\nc = ;six\n";
    assert_eq!(clean(text), ["s.a=1", "s.b=2;five", "s.c="]);
}

#[test]
fn two_quotes_are_an_empty_value() {
    assert_eq!(clean("[s]\na = \"\"\nb = \"x\"\n"), ["s.a=", "s.b=\"x\""]);
}

#[test]
fn an_indented_line_continues_the_value_without_a_separator() {
    let text = "[s]\nmembers = a:1,\n  b:2,\n\n  ; c:3,\n\td:4 ; the last\nnext = x\n";
    assert_eq!(clean(text), ["s.members=a:1,b:2,d:4", "s.next=x"]);
}

#[test]
fn a_part_of_a_continued_value_knows_its_line() {
    let text = "[s]\nmembers = a:1,\n  b:2\n";
    let document = read(text, &mut Vec::new());
    let value = &document.sections[0].entries[0].value;
    assert_eq!(&text[value.span_of(&(4..7))], "b:2");
    assert_eq!(&text[value.span_of(&(0..3))], "a:1");
    assert_eq!(&text[value.span_of(&(2..7))], "1,", "cut at the end of its line");
    assert!(value.is_broken(&(2..7)) && !value.is_broken(&(4..7)));
}

#[test]
fn a_file_indented_as_a_whole_is_read_as_if_it_were_not() {
    let text = "    [s]\n    a = 1,\n      2\n\n    ; c\n  \n    [routes:line]\n      / = x\n";
    assert_eq!(clean(text), ["s.a=1,2", "routes./=x"]);
    assert_eq!(clean("\t[s]\n\ta = 1\n"), ["s.a=1"]);
    assert_eq!(clean("\u{a0} [s]\n\u{a0} a = 1\n"), ["s.a=1"], "as copied from a web page");
}

#[test]
fn carriage_returns_are_no_part_of_a_value() {
    assert_eq!(clean("[s]\r\na = 1\r\n  2\r\n"), ["s.a=12"]);
}

#[test]
fn a_line_section_keeps_repeated_keys_in_order_and_splits_at_the_first_equals() {
    let text = "[routes:line]\n/ = a\n  / = b ; c\n  # d\n/x:y = k=v\n";
    assert_eq!(clean(text), ["routes./=a", "routes./=b", "routes./x:y=k=v"]);
}

#[test]
fn a_data_section_is_not_read() {
    assert_eq!(clean("[d:data]\n= ? [x]\n  [y]\n[s]\na = 1\n"), ["s.a=1"]);
}

#[test]
fn a_broken_line_does_not_stop_the_reading() {
    let (found, problems) = entries("x\n[s\na\nb = 2\n= 3\nc = 4\n");
    assert_eq!((found, problems), (vec!["s.b=2".to_owned(), "s.c=4".to_owned()], 4));
}
