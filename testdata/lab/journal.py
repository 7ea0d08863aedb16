"""The stand-ins' own record of what they did: one JSON object a line, for truth.py"""

import json
import threading
import time


class Journal:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()

    def write(self, event, **fields):
        line = json.dumps({"event": event, "time": time.time(), **fields})
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
