"""The commands: one plain function each."""

COMMANDS = {
    "inspect": "show what an archive is and what it holds",
    "verify": "check archives completely, as the server reads them",
    "extract": "unpack an archive into a model folder",
    "diff": "show what differs between two archives",
    "test": "send requests to a model in the server's own worker, without Java",
    "build": "build many models, which a file lists",
    "explain": "explain the code of an error, such as file-missing",
    "completion": "print the completion script of a shell",
    "help": "show the help of the tool or of a command",
    "version": "print the version of this tool",
}
"""The commands' names, and what each does."""
