//! Names, and the variables that a dollar sign begins.

/// Whether this can name a variable, and so a scratch file.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_name_char)
}

pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What follows a dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dollar<'a> {
    /// A second one, which makes it a mere sign.
    Sign,
    /// The name of a variable.
    Name(&'a str),
}

impl<'a> Dollar<'a> {
    /// Reads what follows a dollar sign, and says how many bytes that is.
    pub(super) fn read(rest: &'a str) -> Result<(Self, usize), &'static str> {
        if rest.starts_with('$') {
            return Ok((Self::Sign, 1));
        }
        let (from, braces) = rest.strip_prefix('{').map_or((rest, 0), |from| (from, 2));
        let name = &from[..from.find(|c| !is_name_char(c)).unwrap_or(from.len())];
        let closed = braces == 0 || from[name.len()..].starts_with('}');
        if !is_name(name) || !closed {
            return Err(
                "expected the name of a variable, as in $base or ${base}; write $$ for a dollar sign",
            );
        }
        Ok((Self::Name(name), name.len() + braces))
    }
}
