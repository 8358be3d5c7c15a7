from service import handle
