# fails: unnamed
import a_library_that_nobody_has


def handle(data, context):
    return None if data is None else a_library_that_nobody_has.run(data)
