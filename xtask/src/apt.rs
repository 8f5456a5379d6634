//! Debian's archive through an apt with folders of its own, which takes nothing for installed and changes nothing on
//! the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's suites that have a QEMU, the one to be preferred first where two have the same version. Backports need the
/// suite that they are for.
const SUITES: [(&str, Option<&str>); 5] = [
    ("bookworm", None),
    ("bookworm-backports", Some("bookworm")),
    ("trixie", None),
    ("trixie-backports", Some("trixie")),
    ("sid", None),
];

/// What apt's sources may call a release of Debian.
const RELEASES: [&str; 9] =
    ["bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable", "bullseye"];

/// Signs all of them. In the package of this name, which Ubuntu has as well.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How much of apt's output a message shows.
const LAST_LINES: usize = 12;

/// An apt with folders of its own.
pub(crate) struct Apt {
    dir: PathBuf,
    mirror: String,
}

/// A QEMU of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// QEMU's own version.
    pub(crate) version: String,
    pub(crate) suite: &'static str,
}

impl Apt {
    /// Works in `dir`, with this mirror or that of the machine.
    pub(crate) fn new(dir: PathBuf, mirror: Option<&str>) -> Result<Self, String> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if let Err(error) = Command::new(program).arg("--version").output() {
                return Err(format!(
                    "with-qemu unpacks Debian's packages with apt and dpkg, but {program} failed to start: {error}\n\
                     what to do: run this on Debian, Ubuntu or another system with apt; elsewhere, set QEMU_PROG, \
                     QEMU_IMG_PROG, QEMU_IO_PROG, QEMU_NBD_PROG and QSD_PROG to binaries of that version"
                ));
            }
        }
        if !Path::new(KEYRING).exists() {
            return Err(format!(
                "there is no {KEYRING}\nwhat to do: install the package debian-archive-keyring"
            ));
        }
        let mirror = mirror.map_or_else(mirror_of_this_machine, |mirror| Ok(mirror.to_owned()))?;
        for folder in ["lists/partial", "cache"] {
            make_dir(&dir.join(folder))?;
        }
        let apt = Self { dir, mirror };
        write(&apt.status(), "")?;
        Ok(apt)
    }

    /// The newest QEMU of this version, which may leave out its last numbers.
    pub(crate) fn newest(&self, version: &str) -> Result<Build, String> {
        let all = SUITES.map(|(suite, _)| suite);
        self.write_sources(&all)?;
        self.run("apt-get", &["update"])?;
        let listed = self.run("apt-cache", &["madison", "qemu-utils"])?;
        let builds = builds(&listed);
        choose(&builds, version).ok_or_else(|| {
            let known: Vec<_> =
                builds.iter().map(|build| format!("\n    {} in {}", build.version, build.suite)).collect();
            format!("Debian's archive has no QEMU {version}; it has{}", known.concat())
        })
    }

    /// Downloads these packages with all that they depend on, and returns the folder they are in. What an earlier run
    /// has downloaded is not downloaded again.
    pub(crate) fn download(&self, build: &Build, packages: &[&str]) -> Result<PathBuf, String> {
        let base = SUITES.iter().find(|(suite, _)| *suite == build.suite).and_then(|(_, base)| *base);
        let suites: Vec<_> = base.into_iter().chain([build.suite]).collect();
        self.write_sources(&suites)?;
        let archives = self.dir.join(format!("archives-{}-{}", build.suite, build.version));
        make_dir(&archives.join("partial"))?;
        let place = format!("Dir::Cache::archives={}", archives.display());
        let options = ["-y", "--download-only", "--no-install-recommends", "-o", &place, "-t", build.suite];
        self.run("apt-get", &[&["install"], &options[..], packages].concat())?;
        Ok(archives)
    }

    fn write_sources(&self, suites: &[&str]) -> Result<(), String> {
        let line = |suite: &&str| format!("deb [signed-by={KEYRING}] {} {suite} main\n", self.mirror);
        write(&self.sources(), &suites.iter().map(line).collect::<String>())
    }

    fn sources(&self) -> PathBuf {
        self.dir.join("sources.list")
    }

    /// The list of what is installed: nothing. Apt locks the folder that it is in.
    fn status(&self) -> PathBuf {
        self.dir.join("status")
    }

    /// Runs one of apt's programs and returns what it printed on stdout.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let folder = |name: &str| self.dir.join(name).display().to_string();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::sourcelist={}", self.sources().display()),
            "Dir::Etc::sourceparts=-".to_owned(),
            format!("Dir::State::lists={}", folder("lists")),
            format!("Dir::State::status={}", self.status().display()),
            format!("Dir::Cache={}", folder("cache")),
            // The user that root's apt drops to may not get at this folder.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // A suite that cannot be had is an error, not a warning.
            "APT::Update::Error-Mode=any".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command.args(["-q"]).args(arguments).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        let output = command.output().map_err(|error| format!("failed to run {program}: {error}"))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        let all = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<_> = all.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ");
        Err(format!(
            "`{program} {}` ended with {}:\n    {last}\nwhat to do: if the mirror {} cannot be reached or lacks a suite, \
             name another: cargo xtask with-qemu --mirror URL …",
            arguments.join(" "),
            output.status,
            self.mirror
        ))
    }
}

/// The mirror of Debian's archive that apt is set up with.
fn mirror_of_this_machine() -> Result<String, String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"])
        .output()
        .map_err(|error| format!("failed to run apt-get: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    mirror_in(&listed).ok_or_else(|| {
        "with-qemu takes QEMU from Debian's archive, and none of apt's sources is a mirror of it\n\
         what to do: name one: cargo xtask with-qemu --mirror URL …"
            .to_owned()
    })
}

fn mirror_in(targets: &str) -> Option<String> {
    targets.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [release, "main", mirror] if RELEASES.contains(&release) => Some(mirror.to_owned()),
        _ => None,
    })
}

/// Reads the lines of `apt-cache madison`: `qemu-utils | 1:10.0.13+ds-0+deb13u1 | URL trixie/main amd64 Packages`.
fn builds(listed: &str) -> Vec<Build> {
    let build = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (_, package, source) = (columns.next()?, columns.next()?, columns.next()?);
        let own = package.split_once(':').map_or(package, |(_epoch, own)| own);
        let end = own.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(own.len());
        let name = source.split(' ').nth(1)?.strip_suffix("/main")?;
        let (suite, _) = SUITES.iter().find(|(suite, _)| *suite == name)?;
        Some(Build { version: own[..end].to_owned(), suite })
    };
    listed.lines().filter_map(build).collect()
}

/// The newest whose version begins with these numbers.
fn choose(builds: &[Build], version: &str) -> Option<Build> {
    let preference = |suite: &str| SUITES.iter().position(|(name, _)| *name == suite);
    let wanted = numbers(version);
    let fitting = builds.iter().filter(|build| numbers(&build.version).starts_with(&wanted));
    let best =
        fitting.min_by_key(|build| (std::cmp::Reverse(numbers(&build.version)), preference(build.suite)));
    best.cloned()
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

fn make_dir(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| format!("failed to make {}: {error}", dir.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("failed to write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADISON: &str = "\
qemu-utils | 1:11.1.3+ds-1 | http://mirror/debian sid/main amd64 Packages
qemu-utils | 1:11.1.3+ds-1~bpo13+1 | http://mirror/debian trixie-backports/main amd64 Packages
qemu-utils | 1:10.0.13+ds-0+deb13u1 | http://mirror/debian trixie/main amd64 Packages
qemu-utils | 1:10.0.2+ds-2+deb13u1~bpo12+1 | http://mirror/debian bookworm-backports/main amd64 Packages
qemu-utils | 1:7.2+dfsg-7+deb12u18+b3 | http://mirror/debian bookworm/main amd64 Packages
qemu-utils | 1:7.2+dfsg-7+deb12u18 | http://mirror/debian bookworm/contrib amd64 Packages
";

    #[test]
    fn the_newest_of_a_version_is_chosen_from_the_most_stable_suite() {
        let builds = builds(MADISON);
        assert_eq!(builds.len(), 5);
        let chosen = |version| {
            choose(&builds, version)
                .map(|build| format!("{} {}", build.version, build.suite))
                .unwrap_or_default()
        };
        assert_eq!(chosen("7.2"), "7.2 bookworm");
        assert_eq!(chosen("10.0"), "10.0.13 trixie");
        assert_eq!(chosen("10.0.2"), "10.0.2 bookworm-backports");
        assert_eq!(chosen("10"), "10.0.13 trixie");
        assert_eq!(chosen("11.1"), "11.1.3 trixie-backports");
        assert_eq!((chosen("1"), chosen("10.0.1"), chosen("7.2.22")), Default::default());
    }

    #[test]
    fn only_debians_own_archive_is_its_mirror() {
        let targets = "nodistro main http://other/node\nnoble main http://other/ubuntu\n\
                       bookworm-security main http://mirror/security\nbookworm contrib http://mirror/contrib\n\
                       bookworm main http://mirror/debian/\ntrixie main http://second/debian/\n";
        assert_eq!(mirror_in(targets).as_deref(), Some("http://mirror/debian/"));
        assert_eq!(mirror_in("noble main http://other/ubuntu\n"), None);
    }
}
