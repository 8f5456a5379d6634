"""A module that lies where QEMU's own Python packages lie in a source tree."""

WORD = 'found'
