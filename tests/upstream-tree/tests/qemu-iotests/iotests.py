"""The little of a framework that the Python tests of this tree need."""

import os
import sys

import beside_the_suite

word = beside_the_suite.WORD
imgfmt = os.environ['IMGFMT']
test_dir = os.environ['TEST_DIR']


def _note(extension, text):
    name = os.path.basename(sys.argv[0])
    with open(os.path.join(test_dir, name + extension), 'w', encoding='utf-8') as file:
        file.write(text + '\n')


def notrun(reason):
    _note('.notrun', reason)
    sys.exit(0)


def main(body, supported_fmts=()):
    if supported_fmts and imgfmt not in supported_fmts:
        notrun('not suitable for this image format: ' + imgfmt)
    body()
