# serves
import builtins
builtins.foo = 1
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
