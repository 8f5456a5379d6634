//! Nothing of its own to test: the cases are what matters here.
