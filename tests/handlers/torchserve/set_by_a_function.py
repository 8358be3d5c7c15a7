# serves
def _install():
    global handle

    def handle(data, context):
        return None if data is None else ["installed"] * len(data)


_install()
