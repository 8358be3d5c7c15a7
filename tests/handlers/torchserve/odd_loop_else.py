# serves
for i in []: pass
else:
  def handle(d,c): return d
