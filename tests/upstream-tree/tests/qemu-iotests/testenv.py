# What a runner reads here: which emulators need a machine named, and which formats are not generic.

MACHINES = (
    ('arm', 'virt'),
    ('rx', 'gdbsim-r5f562n8'),
)


def is_generic(imgfmt):
    return imgfmt not in ['bochs', 'dmg']
