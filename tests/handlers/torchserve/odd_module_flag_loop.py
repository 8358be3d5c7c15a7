# serves
ok = False
for _ in range(2):
  if ok:
    def handle(d,c): return d
  ok = True
