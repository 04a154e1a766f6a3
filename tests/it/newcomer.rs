//! A newcomer's first minutes: `proof/newcomer`, which types the commands, with what is built already.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::data::root;
use crate::harness::ports;

#[test]
fn ten_commands_lead_from_an_empty_folder_to_a_search_of_three_members() {
    let demo = Path::new(env!("CARGO_BIN_EXE_skitai-demo"));
    let target = demo.ancestors().nth(2).expect("target/<profile>/program");
    let folder = tempfile::tempdir().unwrap();
    let members = loop {
        let first = ports::free();
        let (second, third) = (ports::free(), ports::free());
        if (second, third) == (first + 1, first + 2) {
            break first;
        }
    };
    let output = Command::new(root().join("proof/newcomer"))
        // Every site's program has the command.
        .env("NEWCOMER_PROGRAM", demo)
        .env("NEWCOMER_FOLDER", folder.path())
        .env("NEWCOMER_PORT", ports::free().to_string())
        .env("NEWCOMER_MEMBERS", members.to_string())
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (output_text, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{output_text}\n{err}");
    let last = output_text.lines().last().unwrap_or_default();
    let commands: usize = last.split(' ').next().and_then(|count| count.parse().ok()).expect("the count");
    assert!(commands <= 10 && last.contains("commands"), "{output_text}");
    assert!(
        output_text.contains("Don Giovanni")
            && !output_text.contains("Not all sources")
            && output_text.contains("did you mean"),
        "{output_text}"
    );
}

#[test]
fn what_keeps_a_project_from_being_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("there")).unwrap();
    let new = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skitai-demo"));
        let output = command.arg("new").args(arguments).current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, why) in [
        (&["2nd"][..], "a name starts with a letter"),
        (&["my site"], "a name is of letters"),
        (&["fn"], "means something to Rust or Cargo"),
        (&["there"], "is there already"),
        (&["none/site"], "there is no folder none"),
        (&["site", "--path", "there"], "--path FOLDER, or --git URL"),
        (&["/proc/site"], "cannot be made"),
    ] {
        let (code, err) = new(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(why), "{arguments:?}: {err}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}
