from service import *
