# fails: handler-entry
from ts.torch_handler.base_handler import BaseHandler


class Tokenizer:
    def __call__(self, text):
        return text.split()


class TextHandler(BaseHandler):
    def preprocess(self, data):
        return [Tokenizer()(row["body"]) for row in data]
