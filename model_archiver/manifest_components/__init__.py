"""What is written to ``MAR-INF/MANIFEST.json``."""
