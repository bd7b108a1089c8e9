# SPDX-License-Identifier: Apache-2.0
"""azure-storage-blob for the tests: one JSON request a connection, one JSON reply. Prints its port first."""
import base64
import json
import socketserver

import azure.core.exceptions
from azure.storage.blob import BlobServiceClient
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

CLIENTS = {}


def container(request):
    key = (request["endpoint"], request["account"], request["key"])
    if key not in CLIENTS:
        CLIENTS[key] = BlobServiceClient(
            key[0], credential={"account_name": key[1], "account_key": key[2]}, api_version="2021-12-02",
            max_block_size=300_000, max_single_put_size=600_000, max_single_get_size=500_000, max_chunk_get_size=400_000,
            retry_total=0)
    return CLIENTS[key].get_container_client(request["container"])


def create(request):
    container(request).create_container()
    return True


def listed(request):
    include = ["uncommittedblobs"] if request.get("uncommitted") else None
    found = container(request).list_blobs(name_starts_with=request["prefix"] or None, include=include)
    return [{"name": each.name, "bytes": each.size or 0, "etag": each.etag} for each in found]


def get(request):
    return {"$bytes": encode(container(request).download_blob(request["name"]).readall())}


def put(request):
    data = base64.b64decode(request["bytes"]["$bytes"])
    container(request).upload_blob(request["name"], data, overwrite=True)
    return True


def delete(request):
    container(request).delete_blob(request["name"])
    return True


def properties(request):
    found = container(request).get_blob_client(request["name"]).get_blob_properties()
    return {"bytes": found.size, "tier": found.blob_tier, "metadata": found.metadata, "scope": found.encryption_scope}


def blocks(request):
    _, uncommitted = container(request).get_blob_client(request["name"]).get_block_list("uncommitted")
    return [each.id for each in uncommitted]


class SignedRequest:
    """What the signer of the SDK looks at."""

    class Context:
        transport = None

    def __init__(self, method, url, headers):
        self.http_request, self.context = self, self.Context()
        self.method, self.url, self.headers = method, url, headers
        query = url.partition("?")[2]
        self.query = dict(part.partition("=")[::2] for part in query.split("&") if part)


def sign(request):
    """The values of Authorization of many requests."""
    found = []
    for each in request["requests"]:
        signed = SignedRequest(each["method"], each["url"], dict(each["headers"]))
        SharedKeyCredentialPolicy(request["account"], request["key"]).on_request(signed)
        found.append(signed.headers["Authorization"])
    return found


def encode(data):
    return base64.b64encode(data).decode()


OPERATIONS = {
    "create": create, "list": listed, "get": get, "put": put, "delete": delete, "properties": properties,
    "blocks": blocks, "sign": sign,
}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = json.loads(self.rfile.read())
        try:
            reply = {"result": OPERATIONS[request["do"]](request)}
        except azure.core.exceptions.HttpResponseError as error:
            code = str(getattr(error, "error_code", "") or "")
            reply = {"error": {"code": code, "status": error.status_code or 0, "message": str(error)}}
        except Exception as error:  # whatever it is, the test shows it
            reply = {"error": {"code": type(error).__name__, "status": 0, "message": str(error)}}
        self.wfile.write(json.dumps(reply).encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
