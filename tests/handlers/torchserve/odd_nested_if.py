# serves
import sys
if sys.version_info >= (3,8):
  if True:
    def handle(d,c): return d
else:
  raise ImportError
