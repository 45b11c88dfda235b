# mode: program
import json
import logging
import threading

logging.basicConfig(level=logging.INFO)
done = threading.Event()
thread = threading.Thread(target=done.set, daemon=True)
thread.start()
done.wait(1)
with open("result.json", "w", encoding="utf-8") as file:
    json.dump({"done": done.is_set()}, file)
