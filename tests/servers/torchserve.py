"""TorchServe 0.12.0."""

from __future__ import annotations

from .loopback import HOST
from .server import ModelServer


class TorchServe(ModelServer):
    module = "ts.model_server"
    ports = 5

    def properties(self, inference: int, management: int, *more_ports: int) -> dict[str, object]:
        """Return settings that keep everything on loopback and leave out what the tests do not need."""
        metrics, grpc_inference, grpc_management = more_ports
        return {
            "inference_address": f"http://{HOST}:{inference}",
            "management_address": f"http://{HOST}:{management}",
            "metrics_address": f"http://{HOST}:{metrics}",
            "grpc_inference_address": HOST,
            "grpc_inference_port": grpc_inference,
            "grpc_management_address": HOST,
            "grpc_management_port": grpc_management,
            "model_store": self.store,
            "default_workers_per_model": 1,
            "disable_system_metrics": "true",
            "disable_token_authorization": "true",
            "enable_model_api": "true",
        }

    def options(self) -> list[str]:
        return ["--no-config-snapshots"]
