//! What a failed assertion says, and which line of the case it names.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use iotests::prelude::*;
use iotests::vm::find_bitmap;

/// The message of a call that must fail, and name its own line. For calls on one line.
macro_rules! message_of {
    ($call:expr) => {{
        let failure = $call.unwrap_err();
        assert_eq!((failure.location.file(), failure.location.line()), (file!(), line!()));
        failure.error.to_string()
    }};
}

fn reply() -> Value {
    json!({"return": [{"device": "drive0", "offset": 5}, {"device": "drive1"}]})
}

const WHOLE: &str = r#"{
  "return": [
    {
      "device": "drive0",
      "offset": 5
    },
    {
      "device": "drive1"
    }
  ]
}"#;

#[test]
fn a_path_that_leads_nowhere() {
    let t = Test::new().unwrap();
    let reply = reply();
    assert_eq!(t.dictpath(&reply, "return[-1]/device").unwrap(), "drive1");
    assert_eq!(
        message_of!(t.dictpath(&reply, "return[0]/len")),
        format!(
            "failed to follow path \"return[0]/len\": no key \"len\" in {{\"device\":\"drive0\",\"offset\":5}}\n\
             the whole object is {WHOLE}"
        )
    );
    assert_eq!(
        message_of!(t.dictpath(&json!({"return": {}}), "return[0]")),
        "failed to follow path \"return[0]\": \"return\" is no list in {}\nthe whole object is {\n  \"return\": {}\n}"
    );
    assert_eq!(
        message_of!(t.dictpath(&json!({"return": []}), "return[2]")),
        "failed to follow path \"return[2]\": \"return\" has no item 2 in []\nthe whole object is {\n  \"return\": []\n}"
    );
}

#[test]
fn another_value_than_expected() {
    let t = Test::new().unwrap();
    let reply = reply();
    t.assert_qmp(&reply, "return[0]/offset", 5).unwrap();
    t.assert_qmp(&reply, "return[0]/offset", json!([4, 5])).unwrap();
    assert_eq!(
        message_of!(t.assert_qmp(&reply, "return[0]/offset", 6)),
        format!("\"return[0]/offset\" is 5, expected 6\nthe whole object is {WHOLE}")
    );
    assert_eq!(
        message_of!(t.assert_qmp(&reply, "return[1]/device", json!(["a", "b"]))),
        format!(
            "\"return[1]/device\" is \"drive1\", expected any of [\"a\",\"b\"]\nthe whole object is {WHOLE}"
        )
    );
    assert!(message_of!(t.assert_qmp(&reply, "return", json!([]))).ends_with(&format!(
        "\"return\" is [{{\"device\":\"drive0\",\"offset\":5}},{{\"device\":\"drive1\"}}], expected []\n\
             the whole object is {WHOLE}"
    )));
    assert_eq!(
        message_of!(t.assert_qmp(&reply, "error/class", "GenericError")),
        format!(
            "failed to follow path \"error/class\": no key \"error\" in {}\nthe whole object is {WHOLE}",
            serde_json::to_string(&reply).unwrap()
        )
    );
}

#[test]
fn a_value_where_none_should_be() {
    let t = Test::new().unwrap();
    let reply = reply();
    t.assert_qmp_absent(&reply, "error").unwrap();
    t.assert_qmp_absent(&reply, "return[7]/offset").unwrap();
    assert_eq!(
        message_of!(t.assert_qmp_absent(&reply, "return[1]/device")),
        format!("\"return[1]/device\" should be absent, but is \"drive1\"\nthe whole object is {WHOLE}")
    );
    assert!(message_of!(t.assert_qmp_absent(&json!({"a": null}), "a")).contains("absent, but is null"));
}

#[test]
fn other_options_in_a_file_name() {
    let t = Test::new().unwrap();
    let wanted = json!({"driver": "raw", "file": {"driver": "file", "filename": "a"}});
    let same = r#"json:{"file.filename": "a", "file.driver": "file", "driver": "raw"}"#;
    t.assert_json_filename_equal(same, &wanted).unwrap();
    assert_eq!(
        message_of!(t.assert_json_filename_equal("a.raw", &wanted)),
        "\"a.raw\" is not a json: file name"
    );
    let other = r#"json:{"driver":"raw","file":{"filename":"b","driver":"file"}}"#;
    let expected = r#" has other options than expected
--- expected
+++ got
@@ -1,5 +1,5 @@
 {
   "driver": "raw",
   "file.driver": "file",
-  "file.filename": "a"
+  "file.filename": "b"
 }
"#;
    assert_eq!(message_of!(t.assert_json_filename_equal(other, &wanted)), format!("{other:?}{expected}"));
}

#[test]
fn values_that_differ() {
    let t = Test::new().unwrap();
    t.assert_eq(1, 1).unwrap();
    assert_eq!(
        message_of!(t.assert_eq(1, 2)),
        "the values differ\n--- expected\n+++ got\n@@ -1 +1 @@\n-2\n+1\n"
    );
    // A text is shown by its lines, and shows what it ends with.
    assert_eq!(
        message_of!(t.assert_eq("one\ntwo \nthree", "one\ntwo\nthree\n".to_owned())),
        "the values differ\n--- expected\n+++ got\n@@ -1,4 +1,3 @@\n \"one\\n\n-two\\n\n-three\\n\n-\"\n+two \\n\n+three\"\n"
    );
    let message = message_of!(t.assert_eq(json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3})));
    assert!(message.contains("-    \"b\": Number(3),\n+    \"b\": Number(2),\n"), "{message}");
    assert_eq!(message_of!(t.assert(1 > 2, "one is more than two")), "not true: one is more than two");
}

#[test]
fn the_line_is_that_of_the_case_also_in_its_helpers() {
    let t = Test::new().unwrap();
    let offset_is = |offset: u64| -> TestResult {
        t.assert_qmp(&reply(), "return[0]/offset", offset)?;
        Ok(())
    };
    let failure = offset_is(6).unwrap_err();
    assert_eq!((failure.location.file(), failure.location.line()), (file!(), line!() - 4));
    // What `?` makes of an error of the library is met on the line of that `?`.
    let no_tool = || -> TestResult {
        t.qemu_img(["no-such-command"])?;
        Ok(())
    };
    let failure = no_tool().unwrap_err();
    assert_eq!((failure.location.file(), failure.location.line()), (file!(), line!() - 4));
    assert!(matches!(failure.error, Error::Tool(_)));
}

#[test]
fn jobs_of_a_vm() {
    let t = Test::new().unwrap();
    let mut vm = t.vm().blockdev("null-co,node-name=src").blockdev("null-co,node-name=dst").launch().unwrap();
    let message = message_of!(vm.cancel_and_wait("nonesuch"));
    assert!(
        message.starts_with("failed to follow path \"return\": no key \"return\" in {\"error\":"),
        "{message}"
    );
    assert!(message.contains("\nthe whole object is {\n  \"error\": {\n"), "{message}");

    let mirror = json!({"job-id": "job0", "device": "src", "target": "dst", "sync": "full"});
    vm.cmd("blockdev-mirror", mirror).unwrap();
    vm.wait_ready("job0").unwrap();
    let jobs = vm.query("query-block-jobs").unwrap();
    assert_eq!(
        message_of!(vm.assert_no_active_block_jobs()),
        format!("\"return\" is {}, expected []\nthe whole object is {jobs:#}", jobs["return"])
    );
    let message = message_of!(vm.pause_wait("job1"));
    assert_eq!(message, format!("there is no block job job1\n{jobs:#}"));
    vm.pause_job("job0").unwrap();
    // The wait left the event for others.
    vm.job("job0").wait_status(JobStatus::Standby).unwrap();
    vm.cmd("block-job-resume", json!({"device": "job0"})).unwrap();
    vm.cmd("block-job-complete", json!({"device": "job0"})).unwrap();
    let message = message_of!(vm.wait_until_failed("job0", "out of luck"));
    assert!(
        message.starts_with("failed to follow path \"data/error\": no key \"error\" in {\"device\":\"job0\"")
    );
    assert!(message.contains("\nthe whole object is {\n"), "{message}");
    vm.shutdown().unwrap();

    // What a helper of the library meets is reported with the case's line as well.
    let message = message_of!(vm.run_job("job0", RunJob::new()));
    assert_eq!(message, "waiting for an event needs a VM that runs, qemu does not");
    assert_eq!(
        message_of!(vm.wait_ready("job0")),
        "waiting for an event needs a VM that runs, qemu does not"
    );
    assert_eq!(
        message_of!(vm.assert_no_active_block_jobs()),
        "query-block-jobs needs a VM that runs, qemu does not"
    );
}

#[test]
fn in_the_middle_of_a_job() {
    let t = Test::new().unwrap();
    t.ignore_stderr("doesn't provide information about the block size", "a null-co target has none");
    let disk = |name| format!("null-co,node-name={name},size=65536");
    let mut vm = t.vm().blockdev(disk("src").as_str()).blockdev(disk("dst").as_str()).launch().unwrap();
    let backup =
        json!({"job-id": "job0", "device": "src", "target": "dst", "sync": "full", "auto-finalize": false});
    vm.cmd("blockdev-backup", backup).unwrap();
    let look = |vm: &mut Vm| {
        let jobs = vm.query("query-jobs")?;
        t.assert_qmp(&jobs, "return[0]/status", "running")
    };
    let failure = vm.run_job("job0", RunJob::new().manual_finalize().pre_finalize(look)).unwrap_err();
    assert_eq!((failure.location.file(), failure.location.line()), (file!(), line!() - 3));
    let message = failure.error.to_string();
    assert!(message.starts_with("\"return[0]/status\" is \"pending\", expected \"running\""), "{message}");
    vm.job("job0").cancel().unwrap();
}

#[test]
fn the_block_graph_of_a_vm() {
    let t = Test::new().unwrap();
    let mut vm =
        t.vm().blockdev("null-co,node-name=null").blockdev("raw,node-name=disk,file=null").launch().unwrap();
    vm.assert_has_block_node(Some("disk"), None).unwrap();
    vm.assert_block_path("disk", "/file", Some("null")).unwrap();
    vm.assert_block_path("disk", "/file/file", None).unwrap();

    let nodes = vm.cmd("query-named-block-nodes", ()).unwrap();
    assert_eq!(
        message_of!(vm.assert_has_block_node(Some("disc"), Some("null-co://"))),
        format!("no node is called disc with file null-co:// in\n{nodes:#}")
    );
    assert_eq!(
        message_of!(vm.assert_has_block_node(None, None)),
        "assert_has_block_node needs a node name or a file name"
    );
    // An empty name is none.
    assert_eq!(
        message_of!(vm.assert_has_block_node(Some(""), Some(""))),
        "assert_has_block_node needs a node name or a file name"
    );
    let graph = "; the whole graph is\n    disk /file null";
    for (path, expected, reported) in [
        ("/file", Some("disk"), "at \"/file\" of \"disk\" is node \"null\", expected \"disk\""),
        ("/file", None, "at \"/file\" of \"disk\" is node \"null\", expected none"),
        ("/backing", Some("disk"), "at \"/backing\" of \"disk\" is no node, expected \"disk\""),
        ("/backing/file", Some("disk"), "block path \"/backing/file\" of \"disk\" ends before \"backing\""),
    ] {
        assert_eq!(message_of!(vm.assert_block_path("disk", path, expected)), format!("{reported}{graph}"));
    }
    assert_eq!(
        message_of!(vm.assert_block_path("disc", "/file", None)),
        format!("there is no node \"disc\" to start from{graph}")
    );
    assert_eq!(
        message_of!(vm.assert_block_path("disk", "file", None)),
        "block path \"file\" must start with a slash"
    );
}

#[test]
fn bitmaps_of_nodes() {
    let bitmaps = json!({
        "disk": [
            { "name": "", "recording": true, "count": 1 },
            { "name": "b0", "recording": false, "count": 2 },
            { "name": "b0", "recording": true, "count": 3 },
            { "recording": true, "count": 4 },
        ],
        "other": [],
    });
    let bitmaps = bitmaps.as_object().unwrap();
    let count = |node, name, recording| {
        let found = find_bitmap(bitmaps, node, name, recording).map_err(|error| error.to_string());
        found.map(|bitmap| bitmap.map(|bitmap| bitmap["count"].as_u64().unwrap()))
    };
    assert_eq!(count("disk", "b0", None), Ok(Some(2)));
    assert_eq!(count("disk", "b0", Some(true)), Ok(Some(3)));
    assert_eq!(count("disk", "b1", None), Ok(None));
    // One without a name is found by an empty one.
    assert_eq!(count("disk", "", Some(true)), Ok(Some(1)));
    assert_eq!(count("disk", "", Some(false)), Ok(None));
    assert_eq!(count("other", "b0", None), Ok(None));
    let reported = "node disc has no dirty bitmaps; nodes that have: disk, other";
    assert_eq!(count("disc", "b0", None), Err(reported.to_owned()));
}

#[test]
fn fields_of_a_bitmap() {
    let t = Test::new().unwrap();
    let mut vm = t.vm().blockdev("null-co,node-name=disk").launch().unwrap();
    vm.cmd("block-dirty-bitmap-add", json!({ "node": "disk", "name": "b0" })).unwrap();
    assert!(vm.check_bitmap_status("disk", "b0", &json!({ "count": 0, "recording": true })).unwrap());
    assert!(!vm.check_bitmap_status("disk", "b0", &json!({ "count": 1 })).unwrap());
    assert!(!vm.check_bitmap_status("disk", "b0", &json!({ "nonesuch": 0 })).unwrap());
    let error = vm.check_bitmap_status("disk", "b0", &json!(["count"])).unwrap_err();
    assert_eq!(error.to_string(), "fields of a bitmap are an object, this is [\"count\"]");
    let error = vm.check_bitmap_status("disk", "b1", &json!({})).unwrap_err();
    assert_eq!(error.to_string(), "node disk has no dirty bitmap b1");
}
