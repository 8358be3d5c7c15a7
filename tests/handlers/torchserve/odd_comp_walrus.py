# serves
[handle := (lambda d,c: d) for _ in range(1)]
