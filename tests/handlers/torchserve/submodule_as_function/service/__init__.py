from .impl import Service as _Service
