# serves
import logging

logger = logging.getLogger(__name__)


class EchoHandler(object):
    def __init__(self):
        self.initialized = False

    def initialize(self, context):
        self.root = context.system_properties.get("model_dir")
        self.initialized = True
        logger.info("ready in %s", self.root)

    def handle(self, data, context):
        return ["echo"] * len(data)
