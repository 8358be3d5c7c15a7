"""What TorchServe makes of a model's YAML file."""
