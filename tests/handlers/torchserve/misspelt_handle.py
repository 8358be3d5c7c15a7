# fails: handler-class
class Handler(object):
    def initialize(self, context):
        pass

    def handel(self, data, context):
        return ["x"] * len(data)
