"""From a plan to a finished archive: one writer for each format."""
