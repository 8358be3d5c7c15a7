"""A trial: the archive in the server's own worker, without the Java front end."""
