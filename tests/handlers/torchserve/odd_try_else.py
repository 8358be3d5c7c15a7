# serves
try:
  import torch
except ImportError:
  def handle(d,c): return d
else:
  def handle(d,c): return d
