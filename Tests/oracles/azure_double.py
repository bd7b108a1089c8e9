# SPDX-License-Identifier: Apache-2.0
"""A double of the Blob service of Azure for the tests, of Microsoft Entra and of the metadata service of a machine.

    azure_double.py PORT ACCOUNT KEY SAS

It is a double, no Azure: it does what the REST reference says of the few operations that redoubt uses. Signatures are
verified with the signer of the package azure-storage-blob. Foreign clients (that package, rclone) are tested against it
too, so that it is no mirror of our own mistakes.

Tokens: the client id decides. `uses-N`: a token is good for N requests. `brief`: it ends in 400 seconds. `once`: an
assertion is taken once. `refused`: there is none. Else it is good for an hour.
"""
import base64
import email.utils
import hashlib
import http.server
import itertools
import json
import re
import sys
import threading
import time
import urllib.parse
import uuid
import xml.etree.ElementTree
from xml.sax.saxutils import escape

from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

PORT, ACCOUNT, KEY, SAS = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
SAS_PARAMETERS = dict(urllib.parse.parse_qsl(SAS))
# Small, so that every list of some length has pages.
PAGE_MAX = 250
LOCK = threading.RLock()
CONTAINERS = {}
TOKENS = {}
ASSERTIONS = set()
ETAGS = itertools.count(0x8DC0000000000)


class Refusal(Exception):
    def __init__(self, status, code, message="no"):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Blob:
    def __init__(self):
        self.data = None  # None: blocks alone
        self.uncommitted = {}
        self.metadata = {}
        self.properties = {}
        self.etag = self.modified = None

    def write(self, data, headers):
        self.data, self.uncommitted = data, {}
        self.metadata = {name[len("x-ms-meta-"):]: value for name, value in headers if name.startswith("x-ms-meta-")}
        known = dict(headers)
        for name in self.metadata:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise Refusal(400, "InvalidMetadata")
        tier = known.get("x-ms-access-tier")
        if tier not in (None, "Hot", "Cool", "Cold", "Archive"):
            raise Refusal(400, "InvalidHeaderValue")
        self.properties = {"tier": tier, "tags": known.get("x-ms-tags"), "scope": known.get("x-ms-encryption-scope")}
        self.etag, self.modified = "0x%X" % next(ETAGS), time.time()


class SignedRequest:
    """What the signer of the SDK looks at."""

    class Context:
        transport = None

    def __init__(self, method, url, headers):
        self.http_request, self.context = self, self.Context()
        self.method, self.url, self.headers = method, url, headers
        query = urllib.parse.urlsplit(url).query
        self.query = dict(part.partition("=")[::2] for part in query.split("&") if part)


def signature(method, url, headers):
    """The value of Authorization by the SDK. It signs no Range header, because it never sends one."""
    request = SignedRequest(method, url, {name: value for name, value in headers.items() if name != "authorization"})
    SharedKeyCredentialPolicy(ACCOUNT, KEY).on_request(request)
    return request.headers["Authorization"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *words):
        pass

    def handle_expect_100(self):
        super().handle_expect_100()
        # Or else the client waits in vain for the word that is in our buffer.
        self.wfile.flush()
        return True

    def do(self):
        self.known = {name.lower(): value for name, value in self.headers.items()}
        length = int(self.known.get("content-length", 0))
        self.body = self.rfile.read(length) if length else b""
        split = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        try:
            if split.path.endswith("/oauth2/v2.0/token") or split.path.startswith("/metadata/"):
                return self.token(split.path)
            self.authenticate()
            names = urllib.parse.unquote(split.path).split("/", 3)
            if len(names) < 3 or names[1] != ACCOUNT:
                raise Refusal(400, "InvalidUri")
            with LOCK:
                reply = self.container(names[2]) if len(names) < 4 else self.blob(names[2], names[3])
            self.answer(*reply)
        except Refusal as refusal:
            self.refuse(refusal)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

    # --- Who asks

    def authenticate(self):
        proof = self.known.get("authorization", "")
        if self.known.get("x-ms-version", "") < "2021-12-02" and not SAS_PARAMETERS.get("sv"):
            raise Refusal(400, "InvalidHeaderValue")
        if proof.startswith("SharedKey "):
            dated = email.utils.parsedate_to_datetime(self.known["x-ms-date"]).timestamp()
            if abs(dated - time.time()) > 15 * 60:
                raise Refusal(403, "AuthenticationFailed", "Request date header too old")
            if "range" in self.known:
                raise Refusal(400, "UnsupportedHeader", "the tests have no second opinion about a signed Range")
            if proof != signature(self.command, f"http://127.0.0.1:{PORT}{self.path}", self.known):
                raise Refusal(403, "AuthenticationFailed", "Make sure the value of Authorization header is right.")
        elif proof.startswith("Bearer "):
            self.spend(proof[len("Bearer "):])
        elif "sig" in self.query:
            if {name: self.query.get(name) for name in SAS_PARAMETERS} != SAS_PARAMETERS:
                raise Refusal(403, "AuthenticationFailed", "Signature did not match.")
        else:
            raise Refusal(401, "NoAuthenticationInformation")

    def spend(self, token):
        with LOCK:
            held = TOKENS.get(token)
            if held is None or held["ends"] < time.time() or held["uses"] == 0:
                raise Refusal(401, "InvalidAuthenticationInfo", "Lifetime validation failed. The token is expired.")
            held["uses"] -= 1

    def token(self, path):
        form = dict(urllib.parse.parse_qsl(self.body.decode())) or self.query
        client, seconds, uses = form.get("client_id", ""), 3600, -1
        if path.startswith("/metadata/"):
            if self.known.get("metadata") != "true" or "x-forwarded-for" in self.known:
                return self.answer_json(400, {"error": "invalid_request"})
            if self.query.get("resource") != "https://storage.azure.com/" or not self.query.get("api-version"):
                return self.answer_json(400, {"error": "invalid_resource"})
        else:
            described = self.examine(form)
            if described:
                return self.answer_json(401, {"error": "invalid_client", "error_description": described})
        if client.startswith("uses-"):
            uses = int(client.split("-")[1])
        if client.startswith("brief"):
            seconds = 400
        token = "token-" + uuid.uuid4().hex
        with LOCK:
            TOKENS[token] = {"ends": time.time() + seconds, "uses": uses}
        lifetime = str(seconds) if path.startswith("/metadata/") else seconds
        self.answer_json(200, {"token_type": "Bearer", "expires_in": lifetime, "access_token": token})

    @staticmethod
    def examine(form):
        """What is wrong with a request for a token, as Entra says it."""
        ending = " Trace ID: 1 Correlation ID: 2 Timestamp: 3"
        if form.get("grant_type") != "client_credentials":
            return "AADSTS70003: The grant is not supported." + ending
        if form.get("scope") != "https://storage.azure.com/.default":
            return "AADSTS70011: The scope is not valid." + ending
        if form["client_id"] == "refused":
            return "AADSTS70021: No matching federated identity record found for presented assertion." + ending
        if "client_secret" in form:
            return None if form["client_secret"] == "secret-of-" + form["client_id"] else "AADSTS7000215: Invalid secret."
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return "AADSTS900144: The type of the assertion is missing."
        if not re.fullmatch("assertion-of-" + re.escape(form["client_id"]) + r"-\d+", assertion):
            return "AADSTS70021: No matching federated identity record found." + ending
        with LOCK:
            if form["client_id"].startswith("once") and assertion in ASSERTIONS:
                return "AADSTS700024: Client assertion is not within its valid time range." + ending
            ASSERTIONS.add(assertion)
        return None

    # --- Containers

    def container(self, name):
        kind = (self.command, self.query.get("comp"))
        if self.query.get("restype") != "container":
            raise Refusal(400, "InvalidQueryParameterValue")
        if kind == ("PUT", None):
            if name in CONTAINERS:
                raise Refusal(409, "ContainerAlreadyExists")
            CONTAINERS[name] = {}
            return 201, {"ETag": '"0x1"', "Last-Modified": date(time.time())}
        blobs = self.blobs(name)
        if kind[0] in ("GET", "HEAD") and kind[1] is None:
            return 200, {"ETag": '"0x1"', "Last-Modified": date(time.time())}
        if kind == ("GET", "list"):
            return 200, {"Content-Type": "application/xml"}, self.listed(name, blobs)
        raise Refusal(400, "InvalidQueryParameterValue")

    @staticmethod
    def blobs(name):
        if name not in CONTAINERS:
            raise Refusal(404, "ContainerNotFound")
        return CONTAINERS[name]

    def listed(self, container, blobs):
        include = set(filter(None, self.query.get("include", "").split(",")))
        unknown = include - {"metadata", "uncommittedblobs", "copy", "deleted", "snapshots", "tags", "versions"}
        if unknown:
            raise Refusal(400, "InvalidQueryParameterValue")
        prefix, marker = self.query.get("prefix", ""), self.query.get("marker", "")
        delimiter = self.query.get("delimiter")
        start = base64.b64decode(marker).decode() if marker else ""
        count = min(int(self.query.get("maxresults", 5000)), PAGE_MAX)
        entries, folders, following = [], set(), ""
        for name in sorted(blobs):
            blob = blobs[name]
            if not name.startswith(prefix) or name < start:
                continue
            if blob.data is None and "uncommittedblobs" not in include:
                continue
            if delimiter and delimiter in name[len(prefix):]:
                folder = prefix + name[len(prefix):].split(delimiter)[0] + delimiter
                if folder not in folders:
                    folders.add(folder)
                    entries.append(f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>")
                continue
            if len(entries) == count:
                following = base64.b64encode(name.encode()).decode()
                break
            entries.append(self.entry(name, blob, include))
        return (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="'
            f'{container}"><Prefix>{escape(prefix)}</Prefix><MaxResults>{count}</MaxResults><Blobs>{"".join(entries)}'
            f"</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        ).replace("<NextMarker></NextMarker>", "<NextMarker />").encode()

    @staticmethod
    def entry(name, blob, include):
        if blob.data is None:
            return (f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>0</Content-Length>"
                    "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier></Properties></Blob>")
        metadata = "".join(f"<{each}>{escape(value)}</{each}>" for each, value in blob.metadata.items())
        return (
            f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{date(blob.modified)}</Creation-Time>"
            f"<Last-Modified>{date(blob.modified)}</Last-Modified><Etag>{blob.etag}</Etag>"
            f"<Content-Length>{len(blob.data)}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
            f"<Content-Encoding /><BlobType>BlockBlob</BlobType>"
            f"<AccessTier>{blob.properties.get('tier') or 'Hot'}</AccessTier><ServerEncrypted>true</ServerEncrypted>"
            f"</Properties>{f'<Metadata>{metadata}</Metadata>' if 'metadata' in include else ''}<OrMetadata /></Blob>")

    # --- Blobs

    def blob(self, container, name):
        blobs = self.blobs(container)
        blob = blobs.get(name)
        kind = (self.command, self.query.get("comp"))
        if self.command == "PUT":
            md5 = self.known.get("content-md5")
            if md5 and base64.b64decode(md5) != hashlib.md5(self.body).digest():
                raise Refusal(400, "Md5Mismatch")
        if kind == ("PUT", "block"):
            return self.put_block(blobs, name)
        if kind == ("PUT", "blocklist"):
            self.check_conditions(blob)
            return self.put_block_list(blobs, name)
        if kind == ("PUT", None):
            self.check_conditions(blob)
            if self.known.get("x-ms-blob-type") != "BlockBlob":
                raise Refusal(400, "InvalidHeaderValue")
            blob = blobs.setdefault(name, Blob())
            blob.write(self.body, list(self.known.items()))
            return self.written(blob)
        if kind == ("GET", "blocklist"):
            return self.block_list(blob)
        if blob is None or blob.data is None:
            raise Refusal(404, "BlobNotFound")
        self.check_conditions(blob)
        if kind == ("DELETE", None):
            del blobs[name]
            return 202, {}
        if kind in (("GET", None), ("HEAD", None)):
            return self.get(blob)
        raise Refusal(400, "InvalidQueryParameterValue")

    def check_conditions(self, blob):
        exists = blob is not None and blob.data is not None
        if self.known.get("if-none-match") == "*" and exists:
            raise Refusal(409, "BlobAlreadyExists")
        wanted = self.known.get("if-match")
        if wanted and not (exists and (wanted == "*" or wanted.strip('"') == blob.etag)):
            raise Refusal(412, "ConditionNotMet")

    def put_block(self, blobs, name):
        try:
            identity = base64.b64decode(self.query["blockid"], validate=True)
        except ValueError:
            raise Refusal(400, "InvalidQueryParameterValue") from None
        if not 1 <= len(identity) <= 64:
            raise Refusal(400, "InvalidQueryParameterValue")
        if not self.body:
            raise Refusal(400, "InvalidHeaderValue")
        blob = blobs.setdefault(name, Blob())
        if any(len(base64.b64decode(other)) != len(identity) for other in blob.uncommitted):
            raise Refusal(400, "InvalidBlobOrBlock")
        blob.uncommitted[self.query["blockid"]] = self.body
        return 201, {"Content-MD5": base64.b64encode(hashlib.md5(self.body).digest()).decode()}

    def put_block_list(self, blobs, name):
        blob = blobs.get(name) or Blob()
        data = []
        for each in xml.etree.ElementTree.fromstring(self.body):
            if each.tag not in ("Uncommitted", "Latest") or each.text not in blob.uncommitted:
                raise Refusal(400, "InvalidBlockList")
            data.append(blob.uncommitted[each.text])
        blobs[name] = blob
        blob.write(b"".join(data), list(self.known.items()))
        return self.written(blob)

    @staticmethod
    def written(blob):
        return 201, {"ETag": f'"{blob.etag}"', "Last-Modified": date(blob.modified),
                     "x-ms-request-server-encrypted": "true"}

    @staticmethod
    def block_list(blob):
        if blob is None:
            raise Refusal(404, "BlobNotFound")
        blocks = "".join(f"<Block><Name>{name}</Name><Size>{len(data)}</Size></Block>"
                         for name, data in blob.uncommitted.items())
        text = ('<?xml version="1.0" encoding="utf-8"?><BlockList><CommittedBlocks /><UncommittedBlocks>'
                f"{blocks}</UncommittedBlocks></BlockList>")
        return 200, {"Content-Type": "application/xml"}, text.encode()

    def get(self, blob):
        headers = {"ETag": f'"{blob.etag}"', "Last-Modified": date(blob.modified), "x-ms-blob-type": "BlockBlob",
                   "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "x-ms-server-encrypted": "true"}
        headers |= {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
        for name, header in (("tier", "x-ms-access-tier"), ("tags", "x-ms-tags-as-written"),
                             ("scope", "x-ms-encryption-scope")):
            if blob.properties.get(name):
                headers[header] = blob.properties[name]
        wanted = self.known.get("x-ms-range") or self.known.get("range")
        if not wanted or self.command == "HEAD":
            return 200, headers, blob.data
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()
        if int(first) >= len(blob.data):
            raise Refusal(416, "InvalidRange")
        end = min(int(last or len(blob.data) - 1), len(blob.data) - 1)
        headers["Content-Range"] = f"bytes {first}-{end}/{len(blob.data)}"
        return 206, headers, blob.data[int(first):end + 1]

    # --- Answers

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-ms-request-id", str(uuid.uuid4()))
        self.send_header("x-ms-version", "2021-12-02")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, status, document):
        self.answer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def refuse(self, refusal):
        text = (f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{refusal.code}</Code><Message>'
                f"{escape(refusal.message)}\nRequestId:1\nTime:2</Message></Error>")
        self.answer(refusal.status, {"x-ms-error-code": refusal.code, "Content-Type": "application/xml"}, text.encode())


def date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
