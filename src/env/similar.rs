//! What somebody may have meant who wrote a name that does not exist.

/// `did you mean "x"?` for the known word that is nearest to `name` without being that.
pub(crate) fn similar_word<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<String> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(name, word.as_ref()), word))
        .filter(|(distance, word)| (1..=2).contains(distance) && *distance < word.as_ref().len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| format!("did you mean {:?}?", word.as_ref()))
}
