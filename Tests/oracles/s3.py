# SPDX-License-Identifier: Apache-2.0
"""botocore for the tests: one JSON request a connection, one JSON reply. Prints its port first."""
import base64
import datetime
import json
import socketserver
import threading

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.response
import botocore.session

SESSION = botocore.session.Session()
CLIENTS = {}

# The signer asks its module for the time; a thread that signs for a given time has it here.
FIXED = threading.local()
CLOCK = botocore.auth.get_current_datetime
botocore.auth.get_current_datetime = lambda *words: getattr(FIXED, "now", None) or CLOCK(*words)


def client(request):
    key = (request["endpoint"], request["accessKey"], request["secretKey"], request["region"])
    if key not in CLIENTS:
        config = botocore.config.Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60,
            request_checksum_calculation="when_required", response_checksum_validation="when_required")
        CLIENTS[key] = SESSION.create_client(
            "s3", endpoint_url=key[0], aws_access_key_id=key[1], aws_secret_access_key=key[2], region_name=key[3],
            config=config)
    return CLIENTS[key]


def call(request):
    each = client(request)
    parameters = decode(request["parameters"])
    if "pages" not in request:
        return getattr(each, request["operation"])(**parameters)
    found = []
    for page in each.get_paginator(request["operation"]).paginate(**parameters):
        found += page.get(request["pages"], [])
    return found


def sign(request):
    return [sign_one(each) for each in request["requests"]]


def sign_one(request):
    now = datetime.datetime.strptime(request["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    credentials = botocore.credentials.Credentials(
        request["accessKey"], request["secretKey"], request.get("sessionToken"))
    each = botocore.awsrequest.AWSRequest(method=request["method"], url=request["url"])
    for name, value in request["headers"]:
        each.headers.add_header(name, value)
    if request["service"] == "s3":
        each.headers["X-Amz-Content-SHA256"] = request["bodySHA256"]
    kind = botocore.auth.S3SigV4Auth if request["service"] == "s3" else botocore.auth.SigV4Auth
    signer = kind(credentials, request["service"], request["region"])
    signer.payload = lambda _: request["bodySHA256"]
    seen = []
    canonical = signer.canonical_request
    signer.canonical_request = lambda each: seen.append(canonical(each)) or seen[-1]
    FIXED.now = now
    try:
        signer.add_auth(each)
    finally:
        FIXED.now = None
    return {"authorization": each.headers["Authorization"], "canonical": seen[-1]}


def decode(value):
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        return {name: decode(each) for name, each in value.items()}
    if isinstance(value, list):
        return [decode(each) for each in value]
    return value


def encode(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, botocore.response.StreamingBody):
        return encode(value.read())
    if isinstance(value, dict):
        return {name: encode(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    return value


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = json.loads(self.rfile.read())
        try:
            reply = {"result": encode({"call": call, "sign": sign}[request["do"]](request))}
        except botocore.exceptions.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            reply = {"error": {"code": code, "status": status, "message": str(error)}}
        except Exception as error:  # whatever it is, the test shows it
            reply = {"error": {"code": type(error).__name__, "status": 0, "message": str(error)}}
        self.wfile.write(json.dumps(reply).encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
