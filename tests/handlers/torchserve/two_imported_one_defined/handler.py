from service import Service
