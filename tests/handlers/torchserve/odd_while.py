# serves
n=0
while True:
  def handle(d,c): return d
  n+=1
  if n>2: break
