//! The argument lists of the tools, rewritten before they run.

use std::sync::LazyLock;

use regex::Regex;

/// What `qemu-img create` needs as a LUKS key when a case gives none; the object it names holds the
/// secret.
pub const LUKS_KEY_SECRET: &str = "key-secret=keysec0";

/// Arguments of `qemu-img create` that cannot be rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// `-f` or `-o` at the end, or before another option.
    #[error(
        "failed to read the arguments of qemu-img create: {0} needs a value, but got {1}; join a value that begins with a dash to its option, as in {0}VALUE"
    )]
    MissingValue(&'static str, String),
    /// A call for help, which makes no image.
    #[error("failed to read the arguments of qemu-img create: {0:?} asks for help, not for an image")]
    Help(String),
    /// `--` joined to an option as its value.
    #[error("failed to read the arguments of qemu-img create: {0:?} has no usable value")]
    BadValue(String),
}

/// The arguments with which qemu-img really runs (`iotests.py: qemu_img_create_prepare_args`).
///
/// Arguments of any command but `create` stay as they are. Of `create`, `-f` comes first, then the
/// secret object where one is needed, every `-o`, and all the rest in its order. `imgopts` is the
/// first `-o`, but only of images of the tested format, which `-f` must name. A LUKS image that no
/// option gives a key gets the default one.
///
/// The arguments are read as Python's argparse does with a parser that knows `-f VALUE`, `-o VALUE`
/// and help alone:
/// * `-fraw` and `-f=raw` have their value; the last `-f` counts;
/// * every other word with a dash is passed on, and does not own the word after it, so that a `-f` there is read;
/// * a word with a dash is no option, and may be a value, if it is a number or has a blank in it;
/// * nothing after `--` is read, and `--` is passed on.
///
/// # Errors
/// What cannot be read: an option without its value, or a call for help.
pub fn create_args(
    args: &[String],
    imgfmt: &str,
    imgopts: Option<&str>,
    luks_secret_object: &str,
) -> Result<Vec<String>, ArgsError> {
    let Some((command, given)) = args.split_first().filter(|(first, _)| *first == "create") else {
        return Ok(args.to_vec());
    };
    let Parsed { format, mut options, rest } = parse(given)?;

    let format = format.transpose()?;

    let of_format = |name: &str| format.as_deref() == Some(name);
    if let Some(imgopts) = imgopts.filter(|opts| !opts.is_empty() && of_format(imgfmt)) {
        options.insert(0, imgopts.to_owned());
    }
    let needs_key = of_format("luks") && !options.iter().any(|opts| opts.contains("key-secret"));
    if needs_key {
        options.push(LUKS_KEY_SECRET.to_owned());
    }

    let mut result = vec![command.clone()];
    if let Some(format) = format {
        result.extend(["-f".to_owned(), format]);
    }
    if needs_key {
        result.extend(["--object".to_owned(), luks_secret_object.to_owned()]);
    }
    result.extend(options.into_iter().flat_map(|opts| ["-o".to_owned(), opts]));
    result.extend(rest);
    Ok(result)
}

/// The arguments with which qemu-io really runs: `base`, which names a format, or `base_no_fmt`
/// where the case names one itself by `-f` or `--image-opts`, spelt just so (`iotests.py:
/// qemu_io_wrap_args`).
pub fn io_wrap_args(args: &[String], base: &[String], base_no_fmt: &[String]) -> Vec<String> {
    let base = if names_format(args) { base_no_fmt } else { base };
    [base, args].concat()
}

/// Whether the arguments of a qemu-io name a format.
pub(super) fn names_format(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "-f" || arg == "--image-opts")
}

#[derive(Default)]
struct Parsed {
    /// A bad value is an error only if no other `-f` follows.
    format: Option<Result<String, ArgsError>>,
    options: Vec<String>,
    rest: Vec<String>,
}

/// What argparse sees in one word.
enum Word<'a> {
    /// `-f` or `-o`, with a value if one is joined to it.
    Known(&'static str, Option<&'a str>),
    Help,
    Unknown,
    Plain,
}

fn parse(args: &[String]) -> Result<Parsed, ArgsError> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            parsed.rest.push(arg.clone());
            parsed.rest.extend(args.by_ref().cloned());
            break;
        }
        match classify(arg) {
            Word::Plain | Word::Unknown => parsed.rest.push(arg.clone()),
            Word::Help => return Err(ArgsError::Help(arg.clone())),
            Word::Known(option, joined) => {
                let value = match joined {
                    // argparse drops this one, and `iotests.py` ends with an empty list among its
                    // arguments.
                    Some("--") => Err(ArgsError::BadValue(arg.clone())),
                    Some(value) => Ok(value.to_owned()),
                    None => Ok(next_value(option, args.next())?),
                };
                match option {
                    "-f" => parsed.format = Some(value),
                    _ => parsed.options.push(value?),
                }
            }
        }
    }
    Ok(parsed)
}

fn next_value(option: &'static str, next: Option<&String>) -> Result<String, ArgsError> {
    match next {
        Some(value) if value != "--" && matches!(classify(value), Word::Plain) => Ok(value.clone()),
        Some(other) => Err(ArgsError::MissingValue(option, format!("{other:?}"))),
        None => Err(ArgsError::MissingValue(option, "nothing".to_owned())),
    }
}

fn classify(arg: &str) -> Word<'_> {
    if arg == "--help" || arg.starts_with("--help=") || arg.starts_with("-h") {
        return Word::Help;
    }
    for option in ["-f", "-o"] {
        if let Some(joined) = arg.strip_prefix(option) {
            let value = joined.strip_prefix('=').unwrap_or(joined);
            return Word::Known(option, (!joined.is_empty()).then_some(value));
        }
    }
    if arg.starts_with('-') && arg != "-" && !arg.contains(' ') && !is_negative_number(arg) {
        return Word::Unknown;
    }
    Word::Plain
}

/// Whether argparse takes a word for a number, which may be a value, and not for an option.
fn is_negative_number(arg: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\A-(?:\d+|\d*\.\d+)\n?\z").expect("a built-in pattern is a valid regular expression")
    });
    NUMBER.is_match(arg)
}
