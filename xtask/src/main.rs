//! What the developers of `iotests` do besides building and testing it: `cargo xtask COMMAND`.

mod apt;
mod tree;
mod with_qemu;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask with-qemu [--mirror URL] VERSION -- COMMAND...

    Runs a command with another QEMU than the installed one, such as 7.2, 10.0.13 or 11.1.

    The newest QEMU of that version in Debian's archive is unpacked, with all its libraries, into
    target/qemu/VERSION, where it stays; nothing is installed. COMMAND finds it in QEMU_PROG and the
    other variables for binaries. Remove the folder to get a newer build.

    --mirror URL   a mirror of Debian's archive, if apt's own sources have none";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["with-qemu", "--mirror", mirror, version, "--", ref command @ ..] => {
            with_qemu::run(version, Some(mirror), command)
        }
        ["with-qemu", version, "--", ref command @ ..] => with_qemu::run(version, None, command),
        [] | ["help" | "-h" | "--help", ..] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("this is no task: {}\n\n{USAGE}", words.join(" "))),
    };
    match done {
        Ok(never) => match never {},
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
