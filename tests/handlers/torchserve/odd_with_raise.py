# serves
import contextlib
with contextlib.suppress(ValueError):
  raise ValueError
def handle(d,c): return d
