//! Paths into replies, as a script may write them: what `iotests.py` ignores is a mistake here.

use super::problem::Problem;
use super::word::{Piece, Word};

const EXPECTED: &str = "expected a path, as in return[0]/inserted/file";

/// Whether a word can be a path. One with variables in it shows that only when it is used.
pub(crate) fn check(word: &Word) -> Result<(), Problem> {
    let wrong = |why: &str| Err(Problem::new(word.at, word.width(), format!("{why}: {EXPECTED}")));
    if matches!(word.pieces.first(), Some(Piece::Json { .. })) {
        return wrong("this is JSON");
    }
    for component in word.plain().into_iter().flat_map(|path| path.split('/')) {
        let (name, index) = match component.split_once('[') {
            Some((name, rest)) => match rest.split_once(']') {
                Some((index, "")) => (name, Some(index)),
                Some((_, more)) => return wrong(&format!("{more:?} after an index leads nowhere")),
                None => return wrong(&format!("the bracket in {component:?} is not closed")),
            },
            None => (component, None),
        };
        if name.is_empty() {
            return wrong("each part of a path begins with a name");
        }
        if let Some(index) = index.filter(|index| index.parse::<i64>().is_err()) {
            return wrong(&format!("{index:?} after {name:?} is no index"));
        }
    }
    Ok(())
}
