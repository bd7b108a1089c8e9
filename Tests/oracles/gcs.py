# SPDX-License-Identifier: Apache-2.0
"""A double of Google Cloud Storage (JSON API), and of the servers that give tokens for it: OAuth, STS, IAM and the
metadata server. Keeps everything in memory, and does what the documentation says, also where that is inconvenient:
uploads are kept in multiples of 256 KiB, an object appears with the last piece of its upload, media answers have no
Last-Modified, `fields` is obeyed, and what is not known is refused. Tests/ObjectStorageTests/GoogleDoubleTests checks it
with rclone.

    gcs.py        serves on a free port of the loopback, and prints it

What the real one does not have stands below /control: buckets, accounts, faults, and what was asked.
"""
import base64
import hashlib
import hmac
import io
import json
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUANTUM = 256 * 1024
STORAGE_SCOPES = {
    "https://www.googleapis.com/auth/devstorage.read_write", "https://www.googleapis.com/auth/cloud-platform"}
OBJECT_FIELDS = {
    "kind", "id", "name", "bucket", "size", "generation", "metageneration", "timeCreated", "updated", "metadata",
    "crc32c", "md5Hash", "contentType", "storageClass", "kmsKeyName", "etag", "mediaLink", "selfLink"}
LIST_FIELDS = {"kind", "nextPageToken", "items", "prefixes"}

lock = threading.RLock()


class State:
    buckets = {}
    sessions = {}
    tokens = {}
    accounts = {}
    faults = []
    requests = []
    granted = []
    lifetime = 3600
    subject_token = "a-token-of-another-provider"
    port = 0
    count = 0
    last_generation = 0


class Refusal(Exception):
    """An answer that is an error, as Google writes it."""

    def __init__(self, status, reason, message, headers=None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = json.dumps({
            "error": {
                "code": status, "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
            }
        }).encode()


class Broken(Exception):
    """The connection shall end here, without an answer."""


# --- Checksums

CRC_TABLE = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ 0x82F63B78 if number & 1 else number >> 1
    CRC_TABLE.append(number)

try:
    # A foreign one, where it is installed; the table is slow.
    import google_crc32c

    def crc32c(data):
        return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
except ImportError:
    def crc32c(data):
        value = 0xFFFFFFFF
        for byte in data:
            value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 0xFF]
        return base64.b64encode(struct.pack(">I", value ^ 0xFFFFFFFF)).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def check_hashes(data, expected):
    for name, compute, shown in (("md5", md5, "MD5 hash"), ("crc32c", crc32c, "CRC32C")):
        if expected.get(name) not in (None, compute(data)):
            raise Refusal(
                400, "invalid",
                f'Provided {shown} "{expected[name]}" doesn\'t match calculated {shown} "{compute(data)}".')


# --- Objects


def bucket_of(name):
    if name not in State.buckets:
        raise Refusal(404, "notFound", "The specified bucket does not exist.")
    return State.buckets[name]


def next_generation():
    State.last_generation = max(time.time_ns() // 1000, State.last_generation + 1)
    return State.last_generation


def check_generation(bucket, name, query):
    held = bucket["objects"].get(name)
    wanted = query.get("ifGenerationMatch")
    if wanted is not None and int(wanted) != (int(held["resource"]["generation"]) if held else 0):
        raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def store(bucket_name, name, data, metadata, query):
    """Makes an object visible."""
    bucket = bucket_of(bucket_name)
    check_generation(bucket, name, query)
    check_hashes(data, {"md5": metadata.get("md5Hash"), "crc32c": metadata.get("crc32c")})
    generation = next_generation()
    moment = datetime.fromtimestamp(generation / 1e6, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    quoted = urllib.parse.quote(name, safe="")
    host = f"http://127.0.0.1:{State.port}"
    resource = {
        "kind": "storage#object", "id": f"{bucket_name}/{name}/{generation}", "name": name, "bucket": bucket_name,
        "size": str(len(data)), "generation": str(generation), "metageneration": "1", "timeCreated": moment,
        "updated": moment, "crc32c": crc32c(data), "contentType": metadata.get("contentType", "application/octet-stream"),
        "storageClass": metadata.get("storageClass", "STANDARD"), "etag": f"C{generation}=", "md5Hash": md5(data),
        "selfLink": f"{host}/storage/v1/b/{bucket_name}/o/{quoted}",
        "mediaLink": f"{host}/download/storage/v1/b/{bucket_name}/o/{quoted}?generation={generation}&alt=media",
    }
    if metadata.get("metadata"):
        resource["metadata"] = metadata["metadata"]
    if query.get("kmsKeyName"):
        resource["kmsKeyName"] = query["kmsKeyName"]
    bucket["objects"][name] = {"resource": resource, "data": data}
    return resource


def selected(document, fields, known):
    """A document with the fields of a `fields` parameter."""
    if fields is None:
        return document
    result = {}
    for name, inner in re.findall(r"([^,()]+)(?:\(([^()]*)\))?", fields):
        if name not in known:
            raise Refusal(400, "invalidParameter", f"Invalid field selection {name}")
        if name not in document:
            continue
        value = document[name]
        result[name] = [selected(each, inner, OBJECT_FIELDS) for each in value] if inner else value
    return result


def listed(bucket, query):
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
    size = min(int(query.get("maxResults", 1000)), bucket["page"])
    after = base64.urlsafe_b64decode(query["pageToken"]).decode() if query.get("pageToken") else ""
    items, prefixes, last, token = [], [], None, None
    for name in sorted(bucket["objects"], key=lambda each: each.encode()):
        if not name.startswith(prefix):
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        entry = name[: cut + 1] if cut >= 0 else name
        if entry.encode() <= after.encode() or entry in prefixes:
            continue
        if len(items) + len(prefixes) >= size:
            token = base64.urlsafe_b64encode(last.encode()).decode()
            break
        if cut >= 0:
            prefixes.append(entry)
        else:
            items.append(bucket["objects"][name]["resource"])
        last = entry
    document = {"kind": "storage#objects"}
    if items:
        document["items"] = items
    if prefixes:
        document["prefixes"] = prefixes
    if token:
        document["nextPageToken"] = token
    return document


# --- Tokens


def issue(kind, scopes, lifetime=None):
    State.count += 1
    text = f"ya29.token-{State.count}-of-{kind}"
    State.tokens[text] = (time.time() + (lifetime or State.lifetime), set(scopes))
    State.granted.append(kind)
    return text


def grant(kind, scopes, **more):
    return {"access_token": issue(kind, scopes), "expires_in": State.lifetime, "token_type": "Bearer", **more}


def oauth_refusal(code, description, status=400):
    refusal = Refusal(status, code, description)
    refusal.body = json.dumps({"error": code, "error_description": description}).encode()
    return refusal


def make_account():
    """A service account with a key, as the file that the console gives."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    State.count += 1
    email = f"backup-{State.count}@project.iam.gserviceaccount.com"
    key_id = f"{State.count:040x}"
    State.accounts[email] = (key_id, key.public_key())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return {
        "type": "service_account", "project_id": "project", "private_key_id": key_id, "private_key": pem,
        "client_email": email, "client_id": "1", "token_uri": f"http://127.0.0.1:{State.port}/token",
    }


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_assertion(text, audience):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    head, body, signature = text.split(".")
    header, claims = json.loads(decoded(head)), json.loads(decoded(body))
    if header.get("alg") != "RS256" or header.get("typ") != "JWT" or "=" in text:
        raise oauth_refusal("invalid_grant", "Invalid JWT")
    key_id, key = State.accounts.get(claims.get("iss"), (None, None))
    if key is None:
        raise oauth_refusal("invalid_grant", "Invalid grant: account not found")
    if header.get("kid") != key_id:
        raise oauth_refusal("invalid_grant", "Invalid JWT: unknown key")
    try:
        key.verify(decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise oauth_refusal("invalid_grant", "Invalid JWT Signature.") from error
    now = time.time()
    if claims["exp"] - claims["iat"] > 3600 or abs(claims["iat"] - now) > 300 or claims["exp"] < now:
        raise oauth_refusal(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
    if claims["aud"] != audience:
        raise oauth_refusal("invalid_grant", "Failed audience check.")
    return claims["scope"].split()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "UploadServer"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_GET

    # --- Reading and answering

    def read_body(self):
        """What comes of the body; all of it, unless the connection ends before."""
        wanted = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while count := int(self.rfile.readline().strip() or b"0", 16):
                data += self.rfile.read(count)
                self.rfile.readline()
            self.rfile.readline()
            return data, True
        parts, count = [], 0
        while count < wanted:
            try:
                part = self.rfile.read1(min(65536, wanted - count))
            except ConnectionError:
                break
            if not part:
                break
            parts.append(part)
            count += len(part)
        return b"".join(parts), count == wanted

    def answer(self, status, headers=None, body=b"", cut=None):
        self.answered = status
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            raise Broken

    def answer_json(self, document, headers=None):
        body = json.dumps(document).encode()
        if self.fault and self.fault["do"] == "shorten":
            body = body[: self.fault["bytes"]]
        self.answer(200, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}, body)

    def hang_up(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def serve(self):
        parsed = urllib.parse.urlsplit(self.path)
        self.route, self.fault, self.answered = parsed.path, None, 0
        self.query = dict(urllib.parse.parse_qsl(parsed.query, keep_blank_values=True))
        if self.route.startswith("/control/"):
            data, _ = self.read_body()
            with lock:
                result = getattr(self, "control_" + self.route.split("/")[2])(json.loads(data or b"null"))
            return self.answer_json(result)
        record = {
            "method": self.command, "target": self.path, "status": 0,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        with lock:
            State.requests.append(record)
            self.fault = self.due()
        try:
            self.faulty()
        except Refusal as refusal:
            self.answer(refusal.status, {"Content-Type": "application/json; charset=UTF-8", **refusal.headers}, refusal.body)
        except (Broken, ConnectionError):
            self.hang_up()
        record["status"] = self.answered

    def due(self):
        """The first fault that is meant for this request, and not used up."""
        for fault in State.faults:
            if fault.get("method", self.command) != self.command or not re.search(fault.get("target", ""), self.path):
                continue
            if not re.search(fault.get("range", ""), self.headers.get("Content-Range", "")):
                continue
            fault["seen"] = fault.get("seen", 0) + 1
            if fault.get("skip", 0) < fault["seen"] <= fault.get("skip", 0) + fault.get("times", 1):
                return fault
        return None

    def faulty(self):
        fault = self.fault
        kind = fault["do"] if fault else None
        if kind == "drop":
            raise Broken
        data, isWhole = self.read_body()
        if kind in ("status", "statusAfterwards"):
            if kind == "statusAfterwards":
                self.quietly(data, isWhole)
            headers = {"Content-Type": fault.get("type", "application/json"), **fault.get("headers", {})}
            return self.answer(fault["status"], headers, fault.get("body", "").encode())
        if kind == "lose":
            self.quietly(data, isWhole)
            raise Broken
        return self.dispatch(data, isWhole)

    def quietly(self, data, isWhole):
        """Does what is asked, and answers nothing."""
        real, self.answer = self.answer, lambda *_, **__: None
        try:
            self.dispatch(data, isWhole)
        except Refusal:
            pass
        self.answer = real

    def dispatch(self, data, isWhole):
        # What is answered is sent when the lock is free again: a client that does not read holds up nobody else.
        to_client, self.wfile = self.wfile, io.BytesIO()
        try:
            with lock:
                for pattern, handle in ROUTES:
                    match = re.fullmatch(pattern, f"{self.command} {self.route}")
                    if match:
                        return handle(self, data, isWhole, *[urllib.parse.unquote(each) for each in match.groups()])
            raise Refusal(404, "notFound", "Not Found")
        finally:
            answer, self.wfile = self.wfile.getvalue(), to_client
            self.wfile.write(answer)
            self.wfile.flush()

    # --- Storage

    def admit(self, bucket_name):
        bucket = bucket_of(bucket_name)
        if bucket["anonymous"]:
            return bucket
        text = self.headers.get("Authorization", "")
        end, scopes = State.tokens.get(text.removeprefix("Bearer "), (0, set()))
        if not text.startswith("Bearer ") or end < time.time():
            raise Refusal(
                401, "authError", "Invalid Credentials", {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'})
        if not scopes & STORAGE_SCOPES:
            raise Refusal(403, "insufficientPermissions", "Provided scope(s) are not authorized")
        for denied in bucket["denied"]:
            if denied in self.command + " " + self.route:
                raise Refusal(403, "forbidden", "the account does not have storage access to the bucket.")
        payer = self.query.get("userProject") or self.headers.get("x-goog-user-project")
        if bucket["requesterPays"] and not payer:
            raise Refusal(400, "required", "Bucket is a requester pays bucket but no user project provided.")
        return bucket

    def get_object(self, data, isWhole, bucket_name, name):
        bucket = self.admit(bucket_name)
        held = bucket["objects"].get(name)
        generation = self.query.get("generation")
        if held is None or generation not in (None, held["resource"]["generation"]):
            raise Refusal(404, "notFound", f"No such object: {bucket_name}/{name}")
        check_generation(bucket, name, self.query)
        if self.query.get("alt") != "media":
            return self.answer_json(selected(held["resource"], self.query.get("fields"), OBJECT_FIELDS))
        resource, content = held["resource"], held["data"]
        headers = {
            "Content-Type": resource["contentType"], "ETag": resource["etag"], "Accept-Ranges": "bytes",
            "x-goog-generation": resource["generation"], "x-goog-metageneration": "1",
            "x-goog-hash": f"crc32c={resource['crc32c']},md5={resource['md5Hash']}",
            "x-goog-storage-class": resource["storageClass"], "x-goog-stored-content-length": resource["size"],
        }
        status, body = 200, content
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
            end = min(int(wanted[2] or len(content) - 1), len(content) - 1)
            if start > end:
                return self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            status, body = 206, content[start : end + 1]
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        if self.fault and self.fault["do"] == "damage":
            body = bytes([body[0] ^ 1]) + body[1:]
        cut = self.fault["bytes"] if self.fault and self.fault["do"] == "cut" else None
        return self.answer(status, headers, body, cut)

    def delete_object(self, data, isWhole, bucket_name, name):
        bucket = self.admit(bucket_name)
        if name not in bucket["objects"]:
            raise Refusal(404, "notFound", f"No such object: {bucket_name}/{name}")
        check_generation(bucket, name, self.query)
        if bucket["retention"]:
            raise Refusal(
                403, "retentionPolicyNotMet", f"Object '{bucket_name}/{name}' is subject to bucket's retention policy")
        del bucket["objects"][name]
        return self.answer(204)

    def list_objects(self, data, isWhole, bucket_name):
        return self.answer_json(selected(listed(self.admit(bucket_name), self.query), self.query.get("fields"), LIST_FIELDS))

    def get_bucket(self, data, isWhole, bucket_name):
        self.admit(bucket_name)
        return self.answer_json({"kind": "storage#bucket", "name": bucket_name, "location": "EU"})

    def begin(self, data, isWhole, bucket_name):
        # The Go client sends pieces with POST.
        if "upload_id" in self.query:
            return self.put_piece(data, isWhole, bucket_name)
        self.admit(bucket_name)
        kind = self.query.get("uploadType")
        if kind == "media":
            resource = store(bucket_name, self.query["name"], data, {}, self.query)
            return self.answer_json(resource)
        if kind == "multipart":
            boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
            parts = data.split(b"--" + boundary)[1:-1]
            # A part may have no headers at all.
            (_, document), (head, content) = [part[:-2].split(b"\r\n\r\n", 1) for part in parts]
            metadata = json.loads(document)
            kind = re.search(rb"(?i)content-type: *(\S+)", head)
            metadata.setdefault("contentType", kind[1].decode() if kind else "application/octet-stream")
            name = self.query.get("name") or metadata["name"]
            return self.answer_json(store(bucket_name, name, content, metadata, self.query))
        if kind != "resumable":
            raise Refusal(400, "invalid", "Upload requests must include an uploadType URL parameter")
        metadata = json.loads(data or b"{}")
        metadata.setdefault("contentType", self.headers.get("X-Upload-Content-Type", "application/octet-stream"))
        State.count += 1
        identity = f"AB-upload-{State.count}"
        State.sessions[identity] = {
            "bucket": bucket_name, "name": self.query.get("name") or metadata["name"], "metadata": metadata,
            "query": dict(self.query), "data": bytearray(), "state": "open", "resource": None,
        }
        url = f"http://{self.headers['Host']}{self.path}&upload_id={identity}"
        return self.answer(200, {"Location": url, "X-GUploader-UploadID": identity})

    def session(self):
        session = State.sessions.get(self.query.get("upload_id"))
        if session is None or (self.fault and self.fault["do"] == "forget"):
            State.sessions.pop(self.query.get("upload_id"), None)
            raise Refusal(410, "gone", "The upload is gone")
        return session

    def put_piece(self, data, isWhole, bucket_name):
        self.admit(bucket_name)
        session = self.session()
        if session["state"] == "cancelled":
            return self.answer(499)
        if session["state"] == "complete":
            return self.answer_json(session["resource"])
        kept = session["data"]
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range", ""))
        if not found:
            raise Refusal(400, "badRequest", "Failed to parse Content-Range header.")
        total = None if found[3] == "*" else int(found[3])
        if found[1] is not None:
            start, end = int(found[1]), int(found[2])
            if start > len(kept):
                raise Refusal(
                    400, "badRequest",
                    f"Invalid request.  According to the Content-Range header, the upload offset is {start} byte(s), "
                    f"which exceeds already uploaded size of {len(kept)} byte(s).")
            if isWhole and len(data) != end - start + 1:
                raise Refusal(400, "badRequest", "Invalid request.  The range and the length differ.")
            if total is None and isWhole and len(data) < QUANTUM:
                raise Refusal(
                    400, "badRequest",
                    "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, except "
                    "for the final request (it's recommended to be the exact multiple of 262144).  The received request "
                    f"contained {len(data)} bytes, which does not meet this requirement.")
            limit = self.fault["bytes"] if self.fault and self.fault["do"] == "keep" else None
            wanted = data[len(kept) - start :][:limit]
            isLast = isWhole and limit is None and total == end + 1
            kept += wanted if isLast else wanted[: (len(kept) + len(wanted)) // QUANTUM * QUANTUM - len(kept)]
        if not isWhole:
            raise Broken
        if total is None or len(kept) < total:
            headers = {"Range": f"bytes=0-{len(kept) - 1}"} if kept else {}
            # What clients ask for whose transport would take a 308 for a redirect.
            if self.headers.get("X-GUploader-No-308") == "yes":
                return self.answer(200, {"X-Http-Status-Code-Override": "308", **headers})
            return self.answer(308, headers)
        sent = dict(each.strip().split("=", 1) for each in self.headers.get("x-goog-hash", "").split(",") if "=" in each)
        content = bytes(kept)
        if self.fault and self.fault["do"] == "spoil":
            content = bytes([content[0] ^ 1]) + content[1:]
        else:
            check_hashes(content, sent)
        session["resource"] = store(session["bucket"], session["name"], content, session["metadata"], session["query"])
        session["state"], session["data"] = "complete", bytearray()
        return self.answer_json(session["resource"])

    def cancel(self, data, isWhole, bucket_name):
        session = self.session()
        if session["state"] == "open":
            session["state"], session["data"] = "cancelled", bytearray()
        return self.answer(499)

    # --- Tokens

    def token(self, data, isWhole):
        form = dict(urllib.parse.parse_qsl(data.decode()))
        if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            scopes = check_assertion(form["assertion"], f"http://{self.headers['Host']}/token")
            return self.answer_json(grant("service-account", scopes))
        if form.get("grant_type") == "refresh_token":
            if form.get("client_id") != "the-client" or form.get("client_secret") != "the-client-secret":
                raise oauth_refusal("invalid_client", "Unauthorized", 401)
            if form.get("refresh_token") != "the-refresh-token":
                raise oauth_refusal("invalid_grant", "Token has been expired or revoked.")
            return self.answer_json(grant("user", STORAGE_SCOPES, scope="…"))
        raise oauth_refusal("unsupported_grant_type", "Invalid grant_type: " + form.get("grant_type", ""))

    def exchange(self, data, isWhole):
        form = dict(urllib.parse.parse_qsl(data.decode()))
        expected = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster",
        }
        for name, value in expected.items():
            if form.get(name) != value:
                raise oauth_refusal("invalid_request", f"Invalid value for {name}")
        if not hmac.compare_digest(form.get("subject_token", ""), State.subject_token):
            raise oauth_refusal("invalid_grant", f"ID Token {form.get('subject_token')} is not valid")
        return self.answer_json(
            grant("federation", form["scope"].split(), issued_token_type="urn:ietf:params:oauth:token-type:access_token"))

    def impersonate(self, data, isWhole, email):
        end, scopes = State.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), (0, set()))
        if end < time.time():
            raise Refusal(401, "unauthorized", "Request had invalid authentication credentials.")
        if "https://www.googleapis.com/auth/cloud-platform" not in scopes or email.startswith("forbidden"):
            raise Refusal(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource")
        wish = json.loads(data)
        seconds = int(wish["lifetime"].removesuffix("s"))
        ends = datetime.fromtimestamp(time.time() + seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.answer_json(
            {"accessToken": issue("impersonation", wish["scope"], seconds), "expireTime": ends})

    def metadata_token(self, data, isWhole):
        if self.headers.get("Metadata-Flavor") != "Google":
            return self.answer(403, {"Metadata-Flavor": "Google"}, b"Missing Metadata-Flavor:Google header.")
        return self.answer_json(grant("metadata", STORAGE_SCOPES), {"Metadata-Flavor": "Google"})

    def give_subject_token(self, data, isWhole):
        return self.answer_json({"other": 1, "id_token": State.subject_token})

    # --- Control

    def control_bucket(self, wish):
        State.count += 1
        name = wish.get("name") or f"bucket-{State.count}"
        State.buckets[name] = {
            "objects": {}, "anonymous": wish.get("anonymous", False), "retention": wish.get("retention", False),
            "requesterPays": wish.get("requesterPays", False), "page": wish.get("page", 1000),
            "denied": wish.get("denied", []),
        }
        return name

    def control_account(self, _):
        return make_account()

    def control_faults(self, wish):
        State.faults += wish
        return len(State.faults)

    def control_clear(self, wish):
        State.faults = [each for each in State.faults if wish not in each.get("target", "")]
        return True

    def control_token(self, wish):
        State.lifetime = wish.get("lifetime", State.lifetime)
        State.subject_token = wish.get("subject", State.subject_token)
        if wish.get("revoke"):
            State.tokens.clear()
        if wish.get("issue"):
            return issue("test", STORAGE_SCOPES)
        return State.granted

    def control_requests(self, wish):
        return [each for each in State.requests if wish in each["target"]]

    def control_uploads(self, wish):
        return [
            {"name": each["name"], "bytes": len(each["data"])}
            for each in State.sessions.values() if each["bucket"] == wish and each["state"] == "open"]

    def control_objects(self, wish):
        return [each["resource"] for each in bucket_of(wish)["objects"].values()]

    def control_get(self, wish):
        return {"$bytes": base64.b64encode(bucket_of(wish["bucket"])["objects"][wish["name"]]["data"]).decode()}

    def control_put(self, wish):
        return store(wish["bucket"], wish["name"], base64.b64decode(wish["data"]["$bytes"]), wish.get("metadata", {}), {})

    def control_delete(self, wish):
        return bucket_of(wish["bucket"])["objects"].pop(wish["name"])["resource"]


API = r"/storage/v1/b/([^/]+)"
ROUTES = [
    (f"GET (?:/download)?{API}/o/([^/]+)", Handler.get_object),
    (f"DELETE {API}/o/([^/]+)", Handler.delete_object),
    (f"GET {API}/o", Handler.list_objects),
    (f"GET {API}", Handler.get_bucket),
    (f"POST (?:/upload|/resumable/upload){API}/o", Handler.begin),
    (f"PUT (?:/upload|/resumable/upload){API}/o", Handler.put_piece),
    (f"DELETE (?:/upload|/resumable/upload){API}/o", Handler.cancel),
    (r"POST /token", Handler.token),
    (r"POST /v1/token", Handler.exchange),
    (r"POST /v1/projects/-/serviceAccounts/([^/]+):generateAccessToken", Handler.impersonate),
    (r"GET /computeMetadata/v1/instance/service-accounts/default/token", Handler.metadata_token),
    (r"GET /subject-token", Handler.give_subject_token),
]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    State.port = server.server_address[1]
    print(State.port, flush=True)
    server.serve_forever()
