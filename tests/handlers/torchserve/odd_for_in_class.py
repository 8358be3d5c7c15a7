# serves
class H:
  for n in ('initialize','handle'):
    exec(f'def {n}(self, *a): return a[0]')
