//! Pure text and QMP filters.
