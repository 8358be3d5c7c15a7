# fails: handler-class
from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):
    def __init__(self, config):
        super().__init__()
        self.config = config
