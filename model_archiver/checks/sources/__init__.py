"""What the sources of Python modules say, read and never run."""
