from decorators import handler


@handler
class Service:
    def __init__(self, text):
        self.text = text

    def run(self):
        return self.text
