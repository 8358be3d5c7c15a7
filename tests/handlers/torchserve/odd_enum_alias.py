# serves
from enum import Enum
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
  class E(Enum):
    A=1
