"""What was tried on the real servers: what does not serve, with the words of the server, and what does.

The tests in ``tests/servers`` try all of it again; those of the checks see that packaging says so beforehand.
"""
