"""The commands that look into an archive: one plain function each."""

COMMANDS = {
    "inspect": "say what an archive is and what it holds",
    "verify": "read all of an archive as the server does, and say what is wrong",
    "extract": "unpack an archive into a model folder",
    "diff": "say what differs between two archives",
}
"""The words by which they are asked for, and what each does."""
