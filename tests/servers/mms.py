"""Multi Model Server (MMS) 1.1.11."""

from __future__ import annotations

from .loopback import HOST
from .server import ModelServer


class MultiModelServer(ModelServer):
    module = "mms.model_server"
    ports = 2

    def properties(self, inference: int, management: int, *more_ports: int) -> dict[str, object]:
        return {
            "inference_address": f"http://{HOST}:{inference}",
            "management_address": f"http://{HOST}:{management}",
            "model_store": self.store,
            "default_workers_per_model": 1,
        }

    def options(self) -> list[str]:
        return ["--mms-config", str(self.config), "--model-store", str(self.store)]
