//! Cases that go wrong in every way there is.

iotests::main!();
