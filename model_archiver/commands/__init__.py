"""The commands: one plain function each."""

COMMANDS = {
    "inspect": "show what an archive is and what it holds",
    "verify": "read a whole archive as the server does, and report what is wrong",
    "extract": "unpack an archive into a model folder",
    "diff": "show what differs between two archives",
    "test": "load an archive in the server's own worker and send it requests, without Java",
}
"""The commands' names, and what each does."""
