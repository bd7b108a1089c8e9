# SPDX-License-Identifier: Apache-2.0
"""gcp-storage-emulator on a free port of the loopback, which is printed first. It is changed in three places, so that a
client of HTTP/1.1 can use it: it keeps connections, serves several at a time, and says which generation it sends."""
import logging
import socket
import threading
from http import server as http_server

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import objects

logging.disable(logging.CRITICAL)
http_server.HTTPServer = http_server.ThreadingHTTPServer
emulator.RequestHandler.protocol_version = "HTTP/1.1"
download = objects.download


def download_with_generation(request, response, storage, *words, **named):
    download(request, response, storage, *words, **named)
    if response.status.value in (200, 206):
        found = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
        response["X-Goog-Generation"] = found["generation"]


objects.download = download_with_generation

if __name__ == "__main__":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = emulator.create_server("127.0.0.1", port, in_memory=True)
    running.start()
    print(port, flush=True)
    threading.Event().wait()
