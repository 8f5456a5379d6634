//! Binaries that are broken or not there: told once.

use std::fs;

use crate::project::Project;

#[test]
fn a_dead_emulator_is_one_failure() {
    let project = Project::new();
    let ran = project.run_with(&["outcome/passes"], &[("QEMU_PROG", "/bin/false")]);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    ran.matches("dead_qemu");
}

#[test]
fn without_any_qemu_it_says_what_to_install() {
    let project = Project::new();
    let empty = project.root().join("empty");
    fs::create_dir(&empty).unwrap();
    let without = |args: &[&str]| {
        let mut command = project.command(args);
        for name in ["QEMU_PROG", "QEMU_IMG_PROG", "QEMU_IO_PROG", "QEMU_NBD_PROG", "QSD_PROG"] {
            command.env_remove(name);
        }
        project.finish(command.env("PATH", &empty))
    };
    let ran = without(&[]);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    for name in ["no qemu:", "no qemu-img:", "no qemu-io:", "sh setup.sh", "install the package"] {
        assert!(ran.stdout.contains(name), "{name}: {}", ran.stdout);
    }
    let ran = without(&["--list", "--format", "terse"]);
    assert!(!ran.status.success());
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("no qemu-img:"), "{}", ran.stderr);
}
