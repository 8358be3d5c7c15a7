"""Opening an archive of any tool, front to back as the servers do: one reader for each format."""
