# serves
import logging
from abc import ABC

import torch
from ts.torch_handler.base_handler import BaseHandler

logger = logging.getLogger(__name__)
logger.info("torch %s", torch.__version__)


class TransformersSeqClassifierHandler(BaseHandler, ABC):
    """Loads what save_pretrained wrote."""

    def __init__(self):
        super(TransformersSeqClassifierHandler, self).__init__()
        self.initialized = False

    def initialize(self, ctx):
        self.manifest = ctx.manifest
        properties = ctx.system_properties
        model_dir = properties.get("model_dir")
        self.device = torch.device(
            "cuda:" + str(properties.get("gpu_id"))
            if torch.cuda.is_available() and properties.get("gpu_id") is not None
            else "cpu"
        )
        try:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            self.model = AutoModelForSequenceClassification.from_pretrained(model_dir)
            self.tokenizer = AutoTokenizer.from_pretrained(model_dir)
        except (ImportError, OSError):
            logger.warning("no transformers")
            self.model = self.tokenizer = None
        self.initialized = True

    def preprocess(self, requests):
        return [data.get("data") or data.get("body") for data in requests]

    def inference(self, batch):
        return [0 for _ in batch]

    def postprocess(self, output):
        return output
