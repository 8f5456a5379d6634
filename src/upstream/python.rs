//! The Python that runs the suite's tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::environment::{Place, Surroundings};
use crate::env::TestEnv;
use crate::error::{Error, Result};
use crate::process::{Capture, Cmd, Deadline, Registry};

/// How long Python gets to start and to load the suite's framework.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the answer is kept for the next process.
const FILE: &str = "python.json";

/// Prints the interpreter's own file, which a launcher may hide, and tries the framework.
const QUESTION: &str = "import sys; print(sys.executable); import iotests";

/// What was found out about an interpreter, and what it holds for.
#[derive(PartialEq, Serialize, Deserialize)]
struct Answer {
    asked: Vec<(PathBuf, u64)>,
    path: Vec<String>,
    executable: PathBuf,
}

/// The interpreter to use: that of `PYTHON`, once it has shown that it can load the suite's
/// framework.
///
/// # Errors
/// When there is none, or it cannot: one error that names what is missing.
pub(super) fn find(surroundings: &Surroundings, env: &TestEnv, work_dir: &Path) -> Result<PathBuf> {
    let program = env.python()?;
    let framework = surroundings.tree.root().join("iotests.py");
    let asked: Vec<_> = [&program, &framework, &surroundings.tree.python_dir()]
        .map(|path| (path.clone(), changed(path)))
        .into();
    // A launcher may choose by these.
    let path = ["PATH", "PYENV_VERSION", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"]
        .map(|name| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned());
    let file = work_dir.join(FILE);
    let known: Option<Answer> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(known) = known.filter(|known| known.asked == asked && known.path == path) {
        return Ok(known.executable);
    }
    let executable = ask(surroundings, env, &program)?;
    let answer = Answer { asked, path: path.into(), executable };
    // The next process can ask for itself.
    if let (Ok(text), Ok(())) = (serde_json::to_vec(&answer), fs::create_dir_all(work_dir)) {
        let _ = tempfile::NamedTempFile::new_in(work_dir)
            .and_then(|mut new| std::io::Write::write_all(&mut new, &text).map(|()| new))
            .and_then(|new| Ok(new.persist(&file)?));
    }
    Ok(answer.executable)
}

fn ask(surroundings: &Surroundings, env: &TestEnv, program: &Path) -> Result<PathBuf> {
    let nowhere = std::env::temp_dir();
    let place = Place {
        trial: "preflight",
        format: "raw",
        protocol: "file",
        emulator: program,
        test_dir: &nowhere,
        sock_dir: &nowhere,
        python: program,
    };
    let mut command = Cmd::new(program).args(["-c", QUESTION]).current_dir(surroundings.tree.root());
    for (name, value) in surroundings.variables(env, &place)? {
        command = match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.run(
        Capture::Apart,
        Deadline::after(env.timeout_scale().scale_plain(LIMIT).max(LIMIT)),
        &Registry::new(),
    )?;
    if output.success() {
        return Ok(output.stdout.lines().next().unwrap_or_default().into());
    }
    let reason =
        output.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let python_dir = surroundings.tree.python_dir();
    let advice = match missing_module(reason) {
        // No registry has it as a whole.
        Some(module) if module.split('.').next() == Some("qemu") && !python_dir.join("qemu").is_dir() => {
            format!(
                "let IOTESTS_SUITE name the suite within its source tree, which has that module in {}, \
             or add the directory that has it to PYTHONPATH",
                python_dir.display()
            )
        }
        Some(module) => {
            format!("install the Python module {module} for it, or set PYTHON to a Python that has it")
        }
        None => "set PYTHON to a Python that QEMU's version supports".to_owned(),
    };
    Err(Error::Setup(format!(
        "{} cannot run the Python tests of {}: {reason} ({})\nwhat to do: {advice}",
        program.display(),
        surroundings.tree.root().display(),
        output.status,
    )))
}

fn missing_module(reason: &str) -> Option<&str> {
    let quoted = reason.strip_prefix("ModuleNotFoundError: No module named ")?;
    Some(quoted.trim().trim_matches('\''))
}

/// When a file or directory changed last; 0 if that is unknown.
fn changed(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_is_named() {
        assert_eq!(missing_module("ModuleNotFoundError: No module named 'qemu.qmp'"), Some("qemu.qmp"));
        assert_eq!(missing_module("SyntaxError: invalid syntax"), None);
    }
}
