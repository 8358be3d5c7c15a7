# serves
import sys
sys.modules.setdefault('x', None)
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
