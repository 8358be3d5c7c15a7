# serves
class Größenschätzer:
    schlüssel = "größe"

    def initialize(self, context):
        self.größe = 3

    def handle(self, data, context):
        return [{self.schlüssel: self.größe}] * len(data)
