//! What a case says: Python-compatible JSON and the log.
