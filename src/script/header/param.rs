//! Parameters: a trial for each combination of their values.

use crate::script::text::problem::Pos;

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, used as a variable.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// Where it is declared.
    pub at: Pos,
}

/// Every combination of the parameters' values, as a trial is given it: `size=1M,cluster=64k`.
pub(crate) fn combinations(params: &[Param]) -> Vec<String> {
    params.iter().fold(Vec::new(), |before, Param { name, values, .. }| {
        let chosen = values.iter().map(|value| format!("{name}={value}"));
        if before.is_empty() {
            return chosen.collect();
        }
        let chosen: Vec<_> = chosen.collect();
        before.iter().flat_map(|first| chosen.iter().map(move |one| format!("{first},{one}"))).collect()
    })
}

/// The parameters in such a combination, each with its value.
pub(crate) fn chosen(combination: &str) -> impl Iterator<Item = (&str, &str)> {
    combination.split(',').filter_map(|pair| pair.split_once('='))
}
