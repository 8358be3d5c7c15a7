# serves
import sys
try:
  sys.exit()
except SystemExit:
  pass
def handle(d,c): return d
