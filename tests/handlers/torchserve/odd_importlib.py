# serves
import importlib
mod = importlib.import_module('json')
handle = lambda d, c, f=mod.dumps: d
