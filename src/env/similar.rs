//! What somebody may have meant who wrote a name that does not exist.

/// `did you mean "x"?` for the known word that is nearest to `name` without being that. Capitals make no
/// distance.
pub(crate) fn similar_word<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<String> {
    known
        .into_iter()
        .filter(|word| word.as_ref() != name)
        .map(|word| (strsim::damerau_levenshtein(&lower(name), &lower(word.as_ref())), word))
        .filter(|(distance, word)| *distance <= 2 && *distance < word.as_ref().len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| format!("did you mean {:?}?", word.as_ref()))
}

fn lower(word: &str) -> String {
    word.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::similar_word;

    #[test]
    fn the_nearest_other_word_is_meant() {
        let known = ["qcow2", "qcow", "qed", "x"];
        let meant = |name| similar_word(name, known);
        assert_eq!(meant("qcow3").as_deref(), Some("did you mean \"qcow2\"?"));
        assert_eq!(meant("QCOW2").as_deref(), Some("did you mean \"qcow2\"?"));
        assert_eq!(meant("qedd").as_deref(), Some("did you mean \"qed\"?"));
        assert_eq!(meant("vmdk"), None);
        assert_eq!(meant("y"), None, "nothing of it is left");
    }
}
