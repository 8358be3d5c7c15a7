# serves
from typing import List
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
Rows = List[H]
Maybe = 'H'
instance = H()
